#include "graph/interpreter.h"

#include <optional>

#include "graph/binding.h"

namespace tessera {
namespace {

constexpr char kEmpty = 0;

class Interpreter {
 public:
  Interpreter(const Graph& graph, std::map<std::string, Tensor>* states)
      : graph_(graph),
        states_(states),
        computed_(graph.values().size()),
        views_(graph.values().size()) {}

  Result<std::map<std::string, Tensor>> Run(const std::map<std::string, View>& inputs) {
    TESSERA_RETURN_IF_ERROR(BindSources(inputs));
    CountUses();
    for (const Node& node : graph_.nodes()) {
      Status status = RunNode(node);
      if (!status.ok()) return std::move(status).AddContext("node '" + node.name + "'");
    }
    std::map<std::string, Tensor> outputs;
    for (const GraphOutput& output : graph_.outputs()) {
      outputs.emplace(output.name, Tensor::CopyOf(views_[output.value]));
    }
    // Copies first: an update may read the old contents of another state.
    std::vector<Tensor> updated;
    for (const StateUpdate& update : graph_.state_updates()) {
      updated.push_back(Tensor::CopyOf(views_[update.value]));
    }
    for (size_t i = 0; i < updated.size(); ++i) {
      (*states_)[graph_.value(graph_.state_updates()[i].state).name] = std::move(updated[i]);
    }
    return outputs;
  }

 private:
  Status BindSources(const std::map<std::string, View>& inputs) {
    for (ValueId id : graph_.inputs()) {
      const Value& value = graph_.value(id);
      const auto it = inputs.find(value.name);
      if (it == inputs.end()) return InvalidArgument("input '" + value.name + "' is missing");
      views_[id] = it->second;
    }
    if (inputs.size() != graph_.inputs().size()) {
      return InvalidArgument("expected " + std::to_string(graph_.inputs().size()) +
                             " inputs, found " + std::to_string(inputs.size()));
    }
    for (ValueId id : graph_.states()) {
      const Value& value = graph_.value(id);
      if (states_ == nullptr || !states_->contains(value.name)) {
        return InvalidArgument("state '" + value.name + "' is missing");
      }
      views_[id] = states_->at(value.name).ViewOf();
    }
    DimBindings bindings;
    for (const std::vector<ValueId>* ids : {&graph_.inputs(), &graph_.states()}) {
      for (ValueId id : *ids) {
        const View& view = views_[id];
        TESSERA_RETURN_IF_ERROR(BindValue(graph_.value(id), view.dtype, view.shape, &bindings));
      }
    }
    for (size_t id = 0; id < views_.size(); ++id) {
      const Value& value = graph_.values()[id];
      if (value.kind == ValueKind::kConstant) views_[id] = value.data;
      // To InterpretNode null means absent; an empty tensor may have a null pointer of its own.
      if (value.kind != ValueKind::kNode && views_[id].data == nullptr) {
        if (views_[id].size() != 0) return InvalidArgument("'" + value.name + "' has no data");
        views_[id].data = &kEmpty;
      }
    }
    return OkStatus();
  }

  void CountUses() {
    uses_.assign(graph_.values().size(), 0);
    for (const Node& node : graph_.nodes()) {
      for (ValueId id : node.inputs) {
        if (id != kNoValue) ++uses_[id];
      }
    }
    // Outputs and updates are read after the last node: never freed.
    for (const GraphOutput& output : graph_.outputs()) ++uses_[output.value];
    for (const StateUpdate& update : graph_.state_updates()) ++uses_[update.value];
  }

  Status RunNode(const Node& node) {
    std::vector<View> operands;
    operands.reserve(node.inputs.size());
    for (ValueId id : node.inputs) operands.push_back(id == kNoValue ? View{} : views_[id]);
    TESSERA_ASSIGN_OR_RETURN(Tensor result, InterpretNode(node.op, node.attributes, operands));
    for (ValueId id : node.inputs) {
      if (id != kNoValue && --uses_[id] == 0) computed_[id].reset();
    }
    const ValueId output = node.outputs[0];
    if (uses_[output] == 0) return OkStatus();
    computed_[output] = std::move(result);
    views_[output] = computed_[output]->ViewOf();
    return OkStatus();
  }

  const Graph& graph_;
  std::map<std::string, Tensor>* states_;
  std::vector<std::optional<Tensor>> computed_;  // by value: outputs of nodes that are still read
  std::vector<View> views_;                      // by value
  std::vector<int> uses_;                        // by value: reads that are still to come
};

}  // namespace

Result<std::map<std::string, Tensor>> Interpret(const Graph& graph,
                                                const std::map<std::string, View>& inputs,
                                                std::map<std::string, Tensor>* states) {
  auto outputs = Interpreter(graph, states).Run(inputs);
  if (outputs.ok()) return outputs;
  return std::move(outputs).status().AddContext("graph '" + graph.name() + "'");
}

}  // namespace tessera
