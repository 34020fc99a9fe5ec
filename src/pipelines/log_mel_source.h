// LogMel as a MelSource.
#ifndef TESSERA_PIPELINES_LOG_MEL_SOURCE_H_
#define TESSERA_PIPELINES_LOG_MEL_SOURCE_H_

#include <cstdint>
#include <span>
#include <utility>

#include "audio/log_mel.h"
#include "pipelines/window_decoder.h"

namespace tessera {

class LogMelSource : public MelSource {
 public:
  explicit LogMelSource(LogMel mel) : mel_(std::move(mel)) {}
  int num_mels() const override { return mel_.num_mels(); }
  int64_t content_frames() const override { return mel_.content_frames(); }
  Status Frames(int64_t begin, int64_t count, std::span<float> out) const override {
    return mel_.Frames(begin, count, out);
  }

 private:
  LogMel mel_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_LOG_MEL_SOURCE_H_
