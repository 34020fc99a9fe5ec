// WindowDecoder: what the transcribe loop needs of a model, one window at a time; and its
// implementation on a WhisperSession.
#ifndef TESSERA_PIPELINES_WINDOW_DECODER_H_
#define TESSERA_PIPELINES_WINDOW_DECODER_H_

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "models/whisper/session.h"
#include "pipelines/decoding_options.h"
#include "pipelines/language_detection.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

// Log-mel frames of a recording, 100 a second: its content, then at least 3000 frames of the
// silence that openai-whisper pads.
class MelSource {
 public:
  virtual ~MelSource() = default;
  virtual int num_mels() const = 0;
  virtual int64_t content_frames() const = 0;
  // Frames [begin, begin + count) to `out`, f32 [count, num_mels]; begin + count <=
  // content_frames() + 3000.
  virtual Status Frames(int64_t begin, int64_t count, std::span<float> out) const = 0;
};

class WindowDecoder {
 public:
  virtual ~WindowDecoder() = default;
  virtual const WhisperTokenizer& tokenizer() const = 0;
  virtual const WhisperConfig& config() const = 0;
  // The window that the calls below are about: frames [begin, begin + count) of `mel`, count <=
  // 3000, then zeros. `positions`: as in EncodeOptions.
  virtual Status SetWindow(const MelSource& mel, int64_t begin, int64_t count, int64_t positions,
                           std::stop_token stop) = 0;
  // Multilingual models only.
  virtual Result<LanguageDetection> DetectLanguage(std::stop_token stop) = 0;
  virtual Result<DecodingResult> Decode(const DecodingOptions& options, std::stop_token stop) = 0;
};

// Window place 0 and the rows from 0 on of a session. Not thread-safe; session and tokenizer must
// outlive it.
class SessionWindowDecoder : public WindowDecoder {
 public:
  SessionWindowDecoder(WhisperSession& session, const WhisperTokenizer& tokenizer)
      : session_(session), tokenizer_(tokenizer) {}

  const WhisperTokenizer& tokenizer() const override { return tokenizer_; }
  const WhisperConfig& config() const override { return session_.config(); }
  // Encodes only when the window differs from the one that is encoded already.
  Status SetWindow(const MelSource& mel, int64_t begin, int64_t count, int64_t positions,
                   std::stop_token stop) override;
  Result<LanguageDetection> DetectLanguage(std::stop_token stop) override;
  // resource_exhausted when the options need more rows than the session has.
  Result<DecodingResult> Decode(const DecodingOptions& options, std::stop_token stop) override;

 private:
  WhisperSession& session_;
  const WhisperTokenizer& tokenizer_;
  std::vector<float> mel_;
  const MelSource* encoded_source_ = nullptr;
  int64_t encoded_begin_ = 0;
  int64_t encoded_count_ = 0;
  int64_t encoded_positions_ = 0;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_WINDOW_DECODER_H_
