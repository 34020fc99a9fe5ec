// What was found out about a stage on a device, kept between starts: the manifest beside what
// vendors' compilers made. A stage that passed the numerics gate is not tried again, and the faster
// device is not measured again, until the model, the provider, its version or the driver changes.
//
// One JSON file for each model and chain in CacheFolder()/placement. Whatever is wrong with it is
// as good as no file. Thread-safe.
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

class VerdictStore {
 public:
  // `file`: path; "" keeps nothing. `identity`: what the verdicts depend on besides their names.
  VerdictStore(std::string file, std::string identity);
  // `name`: provider, its version and device, and the stage.
  std::optional<Verdict> Find(const std::string& name) const;
  // Written at once; a failure goes to the debug log.
  void Keep(const std::string& name, const Verdict& verdict);
  const std::string& file() const { return file_; }

 private:
  const std::string file_, identity_;
  mutable std::mutex mutex_;
  std::map<std::string, Verdict> verdicts_;
};

}  // namespace tessera

#endif  // TESSERA_RUNTIME_VERDICT_STORE_H_
