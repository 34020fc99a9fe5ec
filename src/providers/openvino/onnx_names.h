// How a node of an ONNX file is called in reports.
#ifndef TESSERA_PROVIDERS_OPENVINO_ONNX_NAMES_H_
#define TESSERA_PROVIDERS_OPENVINO_ONNX_NAMES_H_

#include <string>

#include "formats/onnx.h"

namespace tessera::openvino {

// Its name; where it has none, that of its first output.
inline std::string NodeName(const OnnxNode& node) {
  if (node.name.empty() && !node.outputs.empty()) return std::string(node.outputs.front());
  return std::string(node.name);
}

// "Gelu"; "com.microsoft.Gelu" for an operator that is not ONNX's own.
inline std::string OpName(const OnnxNode& node) {
  return node.domain.empty() ? std::string(node.op_type)
                             : std::string(node.domain) + "." + std::string(node.op_type);
}

}  // namespace tessera::openvino

#endif  // TESSERA_PROVIDERS_OPENVINO_ONNX_NAMES_H_
