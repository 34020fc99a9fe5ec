// DecodeTask: one window decoded at one temperature, as a state machine, so that a scheduler can
// put the inputs of many tasks into one WhisperSession::Decode call.
//
//   while (!task->done()) {
//     inputs = task->NextInputs(session);            // also moves the task's rows
//     logits = session.Decode(inputs, stop);         // or together with the inputs of other tasks
//     task->Consume(logits, session, 0);             // the rows of this task's inputs, in their
//     order
//   }
//
// The prompt is computed once, on the task's first row; the other rows of a beam or a best-of group
// take over its history. Semantics are openai-whisper's DecodingTask (20250625). Thread-compatible;
// the tokenizer must outlive the task.
#ifndef TESSERA_PIPELINES_DECODE_TASK_H_
#define TESSERA_PIPELINES_DECODE_TASK_H_

#include <memory>
#include <vector>

#include "models/whisper/config.h"
#include "models/whisper/session.h"
#include "pipelines/decoding_options.h"
#include "pipelines/logit_filters.h"
#include "pipelines/token_search.h"
#include "tensor/tensor.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

// Decoder rows that a task with these options needs.
int NumDecodeRows(const DecodingOptions& options);

// Tokens before the first sampled one: [start-of-previous, last 223 of prompt] + start sequence +
// prefix. invalid_argument for an unknown language, or where they do not fit into the decoder's
// positions.
Result<std::vector<int>> MakeInitialTokens(const WhisperTokenizer& tokenizer,
                                           const WhisperConfig& config,
                                           const DecodingOptions& options);

// The filters that the options ask for, in openai-whisper's order.
LogitFilters MakeLogitFilters(const WhisperTokenizer& tokenizer, const WhisperConfig& config,
                              const DecodingOptions& options);

class DecodeTask {
 public:
  // Decodes the window in place `window` of the session with its rows `rows`,
  // NumDecodeRows(options) of them. Errors as ValidateDecodingOptions and MakeInitialTokens.
  static Result<std::unique_ptr<DecodeTask>> Create(const WhisperTokenizer& tokenizer,
                                                    const WhisperConfig& config,
                                                    DecodingOptions options, int window,
                                                    std::vector<int> rows);

  bool done() const { return done_; }
  // Tokens to feed. Only when !done(); alternates with Consume.
  std::vector<TokenInput> NextInputs(WhisperSession& session);
  // f32 [want_logits of the last inputs, vocab_size], which `session` gave as rows first_output and
  // following. internal when the shape is another.
  Status Consume(const View& logits, const WhisperSession& session, int64_t first_output);
  // Only when done().
  DecodingResult result() const;

 private:
  DecodeTask(const WhisperTokenizer& tokenizer, const WhisperConfig& config,
             DecodingOptions options, int window, std::vector<int> rows,
             std::vector<int> initial_tokens);
  std::vector<TokenInput> PromptInputs(WhisperSession& session) const;
  // The lowest id that a row may sample next.
  int FirstAllowed(std::span<const int> sampled) const;

  const WhisperTokenizer& tokenizer_;
  const WhisperConfig config_;
  const DecodingOptions options_;
  const int window_;
  const std::vector<int> rows_;
  const std::vector<int> initial_tokens_;
  const int sot_index_;
  const int sample_len_;
  LogitFilters filters_;
  std::unique_ptr<TokenSearch> search_;
  std::vector<int> pending_sources_;  // row moves that the session has not made yet
  std::vector<float> filtered_;       // [live rows, vocab_size]
  double no_speech_prob_ = 0;
  int num_steps_ = 0;
  bool done_ = false;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_DECODE_TASK_H_
