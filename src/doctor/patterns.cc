#include "doctor/patterns.h"

#include <cmath>
#include <map>
#include <optional>

namespace tessera::doctor {
namespace {

constexpr double kTolerance = 1e-3;  // constants may be f16

class Matcher {
 public:
  Matcher(const OnnxGraph& graph, const Inference& inference)
      : graph_(graph), inference_(inference) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      for (const std::string_view name : graph.nodes[i].outputs) producer_[name] = i;
      for (const std::string_view name : graph.nodes[i].inputs) readers_[name].push_back(i);
    }
    for (const OnnxValueInfo& output : graph.outputs) readers_[output.name].push_back(kOutside);
  }

  std::optional<GeluMatch> MatchErf(size_t erf) const {
    GeluMatch match;
    match.erf = erf;
    const OnnxNode& node = graph_.nodes[erf];
    if (node.inputs.size() != 1 || node.outputs.size() != 1) return std::nullopt;
    const std::optional<size_t> scale = Producer(node.inputs[0]);
    if (!scale || !OnlyReader(node.inputs[0])) return std::nullopt;
    match.scale = *scale;
    const auto x = ScaledInput(graph_.nodes[*scale]);
    if (!x) return std::nullopt;
    match.input = *x;
    const std::optional<size_t> add = OnlyReader(node.outputs[0]);
    if (!add || !graph_.nodes[*add].Is("Add") || !OtherIs(*add, node.outputs[0], 1))
      return std::nullopt;
    match.add = *add;
    const std::string_view sum = graph_.nodes[*add].outputs[0];
    const std::optional<size_t> mul = OnlyReader(sum);
    if (!mul || !graph_.nodes[*mul].Is("Mul")) return std::nullopt;
    const std::string_view other = Other(*mul, sum);
    match.second_mul = *mul;
    match.output = graph_.nodes[*mul].outputs[0];
    if (other == match.input) {  // (x * (1 + erf)) * 0.5
      const std::optional<size_t> half = OnlyReader(match.output);
      if (!half || !graph_.nodes[*half].Is("Mul") || !OtherIs(*half, match.output, 0.5))
        return std::nullopt;
      match.first_mul = *mul;
      match.second_mul = *half;
      match.output = graph_.nodes[*half].outputs[0];
      return match;
    }
    const std::optional<size_t> first = Producer(other);  // (x * 0.5) * (1 + erf)
    if (first && graph_.nodes[*first].Is("Mul") && OnlyReader(other) &&
        OtherIs(*first, match.input, 0.5)) {
      match.first_mul = *first;
      return match;
    }
    // x * ((1 + erf) * 0.5)
    if (OtherIs(*mul, sum, 0.5)) {
      const std::optional<size_t> last = OnlyReader(match.output);
      if (last && graph_.nodes[*last].Is("Mul") && Other(*last, match.output) == match.input) {
        match.first_mul = *mul;
        match.second_mul = *last;
        match.output = graph_.nodes[*last].outputs[0];
        return match;
      }
    }
    return std::nullopt;
  }

 private:
  static constexpr size_t kOutside = SIZE_MAX;

  std::optional<size_t> Producer(std::string_view name) const {
    const auto it = producer_.find(name);
    return it == producer_.end() ? std::nullopt : std::optional<size_t>(it->second);
  }
  // The one node that reads a value; nothing where there are more or it is an output.
  std::optional<size_t> OnlyReader(std::string_view name) const {
    const auto it = readers_.find(name);
    if (it == readers_.end() || it->second.size() != 1 || it->second[0] == kOutside)
      return std::nullopt;
    return it->second[0];
  }
  std::string_view Other(size_t node, std::string_view name) const {
    const auto& inputs = graph_.nodes[node].inputs;
    if (inputs.size() != 2) return {};
    return inputs[0] == name ? inputs[1] : inputs[1] == name ? inputs[0] : std::string_view();
  }
  bool IsConstant(std::string_view name, double value) const {
    if (name.empty()) return false;
    const ValueFacts& facts = inference_.Find(name);
    if (facts.elements == nullptr || facts.elements->size() != 1) return false;
    const Number& n = (*facts.elements)[0];
    return n.known() && std::fabs(n.as_double() - value) <= kTolerance * std::fabs(value);
  }
  bool OtherIs(size_t node, std::string_view name, double value) const {
    return IsConstant(Other(node, name), value);
  }
  // x of x / sqrt 2 or x * sqrt 1/2.
  std::optional<std::string_view> ScaledInput(const OnnxNode& node) const {
    if (node.inputs.size() != 2) return std::nullopt;
    if (node.Is("Div") && IsConstant(node.inputs[1], std::sqrt(2.0))) return node.inputs[0];
    if (!node.Is("Mul")) return std::nullopt;
    for (const size_t i : {0, 1}) {
      if (IsConstant(node.inputs[i], std::sqrt(0.5))) return node.inputs[1 - i];
    }
    return std::nullopt;
  }

  const OnnxGraph& graph_;
  const Inference& inference_;
  std::map<std::string_view, size_t> producer_;
  std::map<std::string_view, std::vector<size_t>> readers_;
};

}  // namespace

std::vector<GeluMatch> FindGelus(const OnnxGraph& graph, const Inference& inference) {
  const Matcher matcher(graph, inference);
  std::vector<GeluMatch> matches;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!graph.nodes[i].Is("Erf")) continue;
    if (const std::optional<GeluMatch> match = matcher.MatchErf(i)) matches.push_back(*match);
  }
  return matches;
}

std::vector<bool> FindGeluNodes(const OnnxGraph& graph, const Inference& inference) {
  std::vector<bool> part(graph.nodes.size(), false);
  for (const GeluMatch& match : FindGelus(graph, inference)) {
    for (const size_t i : {match.scale, match.erf, match.add, match.first_mul, match.second_mul})
      part[i] = true;
  }
  return part;
}

}  // namespace tessera::doctor
