#include "graph/builder.h"

#include "graph/shape_inference.h"
#include "graph/verify.h"

namespace tessera {

GraphBuilder::GraphBuilder(std::string graph_name) { graph_.name_ = std::move(graph_name); }

void GraphBuilder::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status).AddContext("graph '" + graph_.name_ + "'");
}

ValueId GraphBuilder::AddValue(Value value) {
  if (!status_.ok()) return kNoValue;
  if (value.name.empty() || !value_names_.insert(value.name).second) {
    Fail(InvalidArgument("expected a new name for a value, found '" + value.name +
                         (value.name.empty() ? "'" : "', which is taken")));
    return kNoValue;
  }
  graph_.values_.push_back(std::move(value));
  return static_cast<ValueId>(graph_.values_.size() - 1);
}

ValueId GraphBuilder::Input(std::string name, DType dtype, Dims dims) {
  const ValueId id = AddValue({std::move(name), ValueKind::kInput, dtype, std::move(dims), {}, -1});
  if (id != kNoValue) graph_.inputs_.push_back(id);
  return id;
}

ValueId GraphBuilder::State(std::string name, DType dtype, Dims dims, StateTraits traits) {
  const ValueId id =
      AddValue({std::move(name), ValueKind::kState, dtype, std::move(dims), {}, -1, traits});
  if (id != kNoValue) graph_.states_.push_back(id);
  return id;
}

ValueId GraphBuilder::Constant(std::string name, View data) {
  if (status_.ok()) {
    auto size = CheckedNumElements(data.shape);
    if (!size.ok()) {
      Fail(std::move(size).status().AddContext("constant '" + name + "'"));
    } else if (data.data == nullptr && *size > 0) {
      Fail(InvalidArgument("constant '" + name + "': expected data, found a null pointer"));
    }
  }
  Dims dims(data.shape.begin(), data.shape.end());
  const DType dtype = data.dtype;
  return AddValue(
      {std::move(name), ValueKind::kConstant, dtype, std::move(dims), std::move(data), -1});
}

ValueId GraphBuilder::Constant(std::string name, Tensor tensor) {
  auto owned = std::make_shared<const Tensor>(std::move(tensor));
  KeepAlive(owned);
  return Constant(std::move(name), owned->ViewOf());
}

void GraphBuilder::KeepAlive(std::shared_ptr<const void> owner) {
  graph_.owners_.push_back(std::move(owner));
}

ValueId GraphBuilder::Linear(std::string name, ValueId x, ValueId weight, ValueId bias) {
  return AddNode(OpKind::kLinear, std::move(name), {x, weight, bias}, {});
}

ValueId GraphBuilder::Conv1d(std::string name, ValueId x, ValueId weight, ValueId bias,
                             Conv1dAttributes attributes) {
  return AddNode(OpKind::kConv1d, std::move(name), {x, weight, bias}, attributes);
}

ValueId GraphBuilder::LayerNorm(std::string name, ValueId x, ValueId gamma, ValueId beta,
                                LayerNormAttributes attributes) {
  return AddNode(OpKind::kLayerNorm, std::move(name), {x, gamma, beta}, attributes);
}

ValueId GraphBuilder::Gelu(std::string name, ValueId x) {
  return AddNode(OpKind::kGelu, std::move(name), {x}, {});
}

ValueId GraphBuilder::Add(std::string name, ValueId a, ValueId b) {
  return AddNode(OpKind::kAdd, std::move(name), {a, b}, {});
}

ValueId GraphBuilder::Attention(std::string name, ValueId query, ValueId key, ValueId value,
                                ValueId lengths, AttentionAttributes attributes) {
  return AddNode(OpKind::kAttention, std::move(name), {query, key, value, lengths}, attributes);
}

ValueId GraphBuilder::Gather(std::string name, ValueId table, ValueId ids) {
  return AddNode(OpKind::kGather, std::move(name), {table, ids}, {});
}

ValueId GraphBuilder::CacheWrite(std::string name, ValueId cache, ValueId rows, ValueId slot,
                                 ValueId position) {
  return AddNode(OpKind::kCacheWrite, std::move(name), {cache, rows, slot, position}, {});
}

ValueId GraphBuilder::CachedAttention(std::string name, ValueId query, ValueId key_cache,
                                      ValueId value_cache, ValueId index, ValueId length,
                                      AttentionAttributes attributes) {
  return AddNode(OpKind::kCachedAttention, std::move(name),
                 {query, key_cache, value_cache, index, length}, attributes);
}

ValueId GraphBuilder::Relu(std::string name, ValueId x) {
  return AddNode(OpKind::kRelu, std::move(name), {x}, {});
}

ValueId GraphBuilder::Sigmoid(std::string name, ValueId x) {
  return AddNode(OpKind::kSigmoid, std::move(name), {x}, {});
}

ValueId GraphBuilder::Magnitude(std::string name, ValueId x) {
  return AddNode(OpKind::kMagnitude, std::move(name), {x}, {});
}

ValueId GraphBuilder::Slice(std::string name, ValueId x, SliceAttributes attributes) {
  return AddNode(OpKind::kSlice, std::move(name), {x}, attributes);
}

ValueId GraphBuilder::Lstm(std::string name, ValueId x, ValueId weight_ih, ValueId weight_hh,
                           ValueId bias, ValueId state) {
  return AddNode(OpKind::kLstm, std::move(name), {x, weight_ih, weight_hh, bias, state}, {});
}

ValueId GraphBuilder::RaggedAttention(std::string name, ValueId query, ValueId key, ValueId value,
                                      ValueId offsets, AttentionAttributes attributes) {
  return AddNode(OpKind::kRaggedAttention, std::move(name), {query, key, value, offsets},
                 attributes);
}

ValueId GraphBuilder::AddNode(OpKind op, std::string name, std::vector<ValueId> inputs,
                              OpAttributes attributes) {
  if (!status_.ok()) return kNoValue;
  const std::string where = "node '" + name + "'";
  std::vector<const Value*> values;
  for (ValueId id : inputs) {
    if (id != kNoValue && (id < 0 || static_cast<size_t>(id) >= graph_.values_.size())) {
      Fail(InvalidArgument(where + " (" + std::string(OpName(op)) + "): input id " +
                           std::to_string(id) + " names no value"));
      return kNoValue;
    }
    values.push_back(id == kNoValue ? nullptr : &graph_.values_[id]);
  }
  auto inferred = InferOutput(op, values, attributes);
  if (!inferred.ok()) {
    Fail(std::move(inferred).status().AddContext(where));
    return kNoValue;
  }
  const auto index = static_cast<int32_t>(graph_.nodes_.size());
  const ValueId output =
      AddValue({name, ValueKind::kNode, inferred->dtype, std::move(inferred->dims), {}, index});
  if (output == kNoValue) return kNoValue;
  graph_.nodes_.push_back(
      {op, std::move(name), std::move(inputs), {output}, std::move(attributes)});
  return output;
}

void GraphBuilder::Output(std::string name, ValueId value) {
  graph_.outputs_.push_back({std::move(name), value});
}

void GraphBuilder::UpdateState(ValueId state, ValueId value) {
  graph_.state_updates_.push_back({state, value});
}

Result<Graph> GraphBuilder::Build() {
  Graph graph = std::exchange(graph_, Graph());
  Status status = std::exchange(status_, OkStatus());
  value_names_.clear();
  TESSERA_RETURN_IF_ERROR(std::move(status));
  TESSERA_RETURN_IF_ERROR(VerifyGraph(graph));
  return graph;
}

}  // namespace tessera
