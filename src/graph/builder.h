// Builds a Graph node by node. Shapes are inferred as nodes are added; the first error is kept and
// returned by Build(). After an error every call returns kNoValue and does nothing, so callers
// check once, at Build(). Thread-compatible.
#ifndef TESSERA_GRAPH_BUILDER_H_
#define TESSERA_GRAPH_BUILDER_H_

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "graph/graph.h"

namespace tessera {

class GraphBuilder {
 public:
  explicit GraphBuilder(std::string graph_name);

  ValueId Input(std::string name, DType dtype, Dims dims);
  ValueId State(std::string name, DType dtype, Dims dims, StateTraits traits = {});
  // `data` must stay valid while the graph lives: pass its owner (a mapped file, a tensor) to
  // KeepAlive.
  ValueId Constant(std::string name, View data);
  // Takes the tensor over.
  ValueId Constant(std::string name, Tensor tensor);
  void KeepAlive(std::shared_ptr<const void> owner);

  // Each node's output value has the node's name. bias may be kNoValue.
  ValueId Linear(std::string name, ValueId x, ValueId weight, ValueId bias = kNoValue);
  ValueId Conv1d(std::string name, ValueId x, ValueId weight, ValueId bias,
                 Conv1dAttributes attributes);
  ValueId LayerNorm(std::string name, ValueId x, ValueId gamma, ValueId beta,
                    LayerNormAttributes attributes = {});
  ValueId Gelu(std::string name, ValueId x);
  ValueId Add(std::string name, ValueId a, ValueId b);
  ValueId Attention(std::string name, ValueId query, ValueId key, ValueId value, ValueId lengths,
                    AttentionAttributes attributes);
  ValueId Gather(std::string name, ValueId table, ValueId ids);
  ValueId CacheWrite(std::string name, ValueId cache, ValueId rows, ValueId slot, ValueId position);
  ValueId CachedAttention(std::string name, ValueId query, ValueId key_cache, ValueId value_cache,
                          ValueId index, ValueId length, AttentionAttributes attributes);
  ValueId Relu(std::string name, ValueId x);
  ValueId Sigmoid(std::string name, ValueId x);
  ValueId Magnitude(std::string name, ValueId x);
  ValueId Slice(std::string name, ValueId x, SliceAttributes attributes);
  ValueId Lstm(std::string name, ValueId x, ValueId weight_ih, ValueId weight_hh, ValueId bias,
               ValueId state);
  ValueId RaggedAttention(std::string name, ValueId query, ValueId key, ValueId value,
                          ValueId offsets, AttentionAttributes attributes);
  // The general form behind the above.
  ValueId AddNode(OpKind op, std::string name, std::vector<ValueId> inputs,
                  OpAttributes attributes);

  void Output(std::string name, ValueId value);
  void UpdateState(ValueId state, ValueId value);

  // Runs VerifyGraph (verify.h); after it the builder is empty.
  Result<Graph> Build();

 private:
  ValueId AddValue(Value value);
  void Fail(Status status);

  Graph graph_;
  std::unordered_set<std::string> value_names_;
  Status status_;
};

}  // namespace tessera

#endif  // TESSERA_GRAPH_BUILDER_H_
