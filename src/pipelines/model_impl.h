// What a tessera::Model holds.
#ifndef TESSERA_PIPELINES_MODEL_IMPL_H_
#define TESSERA_PIPELINES_MODEL_IMPL_H_

#include <memory>
#include <string>

#include "models/whisper/model.h"
#include "tessera/engine.h"

namespace tessera {

struct Model::Impl {
  std::shared_ptr<const WhisperModel> whisper;
  std::shared_ptr<const ExecutionProvider> provider;  // that runs it
  std::string path;
  std::string device;
  Precision precision = Precision::kF32;
};

}  // namespace tessera

#endif  // TESSERA_PIPELINES_MODEL_IMPL_H_
