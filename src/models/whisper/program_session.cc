#include "models/whisper/program_session.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/gather.h"

namespace tessera {

ProgramSession::ProgramSession(std::shared_ptr<const WhisperModel> model,
                               const WhisperSessionOptions& options)
    : model_(std::move(model)),
      window_length_(options.max_windows),
      rows_(options.max_rows),
      iota_(config().num_audio_positions) {
  const WhisperConfig& c = config();
  for (Row& row : rows_) row.slots.resize(c.num_text_positions);
  if (options.num_encoders > 1) narrow_ = std::make_shared<ThreadPool>(options.narrow_threads);
  for (int i = 0; i < options.num_encoders; ++i) {
    const auto threads = i == 0 ? nullptr : std::make_shared<ThreadPool>(1);
    std::unique_ptr<ExecutionContext> encoder = model_->encoder_->NewContext(threads);
    std::unique_ptr<ExecutionContext> cross_kv =
        model_->cross_kv_->NewContext(threads, encoder.get());
    encoders_.push_back({std::move(encoder), std::move(cross_kv),
                         Tensor(DType::kF32, {1, c.num_frames(), c.num_mels}),
                         Tensor(DType::kF32, {1, c.num_audio_positions, c.audio_width})});
  }
  // Encoder 0 and the decoder run on one thread, in turns.
  decoder_ = model_->decoder_->NewContext(nullptr, encoders_.front().encoder.get());
  std::iota(iota_.begin(), iota_.end(), 0);
}

Result<std::unique_ptr<WhisperSession>> ProgramSession::Create(
    std::shared_ptr<const WhisperModel> model, const WhisperSessionOptions& options) {
  if (options.max_windows < 1 || options.max_windows > WhisperModel::kMaxWindows ||
      options.max_rows < 1 || options.max_rows > WhisperModel::kMaxRows)
    return InvalidArgument("a session takes 1.." + std::to_string(WhisperModel::kMaxWindows) +
                           " windows and 1.." + std::to_string(WhisperModel::kMaxRows) +
                           " rows, found " + std::to_string(options.max_windows) + " and " +
                           std::to_string(options.max_rows));
  if (options.num_encoders < 1 || options.num_encoders > options.max_windows ||
      options.narrow_threads < 1 || options.narrow_threads > model->provider_->num_threads())
    return InvalidArgument("a session of " + std::to_string(options.max_windows) +
                           " windows takes as many encoders at most, found " +
                           std::to_string(options.num_encoders) + " with " +
                           std::to_string(options.narrow_threads) + " narrow threads");
  const Graph* graphs[] = {&model->cross_kv_graph_, &model->decoder_graph_};
  TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<StateStore> states,
                           model->provider_->NewStateStore(
                               graphs, model->StageOptions(options.max_windows, options.max_rows)));
  std::unique_ptr<ProgramSession> session(new ProgramSession(std::move(model), options));
  session->states_ = std::move(states);
  return std::unique_ptr<WhisperSession>(std::move(session));
}

