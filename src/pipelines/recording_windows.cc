#include "pipelines/recording_windows.h"

#include <algorithm>
#include <utility>

#include "audio/log_mel.h"
#include "base/check.h"

namespace tessera {
namespace {

constexpr int64_t kFramesAtATime = 1875;  // a minute

// First sample of the detector frame that holds the part's begin.
int64_t FirstSample(const MelRange& part, int64_t frame_samples) {
  return part.begin * kHopLength / frame_samples * frame_samples;
}

// Both ends of a range are rounded alike, so that ranges that touch keep touching.
MelRange ToMel(const FrameRange& frames, const MelRange& part, int64_t frame_samples) {
  const int64_t first = FirstSample(part, frame_samples);
  const auto to_mel = [&](int64_t frame) {
    return std::clamp((first + frame * frame_samples) / kHopLength, part.begin, part.end);
  };
  return {to_mel(frames.begin), to_mel(frames.end)};
}

}  // namespace

int64_t SpeechWithin(const std::vector<MelRange>& speech, int64_t begin, int64_t end) {
  int64_t total = 0;
  for (const MelRange& range : speech) {
    total += std::max<int64_t>(0, std::min(range.end, end) - std::max(range.begin, begin));
  }
  return total;
}

RecordingWindows::RecordingWindows(AudioClip clip, std::vector<MelRange> clips,
                                   int64_t window_frames)
    : clip_(std::move(clip)), parts_(std::move(clips)), window_frames_(window_frames) {}

Result<std::optional<MelWindow>> RecordingWindows::Next(SpeechDetector& detector,
                                                        std::stop_token stop) {
  for (; part_ < parts_.size(); ++part_, cutter_.reset()) {
    const MelRange& part = parts_[part_];
    if (part.end <= part.begin) continue;
    if (part.end - part.begin <= window_frames_) {
      TESSERA_ASSIGN_OR_RETURN(std::optional<MelWindow> window, WholePart(part, detector, stop));
      if (!window) continue;
      ++part_;
      return window;
    }
    TESSERA_ASSIGN_OR_RETURN(std::optional<MelWindow> window, NextInPart(part, detector, stop));
    if (window) return window;
  }
  return std::optional<MelWindow>();
}

Result<std::optional<MelWindow>> RecordingWindows::WholePart(const MelRange& part,
                                                             SpeechDetector& detector,
                                                             std::stop_token stop) const {
  const int64_t begin = FirstSample(part, detector.frame_samples());
  TESSERA_ASSIGN_OR_RETURN(
      const std::vector<float> probabilities,
      detector.Probabilities(clip_, begin, part.end * kHopLength - begin, stop));
  MelWindow window;
  window.frames = part;
  for (const SpeechRegion& region : FindSpeech(probabilities, options_, false)) {
    window.speech.push_back(ToMel(region.frames, part, detector.frame_samples()));
  }
  if (window.speech.empty()) return std::optional<MelWindow>();
  return std::optional<MelWindow>(std::move(window));
}

Result<std::optional<MelWindow>> RecordingWindows::NextInPart(const MelRange& part,
                                                              SpeechDetector& detector,
                                                              std::stop_token stop) {
  const int64_t frame_samples = detector.frame_samples();
  if (!cutter_) {
    // A detector frame need not be 32 ms; what the cutter calls a window must fit.
    CutOptions options = options_;
    options.max_window = std::min(options.max_window, window_frames_ * kHopLength / frame_samples);
    cutter_.emplace(options);
    detected_to_ = FirstSample(part, frame_samples);
    part_ended_ = false;
  }
  while (true) {
    if (std::optional<SpeechWindow> found = cutter_->Next()) {
      MelWindow window;
      window.frames = ToMel(found->frames, part, frame_samples);
      if (window.frames.end <= window.frames.begin) continue;
      for (const FrameRange& speech : found->speech) {
        window.speech.push_back(ToMel(speech, part, frame_samples));
      }
      return std::optional<MelWindow>(std::move(window));
    }
    if (part_ended_) return std::optional<MelWindow>();
    const int64_t count =
        std::min(part.end * kHopLength - detected_to_, kFramesAtATime * frame_samples);
    if (count <= 0) {
      cutter_->Finish();
      part_ended_ = true;
      continue;
    }
    TESSERA_ASSIGN_OR_RETURN(const std::vector<float> probabilities,
                             detector.Probabilities(clip_, detected_to_, count, stop));
    cutter_->Push(probabilities);
    detected_to_ += static_cast<int64_t>(probabilities.size()) * frame_samples;
  }
}

}  // namespace tessera
