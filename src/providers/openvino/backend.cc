#include "providers/openvino/backend.h"

#include <chrono>
#include <optional>

#include "base/check.h"
#include "base/checksum.h"
#include "base/temporary_folder.h"
#include "formats/onnx.h"
#include "providers/openvino/blob_store.h"
#include "providers/openvino/compile_child.h"
#include "providers/openvino/device.h"
#include "providers/openvino/errors.h"
#include "providers/openvino/model.h"
#include "providers/openvino/onnx_names.h"
#include "providers/worker_process.h"

namespace tessera {
namespace openvino {
namespace {

class OpenVinoBackend : public FixedBackend {
 public:
  OpenVinoBackend(OpenDevice device, const OpenVinoOptions& options)
      : core_(std::move(device.core)),
        device_(std::move(device.device)),
        info_(std::move(device.info)),
        key_(std::move(device.key)),
        options_(options) {}

  const BackendInfo& info() const override { return info_; }
  Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                              const FixedCompileOptions& options,
                                              std::stop_token stop) const override;

 private:
  struct Compiled {
    Handle<OvCompiledModel> model;
    std::shared_ptr<const MappedFile> blob;  // that the model was read from; null: none
  };
  // What was kept; nothing when there is none that can be used.
  std::optional<Compiled> FromStore(const BlobStore& store) const;
  Result<Compiled> CompileHere(const std::string& path, const std::string& what,
                               const BlobStore* store, std::stop_token stop) const;
  // In a child process, through `store` in `folder`; here, where there is no program for it.
  Result<Compiled> CompileAside(const std::string& path, const FixedCompileOptions& options,
                                const std::string& folder, const BlobStore& store,
                                std::stop_token stop) const;
  // Every node on the device that the compiled model names.
  Result<StagePlacement> Place(const OvCompiledModel& compiled, const OnnxModel& model,
                               const FixedCompileOptions& options) const;

