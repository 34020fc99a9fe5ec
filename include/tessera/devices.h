// The machine as Tessera sees it: its CPU, every GPU and NPU with the reason why it can or cannot
// be used, and the providers (libraries) that were found to drive them.
//
// Devices are found by looking at the operating system itself (sysfs, PCI ids, device nodes,
// permissions), so that one whose library or driver is missing still shows, with what to do about
// it. Reads only; never starts a device. Thread-safe.
#ifndef TESSERA_DEVICES_H_
#define TESSERA_DEVICES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

enum class DeviceKind { kCpu, kGpu, kNpu };

struct HardwareDevice {
  DeviceKind kind = DeviceKind::kCpu;
  std::string vendor;      // "AMD", "Intel", "Qualcomm", ...; hexadecimal PCI id where unknown
  std::string name;        // as specific as the ids allow
  uint16_t vendor_id = 0;  // PCI; 0 where the bus has none
  uint16_t device_id = 0;
  std::string driver;          // kernel driver that holds the device; "" when none does
  std::string driver_version;  // as the driver says it, else the kernel's it belongs to; "" unknown
  std::string firmware;        // version; "" where the driver does not show it
  std::string node;            // device node such as /dev/accel/accel0; "" when there is none
  std::string provider;        // of Tessera that drives such devices ("openvino:npu"); "" none does
  bool is_virtual = false;     // emulated, or passed into a virtual machine by a generic driver
  bool usable = false;         // Tessera can run models on it now
  std::string reason;          // why not; "" when usable
  std::string hint;            // what would help, as a command where there is one; may be ""
};

// A way to run models: our CPU kernels, or a library of others with one of its devices.
struct ProviderInfo {
  std::string name;         // as --device takes it: "cpu", "onnxruntime:qnn", "openvino:npu"
  std::string version;      // of the library and, after a "+", of the vendor's SDK; "" unknown
  std::string library;      // path; "" for our own
  std::string device_name;  // what it would run on
  DeviceKind device = DeviceKind::kCpu;
  bool emulated = false;  // the vendor's emulator: never chosen by itself, never called an NPU
  bool usable = false;
  std::string reason;  // why not; "" when usable
  std::string hint;    // what would help; may be ""
};

struct CpuInfo {
  std::string name;        // "AMD EPYC 9B45", as the CPU calls itself
  int usable_threads = 1;  // hardware threads this process may run on (affinity respected)
  int usable_cores = 1;    // physical cores among them
  std::vector<std::string> features;  // those that matter to the kernels, in the kernel's spelling
  std::string isa;                    // instruction set the kernels run on: "avx512bf16"
  std::vector<std::string> other_isas;  // others that this build and CPU could run
};

CpuInfo DetectCpu();
// The CPU first, then NPUs, then GPUs.
std::vector<HardwareDevice> DetectDevices();
// All that this build knows, those that are not installed included. Opens libraries.
std::vector<ProviderInfo> FindProviders();

// "cpu", "gpu", "npu".
const char* DeviceKindName(DeviceKind kind);

}  // namespace tessera

#endif  // TESSERA_DEVICES_H_
