#include "models/whisper/model.h"

#include "models/whisper/load.h"
#include "models/whisper/probe.h"
#include "models/whisper/program_session.h"
#include "models/whisper/stages.h"
#include "runtime/packed_weights.h"

namespace tessera {

CompileOptions WhisperModel::StageOptions(int64_t windows, int64_t rows) const {
  CompileOptions o;
  o.precision = options_.precision;
  o.max_dims = {{"batch", 1},
                {"positions", config_.num_audio_positions},
                {"tokens", ProgramSession::kMaxTokens},
                {"outputs", ProgramSession::kMaxTokens},
                {"history", config_.num_text_positions},
                {"windows", windows},
                {"rows", rows}};
  return o;
}

Result<std::shared_ptr<const WhisperModel>> WhisperModel::Load(
    const std::string& path, std::shared_ptr<const ExecutionProvider> provider,
    const WhisperLoadOptions& options) {
  TESSERA_ASSIGN_OR_RETURN(WhisperFiles files, LoadWhisperFiles(path));
  const int64_t vocab_size = files.config.vocab_size;
  Result<WhisperTokenizer> tokenizer =
      files.text_tokens.empty()
          ? WhisperTokenizer::Load(path, vocab_size)
          : WhisperTokenizer::FromVocabulary(VocabularyFromBytes(std::move(files.text_tokens)),
                                             vocab_size);
  if (!tokenizer.ok()) return std::move(tokenizer).status();

  std::shared_ptr<WhisperModel> model(new WhisperModel(files.config, std::move(tokenizer).value()));
  model->format_ = files.format;
  model->options_ = options;
  model->provider_ = std::move(provider);
  CompileOptions stage_options = model->StageOptions(kMaxWindows, kMaxRows);
  const std::string variant =
      std::string(model->provider_->name()) + "-" + std::string(PrecisionName(options.precision));
  if (std::optional<CompileCacheKey> key = PackedWeightsKey(files.weights.files, variant))
    stage_options.cache = model->provider_->OpenCache(*std::move(key));
  // A provider packs weights in its own form; the file's pages would count as our memory on top.
  auto compile = [&](const Graph& graph, std::function<Result<StageProbe>()> probe) {
    CompileOptions own = stage_options;
    own.probe = std::move(probe);
    own.linear_precision = [&](const std::string& node) {
      return WhisperLinearPrecision(graph.name(), node, options.precision);
    };
    Result<std::unique_ptr<Program>> program = model->provider_->Compile(graph, own);
    files.weights.release_pages();
    return program;
  };
  TESSERA_ASSIGN_OR_RETURN(model->encoder_graph_, BuildWhisperEncoder(files.config, files.weights));
  TESSERA_ASSIGN_OR_RETURN(model->cross_kv_graph_,
                           BuildWhisperCrossKv(files.config, files.weights));
  TESSERA_ASSIGN_OR_RETURN(model->decoder_graph_, BuildWhisperDecoder(files.config, files.weights));
  // Programs, and with them these functions, live no longer than the model.
  const WhisperModel* const m = model.get();
  TESSERA_ASSIGN_OR_RETURN(model->encoder_, compile(model->encoder_graph_, [m] {
                             return WhisperEncoderProbe(m->config_);
                           }));
  TESSERA_ASSIGN_OR_RETURN(model->cross_kv_, compile(model->cross_kv_graph_, [m] {
                             return WhisperCrossKvProbe(m->config_, m->encoder_graph_,
                                                        *m->encoder_);
                           }));
  TESSERA_ASSIGN_OR_RETURN(model->decoder_, compile(model->decoder_graph_, [m] {
                             return WhisperDecoderProbe(m->config_, m->tokenizer_);
                           }));
  if (stage_options.cache != nullptr) CommitPackedWeights(*stage_options.cache);
  model->token_embedding_ = files.weights.token_embedding;
  model->release_pages_ = files.weights.release_pages;
  return std::shared_ptr<const WhisperModel>(std::move(model));
}

size_t WhisperModel::weight_bytes() const {
  return encoder_->weight_bytes() + cross_kv_->weight_bytes() + decoder_->weight_bytes();
}

Result<std::unique_ptr<WhisperSession>> WhisperModel::NewSession(
    const WhisperSessionOptions& options) const {
  return ProgramSession::Create(shared_from_this(), options);
}

}  // namespace tessera
