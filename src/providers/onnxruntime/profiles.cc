#include "providers/onnxruntime/profiles.h"

namespace tessera {
namespace {

#if defined(_WIN32)
constexpr char kPrefix[] = "";
constexpr char kSuffix[] = ".dll";
#elif defined(__APPLE__)
constexpr char kPrefix[] = "lib";
constexpr char kSuffix[] = ".dylib";
#else
constexpr char kPrefix[] = "lib";
constexpr char kSuffix[] = ".so";
#endif

constexpr OrtProfile kProfiles[] = {
    {"cpu", "CPUExecutionProvider", DeviceKind::kCpu, false, false},
    {"qnn", "QNNExecutionProvider", DeviceKind::kNpu, true, true},
    {"openvino", "OpenVINOExecutionProvider", DeviceKind::kNpu, true, true},
    {"vitisai", "VitisAIExecutionProvider", DeviceKind::kNpu, true, true},
    {"dml", "DmlExecutionProvider", DeviceKind::kGpu, false, false},
};

}  // namespace

std::span<const OrtProfile> OrtProfiles() { return kProfiles; }

const OrtProfile* FindOrtProfile(std::string_view name) {
  for (const OrtProfile& profile : kProfiles) {
    if (profile.name == name) return &profile;
  }
  return nullptr;
}

std::string LibraryFileName(std::string_view name) { return kPrefix + std::string(name) + kSuffix; }

LibraryQuery OnnxRuntimeQuery(const std::string& option) {
  LibraryQuery query;
  query.name = "ONNX Runtime";
  query.option = option;
  query.variable = "TESSERA_ONNXRUNTIME";
#if defined(_WIN32)
  query.files = {"onnxruntime.dll"};
#elif defined(__APPLE__)
  query.files = {"libonnxruntime.dylib", "libonnxruntime.*"};
#else
  query.files = {"libonnxruntime.so*"};
  query.loader_names = {"libonnxruntime.so.1"};
#endif
  query.packages = {"onnxruntime/capi"};
  query.loader_names.push_back(LibraryFileName("onnxruntime"));
  query.install_hint = "pip install onnxruntime";
  return query;
}

LibraryQuery OrtPluginQuery(const OrtProfile& profile, const std::string& option) {
  LibraryQuery query;
  query.option = option;
  if (profile.name == "qnn") {
    query.name = "Qualcomm's provider for ONNX Runtime";
    query.variable = "TESSERA_QNN";
    query.files = {LibraryFileName("onnxruntime_providers_qnn")};
    query.packages = {"onnxruntime_qnn"};
    query.install_hint = "pip install onnxruntime onnxruntime-qnn (Qualcomm's licence)";
  } else if (profile.name == "openvino") {
    query.name = "OpenVINO's provider for ONNX Runtime";
    query.variable = "TESSERA_OPENVINO_EP";
    query.files = {LibraryFileName("onnxruntime_providers_openvino_plugin")};
    query.packages = {"onnxruntime_ep_openvino"};
    query.install_hint = "pip install onnxruntime onnxruntime-ep-openvino";
  } else {
    query.name = "AMD's provider for ONNX Runtime";
    query.variable = "TESSERA_VITISAI";
    query.files = {LibraryFileName("onnxruntime_vitisai_ep"),
                   LibraryFileName("onnxruntime_providers_vitisai")};
    query.packages = {"onnxruntime_ep_vitisai", "onnxruntime_vitisai", "onnxruntime/capi"};
    query.install_hint = "it comes with AMD's Ryzen AI software or Windows ML's catalog";
  }
  return query;
}

}  // namespace tessera
