// The numerics gate: a stage's results on a device against the CPU's in f32, before anything
// relies on them.
//
// Bounds. A device that computes in f16 rounds with 2^-11, bf16 with 2^-9 of each product's size;
// over the depth of these models that came out, measured, as a cosine of 0.99993 (f16, Whisper
// encoder on Qualcomm's compiler and emulator), 0.999998 (f16, decoder logits), 0.9993 (int8 and
// bf16, our own kernels, encoder) with the same text. Wrong results (a missing mask, a transposed
// weight, zeros) stay below 0.9. kMinCosine lies between, on the side of what is right; one wrong
// tile of many hardly moves a cosine, so the largest error is bounded as well, by a share of the
// largest value. Seen where the text was right: 0.12 for the encoder in f16 (single frames spread
// that far), 0.01 for its decoder, 0.05 for 8 bits. A tile of zeros or of another place is off by
// about 1.
#ifndef TESSERA_RUNTIME_NUMERICS_GATE_H_
#define TESSERA_RUNTIME_NUMERICS_GATE_H_

#include <map>
#include <string>
#include <vector>

#include "providers/execution_provider.h"

namespace tessera {

struct GateBounds {
  double cosine = 0.999;  // at least
  double relative_error = 0.25;
};
// Of stages in integers. Our own int8 kernels, which write as few wrong words as f32, have 0.9984
// and 0.44 on Whisper's probe (docs/accuracy.md); 8-bit activations without a rotation 0.5.
inline constexpr GateBounds kIntegerBounds{0.995, 0.6};

struct Agreement {
  double cosine = 1;          // 1 for two arrays of zeros, 0 where one has no finite length
  double relative_error = 0;  // largest difference over largest reference value
  bool ok(const GateBounds& bounds) const {
    return cosine >= bounds.cosine && relative_error <= bounds.relative_error;
  }
};
// f32 arrays of one size.
Agreement Compare(const View& reference, const View& found);
// The worse of both, member by member.
Agreement Worse(const Agreement& a, const Agreement& b);

// Outputs of one run by name, allocated for the shapes that `inputs` bind. Runs on `states` (null
// where the graph has none).
Result<std::map<std::string, Tensor>> RunProbe(const Graph& graph, const Program& program,
                                               ExecutionContext& context, StateStore* states,
                                               const StageProbe::Inputs& inputs,
                                               std::stop_token stop);

// Whether a run's outputs can be right at all: finite, and not one value throughout, which is what
// a lost device leaves behind. Columns that nobody wants are left out. Empty, or what is wrong.
std::string ImplausibleOutput(const RunBindings& bindings);

}  // namespace tessera

#endif  // TESSERA_RUNTIME_NUMERICS_GATE_H_
