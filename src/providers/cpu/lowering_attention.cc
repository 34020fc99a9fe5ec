#include <algorithm>

#include "kernels/attention.h"
#include "kernels/cached_attention.h"
#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {
namespace {

Status CheckHeadDim(int64_t head_dim) {
  if (head_dim % 16 == 0 && head_dim <= kernels::kMaxHeadDim) return OkStatus();
  return Unimplemented("attention heads of " + std::to_string(head_dim) +
                       " columns; the kernels take multiples of 16 up to " +
                       std::to_string(kernels::kMaxHeadDim));
}

}  // namespace

void Lowering::NeedKeysValues(Precision precision, int64_t head_dim, int64_t keys) {
  plan_.attention_bytes = std::max<int64_t>(
      plan_.attention_bytes,
      static_cast<int64_t>(kernels::PackedKeysValuesBytes(precision, head_dim, keys) + 64 +
                           kernels::AttendScratchBytes(kBlockRows, head_dim)));
}

Status Lowering::LowerAttention(const Node& n) {
  const AttentionAttributes& attributes = std::get<AttentionAttributes>(n.attributes);
  AttentionStep step;
  CloseChain();
  step.query = Use(n.inputs[0]);
  step.key = Use(n.inputs[1]);
  step.value = Use(n.inputs[2]);
  step.batch = {ToPlanDim(graph_.value(n.inputs[0]).dims[0])};
  step.query_length = ToPlanDim(graph_.value(n.inputs[0]).dims[1]);
  step.key_length = ToPlanDim(graph_.value(n.inputs[1]).dims[1]);
  if (n.inputs.size() > 3 && n.inputs[3] != kNoValue) {
    step.lengths = InputIndex(n.inputs[3]);
    if (step.lengths < 0) return Unimplemented("Attention lengths must be a graph input");
    PlanDim high = step.key_length;
    high.add += 1;
    plan_.bounds.push_back({step.lengths, 1, {high}});
  }
  step.num_heads = attributes.num_heads;
  step.head_dim = ColumnsOf(n.inputs[0]) / attributes.num_heads;
  step.scale = attributes.scale;
  step.causal = attributes.causal;
  step.precision = options_.precision;
  TESSERA_RETURN_IF_ERROR(CheckHeadDim(step.head_dim));
  step.out = NewRows(n.outputs[0]);
  NeedKeysValues(step.precision, step.head_dim, Evaluate(step.key_length, plan_.max_symbols));
  plan_.steps.push_back({std::move(step), n.name});
  return OkStatus();
}

Status Lowering::LowerRaggedAttention(const Node& n) {
  const AttentionAttributes& attributes = std::get<AttentionAttributes>(n.attributes);
  RaggedAttentionStep step;
  CloseChain();
  step.query = Use(n.inputs[0]);
  step.key = Use(n.inputs[1]);
  step.value = Use(n.inputs[2]);
  step.tokens = RowsOfValue(n.inputs[0]);
  step.offsets = InputIndex(n.inputs[3]);
  if (step.offsets < 0) return Unimplemented("RaggedAttention offsets must be a graph input");
  step.sequences = ToPlanDim(graph_.value(n.inputs[3]).dims[0]);
  step.sequences.add -= 1;
  plan_.offsets.push_back({step.offsets, step.tokens});
  step.num_heads = attributes.num_heads;
  step.head_dim = ColumnsOf(n.inputs[0]) / attributes.num_heads;
  step.scale = attributes.scale;
  step.precision = options_.precision;
  TESSERA_RETURN_IF_ERROR(CheckHeadDim(step.head_dim));
  step.out = NewRows(n.outputs[0]);
  NeedKeysValues(step.precision, step.head_dim, Evaluate(step.tokens, plan_.max_symbols));
  plan_.steps.push_back({std::move(step), n.name});
  return OkStatus();
}

Status Lowering::LowerCachedAttention(const Node& n) {
  const AttentionAttributes& attributes = std::get<AttentionAttributes>(n.attributes);
  CachedAttentionStep step;
  CloseChain();
  step.query = Use(n.inputs[0]);
  step.key_state = StateIndex(n.inputs[1]);
  step.value_state = StateIndex(n.inputs[2]);
  step.index = InputIndex(n.inputs[3]);
  step.length = InputIndex(n.inputs[4]);
  if (step.key_state < 0 || step.value_state < 0 || step.index < 0 || step.length < 0)
    return Unimplemented("CachedAttention needs states and indices that are graph inputs");
  const auto use = [&](int state) { return graph_.value(graph_.states()[state]).state.use; };
  step.packed = use(step.key_state) == StateUse::kWholeKeys;
  step.tokens = RowsOfValue(n.inputs[0]);
  step.index_is_table = graph_.value(n.inputs[3]).dims.size() == 2;
  if (step.index_is_table) step.table_width = ToPlanDim(graph_.value(n.inputs[3]).dims[1]);
  step.num_heads = attributes.num_heads;
  step.head_dim = ColumnsOf(n.inputs[0]) / attributes.num_heads;
  step.scale = attributes.scale;
  TESSERA_RETURN_IF_ERROR(CheckHeadDim(step.head_dim));
  if (step.packed != (use(step.value_state) == StateUse::kWholeValues) ||
      (step.packed && step.index_is_table))
    return Unimplemented("keys and values must both be whole states, read by slot");
  const std::vector<PlanDim>& dims = plan_.states[step.key_state].dims;
  PlanDim high = step.index_is_table ? step.table_width : dims[1];
  high.add += 1;
  plan_.bounds.push_back({step.index, 0, {dims[0]}});
  plan_.bounds.push_back({step.length, 1, {high}});
  step.out = NewRows(n.outputs[0]);
  const int64_t capacity = Evaluate(dims[1], plan_.max_symbols);
  plan_.attention_bytes = std::max<int64_t>(
      plan_.attention_bytes,
      static_cast<int64_t>(step.packed ? kernels::AttendScratchBytes(kBlockRows, step.head_dim)
                                       : kernels::CachedAttentionScratchFloats(capacity) * 4));
  plan_.steps.push_back({std::move(step), n.name});
  return OkStatus();
}

}  // namespace tessera::cpu
