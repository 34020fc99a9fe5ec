#include "base/posix_error.h"

#include <cerrno>
#include <system_error>

namespace tessera {

Status PosixError(int error, const std::string& what) {
  std::string message = what + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return NotFound(std::move(message) + "; check the path");
    case EACCES:
    case EPERM:
    case EROFS:
      return PermissionDenied(std::move(message) + "; check the permissions");
    case ENOSPC:
    case EDQUOT:
      return ResourceExhausted(std::move(message) + "; free some disk space");
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EFBIG:
      return ResourceExhausted(std::move(message));
    case EISDIR:
    case EINVAL:
    case ELOOP:
    case ENAMETOOLONG:
      return InvalidArgument(std::move(message));
    case EIO:
      return DataLoss(std::move(message) + "; the disk may be failing");
    default:
      return Unavailable(std::move(message));
  }
}

}  // namespace tessera
