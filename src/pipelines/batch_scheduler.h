// BatchScheduler: continuous batching of windows through one WhisperSession.
//
// Up to max_windows windows are in work. Each step puts the tokens of all of them into one Decode
// call; the place of a window that is done is taken by the next one at once. A window whose result
// fails the thresholds is decoded again at the next temperature while the others go on; where that
// needs more decoder rows than the first attempt (best-of groups), it waits until they are free,
// and no new window is taken in before. What a window's result is does not depend on its company:
// rows do not influence each other, and random numbers are keyed by window and attempt.
#ifndef TESSERA_PIPELINES_BATCH_SCHEDULER_H_
#define TESSERA_PIPELINES_BATCH_SCHEDULER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "models/whisper/session.h"
#include "pipelines/decode_task.h"
#include "pipelines/language_detection.h"
#include "pipelines/window_decoder.h"
#include "pipelines/window_options.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

struct BatchWindow {
  int64_t id = 0;  // the client's
  const MelSource* mel = nullptr;
  int64_t begin = 0;       // first mel frame
  int64_t num_frames = 0;  // 1..3000, then zeros
  std::string language;    // code; empty: detected on this window first
  std::vector<int> prompt;
};

// Where windows come from and results go to. Called on the scheduler's thread, never during a step.
class BatchClient {
 public:
  virtual ~BatchClient() = default;
  // The next window; nothing where there is none before another one is done. Its mel is read
  // before any other call.
  virtual std::optional<BatchWindow> NextWindow() = 0;
  virtual void OnLanguage(int64_t id, LanguageDetection detection) = 0;
  // The window is done.
  virtual void OnResult(int64_t id, DecodingResult result) = 0;
  // The window's mel cannot be read.
  virtual void OnFailure(int64_t id, Status status) = 0;
};

class BatchScheduler {
 public:
  // Rows that a session of `batch_size` windows is to have for these options.
  static int NumRows(const WindowOptions& options, int batch_size);

  // Takes all windows and rows of the session, which has at least options.max_rows() rows. All
  // must outlive the scheduler.
  BatchScheduler(WhisperSession& session, const WhisperTokenizer& tokenizer,
                 const WindowOptions& options, BatchClient& client);

  // Until the client has no window and none is in work. Cancelled on a stop request; other errors
  // are those of the session or of options that do not fit the model, and concern all windows.
  Status Run(std::stop_token stop);

 private:
  struct Job {
    BatchWindow window;
    int place = 0;
    int attempt = 0;
    std::vector<int> rows;
    std::unique_ptr<DecodeTask> task;  // null while a language is looked for, or rows are
    bool detecting = false;
    int64_t num_logits = 0;  // of the present step
  };

  // Takes new windows in while there is place.
  Status Admit(std::stop_token stop);
  Status Encode(const BatchWindow& window, int place, Status* failure, std::stop_token stop);
  // Begins the job's attempt if the rows for it are free.
  Status TryStart(Job& job);
  Status Step(std::stop_token stop);
  // The logits of the job's inputs. True when the job has ended.
  Result<bool> Consume(Job& job, const View& logits);
  void Release(Job& job);

  WhisperSession& session_;
  const WhisperTokenizer& tokenizer_;
  const WindowOptions& options_;
  BatchClient& client_;
  std::vector<Job> jobs_;  // in the order of admission
  std::vector<int> free_places_;
  std::vector<int> free_rows_;
  std::vector<float> mel_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_BATCH_SCHEDULER_H_
