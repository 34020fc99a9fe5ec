// Nodes and initializers that are added to an OnnxModel after reading: memory for what its views
// point to.
#ifndef TESSERA_PROVIDERS_QUANTIZE_ONNX_BUILDER_H_
#define TESSERA_PROVIDERS_QUANTIZE_ONNX_BUILDER_H_

#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx.h"

namespace tessera {

// ONNX's numbers of element types that are used here.
inline constexpr OnnxType kOnnxF32 = 1, kOnnxU8 = 2, kOnnxI8 = 3, kOnnxU16 = 4, kOnnxI16 = 5,
                          kOnnxI32 = 6, kOnnxI64 = 7;

class OnnxBuilder {
 public:
  // The model's owner becomes one that keeps what is added too.
  explicit OnnxBuilder(OnnxModel* model) : model_(model), memory_(std::make_shared<Memory>()) {
    memory_->before = model->owner;
    model->owner = memory_;
    for (const auto& [name, tensor] : model->graph.initializers) taken_.emplace(name);
    for (const OnnxValueInfo& input : model->graph.inputs) taken_.emplace(input.name);
    for (const OnnxNode& node : model->graph.nodes)
      for (const std::string_view output : node.outputs) taken_.emplace(output);
  }

  std::string_view Text(std::string text) { return memory_->texts.emplace_back(std::move(text)); }
  // `wanted`, with a number behind it where there is such a value.
  std::string_view NewName(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 2; !taken_.insert(name).second; ++i) name = wanted + "_" + std::to_string(i);
    return Text(std::move(name));
  }
  // An initializer of a new name.
  template <typename T>
  std::string_view Constant(const std::string& wanted, OnnxType type, Shape shape,
                            const std::vector<T>& elements) {
    OnnxTensor tensor;
    tensor.name = NewName(wanted);
    tensor.type = type;
    tensor.shape = std::move(shape);
    std::vector<uint8_t>& bytes = memory_->data.emplace_back(elements.size() * sizeof(T));
    if (!bytes.empty()) std::memcpy(bytes.data(), elements.data(), bytes.size());
    tensor.data = {bytes.data(), bytes.size()};
    const std::string_view name = tensor.name;
    model_->graph.initializers.emplace(name, std::move(tensor));
    return name;
  }
  // A node named after its only output.
  static OnnxNode NodeOf(std::string_view op, std::string_view domain,
                         std::vector<std::string_view> inputs, std::string_view output) {
    OnnxNode node;
    node.name = output;
    node.op_type = op;
    node.domain = domain;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    return node;
  }
  static OnnxAttribute Int(std::string_view name, int64_t value) {
    OnnxAttribute attribute;
    attribute.name = name;
    attribute.type = 2;
    attribute.i = value;
    return attribute;
  }

 private:
  struct Memory {
    std::shared_ptr<const void> before;
    std::deque<std::string> texts;
    std::deque<std::vector<uint8_t>> data;
  };

  OnnxModel* const model_;
  const std::shared_ptr<Memory> memory_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_QUANTIZE_ONNX_BUILDER_H_
