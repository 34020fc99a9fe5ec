#include "bench/tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <tuple>

namespace tessera::bench {
namespace {

const std::string kNone = "–";

std::string Format(const char* format, double x) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), format, x);
  return text.data();
}

std::string Seconds(double seconds) {
  if (seconds <= 0) return kNone;
  if (seconds < 1e-3) return Digits(seconds * 1e6) + " us";
  if (seconds < 1) return Digits(seconds * 1e3) + " ms";
  return Digits(seconds) + " s";
}

// "47.2 G", "110 M", "768 k".
std::string WithUnit(double x) {
  if (x >= 1e9) return Digits(x / 1e9) + " G";
  if (x >= 1e6) return Digits(x / 1e6) + " M";
  if (x >= 1e3) return Digits(x / 1e3) + " k";
  return Digits(x);
}

std::string RealTime(double audio_seconds, double seconds) {
  return seconds > 0 ? Digits(audio_seconds / seconds) + "x real time" : kNone;
}

std::string BoundBy(const Work& work) {
  if (work.ideal_seconds <= 0) return kNone;
  return work.memory_bound() ? "memory" : "compute";
}

std::string Threads(int threads) {
  return std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

}  // namespace

std::string Digits(double x) {
  if (!(x > 0) || !std::isfinite(x)) return kNone;
  const int whole = static_cast<int>(std::floor(std::log10(x))) + 1;  // digits before the point
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%.*f", std::clamp(3 - whole, 0, 9), x);
  return text.data();
}

std::string Percent(double share) { return share > 0 ? Format("%.0f %%", share * 100) : kNone; }

std::string MachineLine(const Machine& machine) {
  std::string line = machine.cpu + ", " + machine.isa + ", " + Threads(machine.threads);
  if (machine.llc_bytes != 0)
    line += ", " + Format("%g", static_cast<double>(machine.llc_bytes) / (1 << 20)) +
            " MB last-level cache";
  return line;
}

Table LimitsTable(const Report& report) {
  const Limits& l = report.limits;
  Table table{.title = "Limits of this machine",
              .header = {"", "f32 GFLOP/s", "bf16 GFLOP/s", "int8 GOP/s", "memory GB/s",
                         "cache GB/s", "barrier us"},
              .rows = {}};
  for (const bool best : {true, false}) {
    const auto of = [&](const Sampled& s) { return best ? s.best : s.median; };
    table.rows.push_back({best ? "best" : "median", Digits(of(l.operations[0]) / 1e9),
                          Digits(of(l.operations[1]) / 1e9), Digits(of(l.operations[2]) / 1e9),
                          Digits(of(l.read) / 1e9), Digits(of(l.cache_read) / 1e9),
                          Digits(of(l.barrier) * 1e6)});
  }
  return table;
}

Table DevicesTable(const Report& report) {
  Table table{.title = report.devices_model + " on devices, beside the CPU in f32",
              .header = {"", "encoder", "cosine", "decoder step", "cosine"},
              .rows = {}};
  for (const DeviceReport& device : report.devices) {
    std::vector<std::string> row = {device.device};
    for (const DeviceStage& stage : device.stages) {
      row.push_back(Seconds(stage.seconds.best));
      row.push_back(Format("%.6f", stage.cosine));
    }
    row.resize(table.header.size(), kNone);
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table SummaryTable(const Report& report, const ModelReport& model) {
  const auto p = static_cast<size_t>(model.precision);
  const std::string precision(kernels::PrecisionName(model.precision));
  Table table{
      .title = model.name + ", " + precision,
      .header = {"", "time", "speed", "bound by", "of its limit", "of " + precision + " limit"},
      .rows = {}};
  for (const Stage& stage : model.stages) {
    const double best = stage.seconds.best;
    const std::string speed = stage.rows > 0 ? Digits(stage.rows / best) + " tokens/s"
                                             : RealTime(stage.audio_seconds, best);
    const bool compute = stage.total.ideal_seconds > 0 && !stage.total.memory_bound();
    table.rows.push_back(
        {stage.title, Seconds(best), speed, BoundBy(stage.total), Percent(stage.total.Share()),
         compute ? Percent(stage.total.Operations() / report.limits.operations[p].best / best)
                 : kNone});
  }
  for (const AudioRate& rate : report.rates) {
    table.rows.push_back({rate.name + ", 30 s, " + Threads(rate.threads),
                          Seconds(30 / rate.XRealTime()), Digits(rate.XRealTime()) + "x real time",
                          kNone, kNone, kNone});
  }
  for (const EndToEnd& e : model.end_to_end) {
    table.rows.push_back({"end to end, " + e.mode + ", " + Digits(e.audio_seconds) + " s",
                          Seconds(e.work_seconds), RealTime(e.audio_seconds, e.work_seconds), kNone,
                          kNone, kNone});
  }
  return table;
}

Table StepsTable(const Stage& stage) {
  Table table{.title = stage.title,
              .header = {"step", "times", "ms", "of time", "FLOP", "bytes", "FLOP/B", "GFLOP/s",
                         "bound by", "of limit"},
              .rows = {}};
  std::vector<StepKind> kinds = stage.steps;
  std::sort(kinds.begin(), kinds.end(), [](const StepKind& a, const StepKind& b) {
    return std::tie(b.work.seconds, a.name) < std::tie(a.work.seconds, b.name);
  });
  double total = 0;
  for (const StepKind& kind : kinds) total += kind.work.seconds;
  for (const StepKind& kind : kinds) {
    const Work& w = kind.work;
    const double operations = w.Operations();
    table.rows.push_back({kind.name, std::to_string(kind.steps), Format("%.3f", w.seconds * 1e3),
                          total > 0 ? Format("%.1f %%", 100 * w.seconds / total) : kNone,
                          WithUnit(operations), WithUnit(w.bytes),
                          w.bytes > 0 ? Digits(operations / w.bytes) : kNone,
                          w.seconds > 0 ? Digits(operations / w.seconds / 1e9) : kNone, BoundBy(w),
                          Percent(w.Share())});
  }
  return table;
}

}  // namespace tessera::bench
