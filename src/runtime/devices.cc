#include "tessera/devices.h"

#include <algorithm>

#include "base/file.h"
#include "base/terminal.h"
#include "base/thread_pool.h"
#include "kernels/isa.h"
#include "runtime/devices_linux.h"

namespace tessera {

CpuInfo DetectCpu() {
  constexpr uint64_t kLimit = 16 << 20;  // 4096 threads list about 8 MB
  Result<std::string> text = ReadFile("/proc/cpuinfo", kLimit);
  CpuInfo info = ParseCpuInfo(text.ok() ? *text : "");
  info.usable_threads = ThreadPool::UsableCores();
  info.usable_cores = std::min(info.usable_cores, info.usable_threads);
  info.isa = kernels::IsaName(kernels::CurrentIsa());
  for (const kernels::Isa isa : kernels::SupportedIsas()) {
    if (isa != kernels::CurrentIsa()) info.other_isas.emplace_back(kernels::IsaName(isa));
  }
  return info;
}

std::vector<HardwareDevice> DetectDevices() {
  const CpuInfo cpu = DetectCpu();
  HardwareDevice device;
  device.kind = DeviceKind::kCpu;
  device.vendor = cpu.name.starts_with("AMD")     ? "AMD"
                  : cpu.name.starts_with("Intel") ? "Intel"
                  : cpu.name.starts_with("ARM")   ? "ARM"
                                                  : "unknown";
  device.name = cpu.name;
  device.usable = true;
  std::vector<HardwareDevice> devices = {std::move(device)};
  SystemTrees trees;
  trees.can_open = CanReadAndWrite;
  for (HardwareDevice& npu : DetectNpus(trees)) devices.push_back(std::move(npu));
  for (HardwareDevice& gpu : DetectGpus(trees)) devices.push_back(std::move(gpu));
  return devices;
}

}  // namespace tessera
