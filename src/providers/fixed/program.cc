#include "providers/fixed/program.h"

#include <algorithm>
#include <numeric>

#include "providers/fixed/unit_runner.h"

namespace tessera::fixed {
size_t FixedContext::bytes() const {
  return std::accumulate(
      buffers_->begin(), buffers_->end(), size_t{0},
      [](size_t sum, const auto& entry) { return sum + entry.second.ViewOf().bytes(); });
}

Tensor& FixedContext::Buffer(const CompiledStage* stage, const std::string& name,
                             const Shape& shape, DType dtype) {
  const auto [it, is_new] = buffers_->try_emplace({stage, name});
  if (is_new) it->second = Tensor::Zeros(dtype, shape);
  return it->second;
}

Result<std::unique_ptr<FixedProgram>> FixedProgram::Create(
    const Graph& graph, const DimBindings& max_dims, std::shared_ptr<const FixedBackend> backend,
    StageOptions options) {
  TESSERA_RETURN_IF_ERROR(DeviceHealth::Of(backend->info()).status());
  TESSERA_ASSIGN_OR_RETURN(RunPlan plan, PlanRuns(graph));
  std::unique_ptr<FixedProgram> program(
      new FixedProgram(graph, max_dims, std::move(backend), std::move(options), std::move(plan)));
  int64_t first = 1;
  const auto rows = max_dims.find(program->plan_.rows);
  switch (program->plan_.unit) {
    case RunPlan::Unit::kWhole:
      if (rows != max_dims.end()) first = rows->second;
      program->sizes_ = {first};
      break;
    case RunPlan::Unit::kToken:
      program->sizes_ = {first};
      break;
    case RunPlan::Unit::kText:
      if (rows == max_dims.end() || rows->second < 1)
        return InvalidArgument("graph '" + graph.name() + "': no largest size for '" +
                               program->plan_.rows + "'");
      program->sizes_ = TextBuckets(rows->second);
      first = std::min(program->options_.first_text_bucket, rows->second);
      break;
  }
  TESSERA_ASSIGN_OR_RETURN(program->first_, program->StageFor(first, {}));
  return program;
}

Result<const WatchedStage*> FixedProgram::StageFor(int64_t rows, std::stop_token stop) const {
  const auto size = std::ranges::lower_bound(sizes_, rows);
  TESSERA_CHECK(size != sizes_.end());
  const std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<WatchedStage>& stage = stages_[*size];
  if (stage == nullptr) {
    TESSERA_ASSIGN_OR_RETURN(const DimBindings dims, UnitDims(graph_, plan_, max_dims_, *size));
    TESSERA_ASSIGN_OR_RETURN(
        std::unique_ptr<CompiledStage> compiled,
        CompiledStage::Compile(graph_, dims, *backend_, options_, std::move(stop)));
    stage = std::make_unique<WatchedStage>(std::move(compiled), backend_);
  }
  return stage.get();
}

std::unique_ptr<ExecutionContext> FixedProgram::NewContext(std::shared_ptr<ThreadPool>,
                                                           const ExecutionContext*) const {
  return std::make_unique<FixedContext>();
}

Status FixedProgram::Run(ExecutionContext& context, StateStore* states, const RunBindings& bindings,
                         std::stop_token stop) const {
  UnitRunner runner(graph_, plan_, max_dims_, static_cast<FixedContext&>(context),
                    static_cast<HostStateStore*>(states));
  TESSERA_RETURN_IF_ERROR(runner.Bind(bindings, first().form()));
  for (const Unit& unit : runner.Units(first().form())) {
    if (stop.stop_requested()) return Cancelled("a stop was requested");
    TESSERA_ASSIGN_OR_RETURN(const WatchedStage* const stage, StageFor(unit.count, stop));
    TESSERA_RETURN_IF_ERROR(runner.Run(*stage, unit, stop));
  }
  return OkStatus();
}

}  // namespace tessera::fixed
