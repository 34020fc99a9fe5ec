// The Linux side of include/tessera/devices.h with the roots of the system's trees as arguments, so
// that tests can lay out a machine that they do not have.
#ifndef TESSERA_RUNTIME_DEVICES_LINUX_H_
#define TESSERA_RUNTIME_DEVICES_LINUX_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tessera/devices.h"

namespace tessera {

struct SystemTrees {
  std::string sys = "/sys";
  std::string dev = "/dev";
  std::string proc = "/proc";
  std::string firmware = "/lib/firmware";
  // Whether this process may open the node for reading and writing.
  std::function<bool(const std::string&)> can_open;
  // base/process_info.h
  std::function<std::string(const std::string&)> group_of;
  std::string user;
  std::optional<uint64_t> locked_memory_limit;

  // Of this machine and process.
  static SystemTrees OfThisMachine();
};

// Accelerators: /sys/class/accel, known NPUs on the PCI bus that no driver holds, Qualcomm's DSP
// nodes. `usable` says that nothing on the system's side is in the way.
std::vector<HardwareDevice> DetectNpus(const SystemTrees& trees);
// Display controllers on the PCI bus.
std::vector<HardwareDevice> DetectGpus(const SystemTrees& trees);
// Name, features and core topology out of /proc/cpuinfo; `usable_threads` is left at what is listed
// there.
CpuInfo ParseCpuInfo(const std::string& cpuinfo);

}  // namespace tessera

#endif  // TESSERA_RUNTIME_DEVICES_LINUX_H_
