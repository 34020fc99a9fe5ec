#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "tessera/devices.h"

namespace tessera::cli {
namespace {

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

void PrintText(const CpuInfo& cpu, const std::vector<HardwareDevice>& devices) {
  int npus = 0;
  for (const HardwareDevice& device : devices) {
    npus += device.kind == DeviceKind::kNpu ? 1 : 0;
    std::printf("%s  %s %s%s\n", DeviceKindName(device.kind),
                device.usable ? "usable  " : "unusable", device.name.c_str(),
                device.is_virtual ? " (virtual)" : "");
    if (device.kind == DeviceKind::kCpu) {
      std::printf("     cores:    %d (%d threads) usable by this process\n", cpu.usable_cores,
                  cpu.usable_threads);
      std::printf("     features: %s\n", Join(cpu.features).c_str());
      std::printf("     kernels:  %s%s\n", cpu.isa.c_str(),
                  cpu.other_isas.empty()
                      ? ""
                      : (" (TESSERA_FORCE_ISA also takes: " + Join(cpu.other_isas) + ")").c_str());
      continue;
    }
    if (!device.driver.empty()) std::printf("     driver:   %s\n", device.driver.c_str());
    if (!device.node.empty()) std::printf("     node:     %s\n", device.node.c_str());
    if (!device.reason.empty()) std::printf("     reason:   %s\n", device.reason.c_str());
    if (!device.hint.empty()) std::printf("     remedy:   %s\n", device.hint.c_str());
  }
  if (npus == 0) {
    std::puts(
        "npu  none seen: no /sys/class/accel entry, no known NPU on the PCI bus, no "
        "/dev/fastrpc-cdsp");
  }
}

void PrintJson(const CpuInfo& cpu, const std::vector<HardwareDevice>& devices) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const HardwareDevice& device : devices) {
    Json item;
    item["kind"] = DeviceKindName(device.kind);
    item["vendor"] = device.vendor;
    item["name"] = device.name;
    if (device.vendor_id != 0) {
      item["pci_vendor_id"] = device.vendor_id;
      item["pci_device_id"] = device.device_id;
    }
    item["driver"] = device.driver;
    item["node"] = device.node;
    item["is_virtual"] = device.is_virtual;
    item["usable"] = device.usable;
    item["reason"] = device.reason;
    item["hint"] = device.hint;
    if (device.kind == DeviceKind::kCpu) {
      item["usable_cores"] = cpu.usable_cores;
      item["usable_threads"] = cpu.usable_threads;
      item["features"] = cpu.features;
      item["isa"] = cpu.isa;
      item["other_isas"] = cpu.other_isas;
    }
    list.push_back(std::move(item));
  }
  std::puts(Json{{"devices", std::move(list)}}
                .dump(2, ' ', false, Json::error_handler_t::replace)
                .c_str());
}

}  // namespace

int RunDevicesCommand(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Shows what this machine can run models on: its CPU, and each NPU and GPU seen, with the "
      "reason and remedy\n"
      "where it cannot be used.",
      "tessera devices");
  bool json = false;
  app.add_flag("--json", json, "one JSON object");
  if (const std::optional<int> code = ParseArguments(app, arguments)) return *code;
  const CpuInfo cpu = DetectCpu();
  const std::vector<HardwareDevice> devices = DetectDevices();
  if (json) {
    PrintJson(cpu, devices);
  } else {
    PrintText(cpu, devices);
  }
  return kExitOk;
}

}  // namespace tessera::cli
