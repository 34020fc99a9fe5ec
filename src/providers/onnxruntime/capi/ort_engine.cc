// OrtEngine over the C API.
#include <algorithm>
#include <map>
#include <mutex>

#include "base/check.h"
#include "base/shared_library.h"
#include "providers/onnxruntime/capi/ort_api.h"
#include "providers/onnxruntime/capi/ort_model.h"
#include "providers/onnxruntime/engine.h"

namespace tessera {
namespace {

constexpr int kOldestApi = 22;  // plugins of execution providers

DeviceKind KindOf(OrtHardwareDeviceType type) {
  switch (type) {
    case OrtHardwareDeviceType_GPU:
      return DeviceKind::kGpu;
    case OrtHardwareDeviceType_NPU:
      return DeviceKind::kNpu;
    default:
      return DeviceKind::kCpu;
  }
}

std::vector<std::pair<std::string, std::string>> Pairs(const OrtTable& ort,
                                                       const OrtKeyValuePairs* pairs) {
  std::vector<std::pair<std::string, std::string>> list;
  if (pairs == nullptr) return list;
  const char* const* keys = nullptr;
  const char* const* values = nullptr;
  size_t count = 0;
  ort->GetKeyValuePairs(pairs, &keys, &values, &count);
  for (size_t i = 0; i < count; ++i) list.emplace_back(keys[i], values[i]);
  return list;
}

class Engine : public OrtEngine {
 public:
  static Result<std::shared_ptr<const OrtEngine>> Open(SharedLibrary library);

  const std::string& version() const override { return version_; }
  int api_version() const override { return ort_.version; }
  const std::string& path() const override { return path_; }
  Result<std::vector<OrtDevice>> Devices(const std::string& ep, const std::string& ep_library,
                                         bool virtual_devices) const override;
  Result<std::unique_ptr<FixedModel>> NewModel(const std::string& path, const OrtSessionSpec& spec,
                                               std::stop_token stop) const override;
  std::string CompatibilityInfo(const std::string& path, const std::string& ep) const override;
  bool IsCompatible(const OrtSessionSpec& spec, const std::string& info) const override;

 private:
  Engine() = default;
  // The provider's own objects of its devices; they live as long as its registration, which is
  // never taken back.
  Result<std::vector<const OrtEpDevice*>> EpDevices(const std::string& ep,
                                                    const std::string& ep_library,
                                                    bool virtual_devices) const;
  Result<const OrtEpDevice*> DeviceOf(const OrtSessionSpec& spec) const;
  bool IsVirtual(const OrtEpDevice* device) const;

