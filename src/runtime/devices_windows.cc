#if defined(_WIN32)
// Devices as Windows' device manager has them: its classes "Compute accelerator" (NPUs) and
// "Display".
//
// Reads the list through SetupAPI; opens no device.
// clang-format off: windows.h has to be the first.
#include <windows.h>
#include <cfgmgr32.h>
#include <setupapi.h>
// clang-format on

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>

#include "runtime/devices_system.h"

namespace tessera {
namespace {

constexpr GUID kComputeAccelerators = {
    0xf01a9d53, 0x3ff6, 0x48d2, {0x9f, 0x97, 0xc8, 0xa7, 0x00, 0x4b, 0xe1, 0x0c}};
constexpr GUID kDisplays = {
    0x4d36e968, 0xe325, 0x11ce, {0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}};

std::string ToUtf8(const wchar_t* text) {
  const int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, nullptr, 0, nullptr, nullptr);
  if (size <= 1) return "";
  std::string utf8(static_cast<size_t>(size) - 1, '\0');
  WideCharToMultiByte(CP_UTF8, 0, text, -1, utf8.data(), size, nullptr, nullptr);
  return utf8;
}

// The first string of a property; "" when the device has none.
std::string Property(HDEVINFO list, SP_DEVINFO_DATA& device, DWORD which) {
  wchar_t text[512] = {};
  if (!SetupDiGetDeviceRegistryPropertyW(list, &device, which, nullptr,
                                         reinterpret_cast<BYTE*>(text), sizeof(text) - 2, nullptr))
    return "";
  return ToUtf8(text);
}

std::string DriverVersion(HDEVINFO list, SP_DEVINFO_DATA& device) {
  const HKEY key =
      SetupDiOpenDevRegKey(list, &device, DICS_FLAG_GLOBAL, 0, DIREG_DRV, KEY_QUERY_VALUE);
  if (key == INVALID_HANDLE_VALUE) return "";
  wchar_t text[128] = {};
  DWORD size = sizeof(text) - 2;
  const LSTATUS status =
      RegGetValueW(key, nullptr, L"DriverVersion", RRF_RT_REG_SZ, nullptr, text, &size);
  RegCloseKey(key);
  return status == ERROR_SUCCESS ? ToUtf8(text) : "";
}

// Of "PCI\VEN_8086&DEV_643E&..."; Qualcomm's NPUs are "ACPI\VEN_QCOM&DEV_...".
void ReadIds(const std::string& hardware_id, HardwareDevice* device) {
  unsigned vendor = 0, id = 0;
  if (std::sscanf(hardware_id.c_str(), "PCI\\VEN_%4x&DEV_%4x", &vendor, &id) == 2) {
    device->vendor_id = static_cast<uint16_t>(vendor);
    device->device_id = static_cast<uint16_t>(id);
  }
  device->vendor = vendor == 0x1022 || vendor == 0x1002                ? "AMD"
                   : vendor == 0x8086                                  ? "Intel"
                   : vendor == 0x10de                                  ? "NVIDIA"
                   : hardware_id.find("VEN_QCOM") != std::string::npos ? "Qualcomm"
                                                                       : "unknown";
}

void AddClass(const GUID& guid, DeviceKind kind, std::vector<HardwareDevice>* found) {
  const HDEVINFO list = SetupDiGetClassDevsW(&guid, nullptr, nullptr, DIGCF_PRESENT);
  if (list == INVALID_HANDLE_VALUE) return;
  SP_DEVINFO_DATA data = {};
  data.cbSize = sizeof(data);
  for (DWORD i = 0; SetupDiEnumDeviceInfo(list, i, &data); ++i) {
    HardwareDevice device;
    device.kind = kind;
    device.name = Property(list, data, SPDRP_FRIENDLYNAME);
    if (device.name.empty()) device.name = Property(list, data, SPDRP_DEVICEDESC);
    ReadIds(Property(list, data, SPDRP_HARDWAREID), &device);
    device.driver = Property(list, data, SPDRP_SERVICE);
    device.driver_version = DriverVersion(list, data);
    device.is_virtual = device.vendor == "unknown";
    ULONG status = 0, problem = 0;
    if (CM_Get_DevNode_Status(&status, &problem, data.DevInst, 0) == CR_SUCCESS &&
        (status & DN_HAS_PROBLEM) != 0) {
      device.reason = "Windows reports problem code " + std::to_string(problem);
      device.hint = "the device manager tells what the code means; install the vendor's driver";
    } else if (device.driver.empty()) {
      device.reason = "no driver is installed";
      device.hint = "install the vendor's driver, by Windows Update or from the vendor";
    } else {
      device.usable = true;
    }
    found->push_back(std::move(device));
  }
  SetupDiDestroyDeviceInfoList(list);
}

}  // namespace

CpuInfo SystemCpuInfo() {
  CpuInfo info;
  wchar_t name[256] = {};
  DWORD size = sizeof(name) - 2;
  if (RegGetValueW(HKEY_LOCAL_MACHINE, L"HARDWARE\\DESCRIPTION\\System\\CentralProcessor\\0",
                   L"ProcessorNameString", RRF_RT_REG_SZ, nullptr, name, &size) == ERROR_SUCCESS)
    info.name = ToUtf8(name);
  if (info.name.empty()) info.name = "unknown CPU";
  info.usable_threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  info.usable_cores = info.usable_threads;
  return info;
}

std::vector<HardwareDevice> DetectAccelerators() {
  std::vector<HardwareDevice> devices;
  AddClass(kComputeAccelerators, DeviceKind::kNpu, &devices);
  AddClass(kDisplays, DeviceKind::kGpu, &devices);
  return devices;
}

}  // namespace tessera
#endif  // _WIN32
