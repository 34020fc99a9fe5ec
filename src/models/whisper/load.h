// Reads a Whisper model of any size from the files people have, into Tessera's own names.
//
//   CTranslate2 folder    model.bin (spec WhisperSpec), config.json
//   Hugging Face folder   model.safetensors (or sharded with an index), config.json,
//   generation_config.json whisper.cpp file      ggml-*.bin, f32, f16 or quantised
//
// Weights stay views into the mapped file; quantised ones are widened to f32 once.
#ifndef TESSERA_MODELS_WHISPER_LOAD_H_
#define TESSERA_MODELS_WHISPER_LOAD_H_

#include <string>
#include <vector>

#include "models/whisper/config.h"
#include "models/whisper/weights.h"

namespace tessera {

struct WhisperFiles {
  WhisperConfig config;
  WhisperWeights weights;
  std::string format;  // "ctranslate2", "safetensors", "ggml"
  // Bytes of the text tokens in order of their ids, where the weight file itself has them (ggml);
  // else empty.
  std::vector<std::string> text_tokens;
};

// `path`: one of the folders or files above. kNotFound when there is no such model, kDataLoss when
// it is broken or not a Whisper model, kUnimplemented for a variant that no format here describes.
Result<WhisperFiles> LoadWhisperFiles(const std::string& path);

// The readers behind it.
Result<WhisperFiles> LoadWhisperCtranslate2(const std::string& folder);
Result<WhisperFiles> LoadWhisperSafetensors(const std::string& folder);
Result<WhisperFiles> LoadWhisperGgml(const std::string& file);

// (layer, head) pairs under "alignment_heads" of a JSON file; empty when the file or the key is
// absent or of another form, since only word timestamps need them.
std::vector<std::pair<int, int>> ReadAlignmentHeads(const std::string& path);

}  // namespace tessera

#endif  // TESSERA_MODELS_WHISPER_LOAD_H_
