#include "models/silero/weights.h"

#include "base/file.h"
#include "formats/onnx.h"

namespace tessera {
namespace {

using S = SileroSizes;

// Collects f32 views of given shapes; the first failure is kept.
class Collector {
 public:
  explicit Collector(const OnnxModel& file) : file_(file) {}

  View Get(const std::string& name, const Shape& shape) {
    if (!status_.ok()) return {};
    const OnnxTensor* tensor = file_.graph.FindInitializer(name);
    if (tensor == nullptr) {
      Fail("no initializer '" + name + "'");
      return {};
    }
    if (OnnxDType(tensor->type) != DType::kF32 || tensor->shape != shape) {
      Fail(name + ": expected float " + ShapeToString(shape) + ", found " +
           OnnxTypeName(tensor->type) + " " + ShapeToString(tensor->shape));
      return {};
    }
    return {tensor->data.data(), DType::kF32, tensor->shape};
  }
  const Status& status() const { return status_; }

 private:
  void Fail(const std::string& what) {
    status_ = DataLoss(what +
                       "; expected Silero VAD's network for 16 kHz "
                       "(silero_vad_16k_op15.onnx of the silero-vad package)");
  }

  const OnnxModel& file_;
  Status status_;
};

}  // namespace

Result<SileroWeights> LoadSileroWeights(const std::string& path) {
  const std::string file_path = FolderExists(path) ? JoinPath(path, "model.onnx") : path;
  TESSERA_ASSIGN_OR_RETURN(const OnnxModel file, ReadOnnx(file_path));
  Collector c(file);
  SileroWeights w;
  w.basis = c.Get("model.stft.forward_basis_buffer", {2 * S::kBins, 1, S::kWindow});
  constexpr int64_t kChannels[] = {S::kBins, 128, 64, 64, S::kHidden};
  for (size_t i = 0; i < w.convs.size(); ++i) {
    const std::string name = "model.encoder." + std::to_string(i) + ".reparam_conv.";
    w.convs[i].weight = c.Get(name + "weight", {kChannels[i + 1], kChannels[i], 3});
    w.convs[i].bias = c.Get(name + "bias", {kChannels[i + 1]});
  }
  constexpr int64_t kGates = 4 * S::kHidden;
  const std::string decoder = "model.decoder.";
  w.lstm_ih = c.Get(decoder + "rnn.weight_ih", {kGates, S::kHidden});
  w.lstm_hh = c.Get(decoder + "rnn.weight_hh", {kGates, S::kHidden});
  const View bias_ih = c.Get(decoder + "rnn.bias_ih", {kGates});
  const View bias_hh = c.Get(decoder + "rnn.bias_hh", {kGates});
  w.head_weight = c.Get(decoder + "decoder.2.weight", {1, S::kHidden, 1});
  w.head_bias = c.Get(decoder + "decoder.2.bias", {1});
  if (!c.status().ok()) return Status(c.status()).AddContext(file_path);

  w.head_weight.shape = {1, S::kHidden};  // a convolution of width 1
  auto bias = std::make_shared<Tensor>(DType::kF32, Shape{kGates});
  for (int64_t i = 0; i < kGates; ++i) {
    bias->As<float>()[i] =
        LoadFloat(bias_ih.data, DType::kF32, i) + LoadFloat(bias_hh.data, DType::kF32, i);
  }
  w.lstm_bias = bias->ViewOf();
  w.owners = {file.owner, std::move(bias)};
  return w;
}

}  // namespace tessera
