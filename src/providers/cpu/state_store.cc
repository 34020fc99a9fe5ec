#include "providers/cpu/state_store.h"

#include <cstring>

#include "kernels/attention.h"
#include "kernels/cached_attention.h"
#include "providers/state_rows.h"

namespace tessera::cpu {

void CacheState::PackHead(int64_t slot, int64_t head, const float* rows, int64_t ld,
                          int64_t count) {
  const auto pack = traits.use == StateUse::kWholeKeys ? &kernels::PackKeys : &kernels::PackValues;
  pack(precision, rows, ld, count, head_dim(), Head(slot, head));
}

Result<std::unique_ptr<CpuStateStore>> CpuStateStore::Create(std::span<const Graph* const> graphs,
                                                             const CompileOptions& options) {
  auto store = std::make_unique<CpuStateStore>();
  for (const Graph* graph : graphs) {
    for (ValueId v : graph->states()) {
      const Value& value = graph->value(v);
      TESSERA_ASSIGN_OR_RETURN(Shape shape, EvaluateDims(value.dims, options.max_dims));
      if (shape.size() != 3)
        return Unimplemented(value.name + ": expected a state [slots, capacity, d], found " +
                             ShapeToString(shape));
      TESSERA_RETURN_IF_ERROR(CheckedNumElements(shape).status());
      if (CacheState* known = store->Find(value.name)) {
        if (Shape{known->slots, known->capacity, known->d} != shape)
          return InvalidArgument("the state " + value.name + " has different sizes in two graphs");
        continue;
      }
      CacheState state{.slots = shape[0], .capacity = shape[1], .d = shape[2]};
      state.traits = value.state;
      state.precision = options.precision;
      if (state.packed()) {
        if (state.traits.num_heads < 1 || state.d % state.traits.num_heads != 0)
          return InvalidArgument(value.name + ": " + std::to_string(state.d) + " columns are not " +
                                 std::to_string(state.traits.num_heads) + " heads");
        state.head_bytes =
            state.traits.use == StateUse::kWholeKeys
                ? kernels::PackedKeysBytes(state.precision, state.head_dim(), state.capacity)
                : kernels::PackedValuesBytes(state.precision, state.head_dim(), state.capacity);
        state.data = AlignedBuffer(state.head_bytes *
                                   static_cast<size_t>(state.slots * state.traits.num_heads));
        state.written.resize(static_cast<size_t>(state.slots));
        store->states_.emplace(value.name, std::move(state));
        continue;
      }
      state.dtype = options.precision == kernels::Precision::kF32 ? DType::kF32 : DType::kBF16;
      const size_t bytes = static_cast<size_t>(NumElements(shape)) * DTypeSize(state.dtype);
      state.data = AlignedBuffer::Zeroed(bytes);
      store->states_.emplace(value.name, std::move(state));
    }
  }
  return store;
}

size_t CpuStateStore::bytes() const {
  size_t total = 0;
  for (const auto& [name, state] : states_) total += state.data.bytes();
  return total;
}

Status CpuStateStore::WriteRows(std::string_view name, int64_t slot, int64_t first_position,
                                const View& rows) {
  CacheState* const state = Find(std::string(name));
  if (state == nullptr) return NotFound("no state " + std::string(name));
  TESSERA_RETURN_IF_ERROR(CheckStateRows(name, {state->slots, state->capacity, state->d},
                                         state->packed(), slot, first_position, rows));
  const float* const first = static_cast<const float*>(rows.data);
  if (state->packed()) {
    for (int64_t head = 0; head < state->traits.num_heads; ++head)
      state->PackHead(slot, head, first + head * state->head_dim(), state->d, rows.shape[0]);
    state->written[slot] = rows.shape[0];
    return OkStatus();
  }
  for (int64_t r = 0; r < rows.shape[0]; ++r)
    kernels::StoreCacheRow(first + r * state->d, 1, state->d, state->dtype,
                           state->Row(slot, first_position + r), nullptr);
  return OkStatus();
}

CacheState* CpuStateStore::Find(const std::string& name) {
  const auto it = states_.find(name);
  return it == states_.end() ? nullptr : &it->second;
}

}  // namespace tessera::cpu
