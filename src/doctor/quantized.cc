#include "doctor/quantized.h"

#include <cstring>

namespace tessera::doctor {

bool IsQuantize(const OnnxNode& node) {
  return node.Is("QuantizeLinear") || node.Is("QuantizeLinear", "com.microsoft");
}

bool IsDequantize(const OnnxNode& node) {
  return node.Is("DequantizeLinear") || node.Is("DequantizeLinear", "com.microsoft");
}

QuantizedUnits::QuantizedUnits(const OnnxGraph& graph) {
  for (const OnnxNode& node : graph.nodes) {
    if (IsDequantize(node) && !node.outputs.empty()) made_[node.outputs[0]] = &node;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i].empty()) continue;
      const auto [it, is_first] = read_.emplace(node.inputs[i], nullptr);
      it->second = is_first && i == 0 && IsQuantize(node) ? &node : nullptr;
    }
  }
  for (const OnnxValueInfo& output : graph.outputs) read_[output.name] = nullptr;
}

const OnnxNode* QuantizedUnits::Dequantize(std::string_view value) const {
  const auto it = made_.find(value);
  return it == made_.end() ? nullptr : it->second;
}

const OnnxNode* QuantizedUnits::Quantize(std::string_view value) const {
  const auto it = read_.find(value);
  return it == read_.end() ? nullptr : it->second;
}

std::vector<double> ScalesOf(const OnnxNode& node, const Inference& inference) {
  std::vector<double> scales;
  if (node.inputs.size() < 2) return scales;
  const ValueFacts& facts = inference.Find(node.inputs[1]);
  if (facts.tensor != nullptr && facts.tensor->type == 1) {
    scales.reserve(facts.tensor->data.size() / sizeof(float));
    for (size_t i = 0; i + sizeof(float) <= facts.tensor->data.size(); i += sizeof(float)) {
      float scale = 0;
      std::memcpy(&scale, facts.tensor->data.data() + i, sizeof(scale));
      scales.push_back(scale);
    }
    return scales;
  }
  for (const Number& n : facts.elements != nullptr ? *facts.elements : Numbers()) {
    if (!n.known()) return {};
    scales.push_back(n.as_double());
  }
  return scales;
}

OnnxType QuantizedType(const OnnxNode& node, const Inference& inference) {
  if (IsDequantize(node)) return node.inputs.empty() ? 0 : inference.Find(node.inputs[0]).type;
  return node.outputs.empty() ? 0 : inference.Find(node.outputs[0]).type;
}

}  // namespace tessera::doctor
