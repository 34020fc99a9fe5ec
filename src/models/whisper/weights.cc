#include "models/whisper/weights.h"

#include <string>

namespace tessera {
namespace {

class Checker {
 public:
  explicit Checker(std::string prefix) : prefix_(std::move(prefix)) {}
  Checker& Tensor(const std::string& name, const View& view, const Shape& expected) {
    const bool is_float =
        view.dtype == DType::kF32 || view.dtype == DType::kF16 || view.dtype == DType::kBF16;
    if (status_.ok() && (view.data == nullptr || view.shape != expected || !is_float)) {
      status_ = DataLoss(
          prefix_ + name + ": expected a float tensor " + ShapeToString(expected) + ", found " +
          (view.data == nullptr
               ? "nothing"
               : std::string(DTypeName(view.dtype)) + " " + ShapeToString(view.shape)) +
          "; the model file does not fit its configuration");
    }
    return *this;
  }
  Checker& Linear(const std::string& name, const LinearWeights& w, int64_t in, int64_t out,
                  bool bias_required = true) {
    Tensor(name + ".weight", w.weight, {out, in});
    if (bias_required || w.bias.data != nullptr) Tensor(name + ".bias", w.bias, {out});
    return *this;
  }
  Checker& Norm(const std::string& name, const NormWeights& w, int64_t width) {
    return Tensor(name + ".gamma", w.gamma, {width}).Tensor(name + ".beta", w.beta, {width});
  }
  Checker& Attention(const std::string& name, const AttentionWeights& w, int64_t width,
                     int64_t source_width) {
    return Linear(name + ".query", w.query, width, width)
        .Linear(name + ".key", w.key, source_width, width, false)
        .Linear(name + ".value", w.value, source_width, width)
        .Linear(name + ".out", w.out, width, width);
  }
  Status status() { return std::move(status_); }

 private:
  std::string prefix_;
  Status status_;
};

}  // namespace

Status CheckWeights(const WhisperConfig& c, const WhisperWeights& w) {
  const int64_t ad = c.audio_width, td = c.text_width;
  Checker encoder("encoder.");
  encoder.Tensor("conv1.weight", w.conv1.weight, {ad, c.num_mels, 3})
      .Tensor("conv1.bias", w.conv1.bias, {ad})
      .Tensor("conv2.weight", w.conv2.weight, {ad, ad, 3})
      .Tensor("conv2.bias", w.conv2.bias, {ad})
      .Tensor("positions", w.encoder_positions, {c.num_audio_positions, ad});
  for (size_t i = 0; i < w.encoder_layers.size(); ++i) {
    const WhisperEncoderLayer& l = w.encoder_layers[i];
    const std::string p = "layers." + std::to_string(i) + ".";
    encoder.Norm(p + "attention_norm", l.attention_norm, ad)
        .Attention(p + "attention", l.attention, ad, ad)
        .Norm(p + "mlp_norm", l.mlp_norm, ad)
        .Linear(p + "mlp_up", l.mlp_up, ad, 4 * ad)
        .Linear(p + "mlp_down", l.mlp_down, 4 * ad, ad);
  }
  encoder.Norm("norm", w.encoder_norm, ad);
  TESSERA_RETURN_IF_ERROR(encoder.status());

  Checker decoder("decoder.");
  decoder.Tensor("token_embedding", w.token_embedding, {c.vocab_size, td})
      .Tensor("positions", w.decoder_positions, {c.num_text_positions, td});
  for (size_t i = 0; i < w.decoder_layers.size(); ++i) {
    const WhisperDecoderLayer& l = w.decoder_layers[i];
    const std::string p = "layers." + std::to_string(i) + ".";
    decoder.Norm(p + "attention_norm", l.attention_norm, td)
        .Attention(p + "attention", l.attention, td, td)
        .Norm(p + "cross_norm", l.cross_norm, td)
        .Attention(p + "cross", l.cross, td, ad)
        .Norm(p + "mlp_norm", l.mlp_norm, td)
        .Linear(p + "mlp_up", l.mlp_up, td, 4 * td)
        .Linear(p + "mlp_down", l.mlp_down, 4 * td, td);
  }
  decoder.Norm("norm", w.decoder_norm, td);
  return decoder.status();
}

}  // namespace tessera
