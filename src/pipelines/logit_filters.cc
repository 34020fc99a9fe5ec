#include "pipelines/logit_filters.h"

#include <algorithm>
#include <limits>

#include "pipelines/log_softmax.h"

namespace tessera {
namespace {

constexpr float kNegInf = -std::numeric_limits<float>::infinity();

void Forbid(std::span<float> logits, std::span<const int> tokens) {
  for (const int token : tokens) {
    if (token >= 0 && static_cast<size_t>(token) < logits.size()) logits[token] = kNegInf;
  }
}

// Forbids ids in [begin, end).
void ForbidRange(std::span<float> logits, int64_t begin, int64_t end) {
  const auto size = static_cast<int64_t>(logits.size());
  begin = std::clamp<int64_t>(begin, 0, size);
  end = std::clamp<int64_t>(end, begin, size);
  std::fill(logits.begin() + begin, logits.begin() + end, kNegInf);
}

}  // namespace

void SuppressBlank::Apply(std::span<float> logits, std::span<const int> sampled) const {
  if (sampled.empty()) Forbid(logits, blank_tokens_);
}

void SuppressTokens::Apply(std::span<float> logits, std::span<const int>) const {
  Forbid(logits, tokens_);
}

void HearOut::Apply(std::span<float> logits, std::span<const int> sampled) const {
  const auto is_timestamp = [this](int token) { return token >= timestamp_begin_; };
  const auto last = std::find_if(sampled.rbegin(), sampled.rend(), is_timestamp);
  if (last == sampled.rend()) return;
  const bool closed =
      last == sampled.rbegin() && sampled.size() >= 2 && !is_timestamp(sampled[sampled.size() - 2]);
  const int from = *last - timestamp_begin_;
  int left = 0;
  for (const Speech& speech : speech_)
    left += std::max(0, speech.end - std::max(speech.begin, from));
  if (left >= (closed ? kMinBehind : kMinOpen)) Forbid(logits, std::span(&eot_, 1));
}

int TimestampRules::FirstAllowed(std::span<const int> sampled) const {
  if (sampled.empty()) return ids_.timestamp_begin;
  const bool closed = sampled.size() >= 2 && sampled.back() >= ids_.timestamp_begin &&
                      sampled[sampled.size() - 2] < ids_.timestamp_begin;
  return closed ? ids_.eot : 0;
}

void TimestampRules::Apply(std::span<float> logits, std::span<const int> sampled) const {
  const auto vocab_size = static_cast<int64_t>(logits.size());
  const auto is_timestamp = [this](int token) { return token >= ids_.timestamp_begin; };
  Forbid(logits, std::span(&ids_.no_timestamps, 1));

  const bool last_was_timestamp = !sampled.empty() && is_timestamp(sampled.back());
  const bool penultimate_was_timestamp =
      sampled.size() < 2 || is_timestamp(sampled[sampled.size() - 2]);
  if (last_was_timestamp && penultimate_was_timestamp) {
    ForbidRange(logits, ids_.timestamp_begin, vocab_size);  // a segment is open: text must follow
  } else if (last_was_timestamp) {
    ForbidRange(logits, 0, ids_.eot);  // a segment was closed: its twin or the end must follow
  }

  const auto last = std::find_if(sampled.rbegin(), sampled.rend(), is_timestamp);
  if (last != sampled.rend()) {
    const bool may_repeat = last_was_timestamp && !penultimate_was_timestamp;
    ForbidRange(logits, ids_.timestamp_begin, int64_t{*last} + (may_repeat ? 0 : 1));
  }

  if (sampled.empty()) {
    ForbidRange(logits, 0, ids_.timestamp_begin);
    if (max_initial_index_) {
      ForbidRange(logits, int64_t{ids_.timestamp_begin} + *max_initial_index_ + 1, vocab_size);
    }
  }

  // The normaliser is the same on both sides of openai-whisper's comparison of log-probabilities,
  // so logits will do.
  const auto text_size =
      static_cast<size_t>(std::clamp<int64_t>(ids_.timestamp_begin, 0, vocab_size));
  const double timestamps = LogSumExp(logits.subspan(text_size));
  if (timestamps > static_cast<double>(MaxLogit(logits.first(text_size)))) {
    ForbidRange(logits, 0, static_cast<int64_t>(text_size));
  }
}

}  // namespace tessera
