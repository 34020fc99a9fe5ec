// One line on stderr that tells how far the work is: file n of m, share done, speed, time left.
#ifndef TESSERA_CLI_PROGRESS_H_
#define TESSERA_CLI_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace tessera::cli {

// "[2/5] talk.mp3 [#####-----] 47% 32x 0:41 left", cut to `width` columns. `elapsed` seconds have
// been spent on `done` of `total` seconds of audio; a total of 0 is unknown.
std::string ProgressLine(int index, int count, const std::string& name, double done, double total,
                         double elapsed, int width);
// "0:41", "12:03", "1:02:03"
std::string ClockText(double seconds);

// Draws at most ten times a second, always over its own last line. Not thread-safe. Does nothing
// when not enabled.
class Progress {
 public:
  explicit Progress(bool enabled) : enabled_(enabled) {}
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // The file that the line names. Time is counted from the first one on.
  void SetFile(int index, int count, std::string name);
  // Seconds of audio, of all files.
  void Update(double done, double total);
  // A line of text in place of the bar, for work without a measure.
  void Message(const std::string& text);
  // Takes the line away, so that other text can be printed; the next update draws it again.
  void Clear();

 private:
  void Draw(const std::string& line);

  const bool enabled_;
  int index_ = 0, count_ = 0;
  std::string name_;
  std::chrono::steady_clock::time_point start_, last_draw_;
  bool drawn_ = false;
};

}  // namespace tessera::cli

#endif  // TESSERA_CLI_PROGRESS_H_