  OrtTable ort_;
  std::string version_;
  std::string path_;
  mutable OrtLog log_;
  OrtEnv* env_ = nullptr;  // kept for ever, like the library
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::string> registered_;  // provider -> library
};

Result<std::shared_ptr<const OrtEngine>> Engine::Open(SharedLibrary library) {
  TESSERA_ASSIGN_OR_RETURN(const auto get_base,
                           library.Function<const OrtApiBase * ORT_API_CALL()>("OrtGetApiBase"));
  const OrtApiBase* base = get_base();
  std::shared_ptr<Engine> engine(new Engine);
  engine->path_ = library.path();
  engine->version_ = base != nullptr ? base->GetVersionString() : "";
  const auto get = [base](uint32_t version) {
    return base != nullptr ? base->GetApi(version) : nullptr;
  };
  engine->ort_.version = ChooseApiVersion(get, ORT_API_VERSION, kOldestApi);
  if (engine->ort_.version == 0) {
    return Unimplemented(library.path() + " is ONNX Runtime " + engine->version_ +
                         "; 1.22 or newer is needed: pip install --upgrade onnxruntime");
  }
  engine->ort_.api = get(static_cast<uint32_t>(engine->ort_.version));
  TESSERA_RETURN_IF_ERROR(engine->ort_.Check(engine->ort_->CreateEnvWithCustomLogger(
      &OrtLog::Write, &engine->log_, ORT_LOGGING_LEVEL_ERROR, "tessera", &engine->env_)));
  // Its threads and the plugins' exit handlers outlive any moment at which it could be unloaded.
  library.KeepLoaded();
  return std::shared_ptr<const OrtEngine>(std::move(engine));
}

bool Engine::IsVirtual(const OrtEpDevice* device) const {
  for (const auto& pairs :
       {Pairs(ort_, ort_->HardwareDevice_Metadata(ort_->EpDevice_Device(device))),
        Pairs(ort_, ort_->EpDevice_EpMetadata(device))}) {
    for (const auto& [key, value] : pairs) {
      if (key == "is_virtual" && value == "1") return true;
    }
  }
  return false;
}

Result<std::vector<const OrtEpDevice*>> Engine::EpDevices(const std::string& ep,
                                                          const std::string& ep_library,
                                                          bool virtual_devices) const {
  const std::string registration = virtual_devices ? ep + ".virtual" : ep;
  const std::lock_guard lock(mutex_);
  if (!ep_library.empty()) {
    const auto [entry, is_new] = registered_.try_emplace(registration, ep_library);
    if (is_new) {
      const size_t mark = log_.Mark();
      Status status = ort_.Check(ort_->RegisterExecutionProviderLibrary(
          env_, registration.c_str(), OrtPath(ep_library).c_str()));
      if (!status.ok()) {
        registered_.erase(entry);
        const std::string logged = log_.ErrorsSince(mark);
        return Unavailable("ONNX Runtime " + version_ + " cannot use " + ep_library + ": " +
                           status.message() + (logged.empty() ? "" : "\nlogged: " + logged));
      }
    } else if (entry->second != ep_library) {
      return Unavailable(ep + " is in use from " + entry->second + "; " + ep_library +
                         " cannot be used beside it in one process");
    }
  }
  const OrtEpDevice* const* all = nullptr;
  size_t count = 0;
  TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->GetEpDevices(env_, &all, &count)));
  std::vector<const OrtEpDevice*> devices;
  std::string others;
  for (size_t i = 0; i < count; ++i) {
    const std::string name = ort_->EpDevice_EpName(all[i]);
    if (name == ep) {
      // Both registrations may be there; both call the provider the same, and both may then offer
      // the virtual devices.
      const auto is_same = [&](const OrtEpDevice* other) {
        const OrtHardwareDevice* left = ort_->EpDevice_Device(other);
        const OrtHardwareDevice* right = ort_->EpDevice_Device(all[i]);
        return ort_->HardwareDevice_DeviceId(left) == ort_->HardwareDevice_DeviceId(right) &&
               ort_->HardwareDevice_VendorId(left) == ort_->HardwareDevice_VendorId(right);
      };
      if (IsVirtual(all[i]) != virtual_devices) continue;
      if (virtual_devices && std::any_of(devices.begin(), devices.end(), is_same)) continue;
      devices.push_back(all[i]);
    } else if (others.find(name) == std::string::npos) {
      others += (others.empty() ? "" : ", ") + name;
    }
  }
  if (devices.empty()) {
    return Unavailable("ONNX Runtime " + version_ + " offers no device of " + ep +
                       (ep_library.empty() ? " (it has " + others + ")"
                                           : ": the plugin was loaded but sees no device that it "
                                             "supports on this machine"));
  }
  return devices;
}

Result<std::vector<OrtDevice>> Engine::Devices(const std::string& ep, const std::string& ep_library,
                                               bool virtual_devices) const {
  TESSERA_ASSIGN_OR_RETURN(const std::vector<const OrtEpDevice*> found,
                           EpDevices(ep, ep_library, virtual_devices));
  std::vector<OrtDevice> devices;
  for (const OrtEpDevice* ep_device : found) {
    const OrtHardwareDevice* hardware = ort_->EpDevice_Device(ep_device);
    OrtDevice device;
    device.ep = ep;
    device.kind = KindOf(ort_->HardwareDevice_Type(hardware));
    device.vendor = ort_->HardwareDevice_Vendor(hardware);
    device.vendor_id = ort_->HardwareDevice_VendorId(hardware);
    device.device_id = ort_->HardwareDevice_DeviceId(hardware);
    device.metadata = Pairs(ort_, ort_->HardwareDevice_Metadata(hardware));
    for (auto& pair : Pairs(ort_, ort_->EpDevice_EpMetadata(ep_device))) {
      if (pair.first == "version") device.version = pair.second;
      device.metadata.push_back(std::move(pair));
    }
    device.is_virtual = IsVirtual(ep_device);
    devices.push_back(std::move(device));
  }
  return devices;
}

