#include "providers/openvino/backend.h"

#include <chrono>

#include "base/check.h"
#include "base/checksum.h"
#include "formats/onnx.h"
#include "providers/openvino/blob_store.h"
#include "providers/openvino/device.h"
#include "providers/openvino/errors.h"
#include "providers/openvino/model.h"
#include "providers/openvino/onnx_names.h"

namespace tessera {
namespace openvino {
namespace {

class OpenVinoBackend : public FixedBackend {
 public:
  OpenVinoBackend(std::shared_ptr<const Core> core, Device device, BackendInfo info,
                  std::string key)
      : core_(std::move(core)),
        device_(std::move(device)),
        info_(std::move(info)),
        key_(std::move(key)) {}

  const BackendInfo& info() const override { return info_; }
  Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                              const FixedCompileOptions& options,
                                              std::stop_token stop) const override;

 private:
  // Every node on the device that the compiled model names.
  Result<StagePlacement> Place(const OvCompiledModel& compiled, const OnnxModel& model,
                               const FixedCompileOptions& options) const;

  const std::shared_ptr<const Core> core_;
  const Device device_;
  const BackendInfo info_;
  const std::string key_;  // library, device, driver and properties: lines of text
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

Result<std::unique_ptr<FixedModel>> OpenVinoBackend::Compile(const std::string& path,
                                                             const FixedCompileOptions& options,
                                                             std::stop_token stop) const {
  const auto start = std::chrono::steady_clock::now();
  if (stop.stop_requested()) return Cancelled(options.stage);
  TESSERA_ASSIGN_OR_RETURN(const OnnxModel file, ReadOnnx(path));
  const std::string what = options.stage + " on " + info_.name;
  const BlobStore store(options.cache_folder, "openvino",
                        key_ + "\nmodel " + std::to_string(Fingerprint(file)));
  Handle<OvCompiledModel> compiled(nullptr, core_->api().compiled_free);
  std::shared_ptr<const MappedFile> blob;
  if (!options.cache_folder.empty()) {
    if (auto kept = store.Load(); kept.ok()) {
      if (auto imported = core_->Import((*kept)->bytes(), device_.name); imported.ok()) {
        compiled = std::move(imported).value();
        blob = *kept;
      }
    }
  }
  const bool from_cache = compiled != nullptr;
  if (!from_cache) {
    TESSERA_ASSIGN_OR_RETURN(const Handle<OvModel> model, core_->ReadModel(path));
    if (stop.stop_requested()) return Cancelled(options.stage);
    TESSERA_ASSIGN_OR_RETURN(compiled, core_->Compile(*model, device_.name, what));
    if (stop.stop_requested()) return Cancelled(options.stage);
    if (!options.cache_folder.empty()) {
      // A help only: a full disk costs the next start, not this one.
      (void)store.Save([&](const std::string& to) -> Status {
        const OvStatus status = core_->api().compiled_export(compiled.get(), to.c_str());
        return status == 0 ? OkStatus()
                           : VendorError(core_->api(), status, what, StatusCode::kInternal);
      });
    }
  }
  TESSERA_ASSIGN_OR_RETURN(StagePlacement placement, Place(*compiled, file, options));
  placement.from_cache = from_cache;
  placement.compile_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return OpenVinoModel::Make(core_, std::move(compiled), std::move(blob), std::move(placement),
                             what);
}

}  // namespace
}  // namespace openvino

Result<std::shared_ptr<const FixedBackend>> OpenOpenVinoBackend(std::string_view device,
                                                                const OpenVinoOptions& options) {
  TESSERA_ASSIGN_OR_RETURN(openvino::OpenDevice opened, openvino::Open(device, options));
  return std::shared_ptr<const FixedBackend>(
      std::make_shared<openvino::OpenVinoBackend>(std::move(opened.core), std::move(opened.device),
                                                  std::move(opened.info), std::move(opened.key)));
}

}  // namespace tessera
