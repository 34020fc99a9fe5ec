#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/exit_code.h"

int main(int argc, char** argv) {
  try {
    return tessera::cli::Leave(
        tessera::cli::RunCli(std::vector<std::string>(argv + 1, argv + argc)));
  } catch (const std::bad_alloc&) {
    std::fputs("tessera: out of memory; close other programs or take a smaller model\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tessera: internal error: %s\n", error.what());
  }
  return tessera::cli::kExitInternal;
}
