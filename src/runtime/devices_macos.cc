#if defined(__APPLE__)
// Devices as macOS' registry of I/O has them. No provider of Tessera drives Apple's neural engine:
// it is reached through Core ML alone.
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <sys/sysctl.h>

#include <algorithm>
#include <string>
#include <thread>

#include "runtime/devices_system.h"

namespace tessera {
namespace {

// Adds a device when a service of that class is there.
void AddService(const char* service_class, DeviceKind kind, const char* name,
                std::vector<HardwareDevice>* found) {
  // kIOMainPortDefault has this value; its name differs between versions of the system.
  const io_service_t service =
      IOServiceGetMatchingService(MACH_PORT_NULL, IOServiceMatching(service_class));
  if (service == IO_OBJECT_NULL) return;
  IOObjectRelease(service);
  HardwareDevice device;
  device.kind = kind;
  device.vendor = "Apple";
  device.name = name;
  device.driver = service_class;
  device.usable = true;
  found->push_back(std::move(device));
}

}  // namespace

CpuInfo SystemCpuInfo() {
  CpuInfo info;
  char name[256] = {};
  size_t size = sizeof(name) - 1;
  if (sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0) == 0) info.name = name;
  if (info.name.empty()) info.name = "unknown CPU";
  info.usable_threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  info.usable_cores = info.usable_threads;
  return info;
}

std::vector<HardwareDevice> DetectAccelerators() {
  std::vector<HardwareDevice> devices;
  AddService("H11ANEIn", DeviceKind::kNpu, "Apple Neural Engine", &devices);
  AddService("AGXAccelerator", DeviceKind::kGpu, "Apple GPU", &devices);
  return devices;
}

}  // namespace tessera
#endif  // __APPLE__