Status ProgramSession::Encode(const View& mel, int window, const EncodeOptions& options,
                              std::stop_token stop) {
  const WhisperConfig& c = config();
  TESSERA_CHECK(window >= 0 && window < max_windows());
  TESSERA_CHECK(options.encoder >= 0 && options.encoder < num_encoders());
  TESSERA_CHECK(options.positions >= 0 && options.positions <= c.num_audio_positions);
  Encoder& own = encoders_[options.encoder];
  // Token by token the decoder would bring half of the file into memory, 64 KiB for a row.
  model_->release_pages_();
  const struct Counted {
    explicit Counted(std::atomic<int>& n) : n(n) { ++n; }
    ~Counted() { --n; }
    std::atomic<int>& n;
  } counted(num_encoding_);
  if (options.encoder == 0) {
    own.encoder->UseThreads(options.alone ? nullptr : narrow_);
    own.cross_kv->UseThreads(options.alone ? nullptr : narrow_);
  }
  const bool whole = options.positions == 0 || model_->provider_->fixed_shapes();
  const int64_t positions = whole ? c.num_audio_positions : options.positions;
  View padded = own.mel.ViewOf();
  padded.shape = {1, positions * c.num_frames() / c.num_audio_positions, c.num_mels};
  if (mel.dtype != DType::kF32 || mel.shape.size() != 2 || mel.shape[0] > padded.shape[1] ||
      mel.shape[1] != c.num_mels)
    return InvalidArgument("mel: expected f32 [up to " + std::to_string(padded.shape[1]) + ", " +
                           std::to_string(c.num_mels) + "], found " +
                           std::string(DTypeName(mel.dtype)) + " " + ShapeToString(mel.shape));
  char* const begin = static_cast<char*>(own.mel.MutableViewOf().data);
  if (mel.bytes() != 0) std::memcpy(begin, mel.data, mel.bytes());
  std::memset(begin + mel.bytes(), 0, padded.bytes() - mel.bytes());
  window_length_[window] = 0;

  const View ids{iota_.data(), DType::kI32, {positions}};
  MutableView features = own.features.MutableViewOf();
  features.shape = {1, positions, c.audio_width};
  const NamedView encoder_in[] = {{"mel", padded}, {"position_ids", ids}};
  const NamedMutableView encoder_out[] = {{"features", features}};
  TESSERA_RETURN_IF_ERROR(
      model_->encoder_->Run(*own.encoder, nullptr, {encoder_in, encoder_out}, stop));

  const std::vector<int32_t> slot(positions, window);
  View rows = own.features.ViewOf();
  rows.shape = {positions, c.audio_width};
  const NamedView cross_in[] = {
      {"features", rows}, {"slot", {slot.data(), DType::kI32, {positions}}}, {"position", ids}};
  TESSERA_RETURN_IF_ERROR(
      model_->cross_kv_->Run(*own.cross_kv, states_.get(), {cross_in, {}}, stop));
  window_length_[window] = static_cast<int32_t>(positions);
  return OkStatus();
}

void ProgramSession::BeginRow(int row, int window) {
  TESSERA_CHECK(row >= 0 && row < max_rows() && window >= 0 && window < max_windows());
  rows_[row].window = window;
  rows_[row].length = 0;
}

void ProgramSession::ReorderRows(std::span<const int> targets, std::span<const int> sources) {
  TESSERA_CHECK(targets.size() == sources.size());
  std::vector<Row> old;
  old.reserve(sources.size());
  for (int source : sources) old.push_back(rows_[source]);
  for (size_t i = 0; i < targets.size(); ++i) {
    TESSERA_CHECK(rows_[targets[i]].window == old[i].window);
    rows_[targets[i]] = std::move(old[i]);
  }
}

Result<View> ProgramSession::Decode(std::span<const TokenInput> tokens, std::stop_token stop) {
  const WhisperConfig& c = config();
  int64_t outputs = 0;
  for (const TokenInput& t : tokens) outputs += t.want_logits;
  if (logits_.shape().empty() || logits_.shape()[0] < outputs)
    logits_ = Tensor(DType::kF32, {std::max<int64_t>(outputs, 1), c.vocab_size});
  if (hidden_.shape().empty() || hidden_.shape()[0] < outputs)
    hidden_ = Tensor(DType::kF32, {std::max<int64_t>(outputs, 1), c.text_width});
  int64_t done = 0;
  for (size_t begin = 0; begin < tokens.size(); begin += kMaxTokens) {
    const auto some = tokens.subspan(begin, std::min<size_t>(kMaxTokens, tokens.size() - begin));
    const int64_t wanted =
        std::count_if(some.begin(), some.end(), [](const TokenInput& t) { return t.want_logits; });
    TESSERA_RETURN_IF_ERROR(DecodeSome(some, done, wanted, stop));
    done += wanted;
  }
  View result = logits_.ViewOf();
  result.shape[0] = outputs;
  return result;
}

