#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace tessera {
namespace {

int Descriptor(StandardStream stream) {
  switch (stream) {
    case StandardStream::kInput:
      return STDIN_FILENO;
    case StandardStream::kOutput:
      return STDOUT_FILENO;
    case StandardStream::kError:
      return STDERR_FILENO;
  }
  return -1;
}

}  // namespace

bool IsTerminal(StandardStream stream) { return isatty(Descriptor(stream)) == 1; }

int TerminalWidth(StandardStream stream, int fallback) {
  winsize size{};
  if (ioctl(Descriptor(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return fallback;
  return size.ws_col;
}

bool CanReadAndWrite(const std::string& path) { return access(path.c_str(), R_OK | W_OK) == 0; }

}  // namespace tessera
