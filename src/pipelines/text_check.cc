#include "pipelines/text_check.h"

#include <cctype>
#include <vector>

#include "base/check.h"
#include "models/whisper/probe.h"
#include "pipelines/model_impl.h"
#include "tessera/transcribe.h"

namespace tessera {
namespace {

Result<std::string> TextOf(const Model& model, std::span<const float> samples) {
  TESSERA_ASSIGN_OR_RETURN(Transcriber transcriber, Transcriber::Create(model));
  TranscribeOptions options;
  options.language = "en";
  options.mode = TranscribeMode::kSequential;
  options.temperatures = {0};
  options.exact = true;
  TESSERA_ASSIGN_OR_RETURN(const Transcript transcript,
                           transcriber.TranscribeSamples(samples, options));
  return transcript.text;
}

std::string Words(const std::string& text) {
  std::string words;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte)) {
      words += static_cast<char>(std::tolower(byte));
    } else if (!words.empty() && words.back() != ' ') {
      words += ' ';
    }
  }
  while (!words.empty() && words.back() == ' ') words.pop_back();
  return words;
}

}  // namespace

Result<std::string> TextDifference(const Model& model) {
  TESSERA_ASSIGN_OR_RETURN(const std::vector<float> samples, ProbeSamples());
  ModelOptions reference;
  reference.model = model.path();
  reference.precision = Precision::kF32;
  reference.device = "cpu";
  TESSERA_ASSIGN_OR_RETURN(const Model on_cpu, Model::Load(reference));
  TESSERA_ASSIGN_OR_RETURN(const std::string expected, TextOf(on_cpu, samples));
  const Result<std::string> found = TextOf(model, samples);
  if (!found.ok()) return found.status().message();
  if (Words(*found) == Words(expected)) return std::string();
  return "of the built-in recording the CPU writes \"" + expected + "\", this device \"" + *found +
         "\"";
}

}  // namespace tessera
