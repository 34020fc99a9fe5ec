#include "models/whisper/probe.h"

#include <algorithm>
#include <numeric>

#include "audio/decode.h"
#include "audio/log_mel.h"

namespace tessera {
namespace {

constexpr const char* kWords = " ask what you can do for your country.";
constexpr int64_t kStepsInAWindow = 60;  // tokens of a window of speech

Tensor Ints(std::span<const int32_t> values) {
  Tensor tensor(DType::kI32, {static_cast<int64_t>(values.size())});
  std::ranges::copy(values, tensor.Span<int32_t>().begin());
  return tensor;
}

Tensor Iota(int64_t count, int32_t begin = 0) {
  std::vector<int32_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), begin);
  return Ints(values);
}

Tensor Filled(int64_t count, int32_t value) {
  return Ints(std::vector<int32_t>(static_cast<size_t>(count), value));
}

// Tokens at positions from `begin` on, each seeing those before it, of row and window 0.
StageProbe::Inputs DecoderInputs(const WhisperConfig& config, std::span<const int32_t> tokens,
                                 int32_t begin) {
  const auto count = static_cast<int64_t>(tokens.size());
  Tensor history(DType::kI32, {count, begin + count});
  std::ranges::fill(history.Span<int32_t>(), 0);
  StageProbe::Inputs inputs;
  inputs.emplace_back("tokens", Ints(tokens));
  inputs.emplace_back("position", Iota(count, begin));
  inputs.emplace_back("slot", Filled(count, 0));
  inputs.emplace_back("history", std::move(history));
  inputs.emplace_back("length", Iota(count, begin + 1));
  inputs.emplace_back("window", Filled(count, 0));
  inputs.emplace_back("window_length",
                      Filled(count, static_cast<int32_t>(config.num_audio_positions)));
  inputs.emplace_back("outputs", Iota(count));
  return inputs;
}

}  // namespace

Result<AudioClip> ProbeClip() {
  DecodeOptions options;
  options.use_ffmpeg = false;
  return DecodeMemory(ProbeClipFile(), options);
}

Result<std::vector<float>> ProbeSamples() {
  TESSERA_ASSIGN_OR_RETURN(const AudioClip clip, ProbeClip());
  std::vector<int16_t> heard(static_cast<size_t>(clip.num_samples()));
  TESSERA_RETURN_IF_ERROR(clip.Read(0, heard));
  std::vector<float> samples(heard.size());
  for (size_t i = 0; i < heard.size(); ++i) samples[i] = static_cast<float>(heard[i]) * 0x1p-15f;
  return samples;
}

Result<StageProbe> WhisperEncoderProbe(const WhisperConfig& config) {
  TESSERA_ASSIGN_OR_RETURN(const AudioClip clip, ProbeClip());
  TESSERA_ASSIGN_OR_RETURN(const LogMel mel,
                           LogMel::Create(clip, static_cast<int>(config.num_mels)));
  Tensor window(DType::kF32, {1, config.num_frames(), config.num_mels});
  const std::span<float> values = window.Span<float>();
  std::ranges::fill(values, 0.0f);
  const int64_t frames = std::min(mel.content_frames(), config.num_frames());
  TESSERA_RETURN_IF_ERROR(
      mel.Frames(0, frames, values.first(static_cast<size_t>(frames * config.num_mels))));
  StageProbe probe;
  StageProbe::Inputs& inputs = probe.runs.emplace_back();
  inputs.emplace_back("mel", std::move(window));
  inputs.emplace_back("position_ids", Iota(config.num_audio_positions));
  return probe;
}

Result<StageProbe> WhisperCrossKvProbe(const WhisperConfig& config, const Graph& encoder_graph,
                                       const Program& encoder) {
  TESSERA_ASSIGN_OR_RETURN(const StageProbe window, WhisperEncoderProbe(config));
  std::vector<NamedView> in;
  for (const auto& [name, tensor] : window.runs[0]) in.push_back({name, tensor.ViewOf()});
  const int64_t positions = config.num_audio_positions;
  Tensor features(DType::kF32, {positions, config.audio_width});
  MutableView of_batch = features.MutableViewOf();
  of_batch.shape.insert(of_batch.shape.begin(), 1);
  const NamedMutableView out[] = {{encoder_graph.outputs()[0].name, of_batch}};
  const auto context = encoder.NewContext();
  TESSERA_RETURN_IF_ERROR(encoder.Run(*context, nullptr, {in, out}, {}));
  StageProbe probe;
  StageProbe::Inputs& inputs = probe.runs.emplace_back();
  inputs.emplace_back("features", std::move(features));
  inputs.emplace_back("slot", Filled(positions, 0));
  inputs.emplace_back("position", Iota(positions));
  return probe;
}

Result<StageProbe> WhisperDecoderProbe(const WhisperConfig& config,
                                       const WhisperTokenizer& tokenizer) {
  TESSERA_ASSIGN_OR_RETURN(const std::vector<int> prompt,
                           tokenizer.SotSequence("en", WhisperTask::kTranscribe, false));
  std::vector<int32_t> tokens(prompt.begin(), prompt.end());
  for (const int token : tokenizer.Encode(kWords)) tokens.push_back(token);
  const std::span<const int32_t> all = tokens;
  StageProbe probe;
  probe.runs.push_back(DecoderInputs(config, all.first(all.size() - 1), 0));
  probe.runs.push_back(DecoderInputs(config, all.last(1), static_cast<int32_t>(all.size()) - 1));
  probe.runs_in_a_unit = kStepsInAWindow;
  return probe;
}

}  // namespace tessera
