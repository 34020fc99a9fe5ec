// BatchTranscription: many recordings as one stream of windows through a BatchScheduler, and back
// from windows to transcripts.
//
// A RecordingFeed opens recordings in order, a few windows ahead of those in work, and cuts each
// while its first windows are already being decoded; a recording of at most 30 s that holds speech
// is a single window from its begin. Where the text of a window ends before its speech does,
// the rest becomes a window of its own. Segments are handed out in order as soon as all windows
// before them are done; a recording's transcript as soon as it is complete. A recording that fails
// does not disturb the others.
#ifndef TESSERA_PIPELINES_BATCH_TRANSCRIPTION_H_
#define TESSERA_PIPELINES_BATCH_TRANSCRIPTION_H_

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string_view>
#include <vector>

#include "base/wake_signal.h"
#include "pipelines/batch_scheduler.h"
#include "pipelines/recording_feed.h"
#include "pipelines/window_options.h"
#include "pipelines/window_segments.h"
#include "tessera/transcribe.h"
#include "tessera/transcript.h"

namespace tessera {

class BatchTranscription : public BatchClient {
 public:
  // All must outlive this.
  BatchTranscription(const WhisperTokenizer& tokenizer, const WhisperConfig& config,
                     const WindowOptions& options, BatchInput input,
                     const BatchCallbacks& callbacks, std::stop_token stop);
  ~BatchTranscription() override;

  // Transcribes everything with `session`, calling back. After a stop request the recordings that
  // are open end with what they have, `cancelled` set; others are not opened. Errors concern the
  // session or the options, not a recording; open recordings then end with that error.
  Status Run(WhisperSession& session);

  void Settle() override;
  std::optional<BatchWindow> NextWindow() override;
  bool MoreToCome() override;
  void OnLanguage(int64_t id, LanguageDetection detection) override;
  void OnResult(int64_t id, DecodingResult result) override;
  void OnFailure(int64_t id, Status status) override;

 private:
  struct Window;
  struct Recording;
  using Recordings = std::list<Recording>;
  struct Found {
    Recordings::iterator recording;
    std::list<Window>::iterator window;
  };

  void Handle(FeedOpened event);
  void Handle(FeedWindow event);
  void Handle(FeedEnd event);
  // The recording, if it is open.
  Recordings::iterator Open(int index);
  // Nothing where the recording is closed already.
  std::optional<Found> Find(int64_t id);
  // The segments of a decoded window, and what it leaves to decode.
  void Accept(Recording& recording, std::list<Window>::iterator window,
              const DecodingResult& result);
  // Hands out what is in order, and the transcript at the end.
  void Deliver(Recordings::iterator recording);
  void Close(Recordings::iterator recording, Status status);
  void ReportProgress() const;

  const WhisperTokenizer& tokenizer_;
  const WhisperConfig config_;
  const WindowOptions& options_;
  BatchInput input_;  // until Run
  const BatchCallbacks& callbacks_;
  const std::stop_token stop_;
  const SegmentSplitter splitter_;
  std::vector<int> prompt_;

  WakeSignal wake_;
  std::optional<RecordingFeed> feed_;  // during Run
  Recordings recordings_;              // open ones, in order
  int num_free_ = 0;                   // windows of the feed that nobody has begun
  std::set<int> closed_early_;         // recordings whose end is still to come from the feed
  int num_opened_ = 0;
  int num_done_ = 0;
  int64_t next_id_ = 0;
  double seconds_done_ = 0;    // of recordings that are closed
  double seconds_opened_ = 0;  // of all recordings opened so far
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_BATCH_TRANSCRIPTION_H_
