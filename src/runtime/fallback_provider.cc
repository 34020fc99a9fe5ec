#include "runtime/fallback_provider.h"

#include <algorithm>
#include <set>

#include "base/checksum.h"
#include "base/file.h"
#include "runtime/fallback_group.h"
#include "runtime/fallback_program.h"
#include "tessera_version.h"

namespace tessera {

using fallback::Chain;
using fallback::ChainCache;
using fallback::StageGroup;

namespace {

std::string NameOf(const std::vector<ChainLink>& links) {
  if (links.size() == 1) return links.front().info.name;
  std::string name;
  for (const ChainLink& link : links) name += (name.empty() ? "" : "+") + link.info.name;
  std::ranges::replace(name, ':', '-');
  return name;
}

// Another build may export another model of the same weights.
constexpr const char* kBuild = "tessera " TESSERA_VERSION " " TESSERA_GIT_COMMIT "\n";

// For what is found out about `what`.
std::string VerdictFile(const std::string& what) {
  const Result<std::string> folder = VerdictFolder();
  return folder.ok() ? JoinPath(*folder, Hex(Checksum64(AsBytes(what))) + ".json") : "";
}

}  // namespace

FallbackProvider::FallbackProvider(std::vector<ChainLink> chain,
                                   std::shared_ptr<const ExecutionProvider> cpu,
                                   FallbackOptions options, std::vector<Hop> hops)
    : chain_(std::make_shared<Chain>(std::move(chain), cpu, std::move(options), std::move(hops))),
      cpu_(std::move(cpu)),
      name_(NameOf(chain_->links)) {
  TESSERA_CHECK(!chain_->links.empty());
}

FallbackProvider::~FallbackProvider() = default;

std::vector<std::shared_ptr<StageGroup>> FallbackProvider::Groups() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<StageGroup>> groups;
  std::erase_if(groups_, [](const auto& group) { return group.expired(); });
  for (const auto& weak : groups_)
    if (auto group = weak.lock()) groups.push_back(std::move(group));
  return groups;
}

bool FallbackProvider::fixed_shapes() const {
  const auto groups = Groups();
  return std::ranges::any_of(groups, [&](const auto& group) {
    return chain_->links[group->link()].provider->fixed_shapes();
  });
}

Capability FallbackProvider::GetCapability(const Graph& graph) const {
  return chain_->links.front().provider->GetCapability(graph);
}

Result<std::unique_ptr<Program>> FallbackProvider::Compile(const Graph& graph,
                                                           const CompileOptions& options) const {
  std::shared_ptr<StageGroup> group;
  for (const auto& one : Groups())
    if (one->SharesStatesWith(graph)) group = one;
  const bool is_new = group == nullptr;
  if (is_new) group = std::make_shared<StageGroup>(chain_);
  TESSERA_ASSIGN_OR_RETURN(const size_t stage, group->Add(graph, options));
  if (is_new) {
    const std::lock_guard lock(mutex_);
    groups_.push_back(group);
  }
  return std::unique_ptr<Program>(
      std::make_unique<fallback::FallbackProgram>(std::move(group), stage));
}

std::shared_ptr<CompileCache> FallbackProvider::OpenCache(CompileCacheKey key) const {
  const bool alone = chain_->links.front().trusted;
  // What a compiler fails with depends on the model alone, not on the chain.
  chain_->SetStores(
      std::make_shared<VerdictStore>(alone ? "" : VerdictFile(key.file + "\n" + name_),
                                     key.identity),
      std::make_shared<VerdictStore>(
          alone ? "" : VerdictFile((key.source.empty() ? key.file : key.source) + "\nfailures"),
          kBuild + (key.model.empty() ? key.identity : key.model)));
  std::vector<std::shared_ptr<CompileCache>> caches;
  std::set<std::string> folders;
  for (const ChainLink& link : chain_->links) {
    CompileCacheKey own = key;
    // Links of one chain must not take turns in writing one file.
    const size_t dot = own.file.rfind('.');
    if (chain_->links.size() > 1 && dot != std::string::npos)
      own.file.insert(dot, "-" + std::to_string(caches.size()));
    if (link.cache_folder.empty()) {
      caches.push_back(link.provider->OpenCache(std::move(own)));
      continue;
    }
    // The same name for whoever looks at the folders.
    std::replace(own.file.begin() + static_cast<std::ptrdiff_t>(own.file.rfind('/') + 1),
                 own.file.end(), ':', '_');
    std::shared_ptr<const CompiledCacheUse> use =
        CompiledCacheUse::Begin(link.cache_folder, BaseName(own.file));
    caches.push_back(link.provider->OpenCache(std::move(own)));
    if (use == nullptr) continue;
    use->Mark();
    chain_->Hold(std::move(use));
    folders.insert(link.cache_folder);
  }
  return std::make_shared<ChainCache>(std::move(caches), std::move(folders));
}

Result<std::unique_ptr<StateStore>> FallbackProvider::NewStateStore(
    std::span<const Graph* const> graphs, const CompileOptions& options) const {
  for (const auto& group : Groups()) {
    if (std::ranges::all_of(graphs, [&](const Graph* graph) { return group->Holds(*graph); }))
      return fallback::FallbackStateStore::Create(group, graphs, options);
  }
  return Internal("a store is for compiled stages that share states");
}

PlacementReport FallbackProvider::Report() const {
  PlacementReport report;
  report.requested = chain_->options.requested;
  for (const auto& group : Groups())
    for (StageReport& stage : group->Report()) report.stages.push_back(std::move(stage));
  report.hops = chain_->hops();
  return report;
}

Status FallbackProvider::CheckText(const std::function<Result<std::string>()>& difference) const {
  const auto groups = Groups();
  const bool doubted = std::ranges::any_of(groups, [&](const auto& group) {
    const ChainLink& link = chain_->links[group->link()];
    return !link.trusted && !link.info.emulated;
  });
  if (!doubted || !chain_->options.check_numerics) return OkStatus();
  const std::shared_ptr<VerdictStore> kept = chain_->verdicts();
  // What was found out holds for the stages that were on the devices then.
  std::string name = "text:";
  for (const auto& group : groups) name += " " + chain_->links[group->link()].info.name;
  std::optional<Verdict> verdict;
  if (kept != nullptr) verdict = kept->Find(name);
  if (!verdict) {
    TESSERA_ASSIGN_OR_RETURN(std::string found, difference());
    verdict = Verdict{.accurate = found.empty(), .reason = std::move(found)};
    if (kept != nullptr) kept->Keep(name, *verdict);
  }
  if (verdict->accurate) return OkStatus();
  for (const auto& group : groups) {
    TESSERA_RETURN_IF_ERROR(group->MoveToTrusted(
        {.at = HopStage::kNumerics, .code = StatusCode::kDataLoss, .message = verdict->reason}));
  }
  return OkStatus();
}

bool FallbackProvider::required_device_failed() const {
  if (!chain_->options.required) return false;
  for (size_t link = 0; link < chain_->links.size(); ++link)
    if (!chain_->failure(link).ok()) return true;
  return false;
}

}  // namespace tessera
