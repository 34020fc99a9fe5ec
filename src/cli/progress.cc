#include "cli/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/terminal.h"

namespace tessera::cli {
namespace {

constexpr int kBarCells = 20;
constexpr auto kRedraw = std::chrono::milliseconds(100);

double Seconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace

std::string ClockText(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::clamp(seconds, 0.0, 3.6e8)));
  char text[32];
  if (whole >= 3600) {
    std::snprintf(text, sizeof(text), "%lld:%02d:%02d", static_cast<long long>(whole / 3600),
                  static_cast<int>(whole / 60 % 60), static_cast<int>(whole % 60));
  } else {
    std::snprintf(text, sizeof(text), "%d:%02d", static_cast<int>(whole / 60),
                  static_cast<int>(whole % 60));
  }
  return text;
}

std::string ProgressLine(int index, int count, const std::string& name, double done, double total,
                         double elapsed, int width) {
  std::string right;
  char text[96];
  const double share = total > 0 ? std::clamp(done / total, 0.0, 1.0) : 0;
  if (total > 0) {
    const int cells = static_cast<int>(share * kBarCells + 0.5);
    right = " [" + std::string(cells, '#') + std::string(kBarCells - cells, '-') + "]";
    std::snprintf(text, sizeof(text), " %3d%%", static_cast<int>(share * 100));
    right += text;
  }
  if (elapsed > 0 && done > 0) {
    const double speed = done / elapsed;
    std::snprintf(text, sizeof(text), speed < 10 ? " %.1fx" : " %.0fx", speed);
    right += text;
    if (total > 0) right += " " + ClockText((total - done) / speed) + " left";
  }
  std::string left =
      count > 1 ? "[" + std::to_string(index) + "/" + std::to_string(count) + "] " : "";
  // The name gives way first: its end tells files of one folder apart.
  const int room = width - 1 - static_cast<int>(left.size() + right.size());
  std::string shown = name;
  if (static_cast<int>(shown.size()) > room) {
    shown = room > 8 ? "..." + shown.substr(shown.size() - static_cast<size_t>(room - 3)) : "";
    // Not in the middle of a UTF-8 character.
    while (shown.size() > 3 && (static_cast<unsigned char>(shown[3]) & 0xC0) == 0x80)
      shown.erase(3, 1);
  }
  return (left + shown + right).substr(0, static_cast<size_t>(std::max(width - 1, 1)));
}

void Progress::SetFile(int index, int count, std::string name) {
  if (index_ == 0) start_ = std::chrono::steady_clock::now();
  index_ = index;
  count_ = count;
  name_ = std::move(name);
}

void Progress::Update(double done, double total) {
  const auto now = std::chrono::steady_clock::now();
  if (!enabled_ || (drawn_ && now - last_draw_ < kRedraw)) return;
  last_draw_ = now;
  Draw(ProgressLine(index_, count_, name_, done, total, Seconds(now - start_),
                    TerminalWidth(StandardStream::kError)));
}

void Progress::Message(const std::string& text) {
  if (enabled_)
    Draw(text.substr(0,
                     static_cast<size_t>(std::max(1, TerminalWidth(StandardStream::kError) - 1))));
}

void Progress::Draw(const std::string& line) {
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::Clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace tessera::cli
