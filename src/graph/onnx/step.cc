#include "graph/onnx/step.h"

#include <set>

#include "base/check.h"

namespace tessera {
namespace {

class Splitter {
 public:
  explicit Splitter(const Graph& graph) : graph_(graph) {}

  Result<StepForm> Run() {
    for (const Value& value : graph_.values()) {
      for (const Dim& dim : value.dims)
        if (!dim.IsConstant())
          return InvalidArgument("the step form needs every size, but '" + value.name + "' is " +
                                 DimsToString(value.dims));
    }
    for (size_t i = 0; i < graph_.nodes().size(); ++i) {
      const Node& node = graph_.nodes()[i];
      TESSERA_ASSIGN_OR_RETURN(const size_t count, Split(node));
      if (count == 0) form_.host_nodes.push_back(static_cast<int32_t>(i));
      for (size_t k = 0; k < count && k < node.inputs.size(); ++k) Reads(node.inputs[k]);
    }
    for (const StateUpdate& update : graph_.state_updates()) {
      if (StateOf(update.value) != update.state || !IsWritten(update.value))
        return Refuse(graph_.value(update.state).name, "updates a state by one CacheWrite");
    }
    for (const GraphOutput& output : graph_.outputs()) Reads(output.value);
    for (ValueId id : reads_) {
      if (StateOf(id) != kNoValue)
        return Refuse(graph_.value(id).name, "reads states by CachedAttention alone");
    }
    for (ValueId id : graph_.inputs())
      if (reads_.contains(id)) form_.inputs.push_back(id);
    return std::move(form_);
  }

 private:
  static Status Refuse(const std::string& name, const std::string& what) {
    return Unimplemented("'" + name + "': the step form " + what);
  }
  void Reads(ValueId id) {
    if (id == kNoValue) return;
    const auto it = form_.same.find(id);
    reads_.insert(it == form_.same.end() ? id : it->second);
  }
  bool IsInput(ValueId id) const { return graph_.value(id).kind == ValueKind::kInput; }
  bool IsWritten(ValueId id) const { return writes_.contains(id); }
  // The state that a value is, before or after its CacheWrite; kNoValue for other values.
  ValueId StateOf(ValueId id) const {
    if (graph_.value(id).kind == ValueKind::kState) return id;
    const auto it = writes_.find(id);
    return it == writes_.end() ? kNoValue : it->second;
  }

  // How many of the node's inputs, the first ones, are the device's to read; 0: the node is the
  // host's.
  Result<size_t> Split(const Node& node) {
    switch (node.op) {
      case OpKind::kGather:
        return SplitGather(node);
      case OpKind::kCacheWrite:
        return SplitCacheWrite(node);
      case OpKind::kCachedAttention:
        return SplitCachedAttention(node);
      case OpKind::kRaggedAttention:
        if (!IsInput(node.inputs[3])) return Refuse(node.name, "takes offsets as an input");
        AddMask(node.inputs[3], graph_.value(node.inputs[0]).dims[0].add, false);
        return size_t{3};
      case OpKind::kAttention:
        if ((node.inputs.size() > 3 && node.inputs[3] != kNoValue) ||
            std::get<AttentionAttributes>(node.attributes).causal)
          return Refuse(node.name, "has no Attention that hides keys");
        return size_t{3};
      default:
        return node.inputs.size();
    }
  }

  Result<size_t> SplitGather(const Node& node) {
    const ValueId table = node.inputs[0], ids = node.inputs[1], rows = node.outputs[0];
    const Value& source = graph_.value(table);
    if (!IsInput(ids) || graph_.value(rows).dtype != DType::kF32) return size_t{2};
    if (source.kind == ValueKind::kConstant && source.dims.size() == 2) {
      form_.lookups.push_back({graph_.value(rows).name, table, ids, rows});
      return size_t{0};
    }
    if (source.kind != ValueKind::kNode || source.dims[0].add != 1 ||
        graph_.value(ids).dims[0].add != 1)
      return size_t{2};
    const auto it = form_.same.find(table);
    form_.same.emplace(rows, it == form_.same.end() ? table : it->second);
    return size_t{0};
  }

  Result<size_t> SplitCacheWrite(const Node& node) {
    const ValueId state = node.inputs[0], rows = node.inputs[1];
    const ValueId slot = node.inputs[2], position = node.inputs[3];
    if (graph_.value(state).kind != ValueKind::kState || !IsInput(slot) || !IsInput(position))
      return Refuse(node.name, "writes to a state, at places that are inputs");
    for (const StepForm::NewRows& known : form_.new_rows)
      if (known.state == state) return Refuse(node.name, "writes to a state once");
    form_.new_rows.push_back({"new_" + graph_.value(state).name, state, rows, slot, position});
    writes_.emplace(node.outputs[0], state);
    Reads(rows);
    return size_t{0};
  }

  Result<size_t> SplitCachedAttention(const Node& node) {
    const ValueId keys = node.inputs[1], values = node.inputs[2];
    const ValueId index = node.inputs[3], length = node.inputs[4];
    if (graph_.value(node.inputs[0]).dims[0].add != 1)
      return Refuse(node.name, "takes one token a run, found " +
                                   DimToString(graph_.value(node.inputs[0]).dims[0]));
    if (!IsInput(index) || !IsInput(length))
      return Refuse(node.name, "takes index and length as inputs");
    const bool own_row = IsWritten(keys);
    if (StateOf(keys) == kNoValue || StateOf(values) == kNoValue || IsWritten(values) != own_row ||
        graph_.value(keys).dims[1] != graph_.value(values).dims[1])
      return Refuse(node.name, "takes keys and values from two states of one length");
    const int64_t rows = graph_.value(keys).dims[1].add - (own_row ? 1 : 0);
    if (rows < 1) return Refuse(node.name, "needs room for a past");
    for (const ValueId state : {StateOf(keys), StateOf(values)}) {
      const StepForm::Past past{
          "past_" + graph_.value(state).name, state, index, length, rows, own_row};
      const StepForm::Past* known = form_.FindPast(state);
      if (known == nullptr) {
        form_.pasts.push_back(past);
      } else if (known->index != index || known->length != length || known->own_row != own_row) {
        return Refuse(node.name, "shows one past of a state");
      }
    }
    AddMask(length, rows, own_row);
    return size_t{1};
  }

  void AddMask(ValueId source, int64_t size, bool own_row) {
    if (form_.FindMask(source, size, own_row) != nullptr) return;
    std::string name = graph_.value(source).name + "_mask";
    for (const StepForm::Mask& mask : form_.masks)
      if (mask.name == name) name += "_" + std::to_string(size) + (own_row ? "_own" : "");
    form_.masks.push_back({name, source, size, own_row});
  }

  const Graph& graph_;
  StepForm form_;
  std::map<ValueId, ValueId> writes_;  // what a CacheWrite gives, to its state
  std::set<ValueId> reads_;            // by the device
};

}  // namespace

const StepForm::Mask* StepForm::FindMask(ValueId source, int64_t size, bool own_row) const {
  for (const Mask& mask : masks)
    if (mask.source == source && mask.size == size && mask.own_row == own_row) return &mask;
  return nullptr;
}

const StepForm::Past* StepForm::FindPast(ValueId state) const {
  for (const Past& past : pasts)
    if (past.state == state) return &past;
  return nullptr;
}

Result<StepForm> MakeStepForm(const Graph& graph) { return Splitter(graph).Run(); }

}  // namespace tessera
