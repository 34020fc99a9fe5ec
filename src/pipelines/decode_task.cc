#include "pipelines/decode_task.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "pipelines/log_softmax.h"
#include "pipelines/rescoring.h"
#include "text/compression_ratio.h"
#include "text/utf8.h"

namespace tessera {
namespace {

double Probability(std::span<const float> logits, int token) {
  return std::exp(static_cast<double>(MakeLogNormalizer(logits).LogProb(logits[token])));
}

std::unique_ptr<TokenSearch> MakeSearch(const DecodingOptions& options, int eot) {
  if (options.beam_size) {
    return MakeBeamSearch(
        {.beam_size = *options.beam_size, .patience = options.patience, .eot = eot});
  }
  return MakeSamplingSearch({.temperature = options.temperature,
                             .num_rows = NumDecodeRows(options),
                             .eot = eot,
                             .seed = options.seed});
}

}  // namespace

int NumDecodeRows(const DecodingOptions& options) {
  return options.beam_size.value_or(options.best_of.value_or(1));
}

DecodeTask::DecodeTask(const WhisperTokenizer& tokenizer, const WhisperConfig& config,
                       DecodingOptions options, int window, std::vector<int> rows,
                       std::vector<int> initial_tokens)
    : tokenizer_(tokenizer),
      config_(config),
      options_(std::move(options)),
      window_(window),
      rows_(std::move(rows)),
      initial_tokens_(std::move(initial_tokens)),
      sot_index_(static_cast<int>(
          std::find(initial_tokens_.begin(), initial_tokens_.end(), tokenizer.sot()) -
          initial_tokens_.begin())),
      sample_len_(options_.sample_len.value_or(static_cast<int>(config.num_text_positions / 2))),
      filters_(MakeLogitFilters(tokenizer, config, options_)),
      search_(MakeSearch(options_, tokenizer.eot())) {}

Result<std::unique_ptr<DecodeTask>> DecodeTask::Create(const WhisperTokenizer& tokenizer,
                                                       const WhisperConfig& config,
                                                       DecodingOptions options, int window,
                                                       std::vector<int> rows) {
  TESSERA_RETURN_IF_ERROR(ValidateDecodingOptions(options));
  TESSERA_CHECK(static_cast<int>(rows.size()) == NumDecodeRows(options));
  if (tokenizer.vocab_size() > config.vocab_size || NumDecodeRows(options) >= config.vocab_size) {
    return InvalidArgument("the tokenizer has " + std::to_string(tokenizer.vocab_size()) +
                           " tokens, the model only " + std::to_string(config.vocab_size) +
                           "; they do not belong together");
  }
  TESSERA_ASSIGN_OR_RETURN(std::vector<int> initial, MakeInitialTokens(tokenizer, config, options));
  return std::unique_ptr<DecodeTask>(new DecodeTask(tokenizer, config, std::move(options), window,
                                                    std::move(rows), std::move(initial)));
}

std::vector<TokenInput> DecodeTask::PromptInputs(WhisperSession& session) const {
  for (const int row : rows_) session.BeginRow(row, window_);
  std::vector<TokenInput> inputs;
  const auto last = static_cast<int>(initial_tokens_.size()) - 1;
  for (int i = 0; i <= last; ++i) {
    // All logits at start-of-transcript count for the probability of silence.
    inputs.push_back({.token = initial_tokens_[i],
                      .position = i,
                      .row = rows_[0],
                      .want_logits = i == sot_index_ || i == last,
                      .first_logit = i == sot_index_ ? 0 : FirstAllowed({})});
  }
  return inputs;
}

int DecodeTask::FirstAllowed(std::span<const int> sampled) const {
  return filters_.timestamps ? filters_.timestamps->FirstAllowed(sampled) : 0;
}

std::vector<TokenInput> DecodeTask::NextInputs(WhisperSession& session) {
  TESSERA_CHECK(!done_);
  if (num_steps_ == 0) return PromptInputs(session);

  std::vector<int> targets, sources;
  for (size_t i = 0; i < pending_sources_.size(); ++i) {
    if (pending_sources_[i] == static_cast<int>(i)) continue;
    targets.push_back(rows_[i]);
    sources.push_back(rows_[pending_sources_[i]]);
  }
  if (!targets.empty()) session.ReorderRows(targets, sources);
  pending_sources_.clear();

  std::vector<TokenInput> inputs;
  const auto position = static_cast<int32_t>(initial_tokens_.size()) + num_steps_ - 1;
  for (const int row : search_->LiveRows()) {
    inputs.push_back({.token = search_->tokens(row).back(),
                      .position = position,
                      .row = rows_[row],
                      .want_logits = true,
                      .first_logit = FirstAllowed(search_->tokens(row))});
  }
  return inputs;
}

Status DecodeTask::Consume(const View& logits, const WhisperSession& session,
                           int64_t first_output) {
  TESSERA_CHECK(!done_);
  const auto vocab_size = static_cast<size_t>(config_.vocab_size);
  const std::vector<int> live = search_->LiveRows();
  const bool sot_row_first =
      num_steps_ == 0 && sot_index_ + 1 < static_cast<int>(initial_tokens_.size());
  const size_t num_rows = live.size() + (sot_row_first ? 1 : 0);
  if (logits.dtype != DType::kF32 ||
      logits.shape != Shape{static_cast<int64_t>(num_rows), config_.vocab_size}) {
    return Internal("expected f32 logits of " + std::to_string(num_rows) + " rows, found " +
                    ShapeToString(logits.shape));
  }
  std::span<const float> values = logits.Span<float>();
  if (num_steps_ == 0) {
    // Of the raw logits at start-of-transcript, before any filter.
    no_speech_prob_ = Probability(values.first(vocab_size), tokenizer_.no_speech());
    if (sot_row_first) {
      values = values.subspan(vocab_size);
      ++first_output;
    }
  }

  filtered_.resize(values.size());
  std::vector<std::span<const float>> rows;
  for (size_t i = 0; i < live.size(); ++i) {
    const std::span<const int> sampled = search_->tokens(live[i]);
    const std::span<const float> raw = values.subspan(i * vocab_size, vocab_size);
    const std::span<float> row(filtered_.data() + i * vocab_size, vocab_size);
    const int first = FirstAllowed(sampled);
    std::fill_n(row.begin(), first, -std::numeric_limits<float>::infinity());
    std::copy(raw.begin() + first, raw.end(), row.begin() + first);
    for (const auto& filter : filters_.tokens) filter->Apply(row, sampled);
    RescoreLeaders(session, first_output + static_cast<int64_t>(i),
                   filters_.timestamps ? tokenizer_.timestamp_begin() : vocab_size, row);
    if (filters_.timestamps) filters_.timestamps->Apply(row, sampled);
    rows.push_back(row);
  }
  TokenSearch::Advanced advanced = search_->Advance(rows);
  pending_sources_ = std::move(advanced.sources);
  ++num_steps_;
  const int64_t length = static_cast<int64_t>(initial_tokens_.size()) + num_steps_;
  done_ = advanced.completed || num_steps_ >= sample_len_ || length > config_.num_text_positions;
  return OkStatus();
}

DecodingResult DecodeTask::result() const {
  TESSERA_CHECK(done_);
  std::vector<TokenCandidate> candidates = search_->Finalize();
  TokenCandidate& best = candidates[RankCandidates(candidates, options_.length_penalty)];
  DecodingResult result;
  result.language = options_.language;
  result.tokens = std::move(best.tokens);
  result.text = StripWhiteSpace(tokenizer_.Decode(result.tokens));
  result.avg_logprob = best.sum_logprob / static_cast<double>(result.tokens.size() + 1);
  result.no_speech_prob = no_speech_prob_;
  result.temperature = options_.temperature;
  result.compression_ratio = CompressionRatio(result.text);
  return result;
}

}  // namespace tessera
