#include "providers/onnxruntime/setup.h"

#include "base/check.h"
#include "base/file.h"
#include "providers/onnxruntime/targets.h"

namespace tessera {
namespace {

#if defined(__x86_64__) || defined(_M_X64)
constexpr bool kIsX86 = true;
#else
constexpr bool kIsX86 = false;
#endif

std::string FolderOf(const std::string& path) {
  const size_t slash = path.find_last_of("/\\");
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

constexpr std::string_view kIntelNpuTarget = "intel-npu";

int RankOf(DeviceKind kind) {
  return kind == DeviceKind::kNpu ? 0 : kind == DeviceKind::kGpu ? 1 : 2;
}

// The device of `kind` ("" for any), an NPU before a GPU before the CPU, real before virtual ones.
int BestDevice(const std::vector<OrtDevice>& devices, const std::string& kind) {
  int best = -1;
  const auto rank = [&](int i) {
    const OrtDevice& device = devices[static_cast<size_t>(i)];
    return RankOf(device.kind) + (device.is_virtual ? 3 : 0);
  };
  for (int i = 0; i < static_cast<int>(devices.size()); ++i) {
    if (!kind.empty() && DeviceKindName(devices[static_cast<size_t>(i)].kind) != kind) continue;
    if (best < 0 || rank(i) < rank(best)) best = i;
  }
  return best;
}

// "intel-npu" (the newest that the plugin knows) or "intel-npu:4000", by Intel's number of the
// platform.
Result<int> VirtualIntelNpu(const std::vector<OrtDevice>& devices, std::string_view target) {
  const std::string_view asked = target.substr(std::min(target.size(), kIntelNpuTarget.size() + 1));
  std::string known;
  int best = -1;
  std::string best_platform;
  for (int i = 0; i < static_cast<int>(devices.size()); ++i) {
    for (const auto& [key, platform] : devices[static_cast<size_t>(i)].metadata) {
      if (key != "npu_platform") continue;
      known += (known.empty() ? "" : ", ") + platform;
      const bool fits = asked.empty() ? VersionLess(best_platform, platform) : platform == asked;
      if (fits) best = i, best_platform = platform;
    }
  }
  if (best >= 0) return best;
  return InvalidArgument("\"" + std::string(target) +
                         "\" is no target: intel-npu, or intel-npu: and " +
                         "one of the platforms that the plugin knows (" + known + ")");
}

Status ChooseDevice(const OrtProfile& profile, const OnnxRuntimeOptions& options,
                    const OrtPlugin& plugin, OrtSetup& setup) {
  OrtSessionSpec& spec = setup.spec;
  BackendInfo& info = setup.info;
  if (spec.ep == kOrtCpuProvider) {
    info.device_name = "CPU";
    return OkStatus();
  }
  TESSERA_ASSIGN_OR_RETURN(const std::vector<OrtDevice> devices,
                           setup.engine->Devices(spec.ep, spec.ep_library, spec.virtual_devices));
  spec.device = BestDevice(devices, options.device_kind);
  if (spec.virtual_devices) {
    TESSERA_ASSIGN_OR_RETURN(spec.device, VirtualIntelNpu(devices, options.target));
  }
  if (spec.device < 0) {
    return Unavailable(spec.ep + " offers no device of kind \"" + options.device_kind + "\"");
  }
  const OrtDevice& device = devices[static_cast<size_t>(spec.device)];
  std::string version = plugin.package_version.empty() ? device.version : plugin.package_version;
  if (!plugin.sdk_version.empty()) version += " (SDK " + plugin.sdk_version + ")";
  if (!version.empty()) info.version += "+" + version;
  info.device_name = device.vendor + " " + DeviceKindName(device.kind);
  if (profile.name == "qnn") {
    // The provider takes the CPU's device everywhere; on x86 the NPU behind it is an emulator.
    info.device = DeviceKind::kNpu;
    info.emulated = kIsX86;
  } else {
    info.device = device.kind;
    info.emulated = device.is_virtual;
    if (device.is_virtual) info.device_name += " (" + options.target + "), virtual";
  }
  return OkStatus();
}

Status SetQnnOptions(const OnnxRuntimeOptions& options, const OrtPlugin& plugin, OrtSetup& setup) {
  OrtOptions& list = setup.spec.provider_options;
  SetOrtOption(list, "backend_path", JoinPath(FolderOf(plugin.path), LibraryFileName("QnnHtp")));
  // Without it the provider leaves a quantized model's first and last nodes to the CPU.
  SetOrtOption(list, "offload_graph_io_quantization", "0");
  std::string target = options.target;
  if (target.empty() && setup.info.emulated) target = kDefaultQnnTarget;
  setup.info.device_name = "Qualcomm Hexagon";
  if (!target.empty() && target != kQnnWithoutChip) {
    TESSERA_ASSIGN_OR_RETURN(const QnnTarget chip, ParseQnnTarget(target));
    SetOrtOption(list, "soc_model", chip.soc_model);
    if (!chip.htp_arch.empty()) SetOrtOption(list, "htp_arch", chip.htp_arch);
    setup.info.device_name += " (" + target + ")";
  }
  if (setup.info.emulated) setup.info.device_name += ", emulated";
  return OkStatus();
}

}  // namespace

void SetOrtOption(OrtOptions& options, const std::string& key, const std::string& value) {
  for (auto& option : options) {
    if (option.first == key) {
      option.second = value;
      return;
    }
  }
  options.emplace_back(key, value);
}

Result<OrtSetup> OpenOrtSetup(const OrtProfile& profile, const OnnxRuntimeOptions& options) {
  OrtSetup setup;
  TESSERA_ASSIGN_OR_RETURN(setup.engine, FindOrtEngine(options.library));
  TESSERA_ASSIGN_OR_RETURN(const OrtPlugin plugin, FindOrtPlugin(profile, options.ep_library));
  setup.spec.ep = profile.ep;
  setup.spec.ep_library = plugin.path;
  setup.spec.threads = options.threads;
  setup.spec.virtual_devices =
      profile.name == "openvino" && options.target.starts_with(kIntelNpuTarget);
  setup.info.name = "onnxruntime:" + std::string(profile.name);
  setup.info.version = setup.engine->version();
  setup.info.library = setup.engine->path();
  setup.info.device = profile.device;
  TESSERA_RETURN_IF_ERROR(ChooseDevice(profile, options, plugin, setup));
  if (profile.name == "qnn") TESSERA_RETURN_IF_ERROR(SetQnnOptions(options, plugin, setup));
  for (const auto& [key, value] : options.provider_options) {
    SetOrtOption(setup.spec.provider_options, key, value);
  }
  return setup;
}

}  // namespace tessera
