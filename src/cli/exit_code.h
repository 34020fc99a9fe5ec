// The exit codes of the command line; stable.
#ifndef TESSERA_CLI_EXIT_CODE_H_
#define TESSERA_CLI_EXIT_CODE_H_

#include "tessera/status.h"

namespace tessera::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitInternal = 1,
  kExitUsage = 2,  // flags or their values make no sense
  kExitBadInput =
      3,  // an input could not be read or an output not written; other files are still done
  kExitModel = 4,              // model missing or broken
  kExitDeviceUnavailable = 5,  // a required device cannot be used
  kExitNotAllSupported = 6,    // doctor: nodes that would not run on the target
  kExitUndecided = 7,          // doctor: nothing against it, but nodes that nobody can tell of
  kExitInterrupted = 130,      // Ctrl-C, as shells report it
};

// The code for a failure of an input or output file. The library answers invalid_argument to
// options only, never to a recording.
inline ExitCode ExitCodeForFile(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kCancelled:
      return kExitInterrupted;
    case StatusCode::kInvalidArgument:
      return kExitUsage;
    case StatusCode::kInternal:
      return kExitInternal;
    default:
      return kExitBadInput;
  }
}

// The code for a failure to load a model or set up its device.
inline ExitCode ExitCodeForModel(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kCancelled:
      return kExitInterrupted;
    case StatusCode::kInternal:
      return kExitInternal;
    case StatusCode::kUnavailable:
      return kExitDeviceUnavailable;
    default:
      return kExitModel;
  }
}

}  // namespace tessera::cli

#endif  // TESSERA_CLI_EXIT_CODE_H_
