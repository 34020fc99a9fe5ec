#include <algorithm>

#include "kernels/elementwise.h"
#include "providers/cpu/executor.h"

namespace tessera::cpu {

void RunLstm(const RunState& run, const LstmStep& step, int worker) {
  const int64_t steps = Evaluate(step.steps, run.symbols);
  const int64_t batch = Evaluate(step.batch, run.symbols);
  const int64_t h = step.hidden;
  const Range mine = ShareOf(batch, worker, run.num_workers);
  const int64_t count = mine.end - mine.begin;
  if (count == 0) return;
  const WorkerMemory& none = run.workers[worker];  // no array of this step lies in scratch
  const auto row = [&](const Rows& rows, int64_t t, int64_t b) {
    return RowPointer(run, rows, t * batch + b, 0, none);
  };
  // The cell state lives in the last row of the output from the start.
  for (int64_t b = mine.begin; b < mine.end; ++b) {
    std::copy_n(row(step.state, 1, b), h, row(step.out, steps, b));
  }
  for (int64_t t = 0; t < steps; ++t) {
    const Rows& before = t == 0 ? step.state : step.out;
    const float* hidden = row(before, t == 0 ? 0 : t - 1, mine.begin);
    float* gates = row(step.gates, t, mine.begin);
    kernels::LinearRows(*step.weights, {.data = hidden, .ld = before.ld}, count, 0, 4 * h,
                        {.residual = gates, .residual_ld = step.gates.ld},
                        {.data = gates, .ld = step.gates.ld});
    for (int64_t b = mine.begin; b < mine.end; ++b) {
      kernels::LstmCells(row(step.gates, t, b), h, row(step.out, steps, b), row(step.out, t, b));
    }
  }
}

}  // namespace tessera::cpu
