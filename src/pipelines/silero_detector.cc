#include "pipelines/silero_detector.h"

#include <algorithm>
#include <limits>
#include <string>

namespace tessera {
namespace {

constexpr int64_t kFrame = SpeechDetector::kFrameSamples;
static_assert(kFrame == SileroSizes::kChunk);
constexpr int64_t kPieceFrames = SileroSession::kMaxChunks;

}  // namespace

Result<std::unique_ptr<SileroDetector>> SileroDetector::Create(
    std::shared_ptr<const ExecutionProvider> provider, const ModelStoreOptions& store) {
  TESSERA_ASSIGN_OR_RETURN(const std::string path, ModelPath(kModelName, store));
  TESSERA_ASSIGN_OR_RETURN(const auto model, SileroModel::Load(path, std::move(provider)));
  return std::make_unique<SileroDetector>(model);
}

SileroDetector::SileroDetector(const std::shared_ptr<const SileroModel>& model)
    // A thread beside those that transcribe: taking turns with them would stop them.
    : session_(model->NewSession(std::make_shared<ThreadPool>(1))) {}

Result<std::vector<float>> SileroDetector::Probabilities(const AudioClip& clip,
                                                         int64_t begin_sample, int64_t count,
                                                         std::stop_token stop) {
  if (begin_sample < 0 || count < 0 || begin_sample % kFrame != 0 ||
      begin_sample > clip.num_samples() || count > clip.num_samples() - begin_sample) {
    return InvalidArgument("speech detection: samples " + std::to_string(begin_sample) + " + " +
                           std::to_string(count) + " are no frames of a recording of " +
                           std::to_string(clip.num_samples()));
  }
  const int64_t begin = begin_sample / kFrame;
  const int64_t end = begin + (count + kFrame - 1) / kFrame;
  if (!clip.SharesSamplesWith(clip_) || frame_ > begin) {
    session_->Reset();
    clip_ = clip;
    frame_ = 0;
  }
  std::vector<float> probabilities(static_cast<size_t>(end - begin));
  std::vector<float> unused(static_cast<size_t>(std::min(begin - frame_, kPieceFrames)));
  const int64_t end_sample = begin_sample + count;
  Status status;
  while (status.ok() && frame_ < end) {
    const int64_t stop_at = std::min(frame_ + kPieceFrames, frame_ < begin ? begin : end);
    const std::span<float> out =
        frame_ < begin ? std::span(unused)
                       : std::span(probabilities).subspan(static_cast<size_t>(frame_ - begin));
    status = RunFrames(frame_, stop_at, end_sample,
                       out.first(static_cast<size_t>(stop_at - frame_)), stop);
    frame_ = stop_at;
  }
  // A frame that was cut short, or a failure, is nothing to continue from.
  if (!status.ok() || count % kFrame != 0) frame_ = std::numeric_limits<int64_t>::max();
  if (!status.ok()) return status;
  return probabilities;
}

Status SileroDetector::RunFrames(int64_t begin, int64_t end, int64_t end_sample,
                                 std::span<float> probabilities, std::stop_token stop) {
  samples_.assign(static_cast<size_t>((end - begin) * kFrame), 0);
  const int64_t size = std::min(end * kFrame, end_sample) - begin * kFrame;
  TESSERA_RETURN_IF_ERROR(
      clip_.Read(begin * kFrame, std::span(samples_).first(static_cast<size_t>(size))));
  floats_.resize(samples_.size());
  std::ranges::transform(samples_, floats_.begin(),
                         [](int16_t x) { return static_cast<float>(x) * 0x1p-15f; });
  return session_->Run(floats_, probabilities, stop);
}

}  // namespace tessera
