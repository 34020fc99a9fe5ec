// Which providers drive which devices, and how one gets them. Plain tables.
#ifndef TESSERA_RUNTIME_DEVICE_PROVIDERS_H_
#define TESSERA_RUNTIME_DEVICE_PROVIDERS_H_

#include <string>
#include <string_view>
#include <vector>

#include "tessera/devices.h"

namespace tessera {

// By name, the best first; none for a device that no provider drives.
std::vector<std::string> ProvidersFor(const HardwareDevice& device);
// The command that installs a provider's library, or who delivers it; "" for an unknown name.
std::string InstallHint(std::string_view provider);

// The hardware as the operating system alone shows it, without a look at libraries: `usable` says
// that driver, node and permissions are in order, `provider` is the first of ProvidersFor.
std::vector<HardwareDevice> DetectHardware();

}  // namespace tessera

#endif  // TESSERA_RUNTIME_DEVICE_PROVIDERS_H_
