#include "runtime/selection.h"

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "providers/cpu/provider.h"
#include "runtime/compiled_cache.h"
#include "runtime/device_providers.h"
#include "runtime/packed_weights.h"
#include "runtime/provider_registry.h"

namespace tessera {
namespace {

bool IsNpu(const ProviderInfo& info) { return info.device == DeviceKind::kNpu && !info.emulated; }

ChainLink CpuLink(const std::shared_ptr<const ExecutionProvider>& cpu) {
  const CpuInfo machine = DetectCpu();
  ChainLink link;
  link.info.name = std::string(cpu->name());
  link.info.device_name = machine.name;
  link.info.usable = true;
  link.provider = cpu;
  link.trusted = true;
  return link;
}

// Of vendors' compilers; "" where nothing is to be kept.
std::string CompiledFolder() {
  if (!PackedWeightsEnabled()) return "";
  const Result<std::string> folder = CompiledCacheFolder();
  return folder.ok() ? *folder : "";
}

// What decides how a stage is compiled, besides the stage and the provider.
std::string CompileOptionsText(const SelectionPolicy& policy) {
  std::string text = policy.require_npu ? "all nodes" : "";
  if (const char* compiled = std::getenv("TESSERA_COMPILED"); compiled != nullptr && *compiled)
    text += (text.empty() ? "" : ", ") + std::string("models of ") + compiled;
  return text;
}

struct Candidate {
  std::shared_ptr<const ProviderSource> source;
  FoundProvider found;
};

std::vector<Candidate> FindAll(const ProviderQuery& query) {
  std::vector<Candidate> all;
  for (const auto& source : ProviderSources())
    for (FoundProvider& found : source->Find(query)) all.push_back({source, std::move(found)});
  return all;
}

Hop HopOf(const FoundProvider& found) {
  return {found.info.name, "", found.failed_at, found.code, found.info.reason, found.info.hint};
}

// NPUs that the system shows and cannot be used.
std::vector<Hop> HopsOfDevices(std::span<const HardwareDevice> devices) {
  std::vector<Hop> hops;
  for (const HardwareDevice& device : devices) {
    if (device.kind != DeviceKind::kNpu || device.usable) continue;
    hops.push_back({device.provider.empty() ? device.name : device.provider, "", HopStage::kDetect,
                    StatusCode::kUnavailable, device.name + ": " + device.reason, device.hint});
  }
  return hops;
}

// Driver and firmware of the device that a provider drives.
std::string DriverOf(const ProviderInfo& info, std::span<const HardwareDevice> devices) {
  for (const HardwareDevice& device : devices) {
    if (device.kind == info.device && std::ranges::count(ProvidersFor(device), info.name) > 0)
      return device.driver + " " + device.driver_version + " " + device.firmware;
  }
  return "";
}

std::string KnownProviders() {
  std::vector<std::string> names = {"cpu"};
  for (const Candidate& c : FindAll({.all = true})) names.push_back(c.found.info.name);
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Result<SelectionPolicy> ParseSelectionPolicy(std::string_view device, bool require_npu) {
  SelectionPolicy policy;
  policy.require_npu = require_npu;
  if (device == "auto" || device.empty()) return policy;
  if (device == "npu") {
    policy.kind = SelectionPolicy::Kind::kNpu;
    return policy;
  }
  const size_t colon = device.find(':');
  const std::string_view kind = colon == device.npos ? device : device.substr(colon + 1);
  if (require_npu && (kind == "cpu" || kind == "gpu")) {
    return InvalidArgument("--require-npu and --device " + std::string(device) +
                           " contradict each other");
  }
  policy.kind = device == "cpu" ? SelectionPolicy::Kind::kCpu : SelectionPolicy::Kind::kProvider;
  if (policy.kind == SelectionPolicy::Kind::kProvider) policy.provider = std::string(device);
  return policy;
}

std::string SelectionPolicyText(const SelectionPolicy& policy) {
  std::string text;
  switch (policy.kind) {
    case SelectionPolicy::Kind::kAuto:
      text = "auto";
      break;
    case SelectionPolicy::Kind::kNpu:
      text = "npu";
      break;
    case SelectionPolicy::Kind::kCpu:
      text = "cpu";
      break;
    case SelectionPolicy::Kind::kProvider:
      text = policy.provider;
      break;
  }
  return policy.require_npu ? text + " (NPU required)" : text;
}

Result<std::shared_ptr<const FallbackProvider>> SelectProviders(const SelectionPolicy& policy,
                                                                const SelectionOptions& options) {
  using Kind = SelectionPolicy::Kind;
  const auto cpu = std::make_shared<CpuProvider>(options.threads);
  FallbackOptions fallback;
  fallback.requested = SelectionPolicyText(policy);
  fallback.required = policy.require_npu;
  // Who names a device wants to know about it now.
  fallback.retry_failures = policy.require_npu || policy.kind == Kind::kProvider;
  fallback.choose_by_speed = policy.kind == Kind::kAuto && !policy.require_npu;
  std::vector<ChainLink> chain;
  std::vector<Hop> hops;
  if (policy.kind != Kind::kCpu) {
    const std::vector<HardwareDevice> devices = DetectHardware();
    const std::vector<Candidate> candidates =
        FindAll({.devices = devices, .name = policy.provider});
    if (policy.kind == Kind::kProvider && candidates.empty()) {
      return Unavailable("expected a provider that this build knows (" + KnownProviders() +
                         "), \"auto\" or \"npu\", found \"" + policy.provider + "\"");
    }
    for (const Candidate& candidate : candidates) {
      const ProviderInfo& info = candidate.found.info;
      // By itself only what is an NPU; the rest is asked for by name.
      if (policy.kind != Kind::kProvider && info.usable && !IsNpu(info)) continue;
      if (!info.usable) {
        hops.push_back(HopOf(candidate.found));
        continue;
      }
      if (policy.require_npu && !IsNpu(info)) {
        hops.push_back({info.name, "", HopStage::kDetect, StatusCode::kUnavailable,
                        info.emulated ? "the device is emulated: that is no NPU"
                                      : info.device_name + " is no NPU",
                        "leave --require-npu out to use it all the same"});
        continue;
      }
      Result<std::shared_ptr<const ExecutionProvider>> opened =
          candidate.source->Open(info, {.threads = options.threads,
                                        .require_all_nodes = policy.require_npu,
                                        .cache_folder = CompiledFolder()});
      if (!opened.ok()) {
        const Status& status = opened.status();
        hops.push_back(
            {info.name, "", HopStage::kLoad, status.code(), status.message(), info.hint});
        continue;
      }
      chain.push_back({.info = info,
                       .provider = std::move(opened).value(),
                       .driver = DriverOf(info, devices),
                       .options = CompileOptionsText(policy),
                       .cache_folder = CompiledFolder()});
    }
    if (chain.empty() && hops.empty()) hops = HopsOfDevices(devices);
    if (chain.empty() && hops.empty())
      hops.push_back({"", "", HopStage::kDetect, StatusCode::kNotFound, "no NPU was found",
                      "tessera devices shows what this machine has"});
    if (chain.empty() && (policy.require_npu || policy.kind != Kind::kAuto)) {
      std::string text = policy.kind == Kind::kProvider
                             ? "--device " + policy.provider + " cannot be used:"
                             : "no npu can be used:";
      for (const Hop& hop : hops) text += "\n  " + HopText(hop);
      return Unavailable(text);
    }
  }
  if (!policy.require_npu) chain.push_back(CpuLink(cpu));
  return std::shared_ptr<const FallbackProvider>(std::make_shared<FallbackProvider>(
      std::move(chain), cpu, std::move(fallback), std::move(hops)));
}

}  // namespace tessera
