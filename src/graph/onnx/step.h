// The step form: a graph cut into what a device of fixed shapes computes and what the host does
// around it. OnnxStates::kStep exports the device's part; providers/fixed does the host's.
//
// All dimensions are known, a cached attention sees one token a run, and nothing on the device is
// an index, a condition or a shape. What the host does:
//   * Gather from a constant table by ids that are an input: the device gets the rows. This keeps
//     embedding tables, the largest constants of a model, off the device.
//   * Gather that picks the one row there is: nothing is left to do.
//   * CacheWrite: the device gives the rows, the host appends them to its state.
// Inputs of the ONNX model, in this order:
//   NAME            a graph input that a node on the device reads, unchanged
//   NODE            f32: the rows that Gather node NODE would pick
//   LENGTH_mask     f32 [1, rows of the past]: 0 for positions that the token of a CachedAttention
//                   with this `length` input may see, kHiddenScore for the others
//   OFFSETS_mask    f32 [1, tokens]: the same for a RaggedAttention, whose tokens are one text:
//                   0 for its tokens, kHiddenScore behind its end
//   past_STATE      f32 [rows of the past, d]: of a state that the graph only reads, all positions;
//                   of one that it also writes, all but one (the token's own row comes from the
//                   device itself). Hidden rows may be anything finite.
// Outputs: those of the graph, and
//   new_STATE       f32 [tokens, d]: what CacheWrite would store
// Plain values; thread-safe.
#ifndef TESSERA_GRAPH_ONNX_STEP_H_
#define TESSERA_GRAPH_ONNX_STEP_H_

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace tessera {

// Added to the score of a key that is not seen. Finite in f16, and far enough below every score
// that its weight is exactly 0.
inline constexpr float kHiddenScore = -30000.0f;

struct StepForm {
  // Constant `table`, picked by the input `ids`; `rows` is the value that they are.
  struct Lookup {
    std::string name;
    ValueId table = kNoValue, ids = kNoValue, rows = kNoValue;
  };
  struct Mask {
    std::string name;
    ValueId source = kNoValue;  // the lengths or offsets that it is made of
    int64_t size = 0;
    bool own_row = false;  // of a state that is written: the last of the length's rows is the
                           // token's own and not in the past
  };
  struct Past {
    std::string name;
    ValueId state = kNoValue;
    ValueId index = kNoValue, length = kNoValue;  // of the CachedAttention
    int64_t rows = 0;
    bool own_row = false;
  };
  // `rows` go to `state` at `slot` and `position`.
  struct NewRows {
    std::string name;
    ValueId state = kNoValue, rows = kNoValue;
    ValueId slot = kNoValue, position = kNoValue;
  };

  std::vector<ValueId> inputs;
  std::vector<Lookup> lookups;
  std::vector<Mask> masks;
  std::vector<Past> pasts;
  std::vector<NewRows> new_rows;
  // Values that are others under another name (picked rows, written caches).
  std::map<ValueId, ValueId> same;
  std::vector<int32_t> host_nodes;  // indices, ascending

  // Null when there is none.
  const Mask* FindMask(ValueId source, int64_t size, bool own_row) const;
  const Past* FindPast(ValueId state) const;
};

// `graph` has no symbols left. kUnimplemented: it does something that the form has no room for.
Result<StepForm> MakeStepForm(const Graph& graph);

}  // namespace tessera

#endif  // TESSERA_GRAPH_ONNX_STEP_H_
