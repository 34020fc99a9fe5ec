#include "providers/onnxruntime/backend.h"

#include <atomic>
#include <cstdlib>
#include <optional>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/file.h"
#include "base/stdout_guard.h"
#include "base/temporary_folder.h"
#include "providers/onnxruntime/compile_worker.h"
#include "providers/onnxruntime/compiled_store.h"
#include "providers/onnxruntime/setup.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxQuantizationBytes = uint64_t{16} << 20;

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
  Backend(const OrtProfile& profile, OnnxRuntimeOptions options, OrtSetup setup,
          std::string library_versions)
      : profile_(profile),
        options_(std::move(options)),
        setup_(std::move(setup)),
        library_versions_(std::move(library_versions)) {}
  const BackendInfo& info() const override { return setup_.info; }
  Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                              const FixedCompileOptions& options,
                                              std::stop_token stop) const override;

 private:
  StagePlacement Placed(const StagePlacement& record, const FixedCompileOptions& options) const;
  struct Compiled {
    CompiledModel model;
    bool from_cache = false;
    std::optional<TemporaryFolder> temporary;  // that holds the model, until it is loaded
  };
  CompiledKey KeyOf(const std::string& stage, std::string model_sha256,
                    const OrtSessionSpec& spec) const;
  Result<Compiled> CompiledModelOf(const std::string& path, const OrtSessionSpec& spec,
                                   const FixedCompileOptions& options,
                                   const std::stop_token& stop) const;
  Result<std::unique_ptr<FixedModel>> LoadCompiled(const std::string& path,
                                                   const OrtSessionSpec& spec,
                                                   const std::stop_token& stop) const;

  const OrtProfile& profile_;
  const OnnxRuntimeOptions options_;
  const OrtSetup setup_;
  const std::string library_versions_;
};

StagePlacement Backend::Placed(const StagePlacement& record,
                               const FixedCompileOptions& options) const {
  StagePlacement placement = record;
  placement.stage = options.stage;
  placement.provider = setup_.info.name;
  placement.provider_version = setup_.info.version;
  placement.device_name = setup_.info.device_name;
  placement.device = setup_.info.device;
  placement.emulated = setup_.info.emulated;
  for (NodePlacement& node : placement.nodes) {
    node.device = node.provider == setup_.spec.ep ? setup_.info.device : DeviceKind::kCpu;
  }
  return placement;
}

