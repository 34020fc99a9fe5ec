#include "providers/onnxruntime/backend.h"

#include <optional>

#include "base/check.h"
#include "base/file.h"
#include "base/temporary_folder.h"
#include "providers/onnxruntime/compile_worker.h"
#include "providers/onnxruntime/compiled_store.h"
#include "providers/onnxruntime/libraries.h"
#include "providers/onnxruntime/profiles.h"
#include "providers/onnxruntime/targets.h"

namespace tessera {
namespace {

#if defined(__x86_64__) || defined(_M_X64)
constexpr bool kIsX86 = true;
#else
constexpr bool kIsX86 = false;
#endif

std::string FolderOf(const std::string& path) {
  const size_t slash = path.find_last_of("/\\");
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

int RankOf(DeviceKind kind) {
  return kind == DeviceKind::kNpu ? 0 : kind == DeviceKind::kGpu ? 1 : 2;
}

// The device of `kind` ("" for any), an NPU before a GPU before the CPU, real before virtual ones.
int BestDevice(const std::vector<OrtDevice>& devices, const std::string& kind) {
  int best = -1;
  const auto rank = [&](int i) {
    const OrtDevice& device = devices[static_cast<size_t>(i)];
    return RankOf(device.kind) + (device.is_virtual ? 3 : 0);
  };
  for (int i = 0; i < static_cast<int>(devices.size()); ++i) {
    if (!kind.empty() && DeviceKindName(devices[static_cast<size_t>(i)].kind) != kind) continue;
    if (best < 0 || rank(i) < rank(best)) best = i;
  }
  return best;
}

void SetOption(OrtOptions& options, const std::string& key, const std::string& value) {
  for (auto& option : options) {
    if (option.first == key) {
      option.second = value;
      return;
    }
  }
  options.emplace_back(key, value);
}

// A model whose placement names the device that its nodes are on.
class PlacedModel : public FixedModel {
 public:
  PlacedModel(std::unique_ptr<FixedModel> model, StagePlacement placement)
      : model_(std::move(model)), placement_(std::move(placement)) {}
  Status Run(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs,
             std::stop_token stop) override {
    return model_->Run(inputs, outputs, std::move(stop));
  }
  const StagePlacement& placement() const override { return placement_; }

 private:
  std::unique_ptr<FixedModel> model_;
  StagePlacement placement_;
};

class Backend : public FixedBackend {
 public:
  static Result<std::shared_ptr<const FixedBackend>> Open(const OrtProfile& profile,
                                                          const OnnxRuntimeOptions& options);
  const BackendInfo& info() const override { return info_; }
  Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                              const FixedCompileOptions& options,
                                              std::stop_token stop) const override;

 private:
  explicit Backend(const OrtProfile& profile, const OnnxRuntimeOptions& options)
      : profile_(profile), options_(options) {}
  Status ChooseDevice();
  Status SetProviderOptions();
  StagePlacement Placed(const StagePlacement& record, const FixedCompileOptions& options) const;
  struct Compiled {
    CompiledModel model;
    bool from_cache = false;
    std::optional<TemporaryFolder> temporary;  // that holds the model, until it is loaded
  };
  CompiledKey KeyOf(const std::string& stage, std::string model_sha256,
                    const OrtSessionSpec& spec) const;
  CompileOutcome RunCompiler(const CompileJob& job, const FixedCompileOptions& options,
                             const std::stop_token& stop) const;
  Result<Compiled> CompiledModelOf(const std::string& path, const OrtSessionSpec& spec,
                                   const FixedCompileOptions& options,
                                   const std::stop_token& stop) const;

  const OrtProfile& profile_;
  const OnnxRuntimeOptions options_;
  std::shared_ptr<const OrtEngine> engine_;
  OrtPlugin plugin_;
  OrtSessionSpec spec_;
  BackendInfo info_;
};

Result<std::shared_ptr<const FixedBackend>> Backend::Open(const OrtProfile& profile,
                                                          const OnnxRuntimeOptions& options) {
  std::shared_ptr<Backend> backend(new Backend(profile, options));
  TESSERA_ASSIGN_OR_RETURN(backend->engine_, FindOrtEngine(options.library));
  TESSERA_ASSIGN_OR_RETURN(backend->plugin_, FindOrtPlugin(profile, options.ep_library));
  backend->spec_.ep = profile.ep;
  backend->spec_.ep_library = backend->plugin_.path;
  backend->spec_.threads = options.threads;
  BackendInfo& info = backend->info_;
  info.name = "onnxruntime:" + std::string(profile.name);
  info.version = backend->engine_->version();
  info.library = backend->engine_->path();
  info.device = profile.device;
  TESSERA_RETURN_IF_ERROR(backend->ChooseDevice());
  TESSERA_RETURN_IF_ERROR(backend->SetProviderOptions());
  return std::shared_ptr<const FixedBackend>(std::move(backend));
}

Status Backend::ChooseDevice() {
  if (spec_.ep == kOrtCpuProvider) {
    info_.device_name = "CPU";
    return OkStatus();
  }
  TESSERA_ASSIGN_OR_RETURN(const std::vector<OrtDevice> devices,
                           engine_->Devices(spec_.ep, spec_.ep_library));
  spec_.device = BestDevice(devices, options_.device_kind);
  if (spec_.device < 0) {
    return Unavailable(spec_.ep + " offers no device of kind \"" + options_.device_kind + "\"");
  }
  const OrtDevice& device = devices[static_cast<size_t>(spec_.device)];
  std::string version = plugin_.package_version.empty() ? device.version : plugin_.package_version;
  if (!plugin_.sdk_version.empty()) version += " (SDK " + plugin_.sdk_version + ")";
  if (!version.empty()) info_.version += "+" + version;
  if (profile_.name == "qnn") {
    // The provider takes the CPU's device everywhere; on x86 the NPU behind it is an emulator.
    info_.device = DeviceKind::kNpu;
    info_.emulated = kIsX86;
  } else {
    info_.device = device.kind;
    info_.emulated = device.is_virtual;
  }
  info_.device_name = device.vendor + " " + DeviceKindName(device.kind);
  return OkStatus();
}

Status Backend::SetProviderOptions() {
  if (profile_.name == "qnn") {
    SetOption(spec_.provider_options, "backend_path",
              JoinPath(FolderOf(plugin_.path), LibraryFileName("QnnHtp")));
    std::string target = options_.target;
    if (target.empty() && info_.emulated) target = "snapdragon-x";
    if (!target.empty()) {
      TESSERA_ASSIGN_OR_RETURN(const QnnTarget chip, ParseQnnTarget(target));
      SetOption(spec_.provider_options, "soc_model", chip.soc_model);
      if (!chip.htp_arch.empty()) SetOption(spec_.provider_options, "htp_arch", chip.htp_arch);
    }
    info_.device_name = "Qualcomm Hexagon";
    if (!target.empty()) info_.device_name += " (" + target + ")";
    if (info_.emulated) info_.device_name += ", emulated";
  }
  for (const auto& [key, value] : options_.provider_options) {
    SetOption(spec_.provider_options, key, value);
  }
  return OkStatus();
}

StagePlacement Backend::Placed(const StagePlacement& record,
                               const FixedCompileOptions& options) const {
  StagePlacement placement = record;
  placement.stage = options.stage;
  placement.provider = info_.name;
  placement.provider_version = info_.version;
  placement.device_name = info_.device_name;
  placement.device = info_.device;
  placement.emulated = info_.emulated;
  for (NodePlacement& node : placement.nodes) {
    node.device = node.provider == spec_.ep ? info_.device : DeviceKind::kCpu;
  }
  return placement;
}

// What a compiled model depends on; paths do not.
CompiledKey Backend::KeyOf(const std::string& stage, std::string model_sha256,
                           const OrtSessionSpec& spec) const {
  CompiledKey key{stage, std::move(model_sha256), spec.ep, info_.version, {}};
  for (const auto& option : spec.provider_options) {
    if (option.second.find_first_of("/\\") == std::string::npos) key.options.push_back(option);
  }
  return key;
}

CompileOutcome Backend::RunCompiler(const CompileJob& job, const FixedCompileOptions& options,
                                    const std::stop_token& stop) const {
  const Result<std::string> worker = FindCompileWorker(options_.worker);
  if (worker.ok()) {
    CompileOutcome outcome = RunCompileJobInChild(job, *worker, options.time_limit, stop);
    if (outcome.status.code() != StatusCode::kUnimplemented || !outcome.not_a_worker) {
      return outcome;
    }
  } else if (!options_.worker.empty()) {
    CompileOutcome outcome;
    outcome.status = worker.status();
    return outcome;
  }
  CompileOutcome outcome = RunCompileJob(job, stop);
  outcome.placement.note =
      "compiled in this process, without time limit: no tessera to run as a child was found";
  return outcome;
}

// The stage as the vendor's compiler left it: from the cache or `tessera compile`, or made now.
Result<Backend::Compiled> Backend::CompiledModelOf(const std::string& path,
                                                   const OrtSessionSpec& spec,
                                                   const FixedCompileOptions& options,
                                                   const std::stop_token& stop) const {
  TESSERA_ASSIGN_OR_RETURN(std::string digest, Sha256OfOnnx(path));
  const CompiledKey key = KeyOf(options.stage, std::move(digest), spec);
  Compiled compiled;
  if (!options_.compiled.empty()) {
    TESSERA_ASSIGN_OR_RETURN(compiled.model, CompiledStore(options_.compiled).Find(key, true));
    if (!engine_->IsCompatible(spec, compiled.model.outcome.compatibility)) {
      return Unavailable(compiled.model.path + " was compiled for another device (" +
                         compiled.model.outcome.compatibility + "); compile it for this one");
    }
    compiled.from_cache = true;
    return compiled;
  }
  CompileJob job;
  job.library = engine_->path();
  job.spec = spec;
  job.model = path;
  TESSERA_ASSIGN_OR_RETURN(TemporaryFolder temporary, TemporaryFolder::Create());
  if (profile_.name == "qnn") job.trace_folder = temporary.path();
  const auto compile = [&](const std::string& context) {
    job.context = context;
    return RunCompiler(job, options, stop);
  };
  const std::string& folder =
      options_.compile_to.empty() ? options.cache_folder : options_.compile_to;
  if (!folder.empty()) {
    const CompiledStore store(folder);
    if (Result<CompiledModel> kept = store.Find(key); kept.ok()) {
      if (engine_->IsCompatible(spec, kept->outcome.compatibility)) {
        compiled.model = std::move(kept).value();
        compiled.from_cache = true;
        return compiled;
      }
    }
    Result<CompiledModel> made = store.Make(key, compile);
    if (made.ok()) {
      compiled.model = std::move(made).value();
      return compiled;
    }
    // Somebody else makes the same now: this process goes on without keeping it.
    if (made.status().code() != StatusCode::kUnavailable || !options_.compile_to.empty()) {
      return made.status();
    }
  }
  compiled.model.outcome = compile(JoinPath(temporary.path(), "model.onnx"));
  TESSERA_RETURN_IF_ERROR(compiled.model.outcome.status);
  compiled.model.path = job.context;
  compiled.temporary = std::move(temporary);
  return compiled;
}

Result<std::unique_ptr<FixedModel>> Backend::Compile(const std::string& path,
                                                     const FixedCompileOptions& options,
                                                     std::stop_token stop) const {
  OrtSessionSpec spec = spec_;
  if (!profile_.has_compiler) {
    SetOption(spec.session_options, "session.record_ep_graph_assignment_info", "1");
    if (spec.ep != kOrtCpuProvider && options.require_all_nodes) {
      SetOption(spec.session_options, "session.disable_cpu_ep_fallback", "1");
    }
    TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<FixedModel> model,
                             engine_->NewModel(path, spec, std::move(stop)));
    StagePlacement placement = Placed(model->placement(), options);
    return std::unique_ptr<FixedModel>(
        std::make_unique<PlacedModel>(std::move(model), std::move(placement)));
  }
  if (options.require_all_nodes) {
    SetOption(spec.session_options, "session.disable_cpu_ep_fallback", "1");
  }
  TESSERA_ASSIGN_OR_RETURN(const Compiled compiled, CompiledModelOf(path, spec, options, stop));
  TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<FixedModel> model,
                           engine_->NewModel(compiled.model.path, spec, std::move(stop)));
  StagePlacement placement = Placed(compiled.model.outcome.placement, options);
  placement.from_cache = compiled.from_cache;
  return std::unique_ptr<FixedModel>(
      std::make_unique<PlacedModel>(std::move(model), std::move(placement)));
}

}  // namespace

Result<std::shared_ptr<const FixedBackend>> OpenOnnxRuntimeBackend(
    std::string_view ep, const OnnxRuntimeOptions& options) {
  const OrtProfile* profile = FindOrtProfile(ep);
  if (profile == nullptr) {
    std::string names;
    for (const OrtProfile& known : OrtProfiles()) {
      names += (names.empty() ? "" : ", ") + std::string(known.name);
    }
    return InvalidArgument("onnxruntime has no \"" + std::string(ep) + "\"; it has " + names);
  }
  return Backend::Open(*profile, options);
}

}  // namespace tessera
