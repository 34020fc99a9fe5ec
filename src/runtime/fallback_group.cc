#include "runtime/fallback_group.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/clock.h"
#include "runtime/numerics_gate.h"

namespace tessera::fallback {
namespace {

std::set<std::string> StateNames(const Graph& graph) {
  std::set<std::string> names;
  for (const ValueId id : graph.states()) names.insert(graph.value(id).name);
  return names;
}

// What tells the causes of a failed compile apart.
HopStage StageOf(const Status& status) {
  return status.code() == StatusCode::kUnimplemented ? HopStage::kCapability : HopStage::kCompile;
}

std::string CompileHint(const Status& status) {
  switch (status.code()) {
    case StatusCode::kUnimplemented:
      return "tessera doctor MODEL says which nodes are refused and what would help";
    case StatusCode::kDeadlineExceeded:
      return "what a compiler has done is kept where it can be: another start may be faster";
    case StatusCode::kResourceExhausted:
      return "close other programs, or take a smaller model";
    case StatusCode::kUnavailable:
      return "tessera devices says whether another program holds the device or its driver is old";
    default:
      return "update the vendor's driver and libraries; tessera devices shows their versions";
  }
}

// A provider, its version and its device, as what was found out about it is kept.
std::string LinkName(const ChainLink& link) {
  const ProviderInfo& info = link.info;
  std::string name = info.name + " " + info.version + " on " + info.device_name;
  return link.driver.empty() ? name : name + " by " + link.driver;
}

}  // namespace

void Chain::AddHop(Hop hop) {
  const std::lock_guard lock(mutex_);
  hops_.push_back(std::move(hop));
}

std::vector<Hop> Chain::hops() const {
  const std::lock_guard lock(mutex_);
  return hops_;
}

Status Chain::failure(size_t link) const {
  if (!any_failed_.load(std::memory_order_acquire)) return OkStatus();
  const std::lock_guard lock(mutex_);
  return failed_[link];
}

void Chain::Fail(size_t link, const Status& why) {
  const std::lock_guard lock(mutex_);
  if (failed_[link].ok()) failed_[link] = why;
  any_failed_.store(true, std::memory_order_release);
}

std::shared_ptr<VerdictStore> Chain::verdicts() const {
  const std::lock_guard lock(mutex_);
  return verdicts_;
}

std::shared_ptr<VerdictStore> Chain::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

void Chain::SetStores(std::shared_ptr<VerdictStore> verdicts,
                      std::shared_ptr<VerdictStore> failures) {
  const std::lock_guard lock(mutex_);
  verdicts_ = std::move(verdicts);
  failures_ = std::move(failures);
}

void Chain::Hold(std::shared_ptr<const CompiledCacheUse> use) {
  const std::lock_guard lock(mutex_);
  uses_.push_back(std::move(use));
}

Status Chain::NothingLeft() const {
  std::string text = options.required ? "expected an NPU that runs the whole model, found none:"
                                      : "no device can run the model:";
  for (const Hop& hop : hops()) text += "\n  " + HopText(hop);
  return Unavailable(text);
}

Result<bool> ChainCache::Commit() {
  bool wrote = false;
  for (const std::string& folder : folders_) TrimCompiledCache(folder, CompiledCacheLimit());
  for (const auto& cache : links_) {
    if (cache == nullptr) continue;
    TESSERA_ASSIGN_OR_RETURN(const bool one, cache->Commit());
    wrote |= one;
  }
  return wrote;
}

bool StageGroup::SharesStatesWith(const Graph& graph) const {
  const std::shared_lock lock(mutex_);
  const std::set<std::string> names = StateNames(graph);
  for (const auto& stage : stages_) {
    for (const std::string& name : StateNames(*stage->graph))
      if (names.contains(name)) return true;
  }
  return false;
}

bool StageGroup::Holds(const Graph& graph) const {
  const std::shared_lock lock(mutex_);
  return std::ranges::any_of(stages_, [&](const auto& stage) { return stage->graph == &graph; });
}

Result<size_t> StageGroup::Add(const Graph& graph, const CompileOptions& options) {
  const std::unique_lock lock(mutex_);
  auto stage = std::make_unique<Stage>();
  stage->graph = &graph;
  stage->options = options;
  stage->options.cache = nullptr;
  // The caller's function may look at what does not live as long as a later move.
  stage->options.linear_precision = nullptr;
  if (options.linear_precision) {
    for (const Node& node : graph.nodes())
      stage->linears.emplace(node.name, options.linear_precision(node.name));
    stage->options.linear_precision = [own = stage.get()](const std::string& node) {
      return own->linears.at(node);
    };
  }
  stage->placements.resize(chain_->links.size());
  stages_.push_back(std::move(stage));
  cache_ = std::dynamic_pointer_cast<ChainCache>(options.cache);
  const Status status = CompileFrom(link_);
  cache_ = nullptr;
  if (!status.ok()) {
    stages_.pop_back();
    return status;
  }
  return stages_.size() - 1;
}

Status StageGroup::CompileFrom(size_t link) {
  while (link < chain_->links.size()) {
    std::optional<Hop> hop = CompileOn(link);
    if (!hop) hop = Judge(link);
    if (!hop) {
      link_ = link;
      return OkStatus();
    }
    const bool to_trusted = hop->at == HopStage::kSpeed;
    chain_->AddHop(*std::move(hop));
    for (const auto& stage : stages_) stage->program = nullptr;
    ++link;
    while (to_trusted && link < chain_->links.size() && !chain_->links[link].trusted) ++link;
  }
  link_ = chain_->links.size() - 1;
  return chain_->NothingLeft();
}

std::optional<Hop> StageGroup::CompileOn(size_t link) {
  const ChainLink& to = chain_->links[link];
  if (const Status failed = chain_->failure(link); !failed.ok())
    return Hop{to.info.name, "", HopStage::kRun, failed.code(), failed.message(), ""};
  const std::shared_ptr<VerdictStore> failures = to.trusted ? nullptr : chain_->failures();
  for (const auto& stage : stages_) {
    if (stage->program != nullptr) continue;
    const std::string& name = stage->graph->name();
    const Capability capability = to.provider->GetCapability(*stage->graph);
    if (!capability.refused.empty()) {
      const Refusal& first = capability.refused.front();
      const size_t more = capability.refused.size() - 1;
      return Hop{to.info.name,
                 name,
                 HopStage::kCapability,
                 StatusCode::kUnimplemented,
                 "node " + first.node + ": " + first.reason +
                     (more > 0 ? ", and " + std::to_string(more) + " others" : ""),
                 CompileHint(Unimplemented(""))};
    }
    if (std::optional<Hop> hop = RememberedFailure(link, *stage->graph)) return hop;
    CompileOptions options = stage->options;
    if (cache_ != nullptr) options.cache = cache_->of(link);
    Result<std::unique_ptr<Program>> program = to.provider->Compile(*stage->graph, options);
    if (!program.ok()) {
      const Status& status = program.status();
      if (failures != nullptr && IsLastingFailure(status.code()))
        failures->KeepFailure(FailureName(link, *stage->graph),
                              {status.code(), status.message(), DateOf(NowNs())});
      return Hop{to.info.name,     name,
                 StageOf(status),  status.code(),
                 status.message(), to.trusted ? "" : CompileHint(status)};
    }
    if (failures != nullptr) failures->ForgetFailure(FailureName(link, *stage->graph));
    stage->placements[link] = std::make_unique<StagePlacement>((*program)->placement());
    stage->program = std::move(program).value();
    stage->checks.reset();
  }
  return std::nullopt;
}

std::string StageGroup::FailureName(size_t link, const Graph& graph) const {
  const std::string& options = chain_->links[link].options;
  return LinkName(chain_->links[link]) + (options.empty() ? "" : " with " + options) + ": " +
         graph.name();
}

std::optional<Hop> StageGroup::RememberedFailure(size_t link, const Graph& graph) const {
  const ChainLink& to = chain_->links[link];
  const std::shared_ptr<VerdictStore> kept = to.trusted ? nullptr : chain_->failures();
  if (kept == nullptr || chain_->options.retry_failures) return std::nullopt;
  const std::optional<CompileFailure> failure = kept->FindFailure(FailureName(link, graph));
  if (!failure) return std::nullopt;
  return Hop{to.info.name,
             graph.name(),
             StageOf(Status(failure->code, "")),
             failure->code,
             "as on " + failure->date + ", not tried again: " + failure->message,
             "--device " + to.info.name +
                 " tries it again; so does every start with another version of the library, the "
                 "driver or the model, or after `tessera models cache clear`"};
}

std::string StageGroup::VerdictName(size_t link) const {
  std::string name = LinkName(chain_->links[link]) + ":";
  for (const auto& stage : stages_) name += " " + stage->graph->name();
  return name;
}

// Whether what was compiled last on `link` is right, and worth it.
std::optional<Hop> StageGroup::Judge(size_t link) {
  const ChainLink& to = chain_->links[link];
  const Stage& last = *stages_.back();
  // What only fills states is seen in the results of the stages that read them.
  if (to.trusted || to.info.emulated || !chain_->options.check_numerics || !last.options.probe ||
      last.graph->outputs().empty())
    return std::nullopt;
  const bool measure = chain_->options.choose_by_speed;
  const std::shared_ptr<VerdictStore> kept = chain_->verdicts();
  std::optional<Verdict> verdict;
  if (kept != nullptr) verdict = kept->Find(VerdictName(link));
  if (!verdict || (measure && verdict->accurate && verdict->cpu_seconds == 0)) {
    Result<Verdict> tried = Try(link, measure);
    if (!tried.ok()) {
      const Status& status = tried.status();
      return Hop{to.info.name,  last.graph->name(), HopStage::kRun,
                 status.code(), status.message(),   CompileHint(status)};
    }
    verdict = std::move(tried).value();
    if (kept != nullptr) kept->Keep(VerdictName(link), *verdict);
  }
  stages_.back()->checks = verdict;
  if (!verdict->accurate) {
    return Hop{to.info.name,
               last.graph->name(),
               HopStage::kNumerics,
               StatusCode::kDataLoss,
               verdict->reason,
               "a newer driver or library may compute rightly" +
                   (kept == nullptr || kept->file().empty()
                        ? ""
                        : "; remove " + kept->file() + " to have it tried again")};
  }
  if (measure && verdict->cpu_seconds > 0 && verdict->cpu_seconds < verdict->device_seconds) {
    char text[96];
    std::snprintf(text, sizeof(text), "the CPU is faster: %.3g ms against %.3g ms",
                  verdict->cpu_seconds * 1e3, verdict->device_seconds * 1e3);
    return Hop{to.info.name,
               last.graph->name(),
               HopStage::kSpeed,
               StatusCode::kOk,
               text,
               "--device npu takes the NPU all the same"};
  }
  return std::nullopt;
}

Status StageGroup::MoveOn(Hop hop) {
  chain_->AddHop(std::move(hop));
  for (const auto& stage : stages_) stage->program = nullptr;
  if (link_ + 1 >= chain_->links.size()) return chain_->NothingLeft();
  return CompileFrom(link_ + 1);
}

Status StageGroup::MoveFrom(size_t link, Hop hop) {
  const std::unique_lock lock(mutex_);
  return link_ == link ? MoveOn(std::move(hop)) : OkStatus();
}

Status StageGroup::MoveToTrusted(const Hop& hop) {
  const std::unique_lock lock(mutex_);
  while (!chain_->links[link_].trusted) {
    Hop own = hop;
    own.provider = chain_->links[link_].info.name;
    own.stage = stages_.back()->graph->name();
    TESSERA_RETURN_IF_ERROR(MoveOn(std::move(own)));
  }
  return OkStatus();
}

Result<StageGroup::Use> StageGroup::Begin(std::optional<size_t> stage) {
  for (;;) {
    Use use;
    use.lock = std::shared_lock(mutex_);
    use.link = link_;
    const Status failed = chain_->failure(link_);
    if (failed.ok() || link_ + 1 >= chain_->links.size()) {
      if (stage) use.program = stages_[*stage]->program;
      if (!failed.ok()) return failed;
      if (stage && use.program == nullptr) return chain_->NothingLeft();
      return use;
    }
    use.lock.unlock();
    const Hop hop{chain_->links[use.link].info.name,
                  stages_.back()->graph->name(),
                  HopStage::kRun,
                  failed.code(),
                  "leaves with the stage that failed",
                  ""};
    TESSERA_RETURN_IF_ERROR(MoveFrom(use.link, hop));
  }
}

size_t StageGroup::link() const {
  const std::shared_lock lock(mutex_);
  return link_;
}

const Graph& StageGroup::graph(size_t stage) const {
  const std::shared_lock lock(mutex_);
  return *stages_[stage]->graph;
}

const StagePlacement& StageGroup::placement(size_t stage) const {
  const std::shared_lock lock(mutex_);
  static const StagePlacement none;
  const auto& placement = stages_[stage]->placements[link_];
  return placement != nullptr ? *placement : none;
}

std::vector<StageReport> StageGroup::Report() const {
  const std::shared_lock lock(mutex_);
  std::vector<StageReport> reports;
  for (const auto& stage : stages_) {
    const auto& placement = stage->placements[link_];
    if (placement == nullptr || stage->program == nullptr) continue;
    reports.push_back(MakeStageReport(*stage->graph, stage->options.max_dims, *placement));
    reports.back().checks = stage->checks;
  }
  return reports;
}

}  // namespace tessera::fallback
