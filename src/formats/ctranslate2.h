// CTranslate2 model files (model.bin): the converted form in which most Whisper models for CPUs are
// shared.
//
// Layout, little-endian: u32 version; spec name; u32 spec revision; u32 count, then for each
// variable its name, u8 rank, u32 sizes, u8 type, u32 bytes and the elements; u32 alias count, then
// (alias, name) pairs. A string is a u16 length that includes the final NUL. Source: CTranslate2's
// model reader and converter. Versions 4 to 6 share this layout; the model's configuration lies
// beside it in config.json and is not read here.
#ifndef TESSERA_FORMATS_CTRANSLATE2_H_
#define TESSERA_FORMATS_CTRANSLATE2_H_

#include <cstdint>
#include <memory>
#include <string>

#include "formats/weights.h"

namespace tessera {

struct Ctranslate2Model {
  uint32_t version = 0;   // of the file layout
  std::string spec;       // such as "WhisperSpec"
  uint32_t revision = 0;  // of the spec
  // Variables by name, aliases included. An i8 weight with a variable NAME_scale is kInt8Row (the
  // file stores the inverse factors 127 / amax; here they multiply). An i16 weight is dequantised
  // to f32. The NAME_scale variables stay as they are in the file.
  WeightFile weights;
};

// Reads the file at `path`. kDataLoss for a broken file, kUnimplemented for another version of the
// layout.
Result<Ctranslate2Model> OpenCtranslate2(const std::string& path);
// The same from memory; views point into `bytes`, which `owner` keeps alive.
Result<Ctranslate2Model> ReadCtranslate2(Bytes bytes, std::shared_ptr<const void> owner);

}  // namespace tessera

#endif  // TESSERA_FORMATS_CTRANSLATE2_H_
