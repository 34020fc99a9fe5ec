// Silero VAD: how probable speech is in each 32 ms of 16 kHz audio.
//
// SileroModel is const after Load and shared by threads; a SileroSession is one pass over one
// signal and belongs to one thread at a time. A session takes the signal in pieces of any number of
// chunks; the probabilities have the same bits however it is cut.
#ifndef TESSERA_MODELS_SILERO_MODEL_H_
#define TESSERA_MODELS_SILERO_MODEL_H_

#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "graph/graph.h"
#include "models/silero/weights.h"
#include "providers/execution_provider.h"

namespace tessera {

class SileroSession;

class SileroModel : public std::enable_shared_from_this<SileroModel> {
 public:
  // `path` as for LoadSileroWeights. All layers run in f32.
  static Result<std::shared_ptr<const SileroModel>> Load(
      const std::string& path, std::shared_ptr<const ExecutionProvider> provider);

  // `threads`: as Program::NewContext.
  std::unique_ptr<SileroSession> NewSession(std::shared_ptr<ThreadPool> threads = nullptr) const;
  const Graph& features_graph() const { return features_graph_; }
  const Graph& recurrent_graph() const { return recurrent_graph_; }

 private:
  friend class SileroSession;
  SileroModel() = default;

  std::shared_ptr<const ExecutionProvider> provider_;
  Graph features_graph_, recurrent_graph_;
  std::unique_ptr<Program> features_, recurrent_;
};

class SileroSession {
 public:
  // Chunks of one run of the network; their activations take 4 MB.
  static constexpr int64_t kMaxChunks = 256;

  // The next chunk is the first of a signal: silence before it, no memory.
  void Reset();
  // The next probabilities.size() chunks of 512 samples in [-1, 1); `samples` has exactly theirs.
  // After an error (a stop request among them) the session must be Reset.
  Status Run(std::span<const float> samples, std::span<float> probabilities, std::stop_token stop);

 private:
  friend class SileroModel;
  SileroSession(std::shared_ptr<const SileroModel> model,
                const std::shared_ptr<ThreadPool>& threads);
  Status RunBatch(std::span<const float> samples, std::span<float> probabilities,
                  std::stop_token stop);

  std::shared_ptr<const SileroModel> model_;
  std::unique_ptr<ExecutionContext> features_context_, recurrent_context_;
  Tensor context_;   // [kContext], the last samples so far
  Tensor state_;     // [2, 1, kHidden]
  Tensor input_;     // [kMaxChunks, kInput, 1]
  Tensor features_;  // [kMaxChunks, 1, kHidden]
  Tensor states_;    // [kMaxChunks + 1, 1, kHidden]
};

}  // namespace tessera

#endif  // TESSERA_MODELS_SILERO_MODEL_H_
