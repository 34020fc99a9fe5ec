// A device of OpenVINO, opened with the properties that Tessera compiles with.
#ifndef TESSERA_PROVIDERS_OPENVINO_DEVICE_H_
#define TESSERA_PROVIDERS_OPENVINO_DEVICE_H_

#include <memory>
#include <string>
#include <string_view>

#include "providers/openvino/backend.h"
#include "providers/openvino/core.h"

namespace tessera::openvino {

struct Device {
  std::string name;  // OpenVINO's: "CPU", "GPU", "NPU"
  DeviceKind kind = DeviceKind::kCpu;
};
// kInvalidArgument for anything but "openvino:" and one of the three.
Result<Device> ParseDevice(std::string_view name);

struct OpenDevice {
  std::shared_ptr<const Core> core;
  Device device;
  BackendInfo info;
  std::string key;  // all that a compiled model depends on besides the model: lines of text
};
// Errors as OpenOpenVinoBackend. `profile`: the compiled models record which kernel each node got.
Result<OpenDevice> Open(std::string_view device, const OpenVinoOptions& options,
                        bool profile = false);

// Whether EXECUTION_DEVICES ("NPU", "GPU.0", "(CPU)") names nothing but the device.
bool IsOnDevice(std::string_view execution_devices, std::string_view device);

}  // namespace tessera::openvino

#endif  // TESSERA_PROVIDERS_OPENVINO_DEVICE_H_
