// The weights of Silero VAD (version 6, the 16 kHz network) from the ONNX file of the silero-vad
// package.
//
// The package's safetensors file is of the same shape but holds an older training of the network;
// the ONNX files are what the package itself runs.
#ifndef TESSERA_MODELS_SILERO_WEIGHTS_H_
#define TESSERA_MODELS_SILERO_WEIGHTS_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "tensor/tensor.h"

namespace tessera {

// Sizes of the network; every file must have them.
struct SileroSizes {
  static constexpr int64_t kChunk = 512;   // samples a probability stands for: 32 ms
  static constexpr int64_t kContext = 64;  // samples before them that the network sees too
  static constexpr int64_t kReflect = 64;  // samples mirrored at the end, for the last spectrum
  static constexpr int64_t kInput = kContext + kChunk + kReflect;
  static constexpr int64_t kWindow = 256, kHop = 128;  // of the short-time Fourier transform
  static constexpr int64_t kBins = kWindow / 2 + 1;
  static constexpr int64_t kHidden = 128;
};

struct SileroConv {
  View weight;  // [out, in, 3]
  View bias;    // [out]
};
struct SileroWeights {
  View basis;  // [2 * kBins, 1, kWindow]: windowed cosines, then sines
  std::array<SileroConv, 4> convs;
  View lstm_ih, lstm_hh;  // [4 * kHidden, kHidden], gates input, forget, cell, output
  View lstm_bias;         // [4 * kHidden]: the sum of the file's two
  View head_weight;       // [1, kHidden]
  View head_bias;         // [1]
  std::vector<std::shared_ptr<const void>> owners;
};

// Stride of each convolution of the encoder.
inline constexpr std::array<int64_t, 4> kSileroStrides = {1, 2, 2, 1};

// `path`: an .onnx file, or a folder that holds model.onnx. kDataLoss: not this network.
Result<SileroWeights> LoadSileroWeights(const std::string& path);

}  // namespace tessera

#endif  // TESSERA_MODELS_SILERO_WEIGHTS_H_
