#include "providers/openvino/device.h"

#include <array>

#include "base/check.h"

namespace tessera::openvino {
namespace {

// OpenVINO's name of a precision; "" where none is to be asked for.
Result<std::string> PrecisionHint(const Device& device, const std::string& precision) {
  if (precision.empty()) return std::string(device.kind == DeviceKind::kCpu ? "f32" : "");
  for (const char* known : {"f32", "f16", "bf16"}) {
    if (precision == known) return precision;
  }
  return InvalidArgument("precision of OpenVINO: expected f32, f16 or bf16, got \"" + precision +
                         "\"");
}

// "2026.4.1" of "2026.4.1-21902-a1b2c3-releases/2026/4".
std::string ShortVersion(const std::string& build) { return build.substr(0, build.find('-')); }

// Whether a list of words, separated by spaces, holds `word`.
bool HasWord(std::string_view list, std::string_view word) {
  for (size_t at = list.find(word); at != std::string_view::npos; at = list.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || list[at - 1] == ' ') && (end == list.size() || list[end] == ' ')) return true;
  }
  return false;
}

// Sets what the device knows of our properties; the rest is only an error where the user asked.
Status SetProperties(const Core& core, const Device& device, const OpenVinoOptions& options,
                     bool profile, std::string& key) {
  TESSERA_ASSIGN_OR_RETURN(const std::string supported,
                           core.GetProperty(device.name, "SUPPORTED_PROPERTIES"));
  const auto set = [&](const char* name, const std::string& value) -> Status {
    TESSERA_RETURN_IF_ERROR(core.SetProperty(device.name, name, value));
    key += std::string("\n") + name + " " + value;
    return OkStatus();
  };
  TESSERA_RETURN_IF_ERROR(set("PERFORMANCE_HINT", "LATENCY"));  // one request at a time
  TESSERA_ASSIGN_OR_RETURN(const std::string precision, PrecisionHint(device, options.precision));
  if (HasWord(supported, "INFERENCE_PRECISION_HINT")) {
    if (!precision.empty()) TESSERA_RETURN_IF_ERROR(set("INFERENCE_PRECISION_HINT", precision));
  } else if (!precision.empty() && precision != "f16") {
    return InvalidArgument("openvino:" + std::string(DeviceKindName(device.kind)) +
                           ": this device computes in f16; expected precision f16 or none, got " +
                           precision);
  }
  if (device.kind == DeviceKind::kCpu && options.threads > 0) {
    TESSERA_RETURN_IF_ERROR(set("INFERENCE_NUM_THREADS", std::to_string(options.threads)));
  }
  if (profile) TESSERA_RETURN_IF_ERROR(set("PERF_COUNT", "YES"));
  return OkStatus();
}

}  // namespace

Result<Device> ParseDevice(std::string_view name) {
  if (name == "openvino:cpu") return Device{"CPU", DeviceKind::kCpu};
  if (name == "openvino:gpu") return Device{"GPU", DeviceKind::kGpu};
  if (name == "openvino:npu") return Device{"NPU", DeviceKind::kNpu};
  return InvalidArgument(
      "device of OpenVINO: expected openvino:cpu, openvino:gpu or openvino:npu, "
      "got \"" +
      std::string(name) + "\"");
}

bool IsOnDevice(std::string_view execution_devices, std::string_view device) {
  std::string_view text = execution_devices;
  if (text.size() >= 2 && text.front() == '(' && text.back() == ')') {
    text = text.substr(1, text.size() - 2);
  }
  if (!text.starts_with(device)) return false;
  text.remove_prefix(device.size());
  if (text.empty()) return true;
  if (text.front() != '.') return false;  // "GPU.0"
  return text.find_first_of(" ,;") == std::string_view::npos;
}

Result<OpenDevice> Open(std::string_view name, const OpenVinoOptions& options, bool profile) {
  TESSERA_ASSIGN_OR_RETURN(Device device, ParseDevice(name));
  TESSERA_ASSIGN_OR_RETURN(const auto library, OpenLibrary(options.library));
  TESSERA_ASSIGN_OR_RETURN(auto core, Core::Create(library));
  if (device.kind != DeviceKind::kCpu) {
    TESSERA_ASSIGN_OR_RETURN(const std::string devices,
                             core->GetProperty(device.name, "AVAILABLE_DEVICES"));
    if (devices.empty()) {
      return Unavailable(std::string(name) + ": OpenVINO " + ShortVersion(library->version) +
                         " sees no " + device.name +
                         ". `tessera devices` tells whether the system shows one, and what its "
                         "driver lacks");
    }
  }
  OpenDevice out;
  out.info.name = std::string(name);
  out.info.version = ShortVersion(library->version);
  out.info.library = library->path;
  out.info.device = device.kind;
  out.key = "openvino " + library->version + "\ndevice " + out.info.name;
  // What a compiled model depends on, as far as the device tells it.
  for (const char* property : {"FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES",
                               "NPU_DRIVER_VERSION", "GPU_DRIVER_VERSION"}) {
    const Result<std::string> value = core->GetProperty(device.name, property);
    if (!value.ok()) continue;
    const std::string_view which = property;
    if (which == "FULL_DEVICE_NAME") out.info.device_name = *value;
    if (which.ends_with("DRIVER_VERSION")) out.info.version += "+driver " + *value;
    out.key += "\n" + std::string(which) + " " + *value;
  }
  TESSERA_RETURN_IF_ERROR(SetProperties(*core, device, options, profile, out.key));
  out.core = std::move(core);
  out.device = std::move(device);
  return out;
}

}  // namespace tessera::openvino
