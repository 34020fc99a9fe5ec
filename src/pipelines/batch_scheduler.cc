#include "pipelines/batch_scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "pipelines/encoder_length.h"
#include "pipelines/window_segments.h"

namespace tessera {
namespace {

// Each has memory of its own, and more would wait for the decoder.
constexpr int kMaxHelpers = 12;

// The `count` lowest of `pool`, taken out: the same order of events uses the same rows.
std::vector<int> TakeLowest(std::vector<int>& pool, int count) {
  std::sort(pool.begin(), pool.end());
  std::vector<int> taken(pool.begin(), pool.begin() + count);
  pool.erase(pool.begin(), pool.begin() + count);
  return taken;
}

}  // namespace

WhisperSessionOptions BatchScheduler::SessionOptions(const WindowOptions& options, int batch_size,
                                                     int num_threads) {
  WhisperSessionOptions session;
  // All windows at their first attempt, and one that has gone on to the attempt with most rows.
  const int first = options.num_rows(0);
  session.max_rows =
      std::min(batch_size * first + options.max_rows() - first, WhisperModel::kMaxRows);
  session.max_windows = batch_size;
  if (num_threads > 1) {
    // A quarter of the threads steps, which is about the decoder's share of the work; the rest
    // encode, one window each, which costs no waiting for each other.
    session.narrow_threads = std::max(1, num_threads / 4);
    const int helpers = std::min(num_threads - session.narrow_threads, kMaxHelpers);
    session.num_encoders = 1 + helpers;
    // As many again as are being encoded are to step.
    session.max_windows = std::max(batch_size, 2 * helpers);
  }
  return session;
}

BatchScheduler::BatchScheduler(WhisperSession& session, const WhisperTokenizer& tokenizer,
                               const WindowOptions& options, BatchClient& client, WakeSignal& wake)
    : session_(session), tokenizer_(tokenizer), options_(options), client_(client), wake_(wake) {
  TESSERA_CHECK(session.max_rows() >= options.max_rows());
  for (int place = 0; place < session.max_windows(); ++place) free_places_.push_back(place);
  for (int row = 0; row < session.max_rows(); ++row) free_rows_.push_back(row);
}

Status BatchScheduler::Run(std::stop_token stop) {
  EncodeQueue encoders(session_, wake_, stop);
  encoders_ = &encoders;
  const std::stop_callback wake_at_stop(stop, [this] { wake_.Notify(); });
  // With encoders beside it this thread leaves a step out only while there are few rows.
  const int all = session_.max_windows();
  const int enough = encoders.num_helpers() == 0 ? all : (all - encoders.num_helpers()) * 3 / 4;
  while (true) {
    if (stop.stop_requested()) return Cancelled("a stop was requested");
    const uint32_t ticket = wake_.Ticket();
    client_.Settle();
    TESSERA_RETURN_IF_ERROR(Collect());
    TESSERA_RETURN_IF_ERROR(Begin());
    Admit();
    const auto stepping = std::ranges::count_if(jobs_, &Job::stepping);
    const bool few = stepping < enough && !free_rows_.empty();
    const bool encode = few && encoders.num_waiting() > 0;
    encoders.Offer(encode ? 1 : 0);
    if (encode) {
      encoders.RunOne();
    } else if (stepping > 0 && !(few && encoders.num_helpers() == 0 && !free_places_.empty() &&
                                 client_.MoreToCome())) {
      TESSERA_RETURN_IF_ERROR(Step(stop));
    } else if (!encoders.empty() || client_.MoreToCome()) {
      wake_.Wait(ticket);
    } else if (jobs_.empty()) {
      return OkStatus();
    }
  }
}

void BatchScheduler::Admit() {
  // A window behind each one that is being encoded; the others' places are for those that step.
  const int ahead = encoders_->num_helpers() + 1;
  while (!free_places_.empty() && encoders_->num_waiting() < ahead) {
    std::optional<BatchWindow> window = client_.NextWindow();
    if (!window) return;
    Job job;
    job.window = std::move(*window);
    job.place = TakeLowest(free_places_, 1).front();
    job.positions = options_.FirstPositions(session_.config(), job.window.num_frames);
    Encode(job);
    jobs_.push_back(std::move(job));
  }
}

void BatchScheduler::Encode(const Job& job) {
  encoders_->Push({.id = job.window.id,
                   .place = job.place,
                   .mel = job.window.mel,
                   .begin = job.window.begin,
                   .num_frames = job.window.num_frames,
                   .positions = job.positions});
}

void BatchScheduler::EncodeWhole(Job& job) {
  job.positions = 0;
  job.encoded = false;
  Encode(job);
}

Status BatchScheduler::Collect() {
  while (std::optional<EncodedWindow> done = encoders_->Pop()) {
    TESSERA_RETURN_IF_ERROR(done->encode);
    const auto job =
        std::ranges::find_if(jobs_, [&](const Job& j) { return j.window.id == done->id; });
    TESSERA_CHECK(job != jobs_.end());
    if (done->read.ok()) {
      job->encoded = true;
      continue;
    }
    free_places_.push_back(job->place);
    jobs_.erase(job);
    client_.OnFailure(done->id, std::move(done->read));
  }
  return OkStatus();
}

Status BatchScheduler::Begin() {
  for (const bool further : {true, false}) {
    for (Job& job : jobs_) {
      if (!job.encoded || job.stepping() || (job.attempt > 0) != further) continue;
      if (job.window.language.empty()) {
        if (free_rows_.empty()) return OkStatus();
        job.rows = TakeLowest(free_rows_, 1);
        job.detecting = true;
        session_.BeginRow(job.rows.front(), job.place);
      } else {
        TESSERA_RETURN_IF_ERROR(TryStart(job));
        if (!job.task) return OkStatus();
      }
    }
  }
  return OkStatus();
}

Status BatchScheduler::TryStart(Job& job) {
  const int num_rows = options_.num_rows(job.attempt);
  if (static_cast<int>(free_rows_.size()) < num_rows) return OkStatus();
  job.rows = TakeLowest(free_rows_, num_rows);
  DecodingOptions options =
      options_.At(job.attempt, job.window.begin, job.window.language, job.window.prompt);
  options.speech = job.window.speech;
  TESSERA_ASSIGN_OR_RETURN(job.task, DecodeTask::Create(tokenizer_, session_.config(),
                                                        std::move(options), job.place, job.rows));
  return OkStatus();
}

void BatchScheduler::Release(Job& job) {
  free_rows_.insert(free_rows_.end(), job.rows.begin(), job.rows.end());
  job.rows.clear();
  job.task.reset();
  job.detecting = false;
}

Status BatchScheduler::Step(std::stop_token stop) {
  std::vector<TokenInput> inputs;
  for (Job& job : jobs_) {
    const size_t before = inputs.size();
    if (job.detecting) {
      inputs.push_back(
          {.token = tokenizer_.sot(), .position = 0, .row = job.rows.front(), .want_logits = true});
    } else if (job.task) {
      const std::vector<TokenInput> own = job.task->NextInputs(session_);
      inputs.insert(inputs.end(), own.begin(), own.end());
    }
    job.num_logits =
        std::count_if(inputs.begin() + static_cast<std::ptrdiff_t>(before), inputs.end(),
                      [](const TokenInput& input) { return input.want_logits; });
  }
  TESSERA_ASSIGN_OR_RETURN(const View logits, session_.Decode(inputs, stop));
  const int64_t vocab_size = session_.config().vocab_size;
  int64_t total = 0;
  for (const Job& job : jobs_) total += job.num_logits;
  if (logits.dtype != DType::kF32 || logits.shape != Shape{total, vocab_size}) {
    return Internal("expected f32 logits of " + std::to_string(total) + " rows, found " +
                    ShapeToString(logits.shape));
  }

  int64_t row = 0;
  for (size_t i = 0; i < jobs_.size();) {
    Job& job = jobs_[i];
    const int64_t count = job.num_logits;
    bool ended = false;
    if (count > 0) {
      const View own{
          logits.Span<float>().data() + row * vocab_size, DType::kF32, {count, vocab_size}};
      TESSERA_ASSIGN_OR_RETURN(ended, Consume(job, own, row));
      row += count;
    }
    if (ended) {
      jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  return OkStatus();
}

Result<bool> BatchScheduler::Consume(Job& job, const View& logits, int64_t first_output) {
  if (job.detecting) {
    LanguageDetection detection = LanguageFromLogits(tokenizer_, logits.Span<float>());
    Release(job);
    if (job.positions > 0 && NeedsWholeWindow(detection)) {
      EncodeWhole(job);
      return false;
    }
    job.window.language = detection.language;
    client_.OnLanguage(job.window.id, std::move(detection));
    return false;
  }
  TESSERA_RETURN_IF_ERROR(job.task->Consume(logits, session_, first_output));
  if (!job.task->done()) return false;
  DecodingResult result = job.task->result();
  Release(job);
  const bool fallback = NeedsFallback(result, options_.options());
  if (job.positions > 0 &&
      (fallback || NeedsWholeWindow(result, !options_.options().without_timestamps,
                                    job.window.num_frames, tokenizer_, session_.config()))) {
    EncodeWhole(job);
    return false;
  }
  if (fallback && job.attempt + 1 < options_.num_attempts()) {
    ++job.attempt;
    return false;
  }
  free_places_.push_back(job.place);
  client_.OnResult(job.window.id, std::move(result));
  return true;
}

}  // namespace tessera