// What a compiled model depends on; paths do not.
CompiledKey Backend::KeyOf(const std::string& stage, std::string model_sha256,
                           const OrtSessionSpec& spec) const {
  CompiledKey key{stage, std::move(model_sha256), spec.ep, library_versions_, {}};
  for (const auto& option : spec.provider_options) {
    if (option.second.find_first_of("/\\") == std::string::npos) key.options.push_back(option);
  }
  return key;
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
    if (!setup_.engine->IsCompatible(spec, compiled.model.outcome.compatibility)) {
      return Unavailable(compiled.model.path + " was compiled for another device (" +
                         compiled.model.outcome.compatibility + "); compile it for this one");
    }
    compiled.from_cache = true;
    return compiled;
  }
  CompileJob job;
  job.library = setup_.engine->path();
  job.spec = spec;
  job.model = path;
  TESSERA_ASSIGN_OR_RETURN(TemporaryFolder temporary, TemporaryFolder::Create());
  if (profile_.name == "qnn") job.trace_folder = temporary.path();
  const auto compile = [&](const std::string& context) {
    job.context = context;
    return CompileInChildOrHere(job, options_.worker, options.time_limit, stop);
  };
  const std::string& folder =
      options_.compile_to.empty() ? options.cache_folder : options_.compile_to;
  if (!folder.empty()) {
    const CompiledStore store(folder);
    if (Result<CompiledModel> kept = store.Find(key); kept.ok()) {
      if (setup_.engine->IsCompatible(spec, kept->outcome.compatibility)) {
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

Result<std::unique_ptr<FixedModel>> Backend::LoadCompiled(const std::string& path,
                                                          const OrtSessionSpec& spec,
                                                          const std::stop_token& stop) const {
  // Qualcomm's emulator prints a line to standard output when it is first loaded.
  static std::atomic<bool> has_printed = false;
  std::optional<StdoutGuard> guard;
  if (setup_.info.emulated && !has_printed) guard.emplace();
  Result<std::unique_ptr<FixedModel>> model = setup_.engine->NewModel(path, spec, stop);
  if (model.ok()) has_printed = true;
  return model;
}

Result<std::unique_ptr<FixedModel>> Backend::Compile(const std::string& path,
                                                     const FixedCompileOptions& options,
                                                     std::stop_token stop) const {
  OrtSessionSpec spec = setup_.spec;
  if (!profile_.has_compiler) {
    SetOrtOption(spec.session_options, "session.record_ep_graph_assignment_info", "1");
    if (spec.ep != kOrtCpuProvider && options.require_all_nodes) {
      SetOrtOption(spec.session_options, "session.disable_cpu_ep_fallback", "1");
    }
    TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<FixedModel> model,
                             setup_.engine->NewModel(path, spec, std::move(stop)));
    StagePlacement placement = Placed(model->placement(), options);
    return std::unique_ptr<FixedModel>(
        std::make_unique<PlacedModel>(std::move(model), std::move(placement)));
  }
  if (options.require_all_nodes) {
    SetOrtOption(spec.session_options, "session.disable_cpu_ep_fallback", "1");
  }
  TESSERA_ASSIGN_OR_RETURN(const Compiled compiled, CompiledModelOf(path, spec, options, stop));
  TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<FixedModel> model,
                           LoadCompiled(compiled.model.path, spec, stop));
  StagePlacement placement = Placed(compiled.model.outcome.placement, options);
  placement.from_cache = compiled.from_cache;
  return std::unique_ptr<FixedModel>(
      std::make_unique<PlacedModel>(std::move(model), std::move(placement)));
}

// The quantization that a folder of compiled models holds, or the one that is to go into a folder;
// null: float.
Result<std::shared_ptr<const Quantization>> QuantizationOf(const OnnxRuntimeOptions& options) {
  if (options.compiled.empty()) {
    if (options.compile_to.empty()) return options.quantization;
    const std::string path = JoinPath(options.compile_to, kQuantizationFile);
    if (options.quantization == nullptr) {
      TESSERA_RETURN_IF_ERROR(RemoveFile(path));
    } else {
      TESSERA_RETURN_IF_ERROR(MakeFolders(options.compile_to));
      TESSERA_RETURN_IF_ERROR(WriteFileAtomically(path, QuantizationToJson(*options.quantization)));
    }
    return options.quantization;
  }
  const std::string path = JoinPath(options.compiled, kQuantizationFile);
  if (!FileExists(path)) return std::shared_ptr<const Quantization>();
  TESSERA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxQuantizationBytes));
  Result<Quantization> quantization = ParseQuantization(text);
  if (!quantization.ok()) return std::move(quantization).status().AddContext(path);
  return std::make_shared<const Quantization>(std::move(quantization).value());
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
  TESSERA_ASSIGN_OR_RETURN(OrtSetup setup, OpenOrtSetup(*profile, options));
  OnnxRuntimeOptions own = options;
  const char* compiled = std::getenv("TESSERA_COMPILED");
  if (own.compiled.empty() && own.compile_to.empty() && compiled != nullptr) {
    own.compiled = compiled;
  }
  TESSERA_ASSIGN_OR_RETURN(setup.info.quantization, QuantizationOf(own));
  const std::string library_versions = setup.info.version;
  // What is known of a device (numerics, speed, failures) is known of models of one form.
  if (setup.info.quantization != nullptr)
    setup.info.version += " " + setup.info.quantization->Key();
  return std::shared_ptr<const FixedBackend>(
      std::make_shared<Backend>(*profile, std::move(own), std::move(setup), library_versions));
}

}  // namespace tessera
