#include "doctor/op_features.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include "doctor/infer_context.h"

namespace tessera::doctor {
namespace {

std::string UpperName(OnnxType type) {
  std::string name = OnnxTypeName(type);
  for (char& ch : name) ch = static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
  return name;
}

std::string Flag(bool set) { return set ? "1" : "0"; }

std::vector<std::string_view> Parts(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

std::string AttributeText(const OnnxNode& node, std::string_view name, std::string_view otherwise) {
  const OnnxAttribute* attribute = node.FindAttribute(name);
  if (attribute == nullptr) return std::string(otherwise);
  if (attribute->type == 2) return std::to_string(attribute->i);
  if (attribute->type == 3) return std::string(attribute->s.substr(0, 60));
  return "given";
}

std::optional<std::string> AxisIs(const NodeView& view, const std::vector<std::string_view>& parts,
                                  bool last) {
  if (parts.size() != 3 || view.inputs.empty() || view.inputs[0] == nullptr ||
      !view.inputs[0]->shape) {
    return std::nullopt;
  }
  const std::string text = AttributeText(*view.node, parts[1], parts[2]);
  int64_t axis = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), axis);
  if (error != std::errc()) return std::nullopt;
  const size_t rank = view.inputs[0]->shape->size();
  const std::optional<size_t> normal = NormalAxis(axis, rank);
  if (!normal) return Flag(false);
  return Flag(*normal == (last ? rank - 1 : 0));
}

std::optional<std::string> Shrinks(const ValueFacts* a, const ValueFacts* b) {
  if (a == nullptr || b == nullptr || !a->Static() || !b->Static()) return std::nullopt;
  const std::optional<Numbers> both = BroadcastShapes(*a->shape, *b->shape);
  if (!both) return std::nullopt;
  if (both->size() != a->shape->size()) return Flag(true);
  for (size_t i = 0; i < both->size(); ++i) {
    if (!(*both)[i].Same((*a->shape)[i])) return Flag(true);
  }
  return Flag(false);
}

}  // namespace

std::optional<std::string> FeatureValue(const NodeView& view, std::string_view code) {
  if (code.empty()) return std::nullopt;
  if (code == "n") return std::to_string(view.inputs.size());
  const std::vector<std::string_view> parts = Parts(code);
  if (parts[0] == "a" && parts.size() == 3) return AttributeText(*view.node, parts[1], parts[2]);
  if (parts[0] == "q" && parts.size() == 4)
    return Flag(AttributeText(*view.node, parts[1], parts[2]) == parts[3]);
  if (parts[0] == "l") return AxisIs(view, parts, true);
  if (parts[0] == "f") return AxisIs(view, parts, false);
  if (code.size() < 2 || code[1] < '0' || code[1] > '9') return std::nullopt;
  const auto index = static_cast<size_t>(code[1] - '0');
  const bool of_output = code[0] == 'o' || code[0] == 'D';
  const auto& side = of_output ? view.outputs : view.inputs;
  const ValueFacts* value = index < side.size() ? side[index] : nullptr;
  const auto type_or_none = [](OnnxType type) { return type == 0 ? "none" : UpperName(type); };
  switch (code[0]) {
    case 'u':
      return type_or_none(view.QuantizedInput(index));
    case 'v':
      return type_or_none(view.QuantizedOutput());
    case 'k':
      if (value == nullptr) return "n";
      return Flag(view.QuantizedInput(index) == 0 && value->KnownAtLoad());
    case 't':
    case 'o':
      if (value == nullptr) return "none";
      return value->type == 0 ? std::nullopt : std::optional<std::string>(UpperName(value->type));
    case 'd':
    case 'D':
      if (value == nullptr) return "none";
      return value->shape ? std::optional<std::string>(std::to_string(value->shape->size()))
                          : std::nullopt;
    case 'c':
      return value == nullptr ? "n" : Flag(value->KnownAtLoad());
    case 's': {
      if (value == nullptr) return "none";
      const std::optional<int64_t> count = value->ElementCount();
      return count ? std::optional<std::string>(Flag(*count == 1)) : std::nullopt;
    }
    case 'b': {
      if (code.size() < 3 || code[2] < '0' || code[2] > '9') return std::nullopt;
      const auto other = static_cast<size_t>(code[2] - '0');
      return Shrinks(value, other < view.inputs.size() ? view.inputs[other] : nullptr);
    }
    default:
      return std::nullopt;
  }
}

std::string DescribeFeature(std::string_view code, std::string_view value) {
  const std::vector<std::string_view> parts = Parts(code);
  const std::string text(value);
  if (parts.size() > 1) return std::string(parts[1]) + " " + text;
  if (code == "n") return text + " inputs";
  const std::string index(code.substr(1, 1));
  switch (code[0]) {
    case 't':
      return "input " + index + " of type " + text;
    case 'o':
      return "output " + index + " of type " + text;
    case 'u':
      return "input " + index + " quantized as " + text;
    case 'v':
      return "result quantized as " + text;
    case 'd':
      return "input " + index + " of rank " + text;
    case 'D':
      return "output " + index + " of rank " + text;
    case 'c':
      return value == "n" ? "no input " + index
                          : "input " + index + (value == "1" ? " constant" : " not constant");
    default:
      return std::string(code) + " " + text;
  }
}

}  // namespace tessera::doctor
