#include "runtime/fallback_program.h"

#include <set>

#include "runtime/numerics_gate.h"

namespace tessera::fallback {
namespace {

bool Finite(const View& rows) {
  float sum = 0;
  for (const float x : rows.Span<float>()) sum += x * 0.0f;
  return sum == 0;
}

const View* FindInput(const RunBindings& bindings, const std::string& name) {
  for (const NamedView& input : bindings.inputs)
    if (input.name == name) return &input.view;
  return nullptr;
}

// A stage without outputs shows what it computed in states only: the slots that this run wrote.
std::string ImplausibleStates(const Graph& graph, const StateStore& states,
                              const RunBindings& bindings) {
  if (!graph.outputs().empty()) return "";
  std::set<std::pair<std::string, int32_t>> slots;
  for (const Node& node : graph.nodes()) {
    if (node.op != OpKind::kCacheWrite) continue;
    const Value& state = graph.value(node.inputs[0]);
    const View* const slot = FindInput(bindings, graph.value(node.inputs[2]).name);
    if (state.kind != ValueKind::kState || slot == nullptr || slot->dtype != DType::kI32) continue;
    for (const int32_t one : slot->Span<int32_t>()) slots.emplace(state.name, one);
  }
  for (const auto& [state, slot] : slots) {
    const View rows = states.HostRows(state, slot);
    if (rows.data != nullptr && rows.dtype == DType::kF32 && !Finite(rows))
      return "state " + state + " is not finite";
  }
  return "";
}

}  // namespace

void FallbackContext::UseThreads(std::shared_ptr<ThreadPool> threads) {
  used_ = std::move(threads);
  chosen_ = true;
  if (context_ != nullptr) context_->UseThreads(used_);
}

ExecutionContext& FallbackContext::On(size_t link, const std::shared_ptr<const Program>& program,
                                      const FallbackContext* beside) {
  if (context_ != nullptr && program_ == program) return *context_;
  context_ = nullptr;
  const bool shared = beside != nullptr && beside->context_ != nullptr && beside->link_ == link;
  context_ = program->NewContext(threads_, shared ? beside->context_.get() : nullptr);
  program_ = program;
  link_ = link;
  if (chosen_) context_->UseThreads(used_);
  return *context_;
}

FallbackStateStore::FallbackStateStore(std::shared_ptr<StageGroup> group,
                                       std::span<const Graph* const> graphs,
                                       const CompileOptions& options)
    : group_(std::move(group)), graphs_(graphs.begin(), graphs.end()) {
  options_.max_dims = options.max_dims;
  options_.precision = options.precision;
}

Result<std::unique_ptr<StateStore>> FallbackStateStore::Create(std::shared_ptr<StageGroup> group,
                                                               std::span<const Graph* const> graphs,
                                                               const CompileOptions& options) {
  std::unique_ptr<FallbackStateStore> store(
      new FallbackStateStore(std::move(group), graphs, options));
  TESSERA_ASSIGN_OR_RETURN(const StageGroup::Use use, store->group_->Begin(std::nullopt));
  TESSERA_RETURN_IF_ERROR(store->On(use.link).status());
  return std::unique_ptr<StateStore>(std::move(store));
}

size_t FallbackStateStore::bytes() const {
  const std::lock_guard lock(mutex_);
  return store_->bytes();
}

Status FallbackStateStore::WriteRows(std::string_view state, int64_t slot, int64_t first_position,
                                     const View& rows) {
  TESSERA_ASSIGN_OR_RETURN(const StageGroup::Use use, group_->Begin(std::nullopt));
  TESSERA_ASSIGN_OR_RETURN(StateStore* const store, On(use.link));
  return store->WriteRows(state, slot, first_position, rows);
}

View FallbackStateStore::HostRows(std::string_view state, int64_t slot) const {
  const std::lock_guard lock(mutex_);
  return store_->HostRows(state, slot);
}

Result<StateStore*> FallbackStateStore::On(size_t link) {
  const std::lock_guard lock(mutex_);
  if (store_ != nullptr && link_ == link) return store_.get();
  TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<StateStore> store,
                           group_->chain().links[link].provider->NewStateStore(graphs_, options_));
  if (store_ != nullptr) TESSERA_RETURN_IF_ERROR(MoveRows(*store));
  store_ = std::move(store);
  link_ = link;
  return store_.get();
}

