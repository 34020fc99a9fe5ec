// What was found out about a stage on a device, kept between starts: the manifest beside what
// vendors' compilers made. A stage that passed the numerics gate is not tried again, the faster
// device is not measured again, and a stage that a vendor's compiler cannot compile is not given to
// it again, until the model, the provider, its version or the driver changes.
//
// JSON files in CacheFolder()/placement: one for each model and chain, and one for what compilers
// failed at of each model. Whatever is wrong with one is as good as no file. Thread-safe.
#ifndef TESSERA_RUNTIME_VERDICT_STORE_H_
#define TESSERA_RUNTIME_VERDICT_STORE_H_

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "tessera/status.h"

namespace tessera {

struct Verdict {
  bool accurate = false;      // passed the numerics gate
  double cosine = 0;          // the lowest over outputs and runs
  double relative_error = 0;  // the largest
  std::string reason;         // of one that did not pass
  // Of a unit of work, where both were measured; 0: not.
  double device_seconds = 0, cpu_seconds = 0;
  bool operator==(const Verdict&) const = default;
};

// A stage that a compiler refused, crashed on or did not end with.
struct CompileFailure {
  StatusCode code = StatusCode::kInternal;
  std::string message;
  std::string date;  // "2026-01-31"
  bool operator==(const CompileFailure&) const = default;
};
// Whether it would fail again: not what depends on the moment (busy, no memory, no permission).
bool IsLastingFailure(StatusCode code);

class VerdictStore {
 public:
  // `file`: path; "" keeps nothing. `identity`: what the verdicts depend on besides their names.
  VerdictStore(std::string file, std::string identity);
  // `name`: provider, its version and device, and the stage.
  std::optional<Verdict> Find(const std::string& name) const;
  // Written at once; a failure goes to the debug log.
  void Keep(const std::string& name, const Verdict& verdict);
  // The same of failures; `name`: also the options that it was compiled with.
  std::optional<CompileFailure> FindFailure(const std::string& name) const;
  void KeepFailure(const std::string& name, const CompileFailure& failure);
  void ForgetFailure(const std::string& name);
  const std::string& file() const { return file_; }

 private:
  void Write() const;  // mutex_ is held

  const std::string file_, identity_;
  mutable std::mutex mutex_;
  std::map<std::string, Verdict> verdicts_;
  std::map<std::string, CompileFailure> failures_;
};

// CacheFolder()/placement; it need not exist.
Result<std::string> VerdictFolder();
// Forgets everything: removes the files.
Status ClearVerdicts(const std::string& folder);

}  // namespace tessera

#endif  // TESSERA_RUNTIME_VERDICT_STORE_H_
