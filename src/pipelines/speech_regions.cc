#include "pipelines/speech_regions.h"

#include <algorithm>

#include "base/check.h"

namespace tessera {

std::vector<SpeechRegion> FindSpeech(std::span<const float> probabilities,
                                     const CutOptions& options, bool in_speech) {
  const auto size = static_cast<int64_t>(probabilities.size());
  std::vector<SpeechRegion> regions;
  const auto add = [&](int64_t begin, int64_t end, bool open) {
    const bool continued = in_speech && begin == 0;
    if (end > begin && (open || continued || end - begin >= options.min_speech)) {
      regions.push_back({{begin, end}, open});
    }
  };
  bool speaking = in_speech && size > 0;
  int64_t begin = 0;
  int64_t silence = -1;  // where the pause began that may end the region
  for (int64_t i = 0; i < size; ++i) {
    const float p = probabilities[static_cast<size_t>(i)];
    if (p >= options.threshold) {
      if (!speaking) begin = i;
      speaking = true;
      silence = -1;
    } else if (speaking && p < options.negative_threshold) {
      if (silence < 0) silence = i;
      if (i + 1 - silence >= options.min_silence) {
        add(begin, silence, false);
        speaking = false;
        silence = -1;
      }
    }
  }
  if (speaking) add(begin, size, true);
  return regions;
}

void WindowCutter::Push(std::span<const float> probabilities) {
  TESSERA_CHECK(!finished_);
  buffer_.insert(buffer_.end(), probabilities.begin(), probabilities.end());
}

void WindowCutter::Drop(int64_t count) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + count);
  begin_ += count;
}

int64_t WindowCutter::QuietestFrame(int64_t begin, int64_t end) const {
  // The mean of three frames: a single low one is often a plosive inside a word.
  const auto sum = [&](int64_t i) {
    float total = 0;
    for (int64_t j = i - 1; j <= i + 1; ++j) {
      total += buffer_[static_cast<size_t>(
          std::clamp<int64_t>(j, 0, static_cast<int64_t>(buffer_.size()) - 1))];
    }
    return total;
  };
  int64_t best = end - 1;  // of equals the last
  for (int64_t i = end - 1; i >= begin; --i) {
    if (sum(i) < sum(best)) best = i;
  }
  return best;
}

WindowCutter::End WindowCutter::ChooseEnd(const std::vector<SpeechRegion>& regions) const {
  const auto seen = static_cast<int64_t>(buffer_.size());
  const int64_t limit = options_.max_window;
  const int64_t search_from = std::max<int64_t>(limit - options_.search, 1);
  int64_t best = -1;
  double best_score = 0;
  for (size_t i = 0; i < regions.size() && regions[i].frames.end <= limit; ++i) {
    const int64_t end = regions[i].frames.end;
    const bool last = i + 1 == regions.size();
    const int64_t next = last ? seen : regions[i + 1].frames.begin;
    const int64_t silence = next - end;
    const int64_t cut = std::min({end + options_.padding, end + (silence + 1) / 2, limit});
    // Whatever else has begun lies beyond this window, or the recording ends here.
    if (last || (silence >= options_.long_silence && end >= options_.half_full) ||
        silence >= options_.too_long_silence) {
      return {last ? std::min({end + options_.padding, seen, limit}) : cut, false};
    }
    // Of the pauses within reach the longest, a second of it being worth the whole search range.
    const double length = std::min<double>(static_cast<double>(silence) * 0.032, 1.0);
    const double place =
        static_cast<double>(end - search_from) / static_cast<double>(options_.search);
    const double score = length + place;
    if (end < search_from) {
      if (best < 0 || best_score < 0) {
        best = cut;  // better than a cut in speech: the latest of the early ones
        best_score = -1;
      }
    } else if (best < 0 || score > best_score) {
      best = cut;
      best_score = score;
    }
  }
  // An early pause would leave too little of a window.
  if (best >= 0 && (best_score >= 0 || best >= limit / 3)) return {best, false};
  const int64_t frame = QuietestFrame(search_from, limit);
  return {std::max<int64_t>(frame, 1), true};
}

std::optional<SpeechWindow> WindowCutter::Next() {
  // Enough to see whether speech at the limit ends in a pause, and what follows it.
  const int64_t horizon = options_.max_window + options_.min_silence + options_.min_speech +
                          options_.padding + options_.too_long_silence;
  while (!buffer_.empty()) {
    const auto available = static_cast<int64_t>(buffer_.size());
    if (available < horizon && !finished_) return std::nullopt;
    const int64_t seen = std::min(available, horizon);
    const bool all = finished_ && seen == available;
    std::vector<SpeechRegion> regions =
        FindSpeech(std::span(buffer_).first(static_cast<size_t>(seen)), options_, in_speech_);
    if (all && !regions.empty() && regions.back().open &&
        regions.back().frames.size() < options_.min_speech &&
        !(in_speech_ && regions.back().frames.begin == 0)) {
      regions.pop_back();
    }
    if (regions.empty()) {
      in_speech_ = false;
      if (all) {
        Drop(available);
        return std::nullopt;
      }
      Drop(seen - options_.padding);
      continue;
    }
    const int64_t start = std::max<int64_t>(0, regions.front().frames.begin - options_.padding);
    if (start > 0) {
      in_speech_ = false;
      Drop(start);
      continue;
    }

    const End end = ChooseEnd(regions);
    SpeechWindow window;
    window.frames = {begin_, begin_ + end.frame};
    for (const SpeechRegion& region : regions) {
      const int64_t last = std::min(region.frames.end, end.frame);
      if (region.frames.begin >= last) break;
      window.speech.push_back({begin_ + region.frames.begin, begin_ + last});
    }
    Drop(end.frame);
    in_speech_ = end.in_speech;
    return window;
  }
  return std::nullopt;
}

}  // namespace tessera
