#include "cli/device_options.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/process_info.h"
#include "cli/report.h"
#include "pipelines/model_impl.h"
#include "runtime/selection.h"

namespace tessera::cli {
namespace {

constexpr double kMostRunSeconds = 86400;

}  // namespace

void AddDeviceOptions(CLI::App& app, const char* group, ModelOptions* model,
                      std::string* placement) {
  app.add_option("--device", model->device,
                 "auto, npu, cpu or a provider that tessera devices shows [auto]")
      ->group(group);
  app.add_flag("--require-npu", model->require_npu,
               "fail (exit code 5) rather than run anything elsewhere than on an NPU")
      ->group(group);
  app.add_option_function<std::string>(
         "--compiled",
         [](const std::string& folder) { SetEnvironment("TESSERA_COMPILED", folder); },
         "use what tessera compile wrote into this folder, for --device onnxruntime:qnn")
      ->group(group);
  app.add_option_function<double>(
         "--device-run-limit",
         [](double seconds) {
           SetEnvironment("TESSERA_DEVICE_RUN_LIMIT", std::to_string(seconds));
         },
         "seconds after which a device's run counts as hanging; 0: never [by its earlier runs]")
      ->check(CLI::Range(0.0, kMostRunSeconds))
      ->group(group);
  app.add_option("--placement", *placement,
                 "write to this file what ran where, and why: JSON, or for a name that ends with "
                 ".txt lines to read; - is stdout")
      ->group(group);
}

Status CheckDeviceOptions(const ModelOptions& model) {
  return ParseSelectionPolicy(model.device, model.require_npu).status();
}

Status WritePlacement(const Model& model, const std::string& path) {
  if (path.empty()) return OkStatus();
  if (path.ends_with(".txt")) return WriteFileAtomically(path, PlacementTextOf(model));
  const std::string json = model.placement_json();
  if (path != "-") return WriteFileAtomically(path, json + "\n");
  const std::string line = nlohmann::ordered_json{
      {"type", "placement"},
      {"placement", nlohmann::ordered_json::parse(
                        json)}}.dump();
  std::puts(line.c_str());
  return std::fflush(stdout) == 0 ? OkStatus() : ResourceExhausted("could not write to stdout");
}

std::string PrecisionText(const Model& model) {
  const std::string device = model.device(), own = PrecisionName(model.precision());
  if (device == "cpu") return own;
  return device.starts_with("cpu+") || device.ends_with("+cpu") ? own + " on the CPU"
                                                                : "the device's precision";
}

ExitCode ExitCodeOfRun(const Model& model, ExitCode otherwise) {
  return otherwise != kExitOk && RequiredDeviceFailed(model) ? kExitDeviceUnavailable : otherwise;
}

}  // namespace tessera::cli
