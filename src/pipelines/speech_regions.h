// From probabilities of speech to the windows that a model decodes: WindowCutter.
//
// A window is one stretch of the recording, so its times are the recording's. It begins where
// speech does, is filled close to the longest length allowed and ends in a silence: the best of the
// long and late ones in its last third. Longer stretches without speech lie between windows and are
// never decoded. Only where people speak on through a whole window without a pause is it cut in
// speech, at the frame that sounds least like it. Windows do not overlap, and every frame of a
// speech region lies in one.
#ifndef TESSERA_PIPELINES_SPEECH_REGIONS_H_
#define TESSERA_PIPELINES_SPEECH_REGIONS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tessera {

// Detector frames [begin, end).
struct FrameRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const FrameRange&) const = default;
};

// All lengths are frames of 32 ms.
struct CutOptions {
  float threshold = 0.5f;            // speech begins at this probability
  float negative_threshold = 0.35f;  // and ends below this one
  int64_t min_speech = 8;            // shorter sounds are no speech: 0.26 s
  int64_t min_silence = 5;           // a shorter pause does not end a region: 0.16 s
  int64_t padding = 8;               // kept on both sides of a region, if nobody else's: 0.26 s
  int64_t max_window = 937;          // 29.98 s
  int64_t search = 156;              // a window's end is looked for in its last 5 s
  int64_t half_full = 468;           // from this length on a window ends before
  int64_t long_silence = 62;         // a silence of 2 s
  int64_t too_long_silence = 312;    // any window ends before a silence of 10 s
};

struct SpeechRegion {
  FrameRange frames;
  bool open = false;  // still speech at the end of the probabilities
};

// Speech with hysteresis, in order and apart by at least min_silence. `in_speech`: the first frame
// continues a region, which is then kept however short it is.
std::vector<SpeechRegion> FindSpeech(std::span<const float> probabilities,
                                     const CutOptions& options, bool in_speech);

struct SpeechWindow {
  FrameRange frames;
  std::vector<FrameRange> speech;  // inside `frames`, in order, without padding
};

// Takes the probabilities of a recording piece by piece, gives windows as soon as they are certain.
// They do not depend on the pieces. Buffers little more than a window. Thread-compatible.
class WindowCutter {
 public:
  explicit WindowCutter(const CutOptions& options) : options_(options) {}

  // The next frames. Not after Finish.
  void Push(std::span<const float> probabilities);
  // There are no more.
  void Finish() { finished_ = true; }
  // The next window; nothing where more frames are needed, or after Finish: at the end.
  std::optional<SpeechWindow> Next();

 private:
  // Where the window ends that begins with buffer_[0], and whether that is in speech.
  struct End {
    int64_t frame = 0;
    bool in_speech = false;
  };
  End ChooseEnd(const std::vector<SpeechRegion>& regions) const;
  int64_t QuietestFrame(int64_t begin, int64_t end) const;
  void Drop(int64_t count);

  const CutOptions options_;
  std::vector<float> buffer_;
  int64_t begin_ = 0;       // frame of buffer_[0]
  bool in_speech_ = false;  // buffer_[0] continues the speech of the last window
  bool finished_ = false;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SPEECH_REGIONS_H_
