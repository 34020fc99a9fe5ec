// Quantized node units: an operator whose inputs come out of DequantizeLinear and whose result goes
// into QuantizeLinear, which NPU compilers take as one integer operator. Both spellings of these
// nodes count, ONNX's and ONNX Runtime's (domain com.microsoft).
#ifndef TESSERA_DOCTOR_QUANTIZED_H_
#define TESSERA_DOCTOR_QUANTIZED_H_

#include <map>
#include <string_view>
#include <vector>

#include "doctor/inference.h"

namespace tessera::doctor {

bool IsQuantize(const OnnxNode& node);
bool IsDequantize(const OnnxNode& node);

// The units of a graph. Views of `graph` are kept.
class QuantizedUnits {
 public:
  explicit QuantizedUnits(const OnnxGraph& graph);

  // The DequantizeLinear that makes a value; null where it is made otherwise.
  const OnnxNode* Dequantize(std::string_view value) const;
  // The QuantizeLinear that is the only reader of a value; null otherwise.
  const OnnxNode* Quantize(std::string_view value) const;

 private:
  std::map<std::string_view, const OnnxNode*> made_, read_;  // read_: null where there are more
};

// Scales of a quantization node, one or one a channel; empty where they are not constants of the
// file, or too many to be kept.
std::vector<double> ScalesOf(const OnnxNode& node, const Inference& inference);
// The integer type on the quantized side of such a node; 0: unknown.
OnnxType QuantizedType(const OnnxNode& node, const Inference& inference);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_QUANTIZED_H_
