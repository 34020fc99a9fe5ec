// BatchScheduler: continuous batching of windows through one WhisperSession.
//
// Windows are encoded on threads of their own (EncodeQueue) while those that are encoded step
// together, the tokens of all in one Decode call; the rows of a window that is done are taken by
// the next one at once. While few windows step, the scheduler's thread encodes too: weights are
// read once a step for however many rows. A window whose result fails the thresholds is decoded
// again at the next temperature while the others go on; where that needs more decoder rows than the
// first attempt (best-of groups), it waits until they are free, and no other window begins before.
// What a window's result is does not depend on its company: rows do not influence each other, and
// random numbers are keyed by window and attempt. Windows of little content are encoded shortened,
// and as a whole where that leaves a doubt (encoder_length.h).
#ifndef TESSERA_PIPELINES_BATCH_SCHEDULER_H_
#define TESSERA_PIPELINES_BATCH_SCHEDULER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/wake_signal.h"
#include "models/whisper/model.h"
#include "models/whisper/session.h"
#include "pipelines/decode_task.h"
#include "pipelines/encode_queue.h"
#include "pipelines/language_detection.h"
#include "pipelines/window_decoder.h"
#include "pipelines/window_options.h"
#include "text/whisper_tokenizer.h"

namespace tessera {

struct BatchWindow {
  int64_t id = 0;  // the client's
  std::shared_ptr<const MelSource> mel;
  int64_t begin = 0;                    // first mel frame
  int64_t num_frames = 0;               // 1..3000, then zeros
  std::string language;                 // code; empty: detected on this window first
  std::vector<HearOut::Speech> speech;  // DecodingOptions::speech
  std::vector<int> prompt;
};

// Where windows come from and results go to. Called on the scheduler's thread, never during a step.
class BatchClient {
 public:
  virtual ~BatchClient() = default;
  // Before each step: what other threads have made ready may be handed out.
  virtual void Settle() = 0;
  // The next window; nothing where there is none at present. Its mel is read on another thread.
  virtual std::optional<BatchWindow> NextWindow() = 0;
  // Whether windows may come without another one being done before; WakeSignal tells when.
  virtual bool MoreToCome() = 0;
  virtual void OnLanguage(int64_t id, LanguageDetection detection) = 0;
  // The window is done.
  virtual void OnResult(int64_t id, DecodingResult result) = 0;
  // The window's mel cannot be read.
  virtual void OnFailure(int64_t id, Status status) = 0;
};

class BatchScheduler {
 public:
  // What a session has to have for `batch_size` windows that step together, on `num_threads`.
  static WhisperSessionOptions SessionOptions(const WindowOptions& options, int batch_size,
                                              int num_threads);

  // Takes all windows and rows of the session, which has at least options.max_rows() rows. `wake`
  // is waited on where there is nothing to do. All must outlive the scheduler.
  BatchScheduler(WhisperSession& session, const WhisperTokenizer& tokenizer,
                 const WindowOptions& options, BatchClient& client, WakeSignal& wake);

  // Until the client has no window, none is to come and none is in work. Cancelled on a stop
  // request; other errors are those of the session or of options that do not fit the model, and
  // concern all windows.
  Status Run(std::stop_token stop);

 private:
  struct Job {
    BatchWindow window;
    int place = 0;
    int64_t positions = 0;  // of its encoding; 0: the whole window
    int attempt = 0;
    std::vector<int> rows;
    bool encoded = false;
    std::unique_ptr<DecodeTask> task;  // null while a language is looked for, or rows are
    bool detecting = false;
    int64_t num_logits = 0;  // of the present step

    bool stepping() const { return task != nullptr || detecting; }
  };

  // New windows go to the encoders while there is place.
  void Admit();
  void Encode(const Job& job);
  // Encodes the whole window of a job that the shortened one leaves in doubt.
  void EncodeWhole(Job& job);
  // Windows that are encoded become ready to begin.
  Status Collect();
  // Begins jobs for which there are rows, those of further attempts first.
  Status Begin();
  // Begins the job's attempt if the rows for it are free.
  Status TryStart(Job& job);
  Status Step(std::stop_token stop);
  // The logits of the job's inputs. True when the job has ended.
  Result<bool> Consume(Job& job, const View& logits, int64_t first_output);
  void Release(Job& job);

  WhisperSession& session_;
  const WhisperTokenizer& tokenizer_;
  const WindowOptions& options_;
  BatchClient& client_;
  WakeSignal& wake_;
  EncodeQueue* encoders_ = nullptr;  // during Run
  std::vector<Job> jobs_;            // in the order of admission
  std::vector<int> free_places_;
  std::vector<int> free_rows_;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_BATCH_SCHEDULER_H_
