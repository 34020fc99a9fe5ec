#include "bench/report.h"

#include <algorithm>

namespace tessera::bench {

void Work::Add(const Work& other) {
  seconds += other.seconds;
  for (size_t p = 0; p < operations.size(); ++p) operations[p] += other.operations[p];
  bytes += other.bytes;
  ideal_seconds += other.ideal_seconds;
  compute_seconds += other.compute_seconds;
  memory_seconds += other.memory_seconds;
}

void ApplyLimits(Report& report) {
  const Limits& limits = report.limits;
  for (ModelReport& model : report.models) {
    for (Stage& stage : model.stages) {
      stage.total = {};
      for (StepKind& kind : stage.steps) {
        Work& work = kind.work;
        if (limits.complete()) {
          work.compute_seconds = 0;
          for (size_t p = 0; p < work.operations.size(); ++p)
            work.compute_seconds += work.operations[p] / limits.operations[p].best;
          work.memory_seconds = work.bytes / limits.read.best;
          work.ideal_seconds = std::max(work.compute_seconds, work.memory_seconds);
        }
        stage.total.Add(work);
      }
      // With what lies between the steps.
      stage.total.seconds = stage.seconds.best;
    }
  }
}

}  // namespace tessera::bench
