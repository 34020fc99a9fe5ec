// One Run of a FixedProgram: its bindings checked, then unit after unit. Lives on the stack of the
// run. Internal to program.cc.
#ifndef TESSERA_PROVIDERS_FIXED_UNIT_RUNNER_H_
#define TESSERA_PROVIDERS_FIXED_UNIT_RUNNER_H_

#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "providers/fixed/program.h"

namespace tessera::fixed {

// Rows [begin, begin + count) of what a run is about.
struct Unit {
  int64_t begin = 0;
  int64_t count = 0;
};

class UnitRunner {
 public:
  UnitRunner(const Graph& graph, const RunPlan& plan, const DimBindings& max_dims,
             FixedContext& context, HostStateStore* states)
      : graph_(graph), plan_(plan), max_dims_(max_dims), context_(context), states_(states) {}

  // Types, shapes and values of all inputs, in terms of the program's first stage, whose form says
  // what is looked up, read and written.
  Status Bind(const RunBindings& bindings, const StepForm& form);
  // What there is to run, in order, after Bind.
  std::vector<Unit> Units(const StepForm& form) const;
  // The unit's rows are at most those of the stage.
  Status Run(const WatchedStage& watched, const Unit& unit, std::stop_token stop);

 private:
  Status BindShapes(const RunBindings& bindings);
  Status CheckIndices(const StepForm& form) const;
  Status CheckPast(const StepForm& form, const StepForm::Past& past) const;
  Status CheckWrites(const StepForm::NewRows& rows) const;
  Status CheckOffsets() const;

  const View& Input(ValueId id) const { return inputs_.at(id); }
  std::span<const int32_t> Ids(ValueId id) const { return Input(id).Span<int32_t>(); }
  HostStateStore::State& State(ValueId id) const { return *bound_states_.at(id); }
  bool HasUnitRows(ValueId id) const;
  int64_t num_rows() const;  // of the whole run; 1 where it is not about rows

  // A copy of `rows`, with zeros behind them where `shape` has more.
  View Copied(const CompiledStage& stage, const std::string& name, const View& rows,
              const Shape& shape);
  View DeviceInput(const CompiledStage& stage, ValueId id, const Unit& unit);
  View LookedUp(const CompiledStage& stage, const StepForm::Lookup& lookup, const Unit& unit);
  View MaskOf(const CompiledStage& stage, const StepForm::Mask& mask, const Unit& unit);
  View PastOf(const CompiledStage& stage, const StepForm::Past& past, const Unit& unit);
  Status StoreRows(const CompiledStage& stage, const StepForm::NewRows& rows, const Unit& unit);

  const Graph& graph_;
  const RunPlan& plan_;
  const DimBindings& max_dims_;
  FixedContext& context_;
  HostStateStore* const states_;
  std::map<ValueId, View> inputs_;
  std::map<ValueId, HostStateStore::State*> bound_states_;
  std::vector<MutableView> outputs_;  // in the graph's order
  DimBindings sizes_;                 // of this run
};

}  // namespace tessera::fixed

#endif  // TESSERA_PROVIDERS_FIXED_UNIT_RUNNER_H_
