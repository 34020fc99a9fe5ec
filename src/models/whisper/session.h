// WhisperSession: the stages of one Whisper model as the search sees them. All mutable state of a
// run lives here.
//
// A session has `max_windows` places for encoded 30 s windows (cross-attention keys and values) and
// `max_rows` decoder rows, each with its own token history that looks at one window. Rows of
// different windows may step together in one Decode call; a row's logits do not depend on what else
// is in the call. The order of use:
//   Encode(mel, window) -> BeginRow(row, window) -> Decode(prompt tokens) -> Decode(one token a
//   row) ... -> ReorderRows(...)
// Not thread-safe: one thread at a time, except that Encode may run beside Decode and beside
// itself, each call with another encoder and for a window that no other call looks at. Encoder 0
// belongs to the thread that decodes.
#ifndef TESSERA_MODELS_WHISPER_SESSION_H_
#define TESSERA_MODELS_WHISPER_SESSION_H_

#include <cstdint>
#include <span>
#include <stop_token>

#include "models/whisper/config.h"
#include "tensor/tensor.h"

namespace tessera {

// One token to feed. Tokens of a row must come in order of position without a gap; a row's prompt
// may be fed in one call.
struct TokenInput {
  int32_t token = 0;
  int32_t position = 0;      // index in the row's history, from 0
  int32_t row = 0;           // in [0, max_rows)
  bool want_logits = false;  // logits for the token that follows this one
  // Logits of ids below may be left unset: the caller knows that it will not look at them.
  int32_t first_logit = 0;
};

struct EncodeOptions {
  int encoder = 0;    // in [0, num_encoders): whose memory is used
  bool alone = true;  // no other call is likely to run at the same time: take all threads
  // Encoder positions to compute, 20 ms each, 1..config().num_audio_positions: a shorter window
  // costs less, and its rows see less silence behind the content. 0: all, the model's 30 s, which
  // is what a device of fixed shapes computes in any case.
  int64_t positions = 0;
};

class WhisperSession {
 public:
  virtual ~WhisperSession() = default;

  virtual const WhisperConfig& config() const = 0;
  virtual int max_windows() const = 0;
  virtual int max_rows() const = 0;
  // Encode calls that may run at the same time.
  virtual int num_encoders() const = 0;

  // mel: f32 [frames, num_mels], frames <= 2 * positions; the rest of the window is zeros, as
  // openai-whisper pads. Fills place `window`. Cancelled when `stop` is requested.
  virtual Status Encode(const View& mel, int window, const EncodeOptions& options,
                        std::stop_token stop) = 0;

  // Row `row` starts with an empty history and looks at `window`.
  virtual void BeginRow(int row, int window) = 0;

  // Beam search: row targets[i] continues the former history of row sources[i] (which may be one of
  // the targets). No key or value is copied. All rows must look at the same window.
  virtual void ReorderRows(std::span<const int> targets, std::span<const int> sources) = 0;

  // Runs the decoder over `tokens` (at most a few hundred in one call, split inside if need be).
  // Returns f32 [number of want_logits, vocab_size] in the order of `tokens`, valid until the next
  // call.
  virtual Result<View> Decode(std::span<const TokenInput> tokens, std::stop_token stop) = 0;

  // Whether logits come out of a product with 8-bit weights, whose errors can change places between
  // ids that are about equally probable.
  virtual bool rescores() const { return false; }
  // Where rescores(): computes the logits of `ids` again, with the weights as the model has them.
  // logits[i] is for ids[i] in row `output` of the last Decode's result.
  virtual void Rescore(int64_t output, std::span<const int> ids, std::span<float> logits) const {
    static_cast<void>(output), static_cast<void>(ids), static_cast<void>(logits);
  }
};

}  // namespace tessera

#endif  // TESSERA_MODELS_WHISPER_SESSION_H_
