// WhisperSession over the compiled stages of a WhisperModel.
#ifndef TESSERA_MODELS_WHISPER_PROGRAM_SESSION_H_
#define TESSERA_MODELS_WHISPER_PROGRAM_SESSION_H_

#include <atomic>
#include <memory>
#include <vector>

#include "models/whisper/model.h"
#include "models/whisper/session.h"

namespace tessera {

// Beam histories are index tables: table[p] of a row names the row whose cache holds position p. A
// row writes only to its own cache and only at the position after its history, which no other row's
// table can name yet, so sharing needs no copies. A row whose history others still use must not
// begin anew before they do.
class ProgramSession : public WhisperSession {
 public:
  // Tokens of one program run; longer Decode calls are cut.
  static constexpr int kMaxTokens = 256;

  static Result<std::unique_ptr<WhisperSession>> Create(std::shared_ptr<const WhisperModel> model,
                                                        const WhisperSessionOptions& options);

  const WhisperConfig& config() const override { return model_->config(); }
  int max_windows() const override { return static_cast<int>(window_length_.size()); }
  int max_rows() const override { return static_cast<int>(rows_.size()); }
  int num_encoders() const override { return static_cast<int>(encoders_.size()); }
  Status Encode(const View& mel, int window, const EncodeOptions& options,
                std::stop_token stop) override;
  void BeginRow(int row, int window) override;
  void ReorderRows(std::span<const int> targets, std::span<const int> sources) override;
  Result<View> Decode(std::span<const TokenInput> tokens, std::stop_token stop) override;
  bool rescores() const override;
  void Rescore(int64_t output, std::span<const int> ids, std::span<float> logits) const override;

 private:
  struct Row {
    int window = -1;
    int length = 0;
    std::vector<int32_t> slots;  // [num_text_positions]
  };

  // What one Encode call at a time uses.
  struct Encoder {
    std::unique_ptr<ExecutionContext> encoder, cross_kv;
    Tensor mel, features;
  };

  ProgramSession(std::shared_ptr<const WhisperModel> model, const WhisperSessionOptions& options);
  Status DecodeSome(std::span<const TokenInput> tokens, int64_t first_output, int64_t num_outputs,
                    std::stop_token stop);

  const std::shared_ptr<const WhisperModel> model_;
  std::unique_ptr<StateStore> states_;
  std::vector<Encoder> encoders_;
  std::atomic<int> num_encoding_ = 0;  // Encode calls in progress
  std::unique_ptr<ExecutionContext> decoder_;
  std::shared_ptr<ThreadPool> narrow_;  // null with one encoder
  std::vector<int32_t> window_length_;  // encoded positions of each window; 0: none yet
  std::vector<Row> rows_;
  Tensor hidden_;  // what the logits were made of, [outputs, width]
  Tensor logits_;
  std::vector<int32_t> iota_;
};

}  // namespace tessera

#endif  // TESSERA_MODELS_WHISPER_PROGRAM_SESSION_H_
