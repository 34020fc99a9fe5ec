// What `tessera bench` found out about a machine, and its forms: text, JSON, HTML, SVG.
//
// A report may be incomplete (a part that was not asked for, an interruption): what is absent is
// left out of every form. Plain values; thread-compatible.
#ifndef TESSERA_BENCH_REPORT_H_
#define TESSERA_BENCH_REPORT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/linear.h"
#include "kernels/machine_limits.h"

namespace tessera::bench {

using kernels::Precision;
using kernels::Sampled;

inline constexpr std::array<Precision, 3> kPrecisions = {Precision::kF32, Precision::kBf16,
                                                         Precision::kInt8};

struct Machine {
  std::string cpu;         // "AMD EPYC 9B45"
  std::string isa;         // "avx512bf16"
  int threads = 1;         // that everything below used
  uint64_t llc_bytes = 0;  // last-level cache; 0: unknown
};

// Of all threads together.
struct Limits {
  std::array<Sampled, 3> operations;  // a second, by Precision
  Sampled read;                       // bytes a second from memory
  Sampled cache_read;                 // from the last-level cache; not part of the limits, but it
                                      // explains what exceeds them
  uint64_t read_buffer_bytes = 0;
  Sampled barrier;  // seconds
  bool complete() const {
    return read.samples > 0 && operations[0].samples > 0 && operations[1].samples > 0 &&
           operations[2].samples > 0;
  }
};

// What a piece of work computes and moves at least, and how long it took.
struct Work {
  double seconds = 0;
  std::array<double, 3> operations{};  // by Precision
  double bytes = 0;
  // The shortest time that the limits allow: for a kind of step, the longer of the times of its
  // operations (sum over precisions of operations / limit) and of its bytes; for a stage, the sum
  // over its kinds. 0 without limits.
  double ideal_seconds = 0;
  double compute_seconds = 0;  // of the operations alone
  double memory_seconds = 0;   // of the bytes alone

  double Operations() const { return operations[0] + operations[1] + operations[2]; }
  // Of the limit; 0 where it is not known.
  double Share() const { return seconds > 0 ? ideal_seconds / seconds : 0; }
  bool memory_bound() const { return memory_seconds > compute_seconds; }
  void Add(const Work& other);
};

// All steps of a stage that do the same in different layers.
struct StepKind {
  std::string name;
  int steps = 0;
  Work work;
};

// One run of a compiled stage.
struct Stage {
  std::string id;               // "encoder", "cross_states", "decoder_1", "decoder_8"
  std::string title;            // "encoder, 30 s window"
  int rows = 0;                 // decoder rows that step together; 0: not a decoder
  double audio_seconds = 0;     // that one run is for; 0: not audio
  Sampled seconds;              // of a run: best, median
  Work total;                   // of the best run; seconds is that of the whole run
  std::vector<StepKind> steps;  // in order of first use
};

struct EndToEnd {
  std::string mode;  // "sequential", "batched"
  double audio_seconds = 0;
  double work_seconds = 0;  // from opening the file to the text, model loaded
};

struct ModelReport {
  std::string name;  // as asked for
  Precision precision = Precision::kInt8;
  std::vector<Stage> stages;
  double load_seconds = 0;  // with end_to_end only
  std::vector<EndToEnd> end_to_end;
};

// Work that is measured in audio alone.
struct AudioRate {
  std::string name;  // "log-mel", "silero-vad"
  int threads = 1;
  double audio_seconds = 0;
  Sampled seconds;
  double XRealTime() const { return seconds.best > 0 ? audio_seconds / seconds.best : 0; }
};

// A stage on a device, beside what the CPU computes in f32 of the same inputs.
struct DeviceStage {
  std::string id;             // "encoder", "decoder_1"
  Sampled seconds;            // of a window, of a token
  double cosine = 1;          // the lowest of all outputs
  double relative_error = 0;  // the largest, of the largest value
};

struct DeviceReport {
  std::string device;     // as asked for: "onnxruntime:cpu"
  std::string placement;  // the line of a run's summary
  std::string error;      // why there are no stages
  std::vector<DeviceStage> stages;
};

struct Report {
  std::string version;  // "0.1.0 (0123abcd)"
  Machine machine;
  Limits limits;
  std::vector<AudioRate> rates;
  std::string audio_file;  // of end_to_end
  std::vector<ModelReport> models;
  std::string devices_model;  // of devices
  std::vector<DeviceReport> devices;
  std::vector<std::string> notes;  // what was left out and why
  bool interrupted = false;
};

// Fills what the report's limits say about its stages: the ideal times, and each stage's total of
// operations and bytes. Nothing but the totals without complete limits.
void ApplyLimits(Report& report);

std::string ReportText(const Report& report);
// One JSON object; docs/bench.md describes it. Its "schema" changes when a key changes its meaning.
std::string ReportJson(const Report& report);
// A self-contained page: tables and the rooflines.
std::string ReportHtml(const Report& report);

}  // namespace tessera::bench

#endif  // TESSERA_BENCH_REPORT_H_
