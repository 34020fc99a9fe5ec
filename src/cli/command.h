// The commands of `tessera`, one source file each. A command gets the arguments after its name and
// returns an exit code.
#ifndef TESSERA_CLI_COMMAND_H_
#define TESSERA_CLI_COMMAND_H_

#include <string>
#include <vector>

namespace tessera::cli {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const std::vector<std::string>& arguments);
};

int RunTranscribeCommand(const std::vector<std::string>& arguments);
int RunModelsCommand(const std::vector<std::string>& arguments);
int RunDevicesCommand(const std::vector<std::string>& arguments);
int RunBenchCommand(const std::vector<std::string>& arguments);

// The whole program behind main(): picks the command; --help and --version.
int RunCli(const std::vector<std::string>& arguments);

// "tessera: MESSAGE" on stderr.
void PrintError(const std::string& message);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_COMMAND_H_