Status FallbackStateStore::MoveRows(StateStore& to) const {
  std::set<std::string> names;
  for (const Graph* graph : graphs_)
    for (const ValueId id : graph->states()) names.insert(graph->value(id).name);
  for (const std::string& name : names) {
    if (store_->HostRows(name, 0).data == nullptr)
      return Internal("state " + name + " cannot be taken out of its provider");
    for (int64_t slot = 0;; ++slot) {
      const View rows = store_->HostRows(name, slot);
      if (rows.data == nullptr) break;
      TESSERA_RETURN_IF_ERROR(to.WriteRows(name, slot, 0, rows));
    }
  }
  return OkStatus();
}

std::unique_ptr<ExecutionContext> FallbackProgram::NewContext(
    std::shared_ptr<ThreadPool> threads, const ExecutionContext* beside) const {
  auto context = std::make_unique<FallbackContext>(std::move(threads));
  // A context that cannot be made now is made by the first run, which can say why not.
  const Result<StageGroup::Use> use = group_->Begin(stage_);
  if (use.ok()) context->On(use->link, use->program, static_cast<const FallbackContext*>(beside));
  return context;
}

size_t FallbackProgram::weight_bytes() const {
  const Result<StageGroup::Use> use = group_->Begin(stage_);
  return use.ok() ? use->program->weight_bytes() : 0;
}

Status FallbackProgram::RunOnce(FallbackContext& context, FallbackStateStore* states,
                                const RunBindings& bindings, std::stop_token stop, size_t* link,
                                HopStage* at) const {
  TESSERA_ASSIGN_OR_RETURN(const StageGroup::Use use, group_->Begin(stage_));
  *link = use.link;
  StateStore* store = nullptr;
  if (states != nullptr) {
    TESSERA_ASSIGN_OR_RETURN(store, states->On(use.link));
  }
  *at = HopStage::kRun;
  TESSERA_RETURN_IF_ERROR(
      use.program->Run(context.On(use.link, use.program), store, bindings, std::move(stop)));
  if (group_->chain().links[use.link].trusted) return OkStatus();
  *at = HopStage::kNumerics;
  std::string wrong = ImplausibleOutput(bindings);
  if (wrong.empty() && store != nullptr)
    wrong = ImplausibleStates(group_->graph(stage_), *store, bindings);
  return wrong.empty() ? OkStatus() : DataLoss(wrong);
}

Status FallbackProgram::Run(ExecutionContext& context, StateStore* states,
                            const RunBindings& bindings, std::stop_token stop) const {
  const Chain& chain = group_->chain();
  for (;;) {
    size_t link = 0;
    HopStage at = HopStage::kLoad;
    Status status = RunOnce(static_cast<FallbackContext&>(context),
                            static_cast<FallbackStateStore*>(states), bindings, stop, &link, &at);
    if (status.ok() || at == HopStage::kLoad || chain.links[link].trusted ||
        status.code() == StatusCode::kCancelled || status.code() == StatusCode::kInvalidArgument)
      return status;
    const ChainLink& failed = chain.links[link];
    const Hop hop{failed.info.name,
                  group_->graph(stage_).name(),
                  at,
                  status.code(),
                  status.message(),
                  "nothing was lost; the system's log may say why, and a restart brings the device "
                  "back into use"};
    if (link + 1 == chain.links.size()) {
      const Status lost = Unavailable(HopText(hop) + "; no other device may take over");
      group_->chain().AddHop(hop);
      group_->chain().Fail(link, lost);
      return lost;
    }
    group_->chain().Fail(link, status);
    TESSERA_RETURN_IF_ERROR(group_->MoveFrom(link, hop));
  }
}

}  // namespace tessera::fallback
