#include "providers/fixed/host_state_store.h"

#include <algorithm>
#include <cstring>

#include "providers/state_rows.h"

namespace tessera {

Result<std::unique_ptr<HostStateStore>> HostStateStore::Create(std::span<const Graph* const> graphs,
                                                               const DimBindings& max_dims) {
  auto store = std::make_unique<HostStateStore>();
  for (const Graph* graph : graphs) {
    for (const ValueId id : graph->states()) {
      const Value& value = graph->value(id);
      TESSERA_ASSIGN_OR_RETURN(const Shape shape, EvaluateDims(value.dims, max_dims));
      if (shape.size() != 3)
        return Unimplemented(value.name + ": expected a state [slots, positions, d], found " +
                             ShapeToString(shape));
      TESSERA_ASSIGN_OR_RETURN(const int64_t count, CheckedNumElements(shape));
      if (const State* known = store->Find(value.name)) {
        if (Shape{known->slots, known->positions, known->d} != shape)
          return InvalidArgument("the state " + value.name + " has different sizes in two graphs");
        continue;
      }
      State state{.slots = shape[0],
                  .positions = shape[1],
                  .d = shape[2],
                  .whole = value.state.use != StateUse::kRows};
      state.written.resize(static_cast<size_t>(state.slots));
      state.data = AlignedBuffer::Zeroed(static_cast<size_t>(count) * sizeof(float));
      store->states_->emplace(value.name, std::move(state));
    }
  }
  return store;
}

size_t HostStateStore::bytes() const {
  size_t total = 0;
  for (const auto& [name, state] : *states_) total += state.data.bytes();
  return total;
}

Status HostStateStore::WriteRows(std::string_view name, int64_t slot, int64_t first_position,
                                 const View& rows) {
  State* const state = Find(name);
  if (state == nullptr) return NotFound("no state " + std::string(name));
  TESSERA_RETURN_IF_ERROR(CheckStateRows(name, {state->slots, state->positions, state->d},
                                         state->whole, slot, first_position, rows));
  std::memcpy(state->Row(slot, first_position), rows.data, rows.bytes());
  int64_t& written = state->written[static_cast<size_t>(slot)];
  const int64_t end = first_position + rows.shape[0];
  written = state->whole ? end : std::max(written, end);
  return OkStatus();
}

View HostStateStore::HostRows(std::string_view name, int64_t slot) const {
  const auto it = states_->find(name);
  if (it == states_->end() || slot < 0 || slot >= it->second.slots) return {};
  const State& state = it->second;
  return {static_cast<const float*>(state.data.data()) + slot * state.positions * state.d,
          DType::kF32,
          {state.positions, state.d}};
}

HostStateStore::State* HostStateStore::Find(std::string_view name) {
  const auto it = states_->find(name);
  return it == states_->end() ? nullptr : &it->second;
}

}  // namespace tessera
