// The providers of this build: what is found of them on this machine, and how one is opened.
//
// A ProviderSource stands for a library (our CPU kernels, ONNX Runtime, OpenVINO) that has one or
// more providers, one for each kind of device. Sources look and open; they never start a device
// before something is compiled for it. Thread-safe.
#ifndef TESSERA_RUNTIME_PROVIDER_REGISTRY_H_
#define TESSERA_RUNTIME_PROVIDER_REGISTRY_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "providers/execution_provider.h"
#include "runtime/hop.h"
#include "tessera/devices.h"

namespace tessera {

struct FoundProvider {
  ProviderInfo info;
  // Of one that is not usable.
  HopStage failed_at = HopStage::kDetect;
  StatusCode code = StatusCode::kUnavailable;
};

struct ProviderQuery {
  // Of the system, NPUs among them. A source that drives NPUs looks for its library only when one
  // of its vendor is there, unless it is asked for by name.
  std::span<const HardwareDevice> devices;
  std::string_view name;  // this provider alone; "": the NPUs' that may work on these devices
  bool all = false;       // every provider that the source knows, found or not
};

struct ProviderRequest {
  int threads = 0;                 // 0: all usable cores
  bool require_all_nodes = false;  // refuse a graph rather than leave a node to another device
  std::string cache_folder;        // for what it compiles; "": nothing is kept
};

class ProviderSource {
 public:
  virtual ~ProviderSource() = default;
  // Best first.
  virtual std::vector<FoundProvider> Find(const ProviderQuery& query) const = 0;
  // `info` as Find gave it, usable.
  virtual Result<std::shared_ptr<const ExecutionProvider>> Open(
      const ProviderInfo& info, const ProviderRequest& request) const = 0;
};

// Those that were added, then those of the build, in order of preference.
std::vector<std::shared_ptr<const ProviderSource>> ProviderSources();
std::vector<std::shared_ptr<const ProviderSource>> BuiltInProviderSources();
// The one of that name, usable or not; kNotFound in its `code` when no source knows it.
FoundProvider FindProvider(const std::string& name);

// Adds a source before all others while the object lives: for programs that bring their own
// provider, and for tests.
class ScopedProviderSource {
 public:
  explicit ScopedProviderSource(std::shared_ptr<const ProviderSource> source);
  ~ScopedProviderSource();
  ScopedProviderSource(const ScopedProviderSource&) = delete;
  ScopedProviderSource& operator=(const ScopedProviderSource&) = delete;

 private:
  const std::shared_ptr<const ProviderSource> source_;
};

}  // namespace tessera

#endif  // TESSERA_RUNTIME_PROVIDER_REGISTRY_H_
