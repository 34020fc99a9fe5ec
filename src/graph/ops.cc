#include "graph/ops.h"

namespace tessera {

std::string_view OpName(OpKind op) {
  switch (op) {
    case OpKind::kLinear:
      return "Linear";
    case OpKind::kConv1d:
      return "Conv1d";
    case OpKind::kLayerNorm:
      return "LayerNorm";
    case OpKind::kGelu:
      return "Gelu";
    case OpKind::kAdd:
      return "Add";
    case OpKind::kAttention:
      return "Attention";
    case OpKind::kGather:
      return "Gather";
    case OpKind::kCacheWrite:
      return "CacheWrite";
    case OpKind::kCachedAttention:
      return "CachedAttention";
    case OpKind::kRelu:
      return "Relu";
    case OpKind::kSigmoid:
      return "Sigmoid";
    case OpKind::kMagnitude:
      return "Magnitude";
    case OpKind::kSlice:
      return "Slice";
    case OpKind::kLstm:
      return "Lstm";
    case OpKind::kRaggedAttention:
      return "RaggedAttention";
  }
  return "Unknown";
}

}  // namespace tessera
