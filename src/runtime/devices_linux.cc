#include "runtime/devices_linux.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

#include "base/process_info.h"
#include "base/terminal.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

struct KnownDriver {
  const char* name;              // the kernel module
  int since_major, since_minor;  // first Linux that has it
  const char* firmware;          // folder below /lib/firmware
};
constexpr KnownDriver kAmdXdna = {"amdxdna", 6, 14, "amdnpu"};
constexpr KnownDriver kIntelVpu = {"intel_vpu", 6, 3, "intel/vpu"};

struct KnownNpu {
  uint16_t vendor, device;
  const char* vendor_name;
  const char* name;
  const KnownDriver* driver;
};

// PCI ids from the tables of the kernel's drivers.
constexpr KnownNpu kKnownNpus[] = {
    {0x1022, 0x1502, "AMD", "Ryzen AI NPU (XDNA: Phoenix, Hawk Point)", &kAmdXdna},
    {0x1022, 0x17f0, "AMD", "Ryzen AI NPU (XDNA 2: Strix, Strix Halo, Krackan)", &kAmdXdna},
    {0x8086, 0x7d1d, "Intel", "NPU of Core Ultra series 1 (Meteor Lake)", &kIntelVpu},
    {0x8086, 0xad1d, "Intel", "NPU of Core Ultra series 2 (Arrow Lake)", &kIntelVpu},
    {0x8086, 0x643e, "Intel", "NPU of Core Ultra series 2 (Lunar Lake)", &kIntelVpu},
    {0x8086, 0xb03e, "Intel", "NPU of Core Ultra series 3 (Panther Lake)", &kIntelVpu},
    {0x8086, 0xfd3e, "Intel", "NPU of Wildcat Lake", &kIntelVpu},
};

// A context of amdxdna maps and locks this much.
constexpr uint64_t kXdnaLockedBytes = uint64_t{64} << 20;

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

std::string MiB(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

// "6.12.3-amd64" of the running kernel.
std::string KernelRelease(const SystemTrees& trees) {
  return ReadLine(fs::path(trees.proc) / "sys/kernel/osrelease");
}

bool KernelIsBefore(const std::string& release, const KnownDriver& driver) {
  int major = 0, minor = 0;
  if (std::sscanf(release.c_str(), "%d.%d", &major, &minor) != 2) return false;
  return major < driver.since_major || (major == driver.since_major && minor < driver.since_minor);
}

// What a module says of itself; those that are part of the kernel have the kernel's version.
std::string DriverVersion(const SystemTrees& trees, const std::string& driver) {
  if (driver.empty()) return "";
  const std::string own = ReadLine(fs::path(trees.sys) / "module" / driver / "version");
  if (!own.empty()) return own;
  const std::string kernel = KernelRelease(trees);
  return kernel.empty() ? "" : "Linux " + kernel;
}

void JudgeWithoutDriver(const SystemTrees& trees, const KnownDriver* driver,
                        HardwareDevice* device) {
  device->reason = "no kernel driver holds the device";
  if (driver == nullptr) {
    device->hint = "load the vendor's kernel driver";
    return;
  }
  const std::string since =
      "Linux " + std::to_string(driver->since_major) + "." + std::to_string(driver->since_minor);
  const std::string kernel = KernelRelease(trees);
  std::error_code error;
  if (KernelIsBefore(kernel, *driver)) {
    device->reason += ": the kernel is " + kernel + ", the driver " + driver->name +
                      " is part of " + since + " and newer";
    device->hint = "install a kernel of version " + since.substr(6) + " or newer";
  } else if (!fs::exists(fs::path(trees.firmware) / driver->firmware, error)) {
    device->reason +=
        ": its firmware is missing, there is no " + trees.firmware + "/" + driver->firmware;
    device->hint = std::string("install the distribution's firmware package that holds ") +
                   driver->firmware +
                   " (linux-firmware on Ubuntu, Fedora and Arch), then: sudo "
                   "modprobe " +
                   driver->name;
  } else {
    device->hint = std::string("sudo modprobe ") + driver->name +
                   "; if that fails, dmesg says why (the NPU may be off in the BIOS)";
  }
}

// With a driver: what keeps the device from running models.
void JudgeNode(const SystemTrees& trees, HardwareDevice* device) {
  std::error_code error;
  if (!fs::exists(device->node, error)) {
    device->reason = "the driver is loaded, but " + device->node + " does not exist";
    device->hint =
        "inside a container: pass the device in (for example --device " + device->node + ")";
  } else if (!trees.can_open(device->node)) {
    const std::string group = trees.group_of ? trees.group_of(device->node) : "";
    const std::string user = trees.user.empty() ? "$USER" : trees.user;
    device->reason = "no permission to open " + device->node;
    if (group.empty() || group == "root") {
      device->hint =
          "the node belongs to root alone; give it to a group: echo 'SUBSYSTEM==\"accel\", "
          "GROUP=\"render\", MODE=\"0660\"' | sudo tee /etc/udev/rules.d/70-npu.rules && "
          "sudo udevadm control --reload && sudo udevadm trigger && sudo usermod -aG "
          "render " +
          user + ", then log in again";
    } else {
      device->hint = "sudo usermod -aG " + group + " " + user + ", then log in again";
    }
  } else if (device->driver == kAmdXdna.name && trees.locked_memory_limit &&
             *trees.locked_memory_limit < kXdnaLockedBytes) {
    device->reason = "this process may lock " + MiB(*trees.locked_memory_limit) +
                     " of memory, the driver locks " + MiB(kXdnaLockedBytes) +
                     " for each context (it fails with EAGAIN)";
    const std::string user = trees.user.empty() ? "$USER" : trees.user;
    device->hint = "echo '" + user +
                   " - memlock unlimited' | sudo tee "
                   "/etc/security/limits.d/90-npu.conf, then log in again (services: "
                   "LimitMEMLOCK=infinity)";
  } else {
    device->usable = true;
  }
}

// Qualcomm's Hexagon has no PCI id: its compute DSP shows as a FastRPC node, and its firmware as a
// remote processor.
void AddHexagon(const SystemTrees& trees, std::vector<HardwareDevice>* found) {
  std::error_code error;
  for (const char* name : {"fastrpc-cdsp", "fastrpc-cdsp1"}) {
    const std::string node = trees.dev + "/" + name;
    if (!fs::exists(node, error)) continue;
    HardwareDevice npu;
    npu.kind = DeviceKind::kNpu;
    npu.vendor = "Qualcomm";
    npu.name = "Hexagon NPU";
    npu.driver = "fastrpc";
    npu.driver_version = DriverVersion(trees, npu.driver);
    npu.node = node;
    JudgeNode(trees, &npu);
    for (const fs::path& processor : Entries(fs::path(trees.sys) / "class/remoteproc")) {
      // "cdsp" and "cdsp1", as the nodes are called.
      if (ReadLine(processor / "name") != std::string(name).substr(8)) continue;
      npu.firmware = ReadLine(processor / "firmware");
      const std::string state = ReadLine(processor / "state");
      if (!npu.usable || state.empty() || state == "running" || state == "attached") continue;
      npu.usable = false;
      npu.reason = "the DSP is " + state + ": its firmware " + npu.firmware + " does not run";
      npu.hint = "echo start | sudo tee " + (processor / "state").string() +
                 "; if that fails, dmesg says which firmware file is missing";
    }
    found->push_back(std::move(npu));
  }
}

}  // namespace

