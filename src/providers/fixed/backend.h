// FixedBackend: a vendor's library that compiles ONNX models of fixed shapes, and runs them.
//
// FixedProvider (provider.h) is an ExecutionProvider over any of these: it writes a graph as ONNX,
// has it compiled here, and keeps states on the host. So ONNX Runtime, OpenVINO and the tests' mock
// differ only behind this interface. Backends are thread-safe; a FixedModel runs one call at a
// time.
#ifndef TESSERA_PROVIDERS_FIXED_BACKEND_H_
#define TESSERA_PROVIDERS_FIXED_BACKEND_H_

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "providers/execution_provider.h"
#include "providers/placement.h"
#include "providers/quantize/quantization.h"

namespace tessera {

// What a backend is, known without compiling.
struct BackendInfo {
  std::string name;  // "onnxruntime:qnn", "onnxruntime:cpu", "openvino:npu"
  std::string
      version;  // of the library, after a "+" of the vendor's SDK, and the quantization's key
  std::string library;      // path of the library that was opened
  std::string device_name;  // as `tessera devices` shows it, or what the library calls it
  DeviceKind device = DeviceKind::kCpu;
  bool emulated = false;  // never chosen by "auto", never counted as an NPU
  // How models are to be written; null: in float.
  std::shared_ptr<const Quantization> quantization = nullptr;
};

struct FixedCompileOptions {
  std::string stage;  // for messages: "whisper.encoder"
  // Folder that is kept between processes, of this model, stage, backend and options alone; ""
  // keeps nothing. A backend may store what it compiled there and must verify what it finds.
  std::string cache_folder;
  // Fails instead of leaving a node to another device than the backend's.
  bool require_all_nodes = false;
  std::chrono::seconds time_limit{600};  // for vendors' compilers
};

// A compiled model. Inputs and outputs by their ONNX names.
class FixedModel {
 public:
  virtual ~FixedModel() = default;
  // Every input and output, each with exactly the model's type and shape. kCancelled when `stop`
  // ended it; every other error means that this device is not to be trusted with further runs:
  // kUnavailable (lost, reset), kDeadlineExceeded, kResourceExhausted (memory), kInternal. The call
  // may be given up when it does not return (fixed/device_watch.h): then the model, its backend and
  // the views' memory stay, and nothing else may be used.
  virtual Status Run(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs,
                     std::stop_token stop) = 0;
  // Nodes by their names in the ONNX model (StagePlacement::stage and the provider's fields are
  // filled in by FixedProvider).
  virtual const StagePlacement& placement() const = 0;
};

class FixedBackend {
 public:
  virtual ~FixedBackend() = default;
  virtual const BackendInfo& info() const = 0;
  // `path`: an ONNX file with all dimensions fixed, external data beside it; it may go away after
  // the call. kUnavailable: the device or library cannot be used; kUnimplemented: it refuses the
  // model; kDeadlineExceeded, kResourceExhausted, kInternal (the compiler crashed). Messages carry
  // the vendor's words and code.
  virtual Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                                      const FixedCompileOptions& options,
                                                      std::stop_token stop) const = 0;
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_FIXED_BACKEND_H_
