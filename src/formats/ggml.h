// whisper.cpp model files ("ggml" magic, ggml-base.bin): hyper-parameters, mel filters, tokens and
// weights in one file.
//
// Layout, little-endian: u32 magic 0x67676d6c; 11 i32 hyper-parameters; i32 mel bands, i32 bins,
// f32 [bands, bins]; i32 token count, then (u32 length, bytes); then until the end for each weight:
// i32 rank, i32 name length, i32 type, i32 sizes with the innermost first, the name, the elements.
// Source: whisper.cpp's model loader and converter. Shapes are given here outermost first;
// whisper.cpp stores the bias of a convolution as [channels, 1].
#ifndef TESSERA_FORMATS_GGML_H_
#define TESSERA_FORMATS_GGML_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/weights.h"

namespace tessera {

// Order and meaning as in the file; all positive, but file_type may be 0 (f32).
struct GgmlWhisperParams {
  int32_t vocab_size = 0;
  int32_t audio_positions = 0;
  int32_t audio_width = 0;
  int32_t audio_heads = 0;
  int32_t audio_layers = 0;
  int32_t text_positions = 0;
  int32_t text_width = 0;
  int32_t text_heads = 0;
  int32_t text_layers = 0;
  int32_t num_mels = 0;
  int32_t file_type =
      0;  // ggml's ftype of most weights (0 f32, 1 f16, 2 q4_0, ...), without the version
  int32_t quantization_version = 0;
};

struct GgmlWhisperModel {
  GgmlWhisperParams params;
  View mel_filters;  // f32 [num_mels, fft_bins]; lives as long as weights
  // Byte strings by id. There may be fewer than vocab_size: special tokens are not stored.
  std::vector<std::string> tokens;
  WeightFile weights;
};

// kDataLoss for a broken file, kUnimplemented for a type other than f32, f16, q4_0, q4_1, q5_0,
// q5_1, q8_0.
Result<GgmlWhisperModel> OpenGgmlWhisper(const std::string& path);
// The same from memory; views point into `bytes`, which `owner` keeps alive.
Result<GgmlWhisperModel> ReadGgmlWhisper(Bytes bytes, std::shared_ptr<const void> owner);

}  // namespace tessera

#endif  // TESSERA_FORMATS_GGML_H_
