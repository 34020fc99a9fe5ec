#include "providers/openvino/errors.h"

#include <array>

namespace tessera::openvino {
namespace {

// Sources: OpenVINO 2026.4.1's own messages, met on machines without the device (docs/npu-intel.md
// has them whole); level-zero's result names (ze_api.h). The first that fits counts.
constexpr std::array kKnown = {
    KnownError{"compiler_loader", StatusCode::kUnavailable,
               "The compiler for Intel's NPU is not in OpenVINO's Linux packages of PyPI: install "
               "intel-driver-compiler-npu of Intel's linux-npu-driver, or OpenVINO's archive"},
    KnownError{"VCL compiler loading failed", StatusCode::kUnavailable,
               "Install the compiler for Intel's NPU (intel-driver-compiler-npu)"},
    KnownError{
        "Could not find an NPU device", StatusCode::kUnavailable,
        "`tessera devices` tells whether the system shows an NPU, and what its driver lacks"},
    KnownError{"No available backend", StatusCode::kUnavailable,
               "OpenVINO sees no NPU: the kernel needs intel_vpu with its firmware, the user "
               "access to /dev/accel (group render), and level-zero with intel-level-zero-npu must "
               "be installed; `tessera devices` tells which is missing"},
    KnownError{"no supported devices found", StatusCode::kUnavailable,
               "OpenVINO sees no GPU: install Intel's OpenCL driver (intel-opencl-icd)"},
    KnownError{"is not registered in the OpenVINO Runtime", StatusCode::kUnavailable,
               "This OpenVINO has no plugin for the device: install the openvino package of PyPI"},
    KnownError{"ZE_RESULT_ERROR_DEVICE_LOST", StatusCode::kUnavailable,
               "The driver reset the device; it is usable again after a while, or a new login"},
    KnownError{"ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY", StatusCode::kResourceExhausted,
               "Close other programs or take a smaller model"},
    KnownError{"ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY", StatusCode::kResourceExhausted,
               "Close other programs that use the device or take a smaller model"},
    KnownError{"std::bad_alloc", StatusCode::kResourceExhausted,
               "Close other programs or take a smaller model"},
    KnownError{"ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS", StatusCode::kUnavailable,
               "Add the user to the group render and log in again"},
    KnownError{"ZE_RESULT_ERROR_UNSUPPORTED_VERSION", StatusCode::kUnavailable,
               "The NPU's driver is older than this OpenVINO: update the driver"},
    KnownError{"dynamic shape", StatusCode::kUnimplemented,
               "Fix the model's dimensions: `tessera doctor --fix` does it"},
    KnownError{"dynamic dimension", StatusCode::kUnimplemented,
               "Fix the model's dimensions: `tessera doctor --fix` does it"},
    KnownError{"Model wasn't fully converted", StatusCode::kUnimplemented,
               "OpenVINO's ONNX reader has no rule for these operators: `tessera doctor` names "
               "what could take their place"},
    KnownError{
        "Unsupported operation of type", StatusCode::kUnimplemented,
        "The device has no such operation: `tessera doctor` names what could take its place"},
};

std::string_view StatusName(OvStatus status) {
  constexpr std::array<std::string_view, 18> kNames = {"OK",
                                                       "GENERAL_ERROR",
                                                       "NOT_IMPLEMENTED",
                                                       "NETWORK_NOT_LOADED",
                                                       "PARAMETER_MISMATCH",
                                                       "NOT_FOUND",
                                                       "OUT_OF_BOUNDS",
                                                       "UNEXPECTED",
                                                       "REQUEST_BUSY",
                                                       "RESULT_NOT_READY",
                                                       "NOT_ALLOCATED",
                                                       "INFER_NOT_STARTED",
                                                       "NETWORK_NOT_READ",
                                                       "INFER_CANCELLED",
                                                       "INVALID_C_PARAM",
                                                       "UNKNOWN_C_ERROR",
                                                       "NOT_IMPLEMENT_C_METHOD",
                                                       "UNKNOW_EXCEPTION"};
  return status <= 0 && status > -static_cast<OvStatus>(kNames.size())
             ? kNames[static_cast<size_t>(-status)]
             : std::string_view("unknown status");
}

std::string LastWords(const OpenVinoApi& api, OvStatus status) {
  if (api.get_last_error != nullptr) {
    if (const char* words = api.get_last_error()) {
      std::string clean = CleanMessage(words);
      api.free_text(words);
      if (!clean.empty()) return clean;
    }
  }
  const char* info = api.get_error_info(status);  // static storage
  return info != nullptr ? CleanMessage(info) : std::string();
}

}  // namespace

std::string CleanMessage(std::string_view words) {
  constexpr size_t kMost = 2000;
  std::string out;
  while (!words.empty()) {
    const size_t end = std::min(words.find('\n'), words.size());
    std::string_view line = words.substr(0, end);
    words.remove_prefix(std::min(end + 1, words.size()));
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
    // "Exception from src/inference/src/cpp/core.cpp:117:"
    if (line.empty() || (line.starts_with("Exception from ") && line.ends_with(':'))) continue;
    if (!out.empty()) out += ' ';
    out += line;
    if (out.size() > kMost) {
      size_t cut = kMost;
      while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xC0u) == 0x80u) --cut;
      return out.substr(0, cut) + " ...";
    }
  }
  return out;
}

const KnownError* FindKnownError(std::string_view words) {
  for (const KnownError& known : kKnown) {
    if (words.find(known.words) != std::string_view::npos) return &known;
  }
  return nullptr;
}

Status VendorError(const OpenVinoApi& api, OvStatus status, std::string_view what,
                   StatusCode otherwise) {
  const std::string words = LastWords(api, status);
  std::string message(what);
  message += ": ";
  message += words.empty() ? "OpenVINO gave no reason" : words;
  message += " (";
  message += StatusName(status);
  message += ", " + std::to_string(status) + ")";
  const KnownError* known = FindKnownError(words);
  if (known == nullptr) return Status(otherwise, std::move(message));
  message += ". ";
  message += known->hint;
  return Status(known->code, std::move(message));
}

}  // namespace tessera::openvino
