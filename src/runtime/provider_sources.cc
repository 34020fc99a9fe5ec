// The sources of this build: libraries of others that run on devices of fixed shapes.
#include <algorithm>
#include <functional>

#include "base/thread_pool.h"
#include "providers/fixed/provider.h"
#include "providers/onnxruntime/backend.h"
#include "providers/onnxruntime/profiles.h"
#include "providers/openvino/backend.h"
#include "runtime/device_providers.h"
#include "runtime/provider_registry.h"

namespace tessera {
namespace {

using Backend = Result<std::shared_ptr<const FixedBackend>>;

// A library with a backend for each of some names.
class BackendSource : public ProviderSource {
 public:
  struct Provider {
    std::string name;
    DeviceKind device;  // what it is for
  };
  BackendSource(std::vector<Provider> providers,
                std::function<Backend(const std::string& name, int threads)> open)
      : providers_(std::move(providers)), open_(std::move(open)) {}

  std::vector<FoundProvider> Find(const ProviderQuery& query) const override {
    std::vector<FoundProvider> found;
    for (const Provider& provider : providers_) {
      if (query.all || query.name == provider.name ||
          (query.name.empty() && Drives(provider.name, query.devices)))
        found.push_back(Look(provider));
    }
    return found;
  }

  Result<std::shared_ptr<const ExecutionProvider>> Open(
      const ProviderInfo& info, const ProviderRequest& request) const override {
    TESSERA_ASSIGN_OR_RETURN(std::shared_ptr<const FixedBackend> backend,
                             open_(info.name, request.threads));
    FixedProviderOptions options;
    options.require_all_nodes = request.require_all_nodes;
    options.cache_folder = request.cache_folder;
    const int threads = request.threads > 0 ? request.threads : ThreadPool::UsableCores();
    return std::shared_ptr<const ExecutionProvider>(
        std::make_shared<FixedProvider>(std::move(backend), std::move(options), threads));
  }

 private:
  // Whether one of the machine's NPUs is driven by this provider.
  static bool Drives(const std::string& name, std::span<const HardwareDevice> devices) {
    return std::ranges::any_of(devices, [&](const HardwareDevice& device) {
      return device.kind == DeviceKind::kNpu && device.usable &&
             std::ranges::count(ProvidersFor(device), name) > 0;
    });
  }

  FoundProvider Look(const Provider& provider) const {
    FoundProvider found;
    found.info.name = provider.name;
    found.info.device = provider.device;
    const Backend backend = open_(provider.name, 0);
    if (backend.ok()) {
      const BackendInfo& info = (*backend)->info();
      found.info = {.name = info.name,
                    .version = info.version,
                    .library = info.library,
                    .device_name = info.device_name,
                    .device = info.device,
                    .emulated = info.emulated,
                    .usable = true};
      return found;
    }
    const Status& status = backend.status();
    found.failed_at = HopStage::kLoad;
    found.code = status.code();
    found.info.reason = status.message();
    // Where the library is there, its own words say what helps.
    if (status.code() == StatusCode::kNotFound) found.info.hint = InstallHint(provider.name);
    return found;
  }

  const std::vector<Provider> providers_;
  const std::function<Backend(const std::string& name, int threads)> open_;
};

std::shared_ptr<const ProviderSource> OpenVinoSource() {
  return std::make_shared<BackendSource>(
      std::vector<BackendSource::Provider>{{"openvino:npu", DeviceKind::kNpu},
                                           {"openvino:gpu", DeviceKind::kGpu},
                                           {"openvino:cpu", DeviceKind::kCpu}},
      [](const std::string& name, int threads) -> Backend {
        OpenVinoOptions options;
        options.threads = threads;
        return OpenOpenVinoBackend(name, options);
      });
}

std::shared_ptr<const ProviderSource> OnnxRuntimeSource() {
  const std::string prefix = "onnxruntime:";
  std::vector<BackendSource::Provider> providers;
  for (const bool npus : {true, false}) {
    for (const OrtProfile& profile : OrtProfiles()) {
      if ((profile.device == DeviceKind::kNpu) == npus)
        providers.push_back({prefix + std::string(profile.name), profile.device});
    }
  }
  return std::make_shared<BackendSource>(
      std::move(providers), [prefix](const std::string& name, int threads) -> Backend {
        OnnxRuntimeOptions options;
        options.threads = threads;
        return OpenOnnxRuntimeBackend(name.substr(prefix.size()), options);
      });
}

}  // namespace

std::vector<std::shared_ptr<const ProviderSource>> BuiltInProviderSources() {
  static const std::vector<std::shared_ptr<const ProviderSource>> sources = {OpenVinoSource(),
                                                                             OnnxRuntimeSource()};
  return sources;
}

}  // namespace tessera
