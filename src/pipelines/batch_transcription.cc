#include "pipelines/batch_transcription.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "text/utf8.h"

namespace tessera {
namespace {

// In mel frames. Behind an unfinished segment this much speech is worth a window of its own;
constexpr int64_t kMinRestSpeech = 20;
// where the text of a window just ends, it takes this much speech behind it to try again there,
constexpr int64_t kMinLostSpeech = 100;
// and this much way made.
constexpr int64_t kMinAdvance = 100;
// Rests of rests: a model that stops after every word must not cost hundreds of windows.
constexpr int kMaxRests = 8;

}  // namespace

struct BatchTranscription::Window {
  MelWindow mel;
  int64_t id = -1;    // the scheduler's, once it has the window
  int num_rests = 0;  // windows that this one is the rest of; 0: the feed's
  std::vector<int> prompt;
  bool done = false;
  std::vector<Segment> segments;
};

struct BatchTranscription::Recording {
  int index = 0;
  double seconds = 0;
  std::shared_ptr<const MelSource> mel;
  bool all_cut = false;
  std::string language;
  bool detecting = false;  // by its first window; no other one begins before
  std::vector<std::pair<std::string, double>> language_probs;
  std::list<Window> windows;  // in order of time, without those that are delivered
  int64_t delivered_to = 0;   // mel frame
  std::vector<Segment> segments;
  std::vector<int> tokens;
};

BatchTranscription::BatchTranscription(const WhisperTokenizer& tokenizer,
                                       const WhisperConfig& config, const WindowOptions& options,
                                       BatchInput input, const BatchCallbacks& callbacks,
                                       std::stop_token stop)
    : tokenizer_(tokenizer),
      config_(config),
      options_(options),
      input_(std::move(input)),
      callbacks_(callbacks),
      stop_(std::move(stop)),
      splitter_(tokenizer, config) {
  if (options.options().initial_prompt) {
    prompt_ =
        tokenizer.Encode(" " + std::string(StripWhiteSpace(*options.options().initial_prompt)));
  }
}

BatchTranscription::~BatchTranscription() = default;

Status BatchTranscription::Run(WhisperSession& session) {
  feed_.emplace(std::move(input_), options_.options(), config_.num_frames(), session.max_windows(),
                wake_, stop_);
  BatchScheduler scheduler(session, tokenizer_, options_, *this, wake_);
  Status status = scheduler.Run(stop_);
  TESSERA_CHECK(!status.ok() || recordings_.empty());
  while (!recordings_.empty()) Close(recordings_.begin(), status);
  feed_.reset();
  return status.code() == StatusCode::kCancelled ? OkStatus() : status;
}

void BatchTranscription::Settle() {
  while (std::optional<FeedEvent> event = feed_->Pop()) {
    std::visit([this](auto& e) { Handle(std::move(e)); }, *event);
  }
}

BatchTranscription::Recordings::iterator BatchTranscription::Open(int index) {
  return std::ranges::find(recordings_, index, &Recording::index);
}

void BatchTranscription::Handle(FeedOpened event) {
  Recording& recording = recordings_.emplace_back();
  recording.index = event.index;
  recording.language = options_.language();
  recording.seconds = event.seconds;
  recording.mel = std::move(event.mel);
  ++num_opened_;
  seconds_opened_ += recording.seconds;
}

void BatchTranscription::Handle(FeedWindow event) {
  const auto recording = Open(event.index);
  if (recording == recordings_.end()) return feed_->Taken();
  Window& window = recording->windows.emplace_back();
  window.mel = std::move(event.window);
  window.prompt = prompt_;
  ++num_free_;
}

void BatchTranscription::Handle(FeedEnd event) {
  auto recording = Open(event.index);
  if (recording == recordings_.end()) {
    if (closed_early_.erase(event.index) > 0) return;
    // It was never opened.
    ++num_opened_;
    recording = recordings_.emplace(recordings_.end());
    recording->index = event.index;
  }
  if (!event.status.ok()) return Close(recording, std::move(event.status));
  recording->all_cut = true;
  Deliver(recording);
}

bool BatchTranscription::MoreToCome() { return num_free_ == 0 && !feed_->ended(); }

std::optional<BatchWindow> BatchTranscription::NextWindow() {
  for (Recording& recording : recordings_) {
    if (recording.detecting) continue;
    const auto window = std::ranges::find_if(recording.windows,
                                             [](const Window& w) { return w.id < 0 && !w.done; });
    if (window == recording.windows.end()) continue;
    window->id = next_id_++;
    if (window->num_rests == 0) {
      --num_free_;
      feed_->Taken();
    }
    recording.detecting = recording.language.empty();
    BatchWindow result;
    result.id = window->id;
    result.mel = recording.mel;
    result.begin = window->mel.frames.begin;
    result.num_frames = window->mel.frames.end - window->mel.frames.begin;
    result.language = recording.language;
    result.prompt = window->prompt;
    for (const MelRange& speech : window->mel.speech) {
      const int64_t per_step = config_.num_frames() / config_.num_audio_positions;
      result.speech.push_back({static_cast<int>((speech.begin - result.begin) / per_step),
                               static_cast<int>((speech.end - result.begin) / per_step)});
    }
    return result;
  }
  return std::nullopt;
}

std::optional<BatchTranscription::Found> BatchTranscription::Find(int64_t id) {
  for (auto recording = recordings_.begin(); recording != recordings_.end(); ++recording) {
    const auto window = std::find_if(recording->windows.begin(), recording->windows.end(),
                                     [&](const Window& w) { return w.id == id; });
    if (window != recording->windows.end()) return Found{recording, window};
  }
  return std::nullopt;
}

void BatchTranscription::OnLanguage(int64_t id, LanguageDetection detection) {
  const std::optional<Found> found = Find(id);
  if (!found) return;
  Recording& recording = *found->recording;
  recording.detecting = false;
  recording.language = std::move(detection.language);
  recording.language_probs = std::move(detection.probs);
  if (callbacks_.on_language) {
    callbacks_.on_language(recording.index, recording.language,
                           recording.language_probs.front().second);
  }
}

void BatchTranscription::OnResult(int64_t id, DecodingResult result) {
  const std::optional<Found> found = Find(id);
  if (!found) return;
  Accept(*found->recording, found->window, result);
  Deliver(found->recording);
  ReportProgress();
}

void BatchTranscription::OnFailure(int64_t id, Status status) {
  const std::optional<Found> found = Find(id);
  if (found) Close(found->recording, std::move(status));
}

void BatchTranscription::Accept(Recording& recording, std::list<Window>::iterator window,
                                const DecodingResult& result) {
  window->done = true;
  if (IsSpeechless(result, options_.options())) return;
  const MelRange& frames = window->mel.frames;
  WindowSegments parts = splitter_.Split(frames.begin, frames.end - frames.begin, result);
  // Times behind a window's end belong to the next one.
  const double end = static_cast<double>(frames.end) / kMelFramesPerSecond;
  for (Segment& segment : parts.segments) {
    segment.start = std::min(segment.start, end);
    segment.end = std::min(segment.end, end);
  }
  window->segments = std::move(parts.segments);

  int64_t rest = frames.begin + parts.advance;
  bool again = SpeechWithin(window->mel.speech, rest, frames.end) >= kMinRestSpeech ||
               (rest < frames.end && parts.unfinished_text);
  if (rest >= frames.end && parts.last_timestamp >= kMinAdvance) {
    rest = frames.begin + parts.last_timestamp;
    again = SpeechWithin(window->mel.speech, rest, frames.end) >= kMinLostSpeech;
  }
  if (!again || window->num_rests >= kMaxRests) return;
  Window more;
  more.num_rests = window->num_rests + 1;
  // Of the text before it a rest knows what its window said, unless that is not to be trusted.
  more.prompt = prompt_;
  if (options_.options().condition_on_previous_text && result.temperature <= 0.5) {
    more.prompt = window->prompt;
    for (const Segment& segment : window->segments) {
      more.prompt.insert(more.prompt.end(), segment.tokens.begin(), segment.tokens.end());
    }
  }
  more.mel.frames = {rest, frames.end};
  for (const MelRange& speech : window->mel.speech) {
    if (speech.end > rest) more.mel.speech.push_back({std::max(speech.begin, rest), speech.end});
  }
  recording.windows.insert(std::next(window), std::move(more));
}

void BatchTranscription::Deliver(Recordings::iterator recording) {
  std::list<Window>& windows = recording->windows;
  for (; !windows.empty() && windows.front().done; windows.pop_front()) {
    recording->delivered_to = windows.front().mel.frames.end;
    for (Segment& segment : windows.front().segments) {
      segment.id = static_cast<int64_t>(recording->segments.size());
      recording->tokens.insert(recording->tokens.end(), segment.tokens.begin(),
                               segment.tokens.end());
      recording->segments.push_back(std::move(segment));
      if (callbacks_.on_segment) {
        callbacks_.on_segment(recording->index, recording->segments.back());
      }
    }
  }
  if (recording->all_cut && windows.empty()) Close(recording, OkStatus());
}

void BatchTranscription::Close(Recordings::iterator recording, Status status) {
  const int index = recording->index;
  Result<Transcript> result = Transcript();
  if (status.ok() || status.code() == StatusCode::kCancelled) {
    result->text = tokenizer_.Decode(recording->tokens);
    result->language = recording->language;
    result->duration = recording->seconds;
    result->segments = std::move(recording->segments);
    result->language_probs = std::move(recording->language_probs);
    result->cancelled = !status.ok();
  } else {
    result = std::move(status);
  }
  for (const Window& window : recording->windows) {
    if (window.id >= 0 || window.num_rests > 0) continue;
    --num_free_;
    feed_->Taken();
  }
  if (!recording->all_cut) {
    closed_early_.insert(index);
    feed_->Abandon(index);
  }
  seconds_done_ += recording->seconds;
  ++num_done_;
  recordings_.erase(recording);
  if (callbacks_.on_transcript) callbacks_.on_transcript(index, std::move(result));
  ReportProgress();
}

void BatchTranscription::ReportProgress() const {
  if (!callbacks_.on_progress) return;
  double done = seconds_done_;
  for (const Recording& recording : recordings_) {
    done += static_cast<double>(recording.delivered_to) / kMelFramesPerSecond;
  }
  callbacks_.on_progress(num_done_, num_opened_, done, seconds_opened_);
}

}  // namespace tessera
