#include "cli/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

// Invalid UTF-8 in a file name must not cost the line.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Stripped(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string Timestamp(double seconds) {
  // Half to even, as Python's round() that openai-whisper calls.
  const auto ms = static_cast<long long>(std::nearbyint(std::clamp(seconds, 0.0, 1e9) * 1000));
  char text[40];
  if (ms >= 3600000) {
    std::snprintf(text, sizeof(text), "%02lld:%02lld:%02lld.%03lld", ms / 3600000, ms / 60000 % 60,
                  ms / 1000 % 60, ms % 1000);
  } else {
    std::snprintf(text, sizeof(text), "%02lld:%02lld.%03lld", ms / 60000, ms / 1000 % 60,
                  ms % 1000);
  }
  return text;
}

double Speed(double audio, double work) { return work > 0 ? audio / work : 0; }

Json SegmentJson(const Segment& s) {
  return {{"id", s.id},
          {"start", s.start},
          {"end", s.end},
          {"text", s.text},
          {"temperature", s.temperature},
          {"avg_logprob", s.avg_logprob},
          {"compression_ratio", s.compression_ratio},
          {"no_speech_prob", s.no_speech_prob}};
}

}  // namespace

const char* PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kAuto:
      return "auto";
    case Precision::kF32:
      return "f32";
    case Precision::kBF16:
      return "bf16";
    case Precision::kInt8:
      return "int8";
  }
  return "";
}

std::string SegmentLine(const Segment& segment, bool with_times) {
  if (!with_times) return Stripped(segment.text);
  return "[" + Timestamp(segment.start) + " --> " + Timestamp(segment.end) + "] " + segment.text;
}

std::string SummaryLine(const Summary& s) {
  char text[160];
  const int inputs = s.done + s.failed;
  // Hours for a batch; a short recording would be "0.00 h".
  const bool hours = s.audio_seconds >= 600;
  std::snprintf(text, sizeof(text), "%d %s, %.*f %s of audio in %.1f s", inputs,
                inputs == 1 ? "file" : "files", hours ? 2 : 1,
                hours ? s.audio_seconds / 3600 : s.audio_seconds, hours ? "h" : "s",
                s.work_seconds);
  std::string line = text;
  if (s.audio_seconds > 0 && s.work_seconds > 0) {
    std::snprintf(text, sizeof(text), " (%.1fx real time)", Speed(s.audio_seconds, s.work_seconds));
    line += text;
  }
  if (!s.device.empty()) line += " on " + s.device + ", " + s.precision;
  if (s.skipped > 0) line += "; " + std::to_string(s.skipped) + " skipped";
  if (s.failed > 0) line += "; " + std::to_string(s.failed) + " failed";
  if (s.interrupted) line += "; interrupted";
  return line;
}

std::string FileJson(const FileReport& r) {
  Json json = {{"type", "file"}, {"path", r.path}};
  if (!r.status.ok()) {
    json["error"] = {{"code", StatusCodeName(r.status.code())}, {"message", r.status.message()}};
    return Dump(json);
  }
  json["language"] = r.transcript.language;
  json["duration"] = r.transcript.duration;
  json["seconds"] = r.seconds;
  json["speed"] = Speed(r.transcript.duration, r.seconds);
  json["complete"] = !r.transcript.cancelled;
  json["outputs"] = r.outputs;
  json["text"] = r.transcript.text;
  json["segments"] = Json::array();
  for (const Segment& segment : r.transcript.segments)
    json["segments"].push_back(SegmentJson(segment));
  return Dump(json);
}

std::string SummaryJson(const Summary& s) {
  return Dump({{"type", "summary"},
               {"done", s.done},
               {"failed", s.failed},
               {"skipped", s.skipped},
               {"interrupted", s.interrupted},
               {"audio_seconds", s.audio_seconds},
               {"seconds", s.work_seconds},
               {"speed", Speed(s.audio_seconds, s.work_seconds)},
               {"load_seconds", s.load_seconds},
               {"model", s.model},
               {"device", s.device},
               {"precision", s.precision}});
}

}  // namespace tessera::cli
