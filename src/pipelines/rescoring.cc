#include "pipelines/rescoring.h"

#include <algorithm>
#include <array>
#include <limits>

#include "pipelines/log_softmax.h"

namespace tessera {
namespace {

// Looked through one by one only where the largest of them is near the largest of all.
constexpr size_t kBlock = 512;

void RescorePart(const WhisperSession& session, int64_t output, size_t begin,
                 std::span<float> logits) {
  std::vector<int> ids = Leaders(logits);
  for (int& id : ids) id += static_cast<int>(begin);
  std::array<float, kMaxLeaders> exact;
  if (ids.empty()) return;
  session.Rescore(output, ids, std::span(exact).first(ids.size()));
  for (size_t i = 0; i < ids.size(); ++i) logits[ids[i] - begin] = exact[i];
}

}  // namespace

std::vector<int> Leaders(std::span<const float> logits) {
  std::vector<float> largest;
  for (size_t i = 0; i < logits.size(); i += kBlock)
    largest.push_back(MaxLogit(logits.subspan(i, std::min(kBlock, logits.size() - i))));
  std::vector<int> ids;
  const float max = MaxLogit(largest);
  if (max == -std::numeric_limits<float>::infinity()) return ids;
  for (size_t block = 0; block < largest.size(); ++block) {
    if (largest[block] < max - kLeaderMargin) continue;
    const size_t end = std::min(logits.size(), (block + 1) * kBlock);
    for (size_t i = block * kBlock; i < end; ++i)
      if (logits[i] >= max - kLeaderMargin) ids.push_back(static_cast<int>(i));
  }
  if (ids.size() > kMaxLeaders) {
    const auto higher = [&](int a, int b) {
      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    };
    std::nth_element(ids.begin(), ids.begin() + kMaxLeaders, ids.end(), higher);
    ids.resize(kMaxLeaders);
    std::sort(ids.begin(), ids.end());
  }
  return ids;
}

void RescoreLeaders(const WhisperSession& session, int64_t output, size_t timestamp_begin,
                    std::span<float> logits) {
  if (!session.rescores()) return;
  const size_t text = std::min(timestamp_begin, logits.size());
  // The comparison of TimestampRules.
  const auto most_text = static_cast<double>(MaxLogit(logits.first(text)));
  const double timestamps = LogSumExp(logits.subspan(text));
  if (most_text >= timestamps - kLeaderMargin) RescorePart(session, output, 0, logits.first(text));
  if (timestamps >= most_text - kLeaderMargin)
    RescorePart(session, output, text, logits.subspan(text));
}

}  // namespace tessera