Status ProgramSession::DecodeSome(std::span<const TokenInput> tokens, int64_t first_output,
                                  int64_t num_outputs, std::stop_token stop) {
  const WhisperConfig& c = config();
  const int64_t n = static_cast<int64_t>(tokens.size());
  int32_t longest = 0;
  for (const TokenInput& t : tokens) longest = std::max(longest, t.position + 1);
  if (longest > c.num_text_positions)
    return InvalidArgument("a decoder row holds " + std::to_string(c.num_text_positions) +
                           " tokens, found position " + std::to_string(longest - 1));
  std::vector<int32_t> token(n), position(n), slot(n), length(n), window(n), window_length(n);
  std::vector<int32_t> history(n * longest), outputs;
  std::vector<uint8_t> partial;
  auto first_logit = static_cast<int32_t>(c.vocab_size);  // of the rows that do not want all
  for (int64_t i = 0; i < n; ++i) {
    const TokenInput& t = tokens[i];
    if (t.row < 0 || t.row >= max_rows() || rows_[t.row].window < 0 ||
        window_length_[rows_[t.row].window] == 0)
      return InvalidArgument("row " + std::to_string(t.row) + " has no encoded window");
    Row& row = rows_[t.row];
    if (t.position != row.length)
      return InvalidArgument("row " + std::to_string(t.row) + ": expected position " +
                             std::to_string(row.length) + ", found " + std::to_string(t.position));
    row.slots[row.length++] = t.row;
    token[i] = t.token;
    position[i] = t.position;
    slot[i] = t.row;
    length[i] = row.length;
    window[i] = row.window;
    window_length[i] = window_length_[row.window];
    std::copy_n(row.slots.begin(), row.length, history.begin() + i * longest);
    if (!t.want_logits) continue;
    outputs.push_back(static_cast<int32_t>(i));
    partial.push_back(t.first_logit > 0);
    if (t.first_logit > 0) first_logit = std::min(first_logit, t.first_logit);
  }
  // A prompt part whose logits nobody wants still has to fill the caches.
  Tensor unused, unused_hidden;
  MutableView hidden{
      hidden_.As<float>() + first_output * c.text_width, DType::kF32, {num_outputs, c.text_width}};
  MutableView logits{
      logits_.As<float>() + first_output * c.vocab_size, DType::kF32, {num_outputs, c.vocab_size}};
  if (outputs.empty()) {
    outputs.push_back(static_cast<int32_t>(n - 1));
    unused = Tensor(DType::kF32, {1, c.vocab_size});
    logits = unused.MutableViewOf();
    unused_hidden = Tensor(DType::kF32, {1, c.text_width});
    hidden = unused_hidden.MutableViewOf();
    partial.push_back(1);
  }
  auto ids = [](std::vector<int32_t>& v) {
    return View{v.data(), DType::kI32, {static_cast<int64_t>(v.size())}};
  };
  const NamedView in[] = {{"tokens", ids(token)},
                          {"position", ids(position)},
                          {"slot", ids(slot)},
                          {"history", {history.data(), DType::kI32, {n, longest}}},
                          {"length", ids(length)},
                          {"window", ids(window)},
                          {"window_length", ids(window_length)},
                          {"outputs", ids(outputs)}};
  const NamedMutableView out[] = {{"hidden", hidden}, {"logits", logits}};
  // The same bits from any number of threads.
  decoder_->UseThreads(num_encoding_.load() > 0 ? narrow_ : nullptr);
  return model_->decoder_->Run(
      *decoder_, states_.get(),
      {.inputs = in, .outputs = out, .partial_rows = {"logits", first_logit, partial}}, stop);
}

bool ProgramSession::rescores() const { return model_->precision() == kernels::Precision::kInt8; }

void ProgramSession::Rescore(int64_t output, std::span<const int> ids,
                             std::span<float> logits) const {
  const int64_t width = config().text_width;
  TESSERA_CHECK(output >= 0 && output < hidden_.shape()[0] && ids.size() == logits.size());
  const float* const hidden = hidden_.ViewOf().Span<float>().data() + output * width;
  const View& table = model_->token_embedding_;
  std::vector<float> row(width);
  for (size_t i = 0; i < ids.size(); ++i) {
    const int32_t id = ids[i];
    kernels::GatherRows(table.data, table.dtype, table.shape[0], width, width, &id, 1, row.data(),
                        width);
    double sums[4] = {};
    for (int64_t k = 0; k < width; ++k) sums[k % 4] += double{hidden[k]} * row[k];
    logits[i] = static_cast<float>((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
}

}  // namespace tessera
