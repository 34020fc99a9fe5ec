// What the tests of the transcription pipeline share: logits that tools/golden/decoding.py computes
// in the same way, a session that answers with them, a scripted WindowDecoder, and the real
// tokenizers where a model is installed.
#ifndef TESSERA_TESTS_UNIT_PIPELINES_FAKES_H_
#define TESSERA_TESTS_UNIT_PIPELINES_FAKES_H_

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/whisper/session.h"
#include "pipelines/token_sampler.h"
#include "pipelines/window_decoder.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

inline const nlohmann::json& PipelineGolden(const std::string& name) {
  static std::map<std::string, nlohmann::json> goldens;
  auto [found, inserted] = goldens.try_emplace(name);
  if (inserted) {
    found->second = nlohmann::json::parse(
        std::ifstream(TESSERA_SOURCE_DIR "/tests/golden/pipelines_" + name + ".json"));
  }
  return found->second;
}

// The tokenizer of an installed model, or null.
inline const WhisperTokenizer* InstalledTokenizer(bool multilingual) {
  static std::map<bool, std::optional<WhisperTokenizer>> tokenizers;
  auto [found, inserted] = tokenizers.try_emplace(multilingual);
  if (inserted) {
    namespace fs = std::filesystem;
    fs::path root;
    if (const char* models = std::getenv("TESSERA_MODELS")) {
      root = models;
    } else if (const char* cache = std::getenv("XDG_CACHE_HOME")) {
      root = fs::path(cache) / "tessera/models";
    } else if (const char* home = std::getenv("HOME")) {
      root = fs::path(home) / ".cache/tessera/models";
    }
    Result<WhisperTokenizer> loaded = WhisperTokenizer::Load(
        (root / (multilingual ? "whisper-base" : "whisper-tiny.en")).string(),
        multilingual ? 51865 : 51864);
    if (loaded.ok()) found->second.emplace(std::move(loaded).value());
  }
  return found->second ? &*found->second : nullptr;
}

inline WhisperConfig FakeConfig(bool multilingual) {
  WhisperConfig config;
  config.vocab_size = multilingual ? 51865 : 51864;
  return config;
}

// The parameters of hash_logits().
struct HashModel {
  uint64_t seed = 0;
  uint64_t levels = 1 << 20;
  double eot_bias = 0;
  double eot_slope = 0;  // of eot_bias a token of history
  double timestamp_bias = 0;
  int eot = 50257;
  int timestamp_begin = 50364;
  int64_t vocab_size = 51865;

  std::vector<float> Logits(std::span<const int> history) const {
    constexpr uint64_t kGolden = 0x9E3779B97F4A7C15u;
    uint64_t hash = seed;
    for (const int token : history) {
      hash = MixBits((hash ^ (static_cast<uint64_t>(token) + 1)) * kGolden);
    }
    std::vector<float> logits(static_cast<size_t>(vocab_size));
    for (int64_t i = 0; i < vocab_size; ++i) {
      const uint64_t bits = MixBits(static_cast<uint64_t>(i) * kGolden + hash);
      const double u = static_cast<double>((bits >> 40) % levels) / static_cast<double>(levels);
      double logit = std::floor(u * u * u * u * 16 * 64) / 64;
      if (i == eot) logit += eot_bias + eot_slope * static_cast<double>(history.size());
      if (i >= timestamp_begin) logit += timestamp_bias;
      logits[static_cast<size_t>(i)] = static_cast<float>(logit);
    }
    return logits;
  }
};

// A session whose "model" is a HashModel over each row's history. Records how it was used.
class FakeSession : public WhisperSession {
 public:
  FakeSession(const HashModel& model, const WhisperConfig& config, int max_rows)
      : model_(model), config_(config), rows_(static_cast<size_t>(max_rows)) {
    model_.vocab_size = config.vocab_size;
  }

  const WhisperConfig& config() const override { return config_; }
  int max_windows() const override { return 1; }
  int max_rows() const override { return static_cast<int>(rows_.size()); }
  int num_encoders() const override { return 1; }
  Status Encode(const View& mel, int, const EncodeOptions& options, std::stop_token stop) override {
    ++num_encodes;
    encoded_frames = mel.shape[0];
    encoded_positions = options.positions;
    return stop.stop_requested() ? Cancelled("stop") : OkStatus();
  }
  void BeginRow(int row, int) override { rows_.at(static_cast<size_t>(row)).clear(); }
  void ReorderRows(std::span<const int> targets, std::span<const int> sources) override {
    const std::vector<std::vector<int>> former = rows_;
    for (size_t i = 0; i < targets.size(); ++i) {
      rows_.at(static_cast<size_t>(targets[i])) = former.at(static_cast<size_t>(sources[i]));
    }
  }
  Result<View> Decode(std::span<const TokenInput> tokens, std::stop_token stop) override {
    ++num_decodes;
    num_tokens += static_cast<int64_t>(tokens.size());
    if (stop.stop_requested() || (cancel_at > 0 && num_decodes >= cancel_at)) {
      return Cancelled("stop");
    }
    logits_.clear();
    exact_.clear();
    int64_t count = 0;
    for (const TokenInput& input : tokens) {
      std::vector<int>& row = rows_.at(static_cast<size_t>(input.row));
      if (input.position != static_cast<int>(row.size())) return Internal("gap in a history");
      row.push_back(input.token);
      if (!input.want_logits) continue;
      std::vector<float> logits = model_.Logits(row);
      exact_.push_back(logits);
      for (size_t i = 0; i < logits.size() && noise > 0; ++i)
        logits[i] += noise * (static_cast<float>(MixBits(i + row.size()) >> 40) * 0x1p-23f - 1);
      // What the caller says it will not look at would win.
      std::fill_n(logits.begin(), input.first_logit, 1e30f);
      logits_.insert(logits_.end(), logits.begin(), logits.end());
      ++count;
    }
    return View{logits_.data(), DType::kF32, {count, config_.vocab_size}};
  }

  bool rescores() const override { return eight_bits; }
  void Rescore(int64_t output, std::span<const int> ids, std::span<float> logits) const override {
    for (size_t i = 0; i < ids.size(); ++i)
      logits[i] = exact_.at(static_cast<size_t>(output)).at(static_cast<size_t>(ids[i]));
  }

  float noise = 0;  // largest error of Decode's logits
  bool eight_bits = false;
  int num_encodes = 0;
  int64_t encoded_frames = 0;
  int64_t encoded_positions = 0;
  int num_decodes = 0;
  int64_t num_tokens = 0;
  int cancel_at = 0;  // the Decode call that is cancelled; 0: none

 private:
  HashModel model_;
  WhisperConfig config_;
  std::vector<std::vector<int>> rows_;
  std::vector<float> logits_;
  std::vector<std::vector<float>> exact_;
};

// A recording of silence.
class FakeMel : public MelSource {
 public:
  explicit FakeMel(int64_t content_frames) : content_frames_(content_frames) {}
  int num_mels() const override { return 80; }
  int64_t content_frames() const override { return content_frames_; }
  Status Frames(int64_t begin, int64_t count, std::span<float> out) const override {
    if (begin < 0 || count < 0 || begin + count > content_frames_ + 3000) {
      return Internal("frames out of range");
    }
    std::fill(out.begin(), out.end(), -0.5f);
    return OkStatus();
  }

 private:
  int64_t content_frames_;
};

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_PIPELINES_FAKES_H_
