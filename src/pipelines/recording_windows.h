// RecordingWindows: which stretches of a recording are to be decoded, found while it is read.
#ifndef TESSERA_PIPELINES_RECORDING_WINDOWS_H_
#define TESSERA_PIPELINES_RECORDING_WINDOWS_H_

#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include "audio/clip.h"
#include "pipelines/speech_detector.h"
#include "pipelines/speech_regions.h"
#include "pipelines/transcribe_loop.h"
#include "tessera/status.h"

namespace tessera {

// In mel frames of the recording.
struct MelWindow {
  MelRange frames;
  std::vector<MelRange> speech;  // inside `frames`, in order
};

// Frames of `speech` in [begin, end).
int64_t SpeechWithin(const std::vector<MelRange>& speech, int64_t begin, int64_t end);

class RecordingWindows {
 public:
  // The parts `clips` of the recording, each cut on its own. A part of at most `window_frames` mel
  // frames is one window as a whole, as openai-whisper takes it, or none if nobody speaks in it.
  RecordingWindows(AudioClip clip, std::vector<MelRange> clips, int64_t window_frames);

  // The next window, at most `window_frames` long and not before the end of the last; nothing at
  // the end. Runs the detector over as much as is needed. Errors are those of the detector.
  Result<std::optional<MelWindow>> Next(SpeechDetector& detector, std::stop_token stop);

 private:
  Result<std::optional<MelWindow>> NextInPart(const MelRange& part, SpeechDetector& detector,
                                              std::stop_token stop);
  // A part that fits into a window.
  Result<std::optional<MelWindow>> WholePart(const MelRange& part, SpeechDetector& detector,
                                             std::stop_token stop) const;

  const AudioClip clip_;
  const std::vector<MelRange> parts_;
  const int64_t window_frames_;
  CutOptions options_;
  size_t part_ = 0;
  std::optional<WindowCutter> cutter_;  // of the present part
  int64_t detected_to_ = 0;             // sample
  bool part_ended_ = false;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_RECORDING_WINDOWS_H_