SystemTrees SystemTrees::OfThisMachine() {
  SystemTrees trees;
  trees.can_open = CanReadAndWrite;
  trees.group_of = GroupOfFile;
  trees.user = UserName();
  trees.locked_memory_limit = LockedMemoryLimit();
  return trees;
}

std::vector<HardwareDevice> DetectNpus(const SystemTrees& trees) {
  std::vector<HardwareDevice> found;
  std::set<fs::path> seen;
  std::error_code error;
  for (const fs::path& entry : Entries(fs::path(trees.sys) / "class/accel")) {
    const fs::path device = entry / "device";
    HardwareDevice npu = PciDevice(DeviceKind::kNpu, device, "accelerator");
    // What the driver calls it is nearer than a PCI id that several chips share.
    if (const std::string name = ReadLine(device / "vbnv"); !name.empty())
      npu.name = name.starts_with(npu.vendor) ? name : npu.vendor + " " + name;
    npu.driver_version = DriverVersion(trees, npu.driver);
    npu.firmware = ReadLine(device / "fw_version");
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
    npu.driver_version = DriverVersion(trees, npu.driver);
    if (npu.driver.empty()) {
      JudgeWithoutDriver(trees, known ? known->driver : nullptr, &npu);
    } else {
      npu.reason = "held by the driver " + npu.driver + ", which offers no accelerator node";
      npu.hint = known && npu.driver != known->driver->name
                     ? std::string("unbind it from ") + npu.driver + " and load " +
                           known->driver->name +
                           " (a device that is passed to a virtual machine "
                           "cannot be used outside it)"
                     : "dmesg says why the driver has not made one; update the kernel and its "
                       "firmware";
    }
    found.push_back(std::move(npu));
  }
  AddHexagon(trees, &found);
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
    gpu.driver_version = DriverVersion(trees, gpu.driver);
    if (gpu.driver.empty()) {
      JudgeWithoutDriver(trees, nullptr, &gpu);
    } else if (gpu.node.empty()) {
      gpu.reason = "the driver " + gpu.driver + " offers no render node";
    } else {
      JudgeNode(trees, &gpu);
    }
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
