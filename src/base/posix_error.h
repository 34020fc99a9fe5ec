// From errno to Status, for the few files of src/base that call the operating system.
#ifndef TESSERA_BASE_POSIX_ERROR_H_
#define TESSERA_BASE_POSIX_ERROR_H_

#include <string>

#include "tessera/status.h"

namespace tessera {

// "WHAT: No such file or directory" with the matching code; `error` is a value of errno.
Status PosixError(int error, const std::string& what);

}  // namespace tessera

#endif  // TESSERA_BASE_POSIX_ERROR_H_