Result<const OrtEpDevice*> Engine::DeviceOf(const OrtSessionSpec& spec) const {
  TESSERA_ASSIGN_OR_RETURN(const std::vector<const OrtEpDevice*> devices,
                           EpDevices(spec.ep, spec.ep_library, spec.virtual_devices));
  if (spec.device < 0 || static_cast<size_t>(spec.device) >= devices.size()) {
    return InvalidArgument(spec.ep + " has " + std::to_string(devices.size()) +
                           " devices, there is no number " + std::to_string(spec.device));
  }
  return devices[static_cast<size_t>(spec.device)];
}

Result<std::unique_ptr<FixedModel>> Engine::NewModel(const std::string& path,
                                                     const OrtSessionSpec& spec,
                                                     std::stop_token stop) const {
  OrtOwned<OrtSessionOptions> options(ort_->ReleaseSessionOptions);
  TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->CreateSessionOptions(options.out())));
  if (spec.threads > 0) {
    TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->SetIntraOpNumThreads(options.get(), spec.threads)));
  }
  for (const auto& [key, value] : spec.session_options) {
    TESSERA_RETURN_IF_ERROR(
        ort_.Check(ort_->AddSessionConfigEntry(options.get(), key.c_str(), value.c_str())));
  }
  // ONNX Runtime's own CPU provider is in every session, the last one.
  if (spec.ep != kOrtCpuProvider) {
    TESSERA_ASSIGN_OR_RETURN(const OrtEpDevice* device, DeviceOf(spec));
    std::vector<const char*> keys;
    std::vector<const char*> values;
    for (const auto& [key, value] : spec.provider_options) {
      keys.push_back(key.c_str());
      values.push_back(value.c_str());
    }
    TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->SessionOptionsAppendExecutionProvider_V2(
        options.get(), env_, &device, 1, keys.data(), values.data(), keys.size())));
  }
  return OrtModel::Load(ort_, env_, log_, path, options.get(), std::move(stop));
}

std::string Engine::CompatibilityInfo(const std::string& path, const std::string& ep) const {
  if (!ort_.Has(24)) return "";
  OrtAllocator* allocator = nullptr;
  if (!ort_.Check(ort_->GetAllocatorWithDefaultOptions(&allocator)).ok()) return "";
  char* info = nullptr;
  if (!ort_.Check(ort_->GetCompatibilityInfoFromModel(OrtPath(path).c_str(), ep.c_str(), allocator,
                                                      &info))
           .ok() ||
      info == nullptr) {
    return "";
  }
  std::string text = info;
  allocator->Free(allocator, info);
  return text;
}

bool Engine::IsCompatible(const OrtSessionSpec& spec, const std::string& info) const {
  if (!ort_.Has(23) || info.empty()) return true;
  const Result<const OrtEpDevice*> device = DeviceOf(spec);
  if (!device.ok()) return false;
  OrtCompiledModelCompatibility answer = OrtCompiledModelCompatibility_EP_NOT_APPLICABLE;
  if (!ort_.Check(ort_->GetModelCompatibilityForEpDevices(&*device, 1, info.c_str(), &answer))
           .ok()) {
    return true;
  }
  return answer != OrtCompiledModelCompatibility_EP_UNSUPPORTED;
}

}  // namespace

Result<std::shared_ptr<const OrtEngine>> OpenOrtEngine(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(SharedLibrary library, SharedLibrary::Open(path));
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const OrtEngine>> engines;  // by file
  const std::lock_guard lock(mutex);
  if (const auto known = engines.find(library.path()); known != engines.end()) {
    return known->second;
  }
  const std::string file = library.path();
  TESSERA_ASSIGN_OR_RETURN(std::shared_ptr<const OrtEngine> engine,
                           Engine::Open(std::move(library)));
  engines.emplace(file, engine);
  return engine;
}

}  // namespace tessera
