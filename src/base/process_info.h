// What the system allows this process and its user. Thread-safe; unknown where the system has no
// such thing.
#ifndef TESSERA_BASE_PROCESS_INFO_H_
#define TESSERA_BASE_PROCESS_INFO_H_

#include <cstdint>
#include <optional>
#include <string>

namespace tessera {

// Bytes that the process may lock into memory (RLIMIT_MEMLOCK). Nothing where there is no limit for
// it: none is set, or it may lock all it wants.
std::optional<uint64_t> LockedMemoryLimit();

// Name of the user that the process runs for; "" unknown.
std::string UserName();

// Name of the group that owns the file or device node; its number where it has no name, "" when
// there is no such file.
std::string GroupOfFile(const std::string& path);

// Sets an environment variable of this process, which the programs that it starts get too. Not
// while another thread reads the environment: for the beginning of a program.
void SetEnvironment(const std::string& name, const std::string& value);

}  // namespace tessera

#endif  // TESSERA_BASE_PROCESS_INFO_H_
