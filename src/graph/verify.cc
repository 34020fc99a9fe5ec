#include "graph/verify.h"

#include <set>
#include <unordered_set>

#include "graph/shape_inference.h"

namespace tessera {
namespace {

Status Violation(const Graph& graph, const std::string& what) {
  return InvalidArgument("graph '" + graph.name() + "': " + what);
}

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), ready_(graph.values().size(), false) {}

  Status Run() {
    TESSERA_RETURN_IF_ERROR(CheckValues());
    for (size_t i = 0; i < graph_.nodes().size(); ++i) {
      TESSERA_RETURN_IF_ERROR(CheckNode(static_cast<int32_t>(i)));
    }
    return CheckResults();
  }

 private:
  bool Exists(ValueId id) const {
    return id >= 0 && static_cast<size_t>(id) < graph_.values().size();
  }

  Status CheckValues() {
    std::unordered_set<std::string> names;
    for (size_t i = 0; i < graph_.values().size(); ++i) {
      const Value& value = graph_.values()[i];
      if (value.name.empty()) {
        return Violation(graph_, "value " + std::to_string(i) + " has no name");
      }
      if (!names.insert(value.name).second) {
        return Violation(graph_, "two values are named '" + value.name + "'");
      }
      ready_[i] = value.kind == ValueKind::kConstant;
      for (const Dim& dim : value.dims) {
        if (dim.IsConstant() ? dim.add < 0 || dim.add > kMaxDimSize
                             : dim.mul < 1 || dim.mul > kMaxDimFactor || dim.add < -kMaxDimFactor ||
                                   dim.add > kMaxDimFactor) {
          return Violation(graph_, "value '" + value.name + "': dimension '" + DimToString(dim) +
                                       "' is out of range");
        }
      }
    }
    TESSERA_RETURN_IF_ERROR(CheckSources(graph_.inputs(), ValueKind::kInput, "input"));
    return CheckSources(graph_.states(), ValueKind::kState, "state");
  }

  Status CheckSources(const std::vector<ValueId>& ids, ValueKind kind, const std::string& what) {
    for (ValueId id : ids) {
      if (!Exists(id) || graph_.value(id).kind != kind || ready_[id]) {
        return Violation(graph_, what + " list: id " + std::to_string(id) +
                                     " is not a distinct value of that kind");
      }
      ready_[id] = true;
    }
    return OkStatus();
  }

  Status CheckNode(int32_t index) {
    const Node& node = graph_.nodes()[index];
    const std::string where =
        std::string(OpName(node.op)) + " node '" + node.name + "' (" + std::to_string(index) + ")";
    if (node.name.empty() || !node_names_.insert(node.name).second) {
      return Violation(graph_, where + ": the name is empty or taken by another node");
    }
    std::vector<const Value*> inputs;
    for (ValueId id : node.inputs) {
      if (id == kNoValue) {
        inputs.push_back(nullptr);
        continue;
      }
      if (!Exists(id)) {
        return Violation(graph_,
                         where + " reads value " + std::to_string(id) + ", which does not exist");
      }
      if (!ready_[id]) {
        return Violation(graph_,
                         where + " reads '" + graph_.value(id).name + "' before it is produced");
      }
      inputs.push_back(&graph_.value(id));
    }
    if (node.outputs.size() != 1 || !Exists(node.outputs[0])) {
      return Violation(graph_, where + ": expected one output value");
    }
    const ValueId output = node.outputs[0];
    const Value& value = graph_.value(output);
    if (value.kind != ValueKind::kNode || value.producer != index || ready_[output]) {
      return Violation(graph_, where + ": '" + value.name + "' is not its own output value");
    }
    auto inferred = InferOutput(node.op, inputs, node.attributes);
    if (!inferred.ok()) {
      return std::move(inferred).status().AddContext("graph '" + graph_.name() + "': node '" +
                                                     node.name + "'");
    }
    if (inferred->dtype != value.dtype || inferred->dims != value.dims) {
      return Violation(graph_, where + ": the rule gives " +
                                   std::string(DTypeName(inferred->dtype)) +
                                   DimsToString(inferred->dims) + ", the value is " +
                                   std::string(DTypeName(value.dtype)) + DimsToString(value.dims));
    }
    ready_[output] = true;
    return OkStatus();
  }

  Status CheckResults() {
    std::set<std::string> names;
    for (const GraphOutput& output : graph_.outputs()) {
      if (!Exists(output.value) || !ready_[output.value]) {
        return Violation(graph_, "output '" + output.name + "' names a value that is not produced");
      }
      if (output.name.empty() || !names.insert(output.name).second) {
        return Violation(graph_, "output name '" + output.name + "' is empty or used twice");
      }
    }
    std::set<ValueId> updated;
    for (const StateUpdate& update : graph_.state_updates()) {
      if (!Exists(update.state) || graph_.value(update.state).kind != ValueKind::kState) {
        return Violation(graph_, "a state update names value " + std::to_string(update.state) +
                                     ", which is not a state");
      }
      const Value& state = graph_.value(update.state);
      if (!updated.insert(update.state).second) {
        return Violation(graph_, "state '" + state.name + "' is updated twice");
      }
      if (!Exists(update.value) || !ready_[update.value]) {
        return Violation(graph_,
                         "state '" + state.name + "' is updated by a value that is not produced");
      }
      const Value& value = graph_.value(update.value);
      if (value.dtype != state.dtype || value.dims != state.dims) {
        return Violation(graph_, "state '" + state.name + "': expected an update of " +
                                     std::string(DTypeName(state.dtype)) +
                                     DimsToString(state.dims) + ", found '" + value.name + "' " +
                                     std::string(DTypeName(value.dtype)) +
                                     DimsToString(value.dims));
      }
    }
    if (names.empty() && updated.empty()) {
      return Violation(graph_, "expected an output or a state update, found none");
    }
    return OkStatus();
  }

  const Graph& graph_;
  std::vector<bool> ready_;  // by value: there before the node at hand runs
  std::unordered_set<std::string> node_names_;
};

}  // namespace

Status VerifyGraph(const Graph& graph) { return Verifier(graph).Run(); }

}  // namespace tessera
