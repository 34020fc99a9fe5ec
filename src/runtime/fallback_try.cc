// Tries the stages of a group on a device: their results against the CPU's in f32, their speed
// against the CPU's in the precision that would be used.
#include <algorithm>
#include <chrono>
#include <limits>
#include <set>

#include "runtime/fallback_group.h"
#include "runtime/numerics_gate.h"

namespace tessera::fallback {
namespace {

constexpr int kTimedRuns = 3;  // the best counts

// One provider's programs of a group's stages, on a store of one slot.
struct Side {
  std::vector<std::shared_ptr<const Program>> programs;
  std::vector<std::unique_ptr<ExecutionContext>> contexts;
  std::unique_ptr<StateStore> states;  // null for stages without
};

struct Tried {
  const Graph* graph;
  StageProbe probe;
};

// A store's symbols that no input binds count slots: one is enough for a probe.
CompileOptions OfOneSlot(std::span<const Graph* const> graphs, CompileOptions options) {
  std::set<std::string> bound;
  for (const Graph* graph : graphs) {
    for (const ValueId id : graph->inputs())
      for (const Dim& dim : graph->value(id).dims) bound.insert(dim.symbol);
  }
  for (auto& [symbol, size] : options.max_dims)
    if (!bound.contains(symbol)) size = 1;
  return options;
}

Status Prepare(const ExecutionProvider& provider, std::span<const Graph* const> graphs,
               const CompileOptions& options, Side& side) {
  for (const auto& program : side.programs) side.contexts.push_back(program->NewContext());
  if (graphs.back()->states().empty()) return OkStatus();
  TESSERA_ASSIGN_OR_RETURN(side.states, provider.NewStateStore(graphs, OfOneSlot(graphs, options)));
  return OkStatus();
}

using Outputs = std::vector<std::map<std::string, Tensor>>;  // of each run, stage after stage

Result<Outputs> RunAll(std::span<const Tried> stages, const Side& side) {
  Outputs outputs;
  for (size_t i = 0; i < stages.size(); ++i) {
    for (const StageProbe::Inputs& inputs : stages[i].probe.runs) {
      StateStore* const states = stages[i].graph->states().empty() ? nullptr : side.states.get();
      TESSERA_ASSIGN_OR_RETURN(auto made, RunProbe(*stages[i].graph, *side.programs[i],
                                                   *side.contexts[i], states, inputs, {}));
      outputs.push_back(std::move(made));
    }
  }
  return outputs;
}

// Of a unit of work, after RunAll.
Result<double> Seconds(std::span<const Tried> stages, const Side& side) {
  using Clock = std::chrono::steady_clock;
  double sum = 0;
  for (size_t i = 0; i < stages.size(); ++i) {
    StateStore* const states = stages[i].graph->states().empty() ? nullptr : side.states.get();
    double best = std::numeric_limits<double>::max();
    for (int run = 0; run < kTimedRuns; ++run) {
      const Clock::time_point start = Clock::now();
      TESSERA_RETURN_IF_ERROR(RunProbe(*stages[i].graph, *side.programs[i], *side.contexts[i],
                                       states, stages[i].probe.runs.back(), {})
                                  .status());
      best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    }
    sum += best * static_cast<double>(stages[i].probe.runs_in_a_unit);
  }
  return sum;
}

void Note(const std::string& name, const View& reference, const View& found,
          const GateBounds& bounds, Agreement& worst, std::string& reason) {
  const Agreement agreement = Compare(reference, found);
  worst = Worse(worst, agreement);
  if (agreement.ok(bounds) || !reason.empty()) return;
  char text[160];
  std::snprintf(text, sizeof(text),
                ": cosine %.6f to the CPU's result (at least %g), largest error %.3g of the "
                "largest value (at most %g)",
                agreement.cosine, bounds.cosine, agreement.relative_error, bounds.relative_error);
  reason = "output " + name + text;
}

}  // namespace

Result<Verdict> StageGroup::Try(size_t link, bool measure) {
  std::vector<const Graph*> graphs;
  std::vector<Tried> tried;
  Side device, reference, cpu;
  for (const auto& stage : stages_) {
    if (!stage->options.probe)
      return Internal(stage->graph->name() + " has no inputs to be tried with");
    TESSERA_ASSIGN_OR_RETURN(StageProbe probe, stage->options.probe());
    if (probe.runs.empty()) return Internal(stage->graph->name() + " is tried with no run");
    graphs.push_back(stage->graph);
    tried.push_back({stage->graph, std::move(probe)});
    device.programs.push_back(stage->program);
    CompileOptions exact = stage->options;
    exact.precision = kernels::Precision::kF32;
    exact.linear_precision = nullptr;
    TESSERA_ASSIGN_OR_RETURN(std::shared_ptr<const Program> program,
                             chain_->cpu->Compile(*stage->graph, exact));
    reference.programs.push_back(std::move(program));
    if (!measure) continue;
    TESSERA_ASSIGN_OR_RETURN(program, chain_->cpu->Compile(*stage->graph, stage->options));
    cpu.programs.push_back(std::move(program));
  }
  const CompileOptions& options = stages_.back()->options;
  CompileOptions exact = options;
  exact.precision = kernels::Precision::kF32;
  TESSERA_RETURN_IF_ERROR(Prepare(*chain_->links[link].provider, graphs, options, device));
  TESSERA_RETURN_IF_ERROR(Prepare(*chain_->cpu, graphs, exact, reference));
  TESSERA_ASSIGN_OR_RETURN(const Outputs expected, RunAll(tried, reference));
  TESSERA_ASSIGN_OR_RETURN(const Outputs found, RunAll(tried, device));

  Verdict verdict;
  Agreement worst;
  const bool integers = std::ranges::any_of(
      device.programs, [](const auto& program) { return !program->placement().precision.empty(); });
  const GateBounds bounds = integers ? kIntegerBounds : GateBounds();
  for (size_t run = 0; run < expected.size(); ++run) {
    for (const auto& [name, tensor] : expected[run]) {
      if (tensor.dtype() != DType::kF32) continue;
      Note(name, tensor.ViewOf(), found[run].at(name).ViewOf(), bounds, worst, verdict.reason);
    }
  }
  verdict.cosine = worst.cosine;
  verdict.relative_error = worst.relative_error;
  verdict.accurate = worst.ok(bounds);
  if (!measure || !verdict.accurate) return verdict;
  reference = {};
  TESSERA_RETURN_IF_ERROR(Prepare(*chain_->cpu, graphs, options, cpu));
  TESSERA_RETURN_IF_ERROR(RunAll(tried, cpu).status());
  TESSERA_ASSIGN_OR_RETURN(verdict.cpu_seconds, Seconds(tried, cpu));
  TESSERA_ASSIGN_OR_RETURN(verdict.device_seconds, Seconds(tried, device));
  return verdict;
}

}  // namespace tessera::fallback
