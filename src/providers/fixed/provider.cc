#include "providers/fixed/provider.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "base/debug_log.h"
#include "base/file.h"
#include "providers/fixed/host_state_store.h"
#include "providers/fixed/program.h"

namespace tessera {
namespace {

constexpr const char* kIdentityFile = "identity";
constexpr uint64_t kMaxIdentity = uint64_t{1} << 20;

// A model's folder of compiled stages. They are written as they are made; Commit has nothing to do.
class FolderCache : public CompileCache {
 public:
  explicit FolderCache(std::string folder) : folder_(std::move(folder)) {}
  Result<bool> Commit() override { return false; }
  const std::string& folder() const { return folder_; }

 private:
  const std::string folder_;
};

constexpr std::string_view kSource = "\nsource ";

// Folders of models that are gone.
void RemoveForgotten(const std::string& root) {
  const auto names = ListFolder(root);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string folder = JoinPath(root, name);
    const auto identity = ReadFile(JoinPath(folder, kIdentityFile), kMaxIdentity);
    const size_t at = identity.ok() ? identity->rfind(kSource) : std::string::npos;
    if (at == std::string::npos || FileExists(identity->substr(at + kSource.size()))) continue;
    const Status status = RemoveFolder(folder);
    DebugLog(folder + (status.ok() ? " is removed: its model is gone" : ": " + status.message()));
  }
}

// Makes `folder` one that holds nothing but what `identity` says.
Status PrepareFolder(const std::string& folder, const std::string& identity) {
  const std::string file = JoinPath(folder, kIdentityFile);
  if (const auto found = ReadFile(file, kMaxIdentity); found.ok() && *found == identity)
    return OkStatus();
  TESSERA_RETURN_IF_ERROR(RemoveFolder(folder));
  TESSERA_RETURN_IF_ERROR(MakeFolders(folder));
  return WriteFileAtomically(file, identity);
}

}  // namespace

FixedProvider::FixedProvider(std::shared_ptr<const FixedBackend> backend,
                             FixedProviderOptions options, int threads)
    : backend_(std::move(backend)), options_(std::move(options)), threads_(std::max(1, threads)) {}

Capability FixedProvider::GetCapability(const Graph& graph) const {
  Capability capability{.nodes = static_cast<int64_t>(graph.nodes().size()), .refused = {}};
  for (const Node& node : graph.nodes()) {
    if (node.op != OpKind::kAttention) continue;
    const bool lengths = node.inputs.size() > 3 && node.inputs[3] != kNoValue;
    if (lengths || std::get<AttentionAttributes>(node.attributes).causal)
      capability.refused.push_back({node.name, "keys are hidden by lengths or by order"});
  }
  return capability;
}

Result<std::unique_ptr<Program>> FixedProvider::Compile(const Graph& graph,
                                                        const CompileOptions& options) const {
  fixed::StageOptions stage{.weights = options_.weights,
                            .observed_bits = options_.observed_bits,
                            .require_all_nodes = options_.require_all_nodes,
                            .time_limit = options_.time_limit,
                            .first_text_bucket = options_.first_text_bucket};
  if (const auto* cache = dynamic_cast<const FolderCache*>(options.cache.get()))
    stage.cache_folder = cache->folder();
  TESSERA_ASSIGN_OR_RETURN(
      std::unique_ptr<fixed::FixedProgram> program,
      fixed::FixedProgram::Create(graph, options.max_dims, backend_, std::move(stage)));
  return std::unique_ptr<Program>(std::move(program));
}

std::shared_ptr<CompileCache> FixedProvider::OpenCache(CompileCacheKey key) const {
  if (options_.cache_folder.empty()) return nullptr;
  const BackendInfo& info = backend_->info();
  std::string name = BaseName(key.file);
  for (char& c : name)
    if (c == ':') c = '_';
  const std::string folder = JoinPath(options_.cache_folder, name);
  const std::string identity = key.identity + "\nbackend " + info.name + " " + info.version + " " +
                               info.library + std::string(kSource) + key.source;
  if (const Status status = PrepareFolder(folder, identity); !status.ok()) {
    DebugLog("nothing that is compiled will be kept: " + status.message());
    return nullptr;
  }
  RemoveForgotten(options_.cache_folder);
  return std::make_shared<FolderCache>(folder);
}

Result<std::unique_ptr<StateStore>> FixedProvider::NewStateStore(
    std::span<const Graph* const> graphs, const CompileOptions& options) const {
  TESSERA_ASSIGN_OR_RETURN(auto store, HostStateStore::Create(graphs, options.max_dims));
  return std::unique_ptr<StateStore>(std::move(store));
}

}  // namespace tessera
