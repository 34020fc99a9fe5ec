#include "tessera/devices.h"

#include <algorithm>

#include "base/thread_pool.h"
#include "kernels/isa.h"
#include "runtime/device_providers.h"
#include "runtime/devices_system.h"
#include "runtime/provider_registry.h"

namespace tessera {

CpuInfo DetectCpu() {
  CpuInfo info = SystemCpuInfo();
  info.usable_threads = ThreadPool::UsableCores();
  info.usable_cores = std::min(info.usable_cores, info.usable_threads);
  info.isa = kernels::IsaName(kernels::CurrentIsa());
  for (const kernels::Isa isa : kernels::SupportedIsas()) {
    if (isa != kernels::CurrentIsa()) info.other_isas.emplace_back(kernels::IsaName(isa));
  }
  return info;
}

std::vector<HardwareDevice> DetectHardware() {
  const CpuInfo cpu = DetectCpu();
  HardwareDevice device;
  device.kind = DeviceKind::kCpu;
  device.vendor = cpu.name.starts_with("AMD")     ? "AMD"
                  : cpu.name.starts_with("Intel") ? "Intel"
                  : cpu.name.starts_with("ARM")   ? "ARM"
                                                  : "unknown";
  device.name = cpu.name;
  device.provider = "cpu";
  device.usable = true;
  std::vector<HardwareDevice> devices = {std::move(device)};
  for (HardwareDevice& other : DetectAccelerators()) {
    const std::vector<std::string> providers = ProvidersFor(other);
    if (!providers.empty()) other.provider = providers.front();
    devices.push_back(std::move(other));
  }
  return devices;
}

std::vector<HardwareDevice> DetectDevices() {
  std::vector<HardwareDevice> devices = DetectHardware();
  for (HardwareDevice& device : devices) {
    if (!device.usable || device.kind == DeviceKind::kCpu) continue;
    const std::vector<std::string> providers = ProvidersFor(device);
    device.usable = false;
    if (providers.empty()) {
      device.reason = "this version of Tessera has no provider for this device";
      continue;
    }
    // The first that works, else why the best does not.
    for (const std::string& name : providers) {
      const FoundProvider found = FindProvider(name);
      if (found.info.usable && !found.info.emulated && found.info.device == device.kind) {
        device.provider = name;
        device.usable = true;
        device.reason.clear();
        device.hint.clear();
        break;
      }
      if (!device.reason.empty()) continue;
      device.reason =
          "driver and node are in order, but " + name + " cannot be used: " +
          (found.info.usable ? "it offers " + found.info.device_name + " only" : found.info.reason);
      device.hint = found.info.hint;
    }
  }
  return devices;
}

std::vector<ProviderInfo> FindProviders() {
  ProviderInfo cpu{.name = "cpu", .device_name = DetectCpu().name, .usable = true};
  std::vector<ProviderInfo> providers = {std::move(cpu)};
  for (const auto& source : ProviderSources())
    for (FoundProvider& found : source->Find({.all = true}))
      providers.push_back(std::move(found.info));
  return providers;
}

}  // namespace tessera
