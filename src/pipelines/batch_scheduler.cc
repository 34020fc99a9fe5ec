#include "pipelines/batch_scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "pipelines/window_segments.h"

namespace tessera {
namespace {

// The `count` lowest of `pool`, taken out: the same order of events uses the same rows.
std::vector<int> TakeLowest(std::vector<int>& pool, int count) {
  std::sort(pool.begin(), pool.end());
  std::vector<int> taken(pool.begin(), pool.begin() + count);
  pool.erase(pool.begin(), pool.begin() + count);
  return taken;
}

}  // namespace

int BatchScheduler::NumRows(const WindowOptions& options, int batch_size) {
  // All windows at their first attempt, and one that has gone on to the attempt with most rows.
  const int first = options.num_rows(0);
  return batch_size * first + options.max_rows() - first;
}

BatchScheduler::BatchScheduler(WhisperSession& session, const WhisperTokenizer& tokenizer,
                               const WindowOptions& options, BatchClient& client)
    : session_(session), tokenizer_(tokenizer), options_(options), client_(client) {
  TESSERA_CHECK(session.max_rows() >= options.max_rows());
  for (int place = 0; place < session.max_windows(); ++place) free_places_.push_back(place);
  for (int row = 0; row < session.max_rows(); ++row) free_rows_.push_back(row);
}

Status BatchScheduler::Run(std::stop_token stop) {
  while (true) {
    if (stop.stop_requested()) return Cancelled("a stop was requested");
    for (Job& job : jobs_) {
      if (!job.task && !job.detecting) TESSERA_RETURN_IF_ERROR(TryStart(job));
    }
    TESSERA_RETURN_IF_ERROR(Admit(stop));
    if (jobs_.empty()) return OkStatus();
    TESSERA_RETURN_IF_ERROR(Step(stop));
  }
}

Status BatchScheduler::Admit(std::stop_token stop) {
  const auto rows_needed = static_cast<size_t>(options_.num_rows(0));
  while (!free_places_.empty() && free_rows_.size() >= rows_needed) {
    const bool waiting = std::any_of(jobs_.begin(), jobs_.end(),
                                     [](const Job& job) { return !job.task && !job.detecting; });
    if (waiting) return OkStatus();
    std::optional<BatchWindow> window = client_.NextWindow();
    if (!window) return OkStatus();
    const int place = TakeLowest(free_places_, 1).front();
    Status failure;
    TESSERA_RETURN_IF_ERROR(Encode(*window, place, &failure, stop));
    if (!failure.ok()) {
      free_places_.push_back(place);
      client_.OnFailure(window->id, std::move(failure));
      continue;
    }
    Job job;
    job.window = std::move(*window);
    job.place = place;
    job.detecting = job.window.language.empty();
    if (job.detecting) {
      job.rows = TakeLowest(free_rows_, 1);
      session_.BeginRow(job.rows.front(), place);
    } else {
      TESSERA_RETURN_IF_ERROR(TryStart(job));
    }
    jobs_.push_back(std::move(job));
  }
  return OkStatus();
}

Status BatchScheduler::Encode(const BatchWindow& window, int place, Status* failure,
                              std::stop_token stop) {
  const int64_t num_mels = session_.config().num_mels;
  TESSERA_CHECK(window.mel->num_mels() == num_mels && window.num_frames >= 1 &&
                window.num_frames <= session_.config().num_frames());
  mel_.resize(static_cast<size_t>(window.num_frames * num_mels));
  *failure = window.mel->Frames(window.begin, window.num_frames, mel_);
  if (!failure->ok()) return OkStatus();
  return session_.Encode(View{mel_.data(), DType::kF32, {window.num_frames, num_mels}}, place, {},
                         stop);
}

Status BatchScheduler::TryStart(Job& job) {
  const int num_rows = options_.num_rows(job.attempt);
  if (static_cast<int>(free_rows_.size()) < num_rows) return OkStatus();
  job.rows = TakeLowest(free_rows_, num_rows);
  TESSERA_ASSIGN_OR_RETURN(
      job.task, DecodeTask::Create(tokenizer_, session_.config(),
                                   options_.At(job.attempt, job.window.begin, job.window.language,
                                               job.window.prompt),
                                   job.place, job.rows));
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
      TESSERA_ASSIGN_OR_RETURN(ended, Consume(job, own));
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

Result<bool> BatchScheduler::Consume(Job& job, const View& logits) {
  if (job.detecting) {
    LanguageDetection detection = LanguageFromLogits(tokenizer_, logits.Span<float>());
    job.window.language = detection.language;
    Release(job);
    client_.OnLanguage(job.window.id, std::move(detection));
    return false;
  }
  TESSERA_RETURN_IF_ERROR(job.task->Consume(logits));
  if (!job.task->done()) return false;
  DecodingResult result = job.task->result();
  Release(job);
  if (NeedsFallback(result, options_.options()) && job.attempt + 1 < options_.num_attempts()) {
    ++job.attempt;
    return false;
  }
  free_places_.push_back(job.place);
  client_.OnResult(job.window.id, std::move(result));
  return true;
}

}  // namespace tessera
