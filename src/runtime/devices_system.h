// What each operating system tells about itself: one file for each (devices_linux.cc, _windows.cc,
// _macos.cc), of which a build has one.
#ifndef TESSERA_RUNTIME_DEVICES_SYSTEM_H_
#define TESSERA_RUNTIME_DEVICES_SYSTEM_H_

#include <vector>

#include "tessera/devices.h"

namespace tessera {

// Name, features and cores; what does not depend on the system is left to DetectCpu.
CpuInfo SystemCpuInfo();
// NPUs, then GPUs. `usable`: nothing on the system's side is in the way; `provider` is left empty.
std::vector<HardwareDevice> DetectAccelerators();

}  // namespace tessera

#endif  // TESSERA_RUNTIME_DEVICES_SYSTEM_H_
