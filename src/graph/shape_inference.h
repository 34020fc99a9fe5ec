// The shape rule of each op, on symbolic dimensions.
#ifndef TESSERA_GRAPH_SHAPE_INFERENCE_H_
#define TESSERA_GRAPH_SHAPE_INFERENCE_H_

#include <vector>

#include "graph/graph.h"

namespace tessera {

struct TypedDims {
  DType dtype;
  Dims dims;
};

// Type and dimensions of the node's single output. `inputs[i]` is null for an absent optional
// input. Error names the op, what it expected and what it found.
Result<TypedDims> InferOutput(OpKind op, const std::vector<const Value*>& inputs,
                              const OpAttributes& attributes);

}  // namespace tessera

#endif  // TESSERA_GRAPH_SHAPE_INFERENCE_H_
