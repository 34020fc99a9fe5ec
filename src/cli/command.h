// The commands of `tessera`, one source file each. A command gets the arguments after its name and
// returns an exit code.
#ifndef TESSERA_CLI_COMMAND_H_
#define TESSERA_CLI_COMMAND_H_

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tessera::cli {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const std::vector<std::string>& arguments);
};

int RunTranscribeCommand(const std::vector<std::string>& arguments);
int RunEmbedCommand(const std::vector<std::string>& arguments);
int RunSearchCommand(const std::vector<std::string>& arguments);
int RunModelsCommand(const std::vector<std::string>& arguments);
int RunDevicesCommand(const std::vector<std::string>& arguments);
int RunBenchCommand(const std::vector<std::string>& arguments);
int RunDoctorCommand(const std::vector<std::string>& arguments);
int RunCompileCommand(const std::vector<std::string>& arguments);
// Hidden: one job of a vendor's compiler, for a parent process (providers/onnxruntime).
int RunCompileWorkerCommand(const std::vector<std::string>& arguments);

// The whole program behind main(): picks the command; --help and --version.
int RunCli(const std::vector<std::string>& arguments);

// `code`, for main() to return. Does not come back where a device's call was given up: what its
// library does at the end of a process may never end, so this process leaves without that.
int Leave(int code);

// Parses a command's arguments into what `app`, named "tessera COMMAND", is bound to. An exit code
// when the command is over with that: the help that was asked for is on stdout, or a usage error on
// stderr.
std::optional<int> ParseArguments(CLI::App& app, const std::vector<std::string>& arguments);

// "tessera: MESSAGE" on stderr.
void PrintError(const std::string& message);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_COMMAND_H_
