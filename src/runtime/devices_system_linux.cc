#if defined(__linux__)
#include "base/file.h"
#include "runtime/devices_linux.h"
#include "runtime/devices_system.h"

namespace tessera {

CpuInfo SystemCpuInfo() {
  constexpr uint64_t kLimit = 16 << 20;  // 4096 threads list about 8 MB
  const Result<std::string> text = ReadFile("/proc/cpuinfo", kLimit);
  return ParseCpuInfo(text.ok() ? *text : "");
}

std::vector<HardwareDevice> DetectAccelerators() {
  const SystemTrees trees = SystemTrees::OfThisMachine();
  std::vector<HardwareDevice> devices = DetectNpus(trees);
  for (HardwareDevice& gpu : DetectGpus(trees)) devices.push_back(std::move(gpu));
  return devices;
}

}  // namespace tessera
#endif  // __linux__
