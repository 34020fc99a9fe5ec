// Which family a model belongs to, told by its files alone.
#ifndef TESSERA_MODELS_FAMILY_H_
#define TESSERA_MODELS_FAMILY_H_

#include <string>

#include "base/check.h"

namespace tessera {

enum class ModelFamily {
  kWhisper,      // models/whisper: speech to text
  kTextEncoder,  // models/bert: text to vectors
};

// `path`: a folder or file of whisper/load.h or bert/model.h. config.json's model_type decides
// where there is one; without it a .onnx file is a text encoder and everything else a Whisper,
// whose loader then says what it expects. kUnimplemented names a model_type of no family here;
// kDataLoss: a broken config.json.
Result<ModelFamily> FindModelFamily(const std::string& path);

}  // namespace tessera

#endif  // TESSERA_MODELS_FAMILY_H_
