#include "runtime/device_providers.h"

namespace tessera {
namespace {

constexpr uint16_t kAmd = 0x1022, kIntel = 0x8086, kQualcomm = 0x17cb;

}  // namespace

std::vector<std::string> ProvidersFor(const HardwareDevice& device) {
  if (device.is_virtual) return {};
  if (device.kind == DeviceKind::kNpu) {
    if (device.vendor_id == kIntel || device.vendor == "Intel")
      return {"openvino:npu", "onnxruntime:openvino"};
    if (device.vendor_id == kAmd || device.vendor == "AMD") return {"onnxruntime:vitisai"};
    if (device.vendor_id == kQualcomm || device.vendor == "Qualcomm") return {"onnxruntime:qnn"};
  }
  if (device.kind == DeviceKind::kGpu && device.vendor_id == kIntel) return {"openvino:gpu"};
  return {};
}

std::string InstallHint(std::string_view provider) {
  if (provider == "openvino:npu") {
    return "pip install openvino, and Intel's NPU driver with its compiler (Linux: Intel's "
           "linux-npu-driver packages; Windows: it comes with the driver)";
  }
  if (provider.starts_with("openvino:")) return "pip install openvino";
  if (provider == "onnxruntime:qnn") return "pip install onnxruntime onnxruntime-qnn";
  if (provider == "onnxruntime:openvino") {
    return "pip install onnxruntime onnxruntime-ep-openvino";
  }
  if (provider == "onnxruntime:vitisai") {
    return "install AMD's Ryzen AI software (Windows; on Linux AMD does not offer it to everybody) "
           "and name its folder in TESSERA_VITISAI";
  }
  if (provider == "onnxruntime:dml") return "pip install onnxruntime-directml (Windows)";
  if (provider == "onnxruntime:cpu") return "pip install onnxruntime";
  return "";
}

}  // namespace tessera
