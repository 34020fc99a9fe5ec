// What the command line needs to know about the terminal and its user. Thread-safe.
#ifndef TESSERA_BASE_TERMINAL_H_
#define TESSERA_BASE_TERMINAL_H_

#include <string>

namespace tessera {

enum class StandardStream { kInput, kOutput, kError };

// False for files, pipes and closed streams.
bool IsTerminal(StandardStream stream);
// Columns of the terminal behind the stream; `fallback` where it is none or does not say.
int TerminalWidth(StandardStream stream, int fallback = 80);
// True when the device node or file can be opened for reading and writing by this process.
bool CanReadAndWrite(const std::string& path);

}  // namespace tessera

#endif  // TESSERA_BASE_TERMINAL_H_
