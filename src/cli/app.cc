#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "base/guarded_thread.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/nearest.h"
#include "kernels/isa.h"
#include "providers/onnxruntime/compile_worker.h"
#include "tessera_version.h"

namespace tessera::cli {
namespace {

constexpr Command kCommands[] = {
    {"transcribe", "turn recordings into text", RunTranscribeCommand},
    {"embed", "turn texts into vectors", RunEmbedCommand},
    {"search", "find passages of your texts by their meaning", RunSearchCommand},
    {"models", "list, pull, find and verify models", RunModelsCommand},
    {"devices", "show CPU, NPUs and GPUs and why they can or cannot be used", RunDevicesCommand},
    {"doctor", "say what of a model would run on an NPU, what not, why, and what helps",
     RunDoctorCommand},
    {"compile", "compile a model for an NPU that need not be here", RunCompileCommand},
    {"bench", "measure this machine: its limits, and what a model reaches of them",
     RunBenchCommand},
};

void PrintHelp(std::FILE* out) {
  std::fputs(
      "Tessera runs speech and text models on this machine, without the cloud.\n\nUsage: tessera "
      "COMMAND "
      "[arguments]\n\n",
      out);
  for (const Command& command : kCommands)
    std::fprintf(out, "  %-12s %s\n", command.name, command.summary);
  std::fputs(
      "\n`tessera COMMAND --help` tells more. Results go to stdout, everything else to stderr.\n"
      "Exit codes: 0 done, 1 internal error, 2 usage, 3 bad input or output (other files are still "
      "done),\n"
      "4 model missing or broken, 5 required device not available, 130 interrupted; doctor: 6 not "
      "all\n"
      "nodes would run on the target, 7 undecided.\n",
      out);
}

void PrintVersion() {
  const std::string commit = TESSERA_GIT_COMMIT;
  std::printf("tessera %s%s%s%s\n", TESSERA_VERSION, commit.empty() ? "" : " (", commit.c_str(),
              commit.empty() ? "" : ")");
  std::printf("built by %s, %s\n", TESSERA_COMPILER, TESSERA_BUILD_TYPE);
  std::printf("kernels: %s\n", kernels::DescribeIsa().c_str());
}

}  // namespace

int Leave(int code) {
  if (!AnyCallGivenUp()) return code;
  std::fflush(nullptr);
  std::_Exit(code);
}

void PrintError(const std::string& message) {
  std::fprintf(stderr, "tessera: %s\n", message.c_str());
}

std::optional<int> ParseArguments(CLI::App& app, const std::vector<std::string>& arguments) {
  try {
    // CLI11 takes the arguments last first.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    PrintError(std::string(error.what()) + " (" + app.get_name() + " --help)");
    return kExitUsage;
  }
}

int RunCli(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    PrintHelp(stderr);
    return kExitUsage;
  }
  const std::string& name = arguments[0];
  if (name == "--help" || name == "-h" || name == "help") {
    PrintHelp(stdout);
    return kExitOk;
  }
  if (name == "--version" || name == "version") {
    PrintVersion();
    return kExitOk;
  }
  // A forced instruction set that cannot be had would silently be another one.
  if (const Status isa = kernels::IsaStatus(); !isa.ok()) {
    PrintError(isa.message());
    return kExitUsage;
  }
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (name == kCompileWorkerCommand) return RunCompileWorkerCommand(rest);
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) {
    if (name == command.name) return command.run(rest);
    names.emplace_back(command.name);
  }
  const std::string_view near = Nearest(name, names);
  PrintError("unknown command \"" + name + "\"" +
             (near.empty() ? "; tessera --help lists the commands"
                           : "; did you mean " + std::string(near) + "?"));
  return kExitUsage;
}

}  // namespace tessera::cli
