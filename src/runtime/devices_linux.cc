#include "runtime/devices_linux.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

namespace tessera {
namespace {

namespace fs = std::filesystem;

struct KnownNpu {
  uint16_t vendor, device;
  const char* vendor_name;
  const char* name;
  const char* driver;  // the kernel module that serves it
  const char* hint;    // when no driver holds it
};

constexpr const char* kAmdHint =
    "needs Linux 6.14 or newer with the amdxdna driver (CONFIG_DRM_ACCEL_AMDXDNA) and its firmware "
    "in "
    "/lib/firmware/amdnpu; the NPU must be enabled in the BIOS";
constexpr const char* kIntelHint =
    "needs Linux 6.8 or newer with the intel_vpu driver (CONFIG_DRM_ACCEL_IVPU) and its firmware "
    "in "
    "/lib/firmware/intel/vpu";

// PCI ids from the tables of the kernel drivers named in `driver`.
constexpr KnownNpu kKnownNpus[] = {
    {0x1022, 0x1502, "AMD", "Ryzen AI NPU (XDNA: Phoenix, Hawk Point)", "amdxdna", kAmdHint},
    {0x1022, 0x17f0, "AMD", "Ryzen AI NPU (XDNA 2: Strix, Krackan)", "amdxdna", kAmdHint},
    {0x8086, 0x7d1d, "Intel", "NPU of Core Ultra series 1 (Meteor Lake)", "intel_vpu", kIntelHint},
    {0x8086, 0xad1d, "Intel", "NPU of Core Ultra series 2 (Arrow Lake)", "intel_vpu", kIntelHint},
    {0x8086, 0x643e, "Intel", "NPU of Core Ultra series 2 (Lunar Lake)", "intel_vpu", kIntelHint},
    {0x8086, 0xb03e, "Intel", "NPU of Core Ultra series 3 (Panther Lake)", "intel_vpu", kIntelHint},
};

constexpr uint32_t kPciClassDisplay = 0x03;
constexpr uint32_t kPciClassAccelerator = 0x12;

// First line of a small sysfs file; "" when it cannot be read.
std::string ReadLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

uint32_t ReadHex(const fs::path& path) {
  return static_cast<uint32_t>(std::strtoul(ReadLine(path).c_str(), nullptr, 16));
}

std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::string DriverOf(const fs::path& device) {
  std::error_code error;
  const fs::path target = fs::read_symlink(device / "driver", error);
  return error ? "" : target.filename().string();
}

const KnownNpu* FindKnown(uint32_t vendor, uint32_t device) {
  for (const KnownNpu& npu : kKnownNpus) {
    if (npu.vendor == vendor && npu.device == device) return &npu;
  }
  return nullptr;
}

std::string HexId(uint32_t vendor, uint32_t device) {
  char text[24];
  std::snprintf(text, sizeof(text), "%04x:%04x", vendor & 0xFFFFu, device & 0xFFFFu);
  return text;
}

std::string VendorName(uint32_t vendor) {
  switch (vendor) {
    case 0x1002:
    case 0x1022:
      return "AMD";
    case 0x8086:
      return "Intel";
    case 0x10de:
      return "NVIDIA";
    case 0x17cb:
      return "Qualcomm";
    case 0x1af4:
      return "virtio";
    case 0x1234:
      return "QEMU";
    case 0x15ad:
      return "VMware";
    default:
      return HexId(vendor, 0).substr(0, 4);
  }
}

HardwareDevice PciDevice(DeviceKind kind, const fs::path& device, const char* generic_name) {
  HardwareDevice found;
  const uint32_t vendor = ReadHex(device / "vendor"), id = ReadHex(device / "device");
  const KnownNpu* known = FindKnown(vendor, id);
  found.kind = kind;
  found.vendor_id = static_cast<uint16_t>(vendor);
  found.device_id = static_cast<uint16_t>(id);
  found.vendor = known ? known->vendor_name : VendorName(vendor);
  found.name = known ? known->name : std::string(generic_name) + " " + HexId(vendor, id);
  found.driver = DriverOf(device);
  found.is_virtual = found.vendor == "virtio" || found.vendor == "QEMU" || found.vendor == "VMware";
  return found;
}

// With a node in reach: what keeps the device from running models.
void JudgeNode(const SystemTrees& trees, HardwareDevice* device) {
  std::error_code error;
  if (!fs::exists(device->node, error)) {
    device->reason = "the driver is loaded, but " + device->node + " does not exist";
    device->hint =
        "inside a container: pass the device in (for example --device " + device->node + ")";
  } else if (!trees.can_open(device->node)) {
    device->reason = "no permission to open " + device->node;
    device->hint =
        "add the user to the group that owns the node (render, on Debian): usermod -aG render "
        "USER, then log in again";
  } else {
    device->reason =
        "driver and node are in order, but this version of Tessera has no provider for this device";
  }
}

}  // namespace

std::vector<HardwareDevice> DetectNpus(const SystemTrees& trees) {
  std::vector<HardwareDevice> found;
  std::set<fs::path> seen;
  std::error_code error;
  for (const fs::path& entry : Entries(fs::path(trees.sys) / "class/accel")) {
    const fs::path device = entry / "device";
    HardwareDevice npu = PciDevice(DeviceKind::kNpu, device, "accelerator");
    npu.node = trees.dev + "/accel/" + entry.filename().string();
    JudgeNode(trees, &npu);
    seen.insert(fs::weakly_canonical(device, error));
    found.push_back(std::move(npu));
  }
  for (const fs::path& device : Entries(fs::path(trees.sys) / "bus/pci/devices")) {
    const uint32_t pci_class = ReadHex(device / "class") >> 16;
    const KnownNpu* known = FindKnown(ReadHex(device / "vendor"), ReadHex(device / "device"));
    if (known == nullptr && pci_class != kPciClassAccelerator) continue;
    if (seen.count(fs::weakly_canonical(device, error)) > 0) continue;
    HardwareDevice npu = PciDevice(DeviceKind::kNpu, device, "accelerator");
    if (npu.driver.empty()) {
      npu.reason = "no kernel driver holds the device";
      npu.hint = known ? known->hint : "load the vendor's kernel driver";
    } else {
      npu.reason = "held by the driver " + npu.driver + ", which offers no accelerator node";
      npu.hint = known && npu.driver != known->driver ? known->hint : "update the kernel driver";
    }
    found.push_back(std::move(npu));
  }
  // Qualcomm's Hexagon has no PCI id: its compute DSP shows as a FastRPC node.
  for (const char* name : {"fastrpc-cdsp", "fastrpc-cdsp1"}) {
    const std::string node = trees.dev + "/" + name;
    if (!fs::exists(node, error)) continue;
    HardwareDevice npu;
    npu.kind = DeviceKind::kNpu;
    npu.vendor = "Qualcomm";
    npu.name = "Hexagon NPU";
    npu.driver = "fastrpc";
    npu.node = node;
    JudgeNode(trees, &npu);
    found.push_back(std::move(npu));
  }
  return found;
}

std::vector<HardwareDevice> DetectGpus(const SystemTrees& trees) {
  std::vector<HardwareDevice> found;
  std::error_code error;
  for (const fs::path& device : Entries(fs::path(trees.sys) / "bus/pci/devices")) {
    if (ReadHex(device / "class") >> 16 != kPciClassDisplay) continue;
    HardwareDevice gpu = PciDevice(DeviceKind::kGpu, device, "GPU");
    for (const fs::path& entry : Entries(device / "drm")) {
      const std::string name = entry.filename().string();
      if (name.starts_with("renderD")) gpu.node = trees.dev + "/dri/" + name;
    }
    gpu.reason = gpu.driver.empty() ? "no kernel driver holds the device"
                                    : "this version of Tessera has no provider for GPUs";
    found.push_back(std::move(gpu));
  }
  return found;
}

CpuInfo ParseCpuInfo(const std::string& cpuinfo) {
  // Features the kernels choose by, and those that explain the speed of a machine.
  static const std::set<std::string> kFeatures = {
      "sse4_2",   "avx",      "avx2",     "fma",         "f16c",        "avx_vnni",
      "avx512f",  "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16",
      "amx_tile", "amx_int8", "amx_bf16", "asimd",       "asimdhp",     "asimddp",
      "i8mm",     "bf16",     "sve",      "sve2",        "sme"};
  CpuInfo info;
  std::set<std::pair<std::string, std::string>> cores;
  std::string package, implementer;
  int processors = 0;
  std::istringstream lines(cpuinfo);
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    const size_t start = line.find_first_not_of(' ', colon + 1);
    const std::string value = start == std::string::npos ? "" : line.substr(start);
    if (key == "processor") ++processors;
    if (key == "model name" && info.name.empty()) info.name = value;
    if (key == "CPU implementer") implementer = value;
    if (key == "physical id") package = value;
    if (key == "core id") cores.emplace(package, value);
    if ((key == "flags" || key == "Features") && info.features.empty()) {
      std::istringstream words(value);
      for (std::string word; words >> word;) {
        if (kFeatures.count(word) > 0) info.features.push_back(word);
      }
    }
  }
  if (info.name.empty())
    info.name = implementer.empty() ? "unknown CPU" : "ARM CPU, implementer " + implementer;
  info.usable_threads = std::max(1, processors);
  info.usable_cores = cores.empty() ? info.usable_threads : static_cast<int>(cores.size());
  return info;
}

}  // namespace tessera
