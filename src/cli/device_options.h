// The options of every command that runs a model, about the device that runs it: --device,
// --require-npu, --placement.
#ifndef TESSERA_CLI_DEVICE_OPTIONS_H_
#define TESSERA_CLI_DEVICE_OPTIONS_H_

#include <string>

#include "cli/exit_code.h"
#include "tessera/engine.h"

namespace CLI {
class App;
}

namespace tessera::cli {

// Binds the options to `model` and `placement`, in the help's group `group`.
void AddDeviceOptions(CLI::App& app, const char* group, ModelOptions* model,
                      std::string* placement);
// After parsing. kInvalidArgument when they contradict each other.
Status CheckDeviceOptions(const ModelOptions& model);

// Writes the placement report as JSON to a file, to stdout as one line for "-", nowhere for "".
Status WritePlacement(const Model& model, const std::string& path);

// "int8" for our own kernels; other devices compute in what they were compiled for.
std::string PrecisionText(const Model& model);

// The code for a failure of `model`'s work: kExitDeviceUnavailable where a required NPU was lost,
// else `otherwise`.
ExitCode ExitCodeOfRun(const Model& model, ExitCode otherwise);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_DEVICE_OPTIONS_H_