  const std::shared_ptr<const Core> core_;
  const Device device_;
  const BackendInfo info_;
  const std::string key_;  // library, device, driver and properties: lines of text
  const OpenVinoOptions options_;
};

// Of the model and the files of its weights.
uint64_t Fingerprint(const OnnxModel& model) {
  uint64_t sum = 0;
  for (const auto& file : model.files) sum = Checksum64(file->bytes(), sum);
  return sum;
}

Result<StagePlacement> OpenVinoBackend::Place(const OvCompiledModel& compiled,
                                              const OnnxModel& model,
                                              const FixedCompileOptions& options) const {
  TESSERA_ASSIGN_OR_RETURN(const std::string where,
                           core_->GetProperty(compiled, "EXECUTION_DEVICES"));
  const bool there = IsOnDevice(where, device_.name);
  std::string reason;
  if (!there) {
    reason = "EXECUTION_DEVICES of the compiled model is \"" + where + "\"";
    if (options.require_all_nodes) {
      return Unimplemented(options.stage + " on " + info_.name + ": " + reason + ", expected " +
                           device_.name);
    }
  }
  StagePlacement placement;
  for (const OnnxNode& node : model.graph.nodes) {
    placement.nodes.push_back(NodePlacement{.name = NodeName(node),
                                            .op = OpName(node),
                                            .provider = where,
                                            .device = there ? device_.kind : DeviceKind::kCpu,
                                            .reason = reason,
                                            .evidence = EvidenceTier::kCompiler});
  }
  return placement;
}

std::optional<OpenVinoBackend::Compiled> OpenVinoBackend::FromStore(const BlobStore& store) const {
  auto blob = store.Load();
  if (!blob.ok()) return std::nullopt;
  auto imported = core_->Import((*blob)->bytes(), device_.name);
  if (!imported.ok()) return std::nullopt;
  return Compiled{std::move(imported).value(), std::move(blob).value()};
}

Result<OpenVinoBackend::Compiled> OpenVinoBackend::CompileHere(const std::string& path,
                                                               const std::string& what,
                                                               const BlobStore* store,
                                                               std::stop_token stop) const {
  TESSERA_ASSIGN_OR_RETURN(const Handle<OvModel> model, core_->ReadModel(path));
  if (stop.stop_requested()) return Cancelled(what);
  TESSERA_ASSIGN_OR_RETURN(auto compiled, core_->Compile(*model, device_.name, what));
  if (stop.stop_requested()) return Cancelled(what);
  if (store != nullptr) {
    // A help only: a full disk costs the next start, not this one.
    (void)store->Save([&](const std::string& to) -> Status {
      const OvStatus status = core_->api().compiled_export(compiled.get(), to.c_str());
      return status == 0 ? OkStatus()
                         : VendorError(core_->api(), status, what, StatusCode::kInternal);
    });
  }
  return Compiled{std::move(compiled), nullptr};
}

Result<OpenVinoBackend::Compiled> OpenVinoBackend::CompileAside(const std::string& path,
                                                                const FixedCompileOptions& options,
                                                                const std::string& folder,
                                                                const BlobStore& store,
                                                                std::stop_token stop) const {
  const std::string what = options.stage + " on " + info_.name;
  const Result<std::string> worker = FindCompileWorker(options_.worker);
  if (!worker.ok()) {
    if (!options_.worker.empty()) return worker.status();
    return CompileHere(path, what, &store, std::move(stop));
  }
  ChildJob job{info_.name, options_, path, options.stage, folder};
  job.options.library = info_.library;  // what was found here, wherever the child would look
  bool not_a_worker = false;
  Status status = CompileInChild(job, *worker, options.time_limit, stop, &not_a_worker);
  if (not_a_worker && options_.worker.empty()) {
    return CompileHere(path, what, &store, std::move(stop));
  }
  if (!status.ok()) return std::move(status).AddContext(what);
  std::optional<Compiled> compiled = FromStore(store);
  if (compiled.has_value()) return std::move(*compiled);
  return Internal(what + ": the compiler's process left no model in " + folder +
                  "; is the disk full?");
}

Result<std::unique_ptr<FixedModel>> OpenVinoBackend::Compile(const std::string& path,
                                                             const FixedCompileOptions& options,
                                                             std::stop_token stop) const {
  const auto start = std::chrono::steady_clock::now();
  if (stop.stop_requested()) return Cancelled(options.stage);
  TESSERA_ASSIGN_OR_RETURN(const OnnxModel file, ReadOnnx(path));
  const std::string what = options.stage + " on " + info_.name;
  const bool aside =
      !options_.in_process && (device_.kind != DeviceKind::kCpu || !options_.worker.empty());
  std::string folder = options.cache_folder;
  std::optional<TemporaryFolder> temporary;
  if (aside && folder.empty()) {
    TESSERA_ASSIGN_OR_RETURN(temporary, TemporaryFolder::Create());
    folder = temporary->path();
  }
  const BlobStore store(folder, "openvino", key_ + "\nmodel " + std::to_string(Fingerprint(file)));
  std::optional<Compiled> compiled;
  if (!options.cache_folder.empty()) compiled = FromStore(store);
  const bool from_cache = compiled.has_value();
  if (!from_cache && aside) {
    TESSERA_ASSIGN_OR_RETURN(compiled, CompileAside(path, options, folder, store, stop));
  } else if (!from_cache) {
    TESSERA_ASSIGN_OR_RETURN(compiled,
                             CompileHere(path, what, folder.empty() ? nullptr : &store, stop));
  }
  TESSERA_ASSIGN_OR_RETURN(StagePlacement placement, Place(*compiled->model, file, options));
  placement.from_cache = from_cache;
  placement.compile_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return OpenVinoModel::Make(core_, std::move(compiled->model), std::move(compiled->blob),
                             std::move(placement), what);
}

}  // namespace
}  // namespace openvino

Result<std::shared_ptr<const FixedBackend>> OpenOpenVinoBackend(std::string_view device,
                                                                const OpenVinoOptions& options) {
  TESSERA_ASSIGN_OR_RETURN(openvino::OpenDevice opened, openvino::Open(device, options));
  return std::shared_ptr<const FixedBackend>(
      std::make_shared<openvino::OpenVinoBackend>(std::move(opened), options));
}

}  // namespace tessera
