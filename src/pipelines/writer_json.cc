#include "base/check.h"
#include "pipelines/python_format.h"
#include "pipelines/writer_formats.h"

namespace tessera {
namespace {

std::string WordJson(const Word& word) {
  return "{\"word\": " + PythonJsonString(word.word) + ", \"start\": " + PythonFloat(word.start) +
         ", \"end\": " + PythonFloat(word.end) +
         ", \"probability\": " + PythonFloat(word.probability) + "}";
}

// Elements as json.dump parts them.
template <typename Elements, typename ToText>
std::string Joined(const Elements& elements, const ToText& to_text) {
  std::string out;
  for (const auto& element : elements) {
    if (!out.empty()) out += ", ";
    out += to_text(element);
  }
  return out;
}

std::string SegmentJson(const Segment& segment) {
  std::string out =
      "{\"id\": " + std::to_string(segment.id) + ", \"seek\": " + std::to_string(segment.seek) +
      ", \"start\": " + PythonFloat(segment.start) + ", \"end\": " + PythonFloat(segment.end) +
      ", \"text\": " + PythonJsonString(segment.text) + ", \"tokens\": [" +
      Joined(segment.tokens, [](int token) { return std::to_string(token); }) +
      "], \"temperature\": " + PythonFloat(segment.temperature) +
      ", \"avg_logprob\": " + PythonFloat(segment.avg_logprob) +
      ", \"compression_ratio\": " + PythonFloat(segment.compression_ratio) +
      ", \"no_speech_prob\": " + PythonFloat(segment.no_speech_prob);
  if (segment.has_words) out += ", \"words\": [" + Joined(segment.words, WordJson) + "]";
  return out + "}";
}

}  // namespace

// The result dictionary of transcribe(), on one line without a line end; language is null where it
// is not known.
Status WriteJson(const Transcript& transcript, const TextSink& sink) {
  TESSERA_RETURN_IF_ERROR(
      sink("{\"text\": " + PythonJsonString(transcript.text) + ", \"segments\": ["));
  for (size_t i = 0; i < transcript.segments.size(); ++i) {
    TESSERA_RETURN_IF_ERROR(sink((i > 0 ? ", " : "") + SegmentJson(transcript.segments[i])));
  }
  return sink("], \"language\": " +
              (transcript.language.empty() ? "null" : PythonJsonString(transcript.language)) + "}");
}

}  // namespace tessera
