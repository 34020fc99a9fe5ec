// The ONNX reader on any bytes: whatever it gives lies inside them or in memory of its own, and
// every tensor has the bytes that its shape wants.
#include <cstdlib>

#include "formats/onnx.h"

namespace {

using tessera::OnnxGraph;
using tessera::OnnxTensor;

void Touch(std::string_view text) {
  static volatile char sink;
  for (const char c : text) sink = c;
}

void Check(const OnnxTensor& tensor) {
  const int bits = tessera::OnnxTypeBits(tensor.type);
  const auto elements = tessera::CheckedNumElements(tensor.shape);
  if (!elements.ok()) std::abort();
  if (tensor.data.size() != (static_cast<uint64_t>(*elements) * bits + 7) / 8) std::abort();
  Touch({reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()});
  Touch(tensor.name);
}

void Check(const OnnxGraph& graph) {
  for (const auto& [name, tensor] : graph.initializers) Check(tensor);
  for (const auto& node : graph.nodes) {
    for (const auto name : node.inputs) Touch(name);
    for (const auto name : node.outputs) Touch(name);
    for (const auto& attribute : node.attributes) {
      Touch(attribute.s);
      for (const auto& tensor : attribute.tensors) Check(tensor);
      for (const auto& inner : attribute.graphs) Check(inner);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto model = tessera::ParseOnnx({data, size}, nullptr);
  if (model.ok()) Check(model->graph);
  return 0;
}
