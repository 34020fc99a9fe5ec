// OpenVINO as a backend of fixed shapes: Intel's NPUs and GPUs, and any CPU that it runs on.
//
// The library is the user's own and opened at run time. A device of OpenVINO takes a model whole or
// refuses it (only its HETERO and AUTO modes divide models, and those are not used), so placement
// needs one statement of the compiled model, EXECUTION_DEVICES.
#ifndef TESSERA_PROVIDERS_OPENVINO_BACKEND_H_
#define TESSERA_PROVIDERS_OPENVINO_BACKEND_H_

#include <memory>
#include <string>
#include <string_view>

#include "providers/fixed/backend.h"

namespace tessera {

struct OpenVinoOptions {
  std::string library;  // libopenvino_c or its folder; "" is searched (providers/library_search.h)
  // What it computes in: "f32", "f16", "bf16". "": f32 on the CPU, elsewhere what the device likes
  // best.
  std::string precision;
  int threads = 0;  // of the CPU device; 0: OpenVINO's choice
  // The program whose hidden command compiles for GPUs and NPUs, in a child process with a time
  // limit; "": as FindCompileWorker finds it, and where there is none, compiling is done here. The
  // CPU device compiles here unless a worker is named.
  std::string worker;
  bool in_process = false;  // compile here in any case
};

// `device`: "openvino:cpu", "openvino:gpu" or "openvino:npu". kInvalidArgument: another name or an
// unknown precision; kNotFound: OpenVINO is not installed (where it was looked for); kUnavailable:
// it cannot be used, has no plugin for the device or sees no such device. With what helps.
Result<std::shared_ptr<const FixedBackend>> OpenOpenVinoBackend(std::string_view device,
                                                                const OpenVinoOptions& options);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_OPENVINO_BACKEND_H_
