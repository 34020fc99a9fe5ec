// WindowOptions: what the options of a transcription mean for one window at one attempt. Shared by
// both modes, so that a window gets the same rules in either.
#ifndef TESSERA_PIPELINES_WINDOW_OPTIONS_H_
#define TESSERA_PIPELINES_WINDOW_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "models/whisper/config.h"
#include "pipelines/decoding_options.h"
#include "tessera/status.h"
#include "tessera/transcribe.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

class WindowOptions {
 public:
  // invalid_argument where an option is out of range or contradicts another, or the model cannot
  // do it.
  static Result<WindowOptions> Create(const TranscribeOptions& options,
                                      const WhisperTokenizer& tokenizer);

  // The code that the options ask for, "en" for English-only models; empty: to be detected.
  const std::string& language() const { return language_; }
  int num_attempts() const { return static_cast<int>(options_.temperatures.size()); }
  // Decoder rows of an attempt, and of the one that needs most.
  int num_rows(int attempt) const;
  int max_rows() const;
  // Attempt `attempt` (a temperature) at the window that begins with mel frame `seek`. The seed
  // depends on both, so that every attempt at every window draws its own numbers, whatever was
  // decoded before.
  DecodingOptions At(int attempt, int64_t seek, const std::string& language,
                     std::vector<int> prompt) const;
  // Encoder positions for the first attempt at a window of `num_frames` mel frames; 0: all.
  int64_t FirstPositions(const WhisperConfig& config, int64_t num_frames) const;
  const TranscribeOptions& options() const { return options_; }

 private:
  WindowOptions() = default;
  TranscribeOptions options_;
  std::string language_;
  std::vector<int> prefix_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_WINDOW_OPTIONS_H_
