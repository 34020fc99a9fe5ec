// Fills a Report part by part. Each function measures for about `seconds` (at least one run) and
// returns kCancelled, with what is complete kept, when a stop is requested.
#ifndef TESSERA_BENCH_MEASURE_H_
#define TESSERA_BENCH_MEASURE_H_

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "bench/report.h"
#include "providers/cpu/provider.h"

namespace tessera::bench {

struct MeasureOptions {
  double seconds = 1;  // on one figure
  int threads = 0;     // 0: all usable cores
  std::stop_token stop;
  std::function<void(const std::string& what)> on_part;  // before each figure; may be empty
};

// `machine` and `limits`, on a pool of their own. Limits that are there already are raised where
// this time shows more: other programs only hide what the machine can do, so it is worth asking
// again later. Memory: several times the last-level cache, at most 1 GB and a quarter of what is
// free.
Status MeasureMachine(const MeasureOptions& options, Report& report);

// Log-mel of noise, for a model with `num_mels`; on one thread, as transcription runs it.
Status MeasureLogMel(const MeasureOptions& options, int num_mels, Report& report);

// Silero VAD, when the model at `path` is there; kNotFound else.
Status MeasureSilero(const MeasureOptions& options, const std::string& path,
                     const std::shared_ptr<const CpuProvider>& provider, Report& report);

// One stage of a graph: runs it with these bindings, and keeps the times of the steps of the best
// run. `stage` has its names; all but the total is filled. `program` is the CPU provider's.
Status MeasureStage(const MeasureOptions& options, const Program& program, StateStore* states,
                    const RunBindings& bindings, Stage& stage);

// Encoder, cross states, and a decoder step with 1 and 8 rows of as many windows, 60 tokens into
// their text, of the Whisper model at `path`; appended to report.models.
Status MeasureWhisper(const MeasureOptions& options, const std::string& name,
                      const std::string& path, Precision precision,
                      const std::shared_ptr<const CpuProvider>& provider, Report& report);

// Encoder and decoder step of the Whisper model at `path` on each of `devices` (as --device takes
// them), our own kernels in `precision`; appended to report.devices. A device that fails is told in
// its entry. Nothing is chosen by speed or left for its results: the figures are to be seen.
Status MeasureDevices(const MeasureOptions& options, const std::string& name,
                      const std::string& path, const std::vector<std::string>& devices,
                      Precision precision, Report& report);

// Transcribes `audio_file` in both modes with the model that MeasureWhisper put last.
Status MeasureEndToEnd(const MeasureOptions& options, const std::string& path,
                       const std::string& audio_file, Report& report);

}  // namespace tessera::bench

#endif  // TESSERA_BENCH_MEASURE_H_
