// The three rules that openai-whisper (20250625, decoding.py) applies to a row of logits before a
// token is chosen, and one for windows in which it is known where people speak.
//
// A filter sets forbidden logits to -inf in place; the order is SuppressBlank, SuppressTokens,
// HearOut, TimestampRules. `logits` is f32 [vocab_size]; `sampled` are the row's tokens after the
// initial tokens (prompt, start sequence, prefix), so it is empty at the first step. Ids out of the
// vocabulary are ignored. Filters are immutable and thread-safe.
#ifndef TESSERA_PIPELINES_LOGIT_FILTERS_H_
#define TESSERA_PIPELINES_LOGIT_FILTERS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace tessera {

class LogitFilter {
 public:
  virtual ~LogitFilter() = default;
  virtual void Apply(std::span<float> logits, std::span<const int> sampled) const = 0;
  // Apply forbids all ids below, whatever the logits are: nobody needs to compute them.
  virtual int FirstAllowed(std::span<const int> sampled) const {
    static_cast<void>(sampled);
    return 0;
  }
};

// Forbids `blank_tokens` (the tokens of " " and end-of-text) at the first step.
class SuppressBlank : public LogitFilter {
 public:
  explicit SuppressBlank(std::vector<int> blank_tokens) : blank_tokens_(std::move(blank_tokens)) {}
  void Apply(std::span<float> logits, std::span<const int> sampled) const override;

 private:
  std::vector<int> blank_tokens_;
};

// Forbids `tokens` at every step.
class SuppressTokens : public LogitFilter {
 public:
  explicit SuppressTokens(std::vector<int> tokens) : tokens_(std::move(tokens)) {}
  void Apply(std::span<float> logits, std::span<const int> sampled) const override;

 private:
  std::vector<int> tokens_;
};

// A text does not end while speech is left behind its last timestamp. The model learned to leave
// the last sentence of a window to the next one, whose begin it expects where this sentence begins;
// a window that is known to end in silence has no such next one.
class HearOut : public LogitFilter {
 public:
  // In timestamp steps of 0.02 s from the window's begin.
  struct Speech {
    int begin = 0, end = 0;
  };
  // Behind a closed segment kMinBehind steps of speech ask for another segment, in an open one
  // kMinOpen steps for its text and its end. Ids as in TimestampRules.
  HearOut(int eot, int timestamp_begin, std::vector<Speech> speech)
      : eot_(eot), timestamp_begin_(timestamp_begin), speech_(std::move(speech)) {}
  static constexpr int kMinBehind = 50, kMinOpen = 10;
  void Apply(std::span<float> logits, std::span<const int> sampled) const override;

 private:
  int eot_, timestamp_begin_;
  std::vector<Speech> speech_;
};

// Timestamps come in pairs (except directly before end-of-text), do not decrease, a segment has a
// length above zero, the first token is a timestamp (at most `max_initial_index` steps after 0.00),
// and a timestamp is forced where all timestamps together are more probable than the most probable
// text token. Ids >= timestamp_begin are timestamps.
class TimestampRules : public LogitFilter {
 public:
  struct Ids {
    int eot = 0;              // end-of-text; ordinary text is below it
    int no_timestamps = 0;    // never sampled
    int timestamp_begin = 0;  // <|0.00|>
  };
  TimestampRules(Ids ids, std::optional<int> max_initial_index)
      : ids_(ids), max_initial_index_(max_initial_index) {}
  void Apply(std::span<float> logits, std::span<const int> sampled) const override;
  int FirstAllowed(std::span<const int> sampled) const override;

 private:
  Ids ids_;
  std::optional<int> max_initial_index_;
};

struct LogitFilters {
  // Those that look at single tokens, in their order.
  std::vector<std::unique_ptr<const LogitFilter>> tokens;
  // The last one, which compares the logits that are left.
  std::optional<TimestampRules> timestamps;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_LOGIT_FILTERS_H_
