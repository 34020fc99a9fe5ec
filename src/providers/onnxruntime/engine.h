// ONNX Runtime behind an interface that needs none of its headers: what backend.h and the compile
// worker are written against.
//
// `capi/` implements it over the C API; builds without ONNX Runtime's headers have capi_absent.cc.
// An engine is the library as it was opened, once for a process; thread-safe.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_ENGINE_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_ENGINE_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "providers/fixed/backend.h"
#include "providers/placement.h"

namespace tessera {

inline constexpr char kOrtCpuProvider[] = "CPUExecutionProvider";

// A device as an execution provider offers it.
struct OrtDevice {
  std::string ep;       // "QNNExecutionProvider"
  std::string version;  // the provider's own; may be ""
  DeviceKind kind = DeviceKind::kCpu;
  std::string vendor;  // of the hardware
  uint32_t vendor_id = 0;
  uint32_t device_id = 0;
  bool is_virtual = false;  // a target of compilation without hardware behind it
  std::vector<std::pair<std::string, std::string>> metadata;
};

using OrtOptions = std::vector<std::pair<std::string, std::string>>;

// Everything that decides how a model is compiled; plain values, so that a worker process can be
// told them.
struct OrtSessionSpec {
  std::string ep = kOrtCpuProvider;
  std::string ep_library;  // plugin that registers `ep`; "" for those that ONNX Runtime holds
  // The devices are those that the plugin offers to compile for without hardware, by ONNX Runtime's
  // convention under a registration whose name ends in ".virtual"; else those of this machine.
  bool virtual_devices = false;
  int device = 0;  // index into Devices(ep, ep_library, virtual_devices)
  OrtOptions provider_options;
  OrtOptions session_options;  // "session.disable_cpu_ep_fallback" and such
  int threads = 0;             // of nodes on the CPU; 0: ONNX Runtime's choice
};

class OrtEngine {
 public:
  virtual ~OrtEngine() = default;
  virtual const std::string& version() const = 0;  // "1.31.1"
  virtual int api_version() const = 0;             // of the C API in use
  virtual const std::string& path() const = 0;
  // The devices that provider `ep` offers, after registering its plugin. kUnavailable with ONNX
  // Runtime's words when the plugin cannot be used, or there is no such provider.
  virtual Result<std::vector<OrtDevice>> Devices(const std::string& ep,
                                                 const std::string& ep_library,
                                                 bool virtual_devices) const = 0;
  // Loads the ONNX file at `path` as `spec` says. placement() holds the nodes as ONNX Runtime
  // records them, in libraries that have a record (1.24), else none; of devices it knows nothing.
  virtual Result<std::unique_ptr<FixedModel>> NewModel(const std::string& path,
                                                       const OrtSessionSpec& spec,
                                                       std::stop_token stop) const = 0;
  // What the provider wrote into a compiled model about the devices it fits; "" when nothing.
  virtual std::string CompatibilityInfo(const std::string& path, const std::string& ep) const = 0;
  // Whether a model with that info can be used on the device; true where ONNX Runtime cannot tell.
  virtual bool IsCompatible(const OrtSessionSpec& spec, const std::string& info) const = 0;
};

// The library at `path` (a file or a loader's name). The same engine for equal files. Errors as
// SharedLibrary::Open; kUnimplemented: older than ONNX Runtime 1.22, or this build lacks the
// headers.
Result<std::shared_ptr<const OrtEngine>> OpenOrtEngine(const std::string& path);

// Newest version of the C API that both sides know: from `newest` down to `oldest`, 0 when none.
// `get` answers null to versions that the library does not have.
template <typename Get>
int ChooseApiVersion(const Get& get, int newest, int oldest) {
  for (int version = newest; version >= oldest; --version) {
    if (get(static_cast<uint32_t>(version)) != nullptr) return version;
  }
  return 0;
}

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_ENGINE_H_
