// Speech to text: recordings in, Transcript out, as openai-whisper's transcribe() does it.
//
//   auto transcriber = tessera::Transcriber::Create({.model = "whisper-base"});
//   auto transcript = transcriber->TranscribeFile("talk.mp3", {.language = "en"});
//   for (const tessera::Segment& s : transcript->segments) printf("%.2f %s\n", s.start,
//   s.text.c_str());
//
// Option names, defaults and meaning follow openai-whisper 20250625; where Tessera decides
// differently, the line says so.
#ifndef TESSERA_TRANSCRIBE_H_
#define TESSERA_TRANSCRIBE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/engine.h"
#include "tessera/status.h"
#include "tessera/transcript.h"

namespace tessera {

enum class TranscribeTask {
  kTranscribe,  // text in the language spoken
  kTranslate,   // English text, multilingual models only
};

enum class TranscribeMode {
  kAuto,        // kBatched for several recordings and for one above 30 s, else kSequential
  kSequential,  // openai-whisper's walk: a window begins where the text of the last one ended
  // Windows are cut where nobody speaks, before any is decoded, and several are decoded at a time:
  // much faster. Every window is held to the same rules (temperatures, thresholds, timestamps,
  // prompts), but knows nothing of the windows before it: initial_prompt goes before every one,
  // condition_on_previous_text is about the rest of a window whose text ended early, and stretches
  // without speech are not decoded at all.
  kBatched,
};

inline constexpr int kMaxBatchSize = 64;

struct TranscribeOptions {
  TranscribeTask task = TranscribeTask::kTranscribe;
  TranscribeMode mode = TranscribeMode::kAuto;
  int batch_size =
      8;  // windows decoded at a time in kBatched, 1..64; the text does not depend on it
  std::string
      language;  // code ("de") or English name ("german"); empty: detected from the first 30 s
  // Encode every window at the model's full 30 s, as openai-whisper does. Otherwise a window of
  // little content is encoded with a few seconds of silence behind it, which is several times
  // faster, and again in full where the result is in doubt; words that are about equally probable
  // may differ. Unset: true for f32, which stands for openai-whisper's text, false for bf16 and
  // int8. Devices of fixed shapes encode 30 s in any case.
  std::optional<bool> exact;

  // Search. At temperature 0 beam search if beam_size is set, else greedy; above 0 sampling, best
  // of `best_of`.
  std::optional<int> beam_size;  // 1..32
  std::optional<int> best_of;    // 1..32
  std::optional<double>
      patience;  // beam search ends at round(beam_size * patience) finished sequences
  std::optional<double> length_penalty;  // 0..1, Google NMT's alpha; unset: mean log-probability
  std::optional<int> sample_len;         // most tokens in a window; unset: 224

  // A window is decoded at each temperature in turn until a result passes the thresholds; the last
  // one is kept.
  std::vector<double> temperatures = {0.0, 0.2, 0.4, 0.6, 0.8, 1.0};
  std::optional<double> compression_ratio_threshold = 2.4;  // a text above repeats itself: fails
  std::optional<double> logprob_threshold = -1.0;  // an average log-probability below fails
  std::optional<double> no_speech_threshold =
      0.6;  // above, with a failing log-probability: silence, skipped
  uint64_t seed =
      0;  // of the random numbers at temperatures above 0; the same seed gives the same text

  // Context.
  bool condition_on_previous_text = true;  // the text so far is the prompt of the next window
  std::optional<std::string>
      initial_prompt;  // prompt of the first window: names, vocabulary, style
  bool carry_initial_prompt =
      false;           // the initial prompt goes before the text so far in every window
  std::string prefix;  // text that every window's text is taken to begin with

  // Tokens.
  std::vector<int> suppress_tokens = {
      -1};  // never sampled; -1: symbols that are not spoken; empty: no suppression
  bool suppress_blank = true;       // a window does not begin with a blank or its end
  bool without_timestamps = false;  // whole windows as segments
  std::optional<double> max_initial_timestamp =
      1.0;  // seconds; a window's first segment starts no later

  // Parts of the recording to read: start, end, start, end, ... in seconds; a last end may be left
  // out. Ends past the recording are cut to it (openai-whisper may loop there). Empty: all.
  std::vector<double> clip_timestamps;
};

// Called on the thread that transcribes, between windows; they must not call the same Transcriber.
struct TranscribeCallbacks {
  std::function<void(double seconds_done, double seconds_total)> on_progress;
  std::function<void(const Segment& segment)> on_segment;  // in order, once each, when final
  std::function<void(std::string_view code, double probability)> on_language;  // when detected
};

// As TranscribeCallbacks, for several recordings; `index` is a recording's place in the list.
struct BatchCallbacks {
  // `seconds_total` is of the recordings opened so far, `num_opened` of them; the rest is unknown.
  std::function<void(int num_done, int num_opened, double seconds_done, double seconds_total)>
      on_progress;
  // In order within a recording; those of several recordings may alternate.
  std::function<void(int index, const Segment& segment)> on_segment;
  std::function<void(int index, std::string_view code, double probability)> on_language;
  // Once for each recording, when it is complete: its transcript, or why there is none. Not for
  // recordings that a stop request left unopened.
  std::function<void(int index, Result<Transcript> transcript)> on_transcript;
};

// Interleaved samples without a header, little-endian.
struct PcmFormat {
  enum class Encoding { kS16, kF32 };
  Encoding encoding = Encoding::kS16;
  int sample_rate = 16000;  // Hz
  int channels = 1;
};

// One transcription at a time; for more in parallel make several from one Model. Movable.
//
// Errors: invalid_argument for options that contradict and for a model of another kind, not_found
// and data_loss for a bad recording. A stop request is no error: the Transcript so far comes back
// with `cancelled` set.
class Transcriber {
 public:
  static Result<Transcriber> Create(const ModelOptions& options);
  static Result<Transcriber> Create(const Model& model);

  Transcriber(Transcriber&&) noexcept;
  Transcriber& operator=(Transcriber&&) noexcept;
  ~Transcriber();

  const Model& model() const;

  // Any audio or video file that `tessera doctor` lists as readable; "-" is standard input.
  Result<Transcript> TranscribeFile(const std::string& path, const TranscribeOptions& options = {},
                                    const TranscribeCallbacks& callbacks = {},
                                    std::stop_token stop = {});
  // Mono, 16 kHz, full scale [-1, 1); rounded to 16 bits, as openai-whisper reads files.
  Result<Transcript> TranscribeSamples(std::span<const float> samples,
                                       const TranscribeOptions& options = {},
                                       const TranscribeCallbacks& callbacks = {},
                                       std::stop_token stop = {});
  Result<Transcript> TranscribePcm(std::span<const std::byte> bytes, const PcmFormat& format,
                                   const TranscribeOptions& options = {},
                                   const TranscribeCallbacks& callbacks = {},
                                   std::stop_token stop = {});
  // Many recordings; in kBatched mode they share one stream of windows, so that short ones fill the
  // batch too. A recording that cannot be read does not disturb the others. `raw`: the files are
  // bare samples. The Status is about the options and the model alone.
  Status TranscribeFiles(std::span<const std::string> paths, const TranscribeOptions& options,
                         const BatchCallbacks& callbacks, std::stop_token stop = {},
                         const std::optional<PcmFormat>& raw = std::nullopt);

 private:
  struct Impl;
  explicit Transcriber(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera

#endif  // TESSERA_TRANSCRIBE_H_
