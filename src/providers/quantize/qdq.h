// A float ONNX model rewritten with QuantizeLinear and DequantizeLinear ("QDQ"): the form in which
// NPUs' compilers take integer models.
//
// Every float value becomes u8 or u16 with the scale of its range, weights of MatMul, Gemm and Conv
// i8 with a scale for each output channel (symmetric), biases i32 with the product of both scales,
// other constants the values' type with a range of their own. Ops that only move elements keep the
// scale of what they move. Inputs and outputs of the model stay f32. The two ops are of the domain
// com.microsoft, which has u16 in every opset. What Qualcomm's compiler takes, and what it takes
// and computes wrongly, was tried op by op (docs/npu-snapdragon.md).
//
// Masks: kHiddenScore is far outside of what a score's scale reaches, and inside it would leave
// nothing to the scores. A hidden score saturates kHiddenDistance below the least score instead.
#ifndef TESSERA_PROVIDERS_QUANTIZE_QDQ_H_
#define TESSERA_PROVIDERS_QUANTIZE_QDQ_H_

#include <set>
#include <string>

#include "formats/onnx.h"
#include "providers/quantize/quantization.h"

namespace tessera {

// exp(-16) of 1500 positions is 2e-4, below a step of a weight of 8 bits and that of most rows in
// 16 bits.
inline constexpr float kHiddenDistance = 16;

struct QdqOptions {
  int activation_bits = 16;  // 8 or 16
  // Inputs that are added to the scores of an attention.
  std::set<std::string, std::less<>> masks;
};

// `statistics` holds the range of every float input and every node's output; ranges are widened to
// hold 0. kInvalidArgument: a range is missing; kUnimplemented: an op that has no such form here.
Status QuantizeOnnx(const StageStatistics& statistics, const QdqOptions& options, OnnxModel* model);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_QUANTIZE_QDQ_H_
