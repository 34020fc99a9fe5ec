// Whether a short call is done sooner by all threads together or by single ones: tried on this
// machine, by power of two of the call's tokens, and asked again now and then, since other programs
// come and go.
//
// Not thread-safe.
#ifndef TESSERA_PIPELINES_EMBED_TEAM_CHOICE_H_
#define TESSERA_PIPELINES_EMBED_TEAM_CHOICE_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace tessera {

class EmbedTeamChoice {
 public:
  // Calls of a size that each side gets before the choice; the first one warms up and does not
  // count. All threads begin.
  static constexpr int kTrials = 4;
  // Then every so many calls the slower side gets one.
  static constexpr int kAskAgain = 64;

  bool UseAll(int64_t tokens) {
    Size& size = SizeOf(tokens);
    if (size.all.calls < kTrials) return true;
    if (size.single.calls < kTrials) return false;
    const bool all = size.all.seconds <= size.single.seconds;
    return ++size.choices % kAskAgain == 0 ? !all : all;
  }

  void Record(int64_t tokens, bool all, double seconds) {
    Side& side = all ? SizeOf(tokens).all : SizeOf(tokens).single;
    if (++side.calls == 1) return;
    // The best, forgotten slowly.
    constexpr double kForget = 1.05;
    side.seconds = side.calls == 2 ? seconds : std::min(seconds, side.seconds * kForget);
  }

 private:
  struct Side {
    int64_t calls = 0;
    double seconds = 0;
  };
  struct Size {
    Side all, single;
    int64_t choices = 0;
  };
  Size& SizeOf(int64_t tokens) {
    const auto bits = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(tokens)));
    return sizes_[std::min(bits, sizes_.size() - 1)];
  }

  std::array<Size, 16> sizes_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_EMBED_TEAM_CHOICE_H_
