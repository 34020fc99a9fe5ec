#include "pipelines/window_decoder.h"

#include <numeric>

#include "base/check.h"
#include "pipelines/decode_task.h"

namespace tessera {

Status SessionWindowDecoder::SetWindow(const MelSource& mel, int64_t begin, int64_t count,
                                       int64_t positions, std::stop_token stop) {
  if (&mel == encoded_source_ && begin == encoded_begin_ && count == encoded_count_ &&
      positions == encoded_positions_) {
    return OkStatus();
  }
  if (mel.num_mels() != config().num_mels || count < 0 || count > config().num_frames()) {
    return Internal("a window of " + std::to_string(count) + " frames of " +
                    std::to_string(mel.num_mels()) + " mels does not fit the model");
  }
  encoded_source_ = nullptr;
  mel_.resize(static_cast<size_t>(count * mel.num_mels()));
  TESSERA_RETURN_IF_ERROR(mel.Frames(begin, count, mel_));
  const View view{mel_.data(), DType::kF32, {count, mel.num_mels()}};
  TESSERA_RETURN_IF_ERROR(session_.Encode(view, 0, {.positions = positions}, stop));
  encoded_source_ = &mel;
  encoded_begin_ = begin;
  encoded_count_ = count;
  encoded_positions_ = positions;
  return OkStatus();
}

Result<LanguageDetection> SessionWindowDecoder::DetectLanguage(std::stop_token stop) {
  session_.BeginRow(0, 0);
  const TokenInput input{.token = tokenizer_.sot(), .position = 0, .row = 0, .want_logits = true};
  TESSERA_ASSIGN_OR_RETURN(const View logits, session_.Decode({&input, 1}, stop));
  if (logits.dtype != DType::kF32 || logits.shape != Shape{1, config().vocab_size}) {
    return Internal("expected one row of f32 logits, found " + ShapeToString(logits.shape));
  }
  return LanguageFromLogits(tokenizer_, logits.Span<float>());
}

Result<DecodingResult> SessionWindowDecoder::Decode(const DecodingOptions& options,
                                                    std::stop_token stop) {
  TESSERA_RETURN_IF_ERROR(ValidateDecodingOptions(options));
  std::vector<int> rows(static_cast<size_t>(NumDecodeRows(options)));
  std::iota(rows.begin(), rows.end(), 0);
  if (static_cast<int>(rows.size()) > session_.max_rows()) {
    return ResourceExhausted("the search needs " + std::to_string(rows.size()) +
                             " decoder rows, the session has " +
                             std::to_string(session_.max_rows()));
  }
  TESSERA_ASSIGN_OR_RETURN(
      const std::unique_ptr<DecodeTask> task,
      DecodeTask::Create(tokenizer_, config(), options, /*window=*/0, std::move(rows)));
  while (!task->done()) {
    if (stop.stop_requested()) return Cancelled("a stop was requested");
    const std::vector<TokenInput> inputs = task->NextInputs(session_);
    TESSERA_ASSIGN_OR_RETURN(const View logits, session_.Decode(inputs, stop));
    TESSERA_RETURN_IF_ERROR(task->Consume(logits, session_, 0));
  }
  return task->result();
}

}  // namespace tessera
