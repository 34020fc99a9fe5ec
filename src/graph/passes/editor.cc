#include "graph/passes/editor.h"

namespace tessera {

void GraphEditor::MakeConstant(ValueId id, Tensor tensor) {
  Value& value = graph_->values_[id];
  if (value.producer >= 0) removed_.insert(value.producer);
  auto owned = std::make_shared<const Tensor>(std::move(tensor));
  value.kind = ValueKind::kConstant;
  value.producer = -1;
  value.dtype = owned->dtype();
  value.dims.assign(owned->shape().begin(), owned->shape().end());
  value.data = owned->ViewOf();
  graph_->owners_.push_back(std::move(owned));
}

void GraphEditor::Compact() {
  std::vector<Node> nodes;
  for (size_t i = 0; i < graph_->nodes_.size(); ++i) {
    if (!removed_.contains(static_cast<int32_t>(i))) nodes.push_back(std::move(graph_->nodes_[i]));
  }
  removed_.clear();

  std::vector<bool> kept(graph_->values_.size(), false);
  for (ValueId id : graph_->inputs_) kept[id] = true;
  for (ValueId id : graph_->states_) kept[id] = true;
  for (const GraphOutput& output : graph_->outputs_) kept[output.value] = true;
  for (const StateUpdate& update : graph_->state_updates_) kept[update.value] = true;
  for (const Node& node : nodes) {
    for (ValueId id : node.inputs) {
      if (id != kNoValue) kept[id] = true;
    }
    for (ValueId id : node.outputs) kept[id] = true;
  }

  std::vector<ValueId> renumbered(graph_->values_.size(), kNoValue);
  std::vector<Value> values;
  for (size_t id = 0; id < kept.size(); ++id) {
    if (!kept[id]) continue;
    renumbered[id] = static_cast<ValueId>(values.size());
    values.push_back(std::move(graph_->values_[id]));
  }
  const auto rename = [&](ValueId& id) {
    if (id != kNoValue) id = renumbered[id];
  };
  for (ValueId& id : graph_->inputs_) rename(id);
  for (ValueId& id : graph_->states_) rename(id);
  for (GraphOutput& output : graph_->outputs_) rename(output.value);
  for (StateUpdate& update : graph_->state_updates_) {
    rename(update.state);
    rename(update.value);
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (ValueId& id : nodes[i].inputs) rename(id);
    for (ValueId& id : nodes[i].outputs) {
      rename(id);
      values[id].producer = static_cast<int32_t>(i);
    }
  }
  graph_->nodes_ = std::move(nodes);
  graph_->values_ = std::move(values);
}

}  // namespace tessera
