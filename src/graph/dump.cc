#include "graph/dump.h"

#include <array>
#include <cstdio>

namespace tessera {
namespace {

std::string FormatScaled(double amount, std::string_view unit) {
  constexpr std::array<const char*, 5> kPrefixes = {"", "k", "M", "G", "T"};
  size_t prefix = 0;
  // 999.5 would print as 1e+03.
  while (amount >= 999.5 && prefix + 1 < kPrefixes.size()) {
    amount /= 1000;
    ++prefix;
  }
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.3g ", amount);
  return text.data() + std::string(kPrefixes[prefix]) + std::string(unit);
}

std::string Type(const Value& value) {
  return std::string(DTypeName(value.dtype)) + DimsToString(value.dims);
}

std::string AttributesToString(const OpAttributes& attributes) {
  std::array<char, 96> text = {};
  if (const auto* conv = std::get_if<Conv1dAttributes>(&attributes)) {
    std::snprintf(text.data(), text.size(), " stride=%lld padding=%lld",
                  static_cast<long long>(conv->stride), static_cast<long long>(conv->padding));
  } else if (const auto* norm = std::get_if<LayerNormAttributes>(&attributes)) {
    std::snprintf(text.data(), text.size(), " epsilon=%g", double{norm->epsilon});
  } else if (const auto* attention = std::get_if<AttentionAttributes>(&attributes)) {
    std::snprintf(text.data(), text.size(), " heads=%lld scale=%g%s",
                  static_cast<long long>(attention->num_heads), double{attention->scale},
                  attention->causal ? " causal" : "");
  } else if (const auto* slice = std::get_if<SliceAttributes>(&attributes)) {
    std::snprintf(text.data(), text.size(), " front=%lld back=%lld",
                  static_cast<long long>(slice->front), static_cast<long long>(slice->back));
  }
  return text.data();
}

}  // namespace

std::string FormatBytes(double bytes) { return FormatScaled(bytes, "B"); }
std::string FormatFlops(double flops) { return FormatScaled(flops, "FLOP"); }

std::string DumpGraph(const Graph& graph) {
  size_t constants = 0;
  double bytes = 0;
  for (const Value& value : graph.values()) {
    if (value.kind != ValueKind::kConstant) continue;
    ++constants;
    bytes += static_cast<double>(value.data.bytes());
  }
  std::string text = "graph " + graph.name() + ": " + std::to_string(graph.nodes().size()) +
                     " nodes, " + std::to_string(constants) + " constants of " +
                     FormatBytes(bytes) + "\n";
  for (ValueId id : graph.inputs()) {
    text += "input " + graph.value(id).name + ": " + Type(graph.value(id)) + "\n";
  }
  for (ValueId id : graph.states()) {
    text += "state " + graph.value(id).name + ": " + Type(graph.value(id)) + "\n";
  }
  for (const Node& node : graph.nodes()) {
    text += node.name + " = " + std::string(OpName(node.op)) + "(";
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (i) text += ", ";
      if (node.inputs[i] == kNoValue) {
        text += "-";
        continue;
      }
      const Value& value = graph.value(node.inputs[i]);
      text += value.name;
      if (value.kind == ValueKind::kConstant) text += ":" + Type(value);
    }
    text += ")" + AttributesToString(node.attributes) + " -> " +
            Type(graph.value(node.outputs[0])) + "\n";
  }
  for (const GraphOutput& output : graph.outputs()) {
    text += "output " + output.name + " = " + graph.value(output.value).name + "\n";
  }
  for (const StateUpdate& update : graph.state_updates()) {
    text +=
        "update " + graph.value(update.state).name + " = " + graph.value(update.value).name + "\n";
  }
  return text;
}

}  // namespace tessera
