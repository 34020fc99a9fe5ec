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

void PrintLine(const char* label, const std::string& text) {
  if (text.empty()) return;
  // What a library says may have lines of its own.
  std::string indented;
  for (const char c : text)
    indented += c == '\n' ? std::string("\n               ") : std::string(1, c);
  std::printf("     %-9s %s\n", label, indented.c_str());
}

void PrintDevices(const CpuInfo& cpu, const std::vector<HardwareDevice>& devices) {
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
    PrintLine("driver:",
              device.driver + (device.driver_version.empty() ? "" : " ") + device.driver_version);
    PrintLine("firmware:", device.firmware);
    PrintLine("node:", device.node);
    PrintLine("provider:", device.provider);
    PrintLine("reason:", device.reason);
    PrintLine("remedy:", device.hint);
  }
  if (npus == 0) {
    std::puts(
        "npu  none seen: the system lists no accelerator, no known NPU on the PCI bus, no Hexagon "
        "DSP");
  }
}

void PrintProviders(const std::vector<ProviderInfo>& providers) {
  std::puts("\nProviders (--device NAME):");
  for (const ProviderInfo& provider : providers) {
    if (!provider.usable) continue;
    std::printf("%-21s %s%s\n", provider.name.c_str(), provider.device_name.c_str(),
                provider.emulated ? " (emulated: no NPU, never chosen by itself)" : "");
    PrintLine("version:", provider.version);
    PrintLine("library:", provider.library);
  }
  for (const ProviderInfo& provider : providers) {
    if (provider.usable) continue;
    std::printf("%-21s not usable\n", provider.name.c_str());
    PrintLine("reason:", provider.reason.substr(0, provider.reason.find('\n')));
    PrintLine("remedy:", provider.hint);
  }
}

using Json = nlohmann::ordered_json;

Json ProviderJson(const ProviderInfo& provider) {
  return {{"name", provider.name},          {"version", provider.version},
          {"library", provider.library},    {"device_kind", DeviceKindName(provider.device)},
          {"device", provider.device_name}, {"emulated", provider.emulated},
          {"usable", provider.usable},      {"reason", provider.reason},
          {"hint", provider.hint}};
}

void PrintJson(const CpuInfo& cpu, const std::vector<HardwareDevice>& devices,
               const std::vector<ProviderInfo>& providers) {
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
    item["driver_version"] = device.driver_version;
    item["firmware"] = device.firmware;
    item["node"] = device.node;
    item["provider"] = device.provider;
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
  Json found = Json::array();
  for (const ProviderInfo& provider : providers) found.push_back(ProviderJson(provider));
  std::puts(Json{{"devices", std::move(list)}, {"providers", std::move(found)}}
                .dump(2, ' ', false, Json::error_handler_t::replace)
                .c_str());
}

}  // namespace

int RunDevicesCommand(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Shows what this machine can run models on: its CPU, and each NPU and GPU seen, with the "
      "reason and remedy\n"
      "where it cannot be used; then the providers (libraries) that can run models here. Starts "
      "no\n"
      "device.",
      "tessera devices");
  bool json = false;
  app.add_flag("--json", json, "one JSON object");
  if (const std::optional<int> code = ParseArguments(app, arguments)) return *code;
  const CpuInfo cpu = DetectCpu();
  const std::vector<HardwareDevice> devices = DetectDevices();
  const std::vector<ProviderInfo> providers = FindProviders();
  if (json) {
    PrintJson(cpu, devices, providers);
  } else {
    PrintDevices(cpu, devices);
    PrintProviders(providers);
  }
  return kExitOk;
}

}  // namespace tessera::cli
