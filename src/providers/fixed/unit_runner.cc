#include "providers/fixed/unit_runner.h"

#include <algorithm>
#include <cstring>

#include "graph/binding.h"
#include "kernels/gather.h"

namespace tessera::fixed {
namespace {

Shape ShapeOf(const Value& value) {
  Shape shape;
  for (const Dim& dim : value.dims) shape.push_back(dim.add);
  return shape;
}

bool LeadsWith(const Value& value, const std::string& symbol) {
  return !symbol.empty() && !value.dims.empty() && value.dims[0].symbol == symbol;
}

const void* RowAddress(const View& view, int64_t row) {
  const int64_t rows = std::max<int64_t>(view.shape[0], 1);
  return static_cast<const char*>(view.data) + view.bytes() / static_cast<size_t>(rows) * row;
}

// As many rows of `view` as `unit` has.
View RowsOf(View view, const Unit& unit) {
  view.data = RowAddress(view, unit.begin);
  view.shape[0] = unit.count;
  return view;
}

MutableView RowsOf(MutableView view, const Unit& unit) {
  const View rows = RowsOf(View(view), unit);
  return {const_cast<void*>(rows.data), rows.dtype, rows.shape};
}

bool Consecutive(std::span<const int32_t> ids) {
  for (size_t i = 1; i < ids.size(); ++i)
    if (ids[i] != ids[i - 1] + 1) return false;
  return true;
}

Status OutOfRange(const std::string& name, int64_t low, int64_t high, int64_t found) {
  return InvalidArgument(name + ": expected values in " + std::to_string(low) + ".." +
                         std::to_string(high) + ", found " + std::to_string(found));
}

Status CheckRange(const std::string& name, std::span<const int32_t> ids, int64_t end) {
  for (const int32_t id : ids)
    if (id < 0 || id >= end) return OutOfRange(name, 0, end - 1, id);
  return OkStatus();
}

}  // namespace

Status UnitRunner::Bind(const RunBindings& bindings, const StepForm& form) {
  TESSERA_RETURN_IF_ERROR(BindShapes(bindings));
  if (plan_.unit == RunPlan::Unit::kText) TESSERA_RETURN_IF_ERROR(CheckOffsets());
  return CheckIndices(form);
}

Status UnitRunner::BindShapes(const RunBindings& bindings) {
  const auto within = [&](const std::string& name) -> Status {
    for (const auto& [symbol, size] : sizes_) {
      const int64_t limit = max_dims_.at(symbol);
      if (size < 1 || size > limit) return OutOfRange(name + ": " + symbol, 1, limit, size);
    }
    return OkStatus();
  };
  for (const ValueId id : graph_.inputs()) {
    const Value& value = graph_.value(id);
    const auto it = std::ranges::find(bindings.inputs, value.name, &NamedView::name);
    if (it == bindings.inputs.end())
      return InvalidArgument("the input " + value.name + " is missing");
    TESSERA_RETURN_IF_ERROR(BindValue(value, it->view.dtype, it->view.shape, &sizes_));
    TESSERA_RETURN_IF_ERROR(within(value.name));
    inputs_[id] = it->view;
  }
  // Rows that have a part in each other are not padded: it would change the result.
  if (plan_.rows.empty()) {
    for (const auto& [symbol, size] : sizes_)
      if (size != max_dims_.at(symbol))
        return InvalidArgument("a device of fixed shapes computes " + graph_.name() + " whole: " +
                               "expected " + symbol + " = " + std::to_string(max_dims_.at(symbol)) +
                               ", found " + std::to_string(size));
  }
  for (const ValueId id : graph_.states()) {
    const Value& value = graph_.value(id);
    HostStateStore::State* const state = states_ == nullptr ? nullptr : states_->Find(value.name);
    if (state == nullptr) return InvalidArgument("the state " + value.name + " is missing");
    TESSERA_RETURN_IF_ERROR(
        BindValue(value, value.dtype, {state->slots, state->positions, state->d}, &sizes_));
    TESSERA_RETURN_IF_ERROR(within(value.name));
    bound_states_[id] = state;
  }
  for (const GraphOutput& output : graph_.outputs()) {
    const auto it = std::ranges::find(bindings.outputs, output.name, &NamedMutableView::name);
    if (it == bindings.outputs.end())
      return InvalidArgument("the output " + output.name + " is missing");
    const Value& value = graph_.value(output.value);
    TESSERA_ASSIGN_OR_RETURN(const Shape shape, EvaluateDims(value.dims, sizes_));
    if (it->view.dtype != value.dtype || it->view.shape != shape)
      return InvalidArgument(
          output.name + ": expected " + std::string(DTypeName(value.dtype)) + ShapeToString(shape) +
          ", found " + std::string(DTypeName(it->view.dtype)) + ShapeToString(it->view.shape));
    outputs_.push_back(it->view);
  }
  return OkStatus();
}

Status UnitRunner::CheckOffsets() const {
  const std::span<const int32_t> offsets = Ids(plan_.offsets);
  bool good = !offsets.empty() && offsets.front() == 0 && offsets.back() == num_rows();
  for (size_t i = 1; i < offsets.size(); ++i) good &= offsets[i - 1] <= offsets[i];
  if (good) return OkStatus();
  return InvalidArgument(graph_.value(plan_.offsets).name +
                         ": expected values that begin with 0, do not fall and end with " +
                         std::to_string(num_rows()));
}

Status UnitRunner::CheckIndices(const StepForm& form) const {
  for (const StepForm::Lookup& lookup : form.lookups)
    TESSERA_RETURN_IF_ERROR(CheckRange(graph_.value(lookup.ids).name, Ids(lookup.ids),
                                       graph_.value(lookup.table).dims[0].add));
  if (plan_.picks != kNoValue)
    TESSERA_RETURN_IF_ERROR(
        CheckRange(graph_.value(plan_.picks).name, Ids(plan_.picks), num_rows()));
  for (const StepForm::NewRows& rows : form.new_rows) TESSERA_RETURN_IF_ERROR(CheckWrites(rows));
  for (const StepForm::Past& past : form.pasts) TESSERA_RETURN_IF_ERROR(CheckPast(form, past));
  return OkStatus();
}

Status UnitRunner::CheckWrites(const StepForm::NewRows& rows) const {
  const HostStateStore::State& state = State(rows.state);
  const std::span<const int32_t> slot = Ids(rows.slot), position = Ids(rows.position);
  TESSERA_RETURN_IF_ERROR(CheckRange(graph_.value(rows.slot).name, slot, state.slots));
  TESSERA_RETURN_IF_ERROR(CheckRange(graph_.value(rows.position).name, position, state.positions));
  if (!state.whole) return OkStatus();
  if (plan_.unit != RunPlan::Unit::kWhole || position[0] != 0 || !Consecutive(position) ||
      std::ranges::any_of(slot, [&](int32_t s) { return s != slot[0]; }))
    return InvalidArgument(graph_.value(rows.position).name +
                           ": expected one slot and positions from 0 upwards");
  return OkStatus();
}

Status UnitRunner::CheckPast(const StepForm& form, const StepForm::Past& past) const {
  const HostStateStore::State& state = State(past.state);
  const std::string& name = graph_.value(past.length).name;
  const View& index = Input(past.index);
  const std::span<const int32_t> lengths = Ids(past.length);
  const int64_t columns = index.shape.size() == 2 ? index.shape[1] : state.positions;
  const auto slot_at = [&](int64_t token, int64_t position) {
    return index.As<int32_t>()[index.shape.size() == 2 ? token * columns + position : token];
  };
  const StepForm::NewRows* own = nullptr;
  for (const StepForm::NewRows& rows : form.new_rows)
    if (past.own_row && rows.state == past.state) own = &rows;
  for (int64_t t = 0; t < num_rows(); ++t) {
    const int64_t length = lengths[static_cast<size_t>(t)];
    if (length < 1 || length > std::min(columns, state.positions))
      return OutOfRange(name, 1, std::min(columns, state.positions), length);
    for (int64_t p = 0; p < (index.shape.size() == 2 ? length : 1); ++p)
      if (slot_at(t, p) < 0 || slot_at(t, p) >= state.slots)
        return OutOfRange(graph_.value(past.index).name, 0, state.slots - 1, slot_at(t, p));
    if (own != nullptr) {
      const auto at = static_cast<size_t>(t);
      if (Ids(own->position)[at] != length - 1 || Ids(own->slot)[at] != slot_at(t, length - 1))
        return InvalidArgument(name + ": expected token " + std::to_string(t) +
                               " to be the last of its history");
    } else if (state.whole && state.written[static_cast<size_t>(slot_at(t, 0))] != length) {
      return InvalidArgument(name + ": slot " + std::to_string(slot_at(t, 0)) + " holds " +
                             std::to_string(state.written[static_cast<size_t>(slot_at(t, 0))]) +
                             " rows, found " + std::to_string(length));
    }
  }
  return OkStatus();
}

bool UnitRunner::HasUnitRows(ValueId id) const { return LeadsWith(graph_.value(id), plan_.rows); }

int64_t UnitRunner::num_rows() const { return plan_.rows.empty() ? 1 : sizes_.at(plan_.rows); }

std::vector<Unit> UnitRunner::Units(const StepForm& form) const {
  std::vector<Unit> units;
  switch (plan_.unit) {
    case RunPlan::Unit::kWhole:
      units.push_back({0, num_rows()});
      break;
    case RunPlan::Unit::kToken:
      for (int64_t t = 0; t < num_rows(); ++t) units.push_back({t, 1});
      // A token may see rows that others of this run write, which are at lower positions.
      if (!form.new_rows.empty())
        std::ranges::sort(units, {}, [&](const Unit& unit) {
          const auto at = static_cast<size_t>(unit.begin);
          return std::pair(Ids(form.new_rows[0].position)[at], unit.begin);
        });
      break;
    case RunPlan::Unit::kText: {
      const std::span<const int32_t> offsets = Ids(plan_.offsets);
      for (size_t s = 1; s < offsets.size(); ++s)
        if (offsets[s] > offsets[s - 1])
          units.push_back({offsets[s - 1], offsets[s] - offsets[s - 1]});
      break;
    }
  }
  return units;
}

View UnitRunner::Copied(const CompiledStage& stage, const std::string& name, const View& rows,
                        const Shape& shape) {
  Tensor& buffer = context_.Buffer(&stage, name, shape, rows.dtype);
  char* const begin = static_cast<char*>(buffer.MutableViewOf().data);
  std::memcpy(begin, rows.data, rows.bytes());
  std::memset(begin + rows.bytes(), 0, buffer.ViewOf().bytes() - rows.bytes());
  return buffer.ViewOf();
}

View UnitRunner::DeviceInput(const CompiledStage& stage, ValueId id, const Unit& unit) {
  const Shape shape = ShapeOf(stage.graph().value(id));
  const View& view = Input(id);
  return Copied(stage, graph_.value(id).name, HasUnitRows(id) ? RowsOf(view, unit) : view, shape);
}

View UnitRunner::LookedUp(const CompiledStage& stage, const StepForm::Lookup& lookup,
                          const Unit& unit) {
  const View& table = graph_.value(lookup.table).data;
  const int64_t width = table.shape[1];
  std::span<const int32_t> ids = Ids(lookup.ids);
  if (HasUnitRows(lookup.ids))
    ids = ids.subspan(static_cast<size_t>(unit.begin), static_cast<size_t>(unit.count));
  const auto count = static_cast<int64_t>(ids.size());
  const Shape shape = ShapeOf(stage.graph().value(lookup.rows));
  Tensor& buffer = context_.Buffer(&stage, lookup.name, shape, DType::kF32);
  float* const rows = buffer.As<float>();
  kernels::GatherRows(table.data, table.dtype, table.shape[0], width, width, ids.data(), count,
                      rows, width);
  std::fill(rows + count * width, rows + shape[0] * width, 0.0f);
  return buffer.ViewOf();
}

View UnitRunner::MaskOf(const CompiledStage& stage, const StepForm::Mask& mask, const Unit& unit) {
  Tensor& buffer = context_.Buffer(&stage, mask.name, {1, mask.size}, DType::kF32);
  int64_t seen = unit.count;
  if (plan_.unit == RunPlan::Unit::kToken)
    seen = Ids(mask.source)[static_cast<size_t>(unit.begin)] - (mask.own_row ? 1 : 0);
  float* const row = buffer.As<float>();
  std::fill(row, row + seen, 0.0f);
  std::fill(row + seen, row + mask.size, kHiddenScore);
  return buffer.ViewOf();
}

View UnitRunner::PastOf(const CompiledStage& stage, const StepForm::Past& past, const Unit& unit) {
  HostStateStore::State& state = State(past.state);
  const View& index = Input(past.index);
  const int64_t length = Ids(past.length)[static_cast<size_t>(unit.begin)] - (past.own_row ? 1 : 0);
  std::span<const int32_t> slots = index.Span<int32_t>().subspan(
      static_cast<size_t>(unit.begin * (index.shape.size() == 2 ? index.shape[1] : 1)), 1);
  if (index.shape.size() == 2) slots = {slots.data(), static_cast<size_t>(length)};
  // A history within one slot lies there as the device wants it: rows behind it are masked.
  if (std::ranges::all_of(slots, [&](int32_t slot) { return slot == slots[0]; }))
    return {state.Row(slots.empty() ? 0 : slots[0], 0), DType::kF32, {past.rows, state.d}};
  Tensor& buffer = context_.Buffer(&stage, past.name, {past.rows, state.d}, DType::kF32);
  const auto row_bytes = static_cast<size_t>(state.d) * sizeof(float);
  for (int64_t p = 0; p < length; ++p)
    std::memcpy(buffer.As<float>() + p * state.d, state.Row(slots[static_cast<size_t>(p)], p),
                row_bytes);
  return buffer.ViewOf();
}

Status UnitRunner::StoreRows(const CompiledStage& stage, const StepForm::NewRows& rows,
                             const Unit& unit) {
  const HostStateStore::State& state = State(rows.state);
  const Tensor& buffer =
      context_.Buffer(&stage, rows.name, ShapeOf(stage.graph().value(rows.rows)), DType::kF32);
  std::span<const int32_t> slot = Ids(rows.slot), position = Ids(rows.position);
  if (HasUnitRows(rows.slot)) {
    slot = slot.subspan(static_cast<size_t>(unit.begin), static_cast<size_t>(unit.count));
    position = position.subspan(static_cast<size_t>(unit.begin), slot.size());
  }
  const std::string& name = graph_.value(rows.state).name;
  View part{buffer.As<float>(), DType::kF32, {static_cast<int64_t>(slot.size()), state.d}};
  // In order from position 0 on (CheckWrites).
  if (state.whole) return states_->WriteRows(name, slot[0], position[0], part);
  part.shape[0] = 1;
  for (size_t i = 0; i < slot.size(); ++i) {
    part.data = buffer.As<float>() + static_cast<int64_t>(i) * state.d;
    TESSERA_RETURN_IF_ERROR(states_->WriteRows(name, slot[i], position[i], part));
  }
  return OkStatus();
}

Status UnitRunner::Run(const WatchedStage& watched, const Unit& unit, std::stop_token stop) {
  const CompiledStage& stage = watched.stage();
  const StepForm& form = stage.form();
  std::vector<NamedView> in;
  for (const ValueId id : form.inputs)
    in.push_back({stage.graph().value(id).name, DeviceInput(stage, id, unit)});
  for (const StepForm::Lookup& lookup : form.lookups)
    in.push_back({lookup.name, LookedUp(stage, lookup, unit)});
  for (const StepForm::Mask& mask : form.masks)
    in.push_back({mask.name, MaskOf(stage, mask, unit)});
  for (const StepForm::Past& past : form.pasts)
    in.push_back({past.name, PastOf(stage, past, unit)});

  // Results come out through buffers: the caller's memory may not outlive a run that hangs.
  struct Copy {
    const Tensor* from;
    std::vector<MutableView> to;
  };
  std::vector<Copy> copies;
  std::vector<NamedMutableView> out;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const GraphOutput& output = graph_.outputs()[i];
    const Value& value = graph_.value(output.value);
    const Shape shape = ShapeOf(stage.graph().value(output.value));
    std::vector<MutableView> targets;
    if (LeadsWith(value, plan_.picked)) {
      const std::span<const int32_t> picks = Ids(plan_.picks);
      for (size_t k = 0; k < picks.size(); ++k)
        if (picks[k] == unit.begin)
          targets.push_back(RowsOf(outputs_[i], {static_cast<int64_t>(k), 1}));
    } else {
      targets.push_back(HasUnitRows(output.value) ? RowsOf(outputs_[i], unit) : outputs_[i]);
    }
    Tensor& buffer = context_.Buffer(&stage, output.name, shape, value.dtype);
    out.push_back({stage.graph().outputs()[i].name, buffer.MutableViewOf()});
    copies.push_back({&buffer, std::move(targets)});
  }
  for (const StepForm::NewRows& rows : form.new_rows)
    out.push_back(
        {rows.name,
         context_.Buffer(&stage, rows.name, ShapeOf(stage.graph().value(rows.rows)), DType::kF32)
             .MutableViewOf()});

  std::vector<std::shared_ptr<const void>> memory = {context_.memory()};
  if (states_ != nullptr) memory.push_back(states_->memory());
  bool given_up = false;
  const Status status =
      watched.Run(std::move(in), std::move(out), std::move(memory), std::move(stop), &given_up);
  if (given_up) context_.GiveAway();
  TESSERA_RETURN_IF_ERROR(status);
  for (const Copy& copy : copies)
    for (const MutableView& to : copy.to)
      std::memcpy(to.data, copy.from->ViewOf().data, to.bytes());
  for (const StepForm::NewRows& rows : form.new_rows)
    TESSERA_RETURN_IF_ERROR(StoreRows(stage, rows, unit));
  return OkStatus();
}

}  // namespace tessera::fixed
