#include "models/bert/model.h"

#include <algorithm>
#include <numeric>

#include "base/file.h"
#include "models/bert/import_onnx.h"
#include "models/bert/load.h"
#include "models/bert/stages.h"
#include "runtime/packed_weights.h"

namespace tessera {
namespace {

StageProbe ProbeOf(const TextTokenizer& tokenizer, int64_t max_tokens, int64_t position_offset) {
  const std::vector<int32_t> ids = tokenizer.Encode(TextEncoder::ProbeText(), max_tokens).ids;
  const auto count = static_cast<int64_t>(ids.size());
  Tensor tokens(DType::kI32, {count}), positions(DType::kI32, {count}), offsets(DType::kI32, {2});
  std::ranges::copy(ids, tokens.Span<int32_t>().begin());
  std::iota(positions.Span<int32_t>().begin(), positions.Span<int32_t>().end(),
            static_cast<int32_t>(position_offset));
  offsets.As<int32_t>()[0] = 0;
  offsets.As<int32_t>()[1] = static_cast<int32_t>(count);
  StageProbe probe;
  StageProbe::Inputs& inputs = probe.runs.emplace_back();
  inputs.emplace_back("ids", std::move(tokens));
  inputs.emplace_back("positions", std::move(positions));
  inputs.emplace_back("offsets", std::move(offsets));
  return probe;
}

bool HasSafetensors(const std::string& folder) {
  return FileExists(JoinPath(folder, "model.safetensors")) ||
         FileExists(JoinPath(folder, "model.safetensors.index.json"));
}

}  // namespace

const char* TextEncoder::ProbeText() {
  return "The harbour lay quiet that morning. Fishing boats rocked at their moorings, gulls "
         "circled "
         "above the quay, and an old man mended his nets while he told the children how far he had "
         "once sailed to the north, where in summer the sun does not set.";
}

Result<std::shared_ptr<const TextEncoder>> TextEncoder::Load(
    const std::string& path, std::shared_ptr<const ExecutionProvider> provider,
    const TextEncoderLoadOptions& options) {
  std::shared_ptr<TextEncoder> model(new TextEncoder());
  std::string folder = path;
  BertFiles files;
  if (FolderExists(path) && HasSafetensors(path)) {
    model->format_ = "safetensors";
    TESSERA_ASSIGN_OR_RETURN(files, LoadBertSafetensors(path));
  } else {
    model->format_ = "onnx";
    TESSERA_ASSIGN_OR_RETURN(files, LoadBertOnnx(path));
    if (!FolderExists(path)) {
      const size_t slash = path.rfind('/');
      folder = slash == path.npos ? "." : path.substr(0, slash);
      // The layout of many repositories: onnx/model.onnx, the other files beside "onnx".
      if (BaseName(folder) == "onnx" && !FileExists(JoinPath(folder, "config.json")))
        folder = JoinPath(folder, "..");
    }
  }
  const BertConfig& config = files.config;
  model->options_ = options;
  model->provider_ = std::move(provider);
  model->width_ = config.width;
  model->position_offset_ = config.position_offset;
  TESSERA_ASSIGN_OR_RETURN(model->tokenizer_, LoadTextTokenizer(folder));
  if (model->tokenizer_->vocab_size() > config.vocab_size)
    return DataLoss(folder + ": the tokenizer has " +
                    std::to_string(model->tokenizer_->vocab_size()) +
                    " tokens, the model's table " + std::to_string(config.vocab_size) +
                    "; they do not belong together");
  TESSERA_ASSIGN_OR_RETURN(
      model->settings_,
      ReadTextEncoderSettings(folder, std::min(config.num_positions(), kMaxTokens)));

  CompileOptions compile;
  compile.precision = BertAttentionPrecision(options.precision);
  compile.max_dims = {{"tokens", kMaxTokens}, {"sequences", kMaxTokens}};
  compile.linear_precision = [&](const std::string& node) {
    return BertLinearPrecision(node, options.precision);
  };
  // The program, and with it this function, lives no longer than the model.
  compile.probe = [m = model.get()]() -> Result<StageProbe> {
    return ProbeOf(*m->tokenizer_, m->settings_.max_tokens, m->position_offset_);
  };
  const std::string variant =
      std::string(model->provider_->name()) + "-" + std::string(PrecisionName(options.precision));
  if (std::optional<CompileCacheKey> key = PackedWeightsKey(files.weights.files, variant))
    compile.cache = model->provider_->OpenCache(*std::move(key));
  TESSERA_ASSIGN_OR_RETURN(model->graph_, BuildBertEncoder(config, files.weights));
  TESSERA_ASSIGN_OR_RETURN(model->program_, model->provider_->Compile(model->graph_, compile));
  // A provider packs weights in its own form; the file's pages would count as our memory on top.
  files.weights.release_pages();
  if (compile.cache != nullptr) CommitPackedWeights(*compile.cache);
  return std::shared_ptr<const TextEncoder>(std::move(model));
}

Result<std::unique_ptr<TextEncoderSession>> TextEncoder::NewSession(
    const TextEncoderSessionOptions& options) const {
  if (options.threads < 0 || options.threads > provider_->num_threads())
    return InvalidArgument("a text encoder's session takes 0.." +
                           std::to_string(provider_->num_threads()) + " threads, found " +
                           std::to_string(options.threads));
  auto threads = options.threads == 0 ? nullptr : std::make_shared<ThreadPool>(options.threads);
  return std::unique_ptr<TextEncoderSession>(
      new TextEncoderSession(shared_from_this(), program_->NewContext(std::move(threads))));
}

Status TextEncoderSession::Run(std::span<const int32_t> ids, std::span<const int32_t> offsets,
                               std::span<float> hidden, std::stop_token stop) {
  const auto count = static_cast<int64_t>(ids.size());
  const int64_t max_tokens = encoder_->settings().max_tokens;
  if (count < 1 || count > TextEncoder::kMaxTokens)
    return InvalidArgument("a run takes 1.." + std::to_string(TextEncoder::kMaxTokens) +
                           " tokens, found " + std::to_string(count));
  if (static_cast<int64_t>(hidden.size()) != count * encoder_->width())
    return InvalidArgument("hidden: expected room for " +
                           std::to_string(count * encoder_->width()) + " numbers, found " +
                           std::to_string(hidden.size()));
  if (offsets.size() < 2 || offsets.front() != 0 || offsets.back() != count)
    return InvalidArgument("offsets: expected 0 first and " + std::to_string(count) + " last");
  positions_.resize(ids.size());
  for (size_t s = 1; s < offsets.size(); ++s) {
    const int64_t length = int64_t{offsets[s]} - offsets[s - 1];
    if (length < 1 || length > max_tokens || offsets[s] > count)
      return InvalidArgument("text " + std::to_string(s - 1) + ": expected 1.." +
                             std::to_string(max_tokens) + " tokens, found " +
                             std::to_string(length));
    for (int32_t i = 0; i < length; ++i)
      positions_[offsets[s - 1] + i] = static_cast<int32_t>(encoder_->position_offset_) + i;
  }
  const auto view = [](std::span<const int32_t> v) {
    return View{v.data(), DType::kI32, {static_cast<int64_t>(v.size())}};
  };
  const NamedView in[] = {
      {"ids", view(ids)}, {"positions", view(positions_)}, {"offsets", view(offsets)}};
  const NamedMutableView out[] = {
      {"hidden", {hidden.data(), DType::kF32, {count, encoder_->width()}}}};
  return encoder_->program_->Run(*context_, nullptr, {in, out}, stop);
}

}  // namespace tessera
