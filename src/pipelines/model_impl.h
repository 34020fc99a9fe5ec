// What a tessera::Model holds.
#ifndef TESSERA_PIPELINES_MODEL_IMPL_H_
#define TESSERA_PIPELINES_MODEL_IMPL_H_

#include <memory>
#include <string>

#include "models/bert/model.h"
#include "models/whisper/model.h"
#include "tessera/engine.h"

namespace tessera {

// What an empty ModelOptions::model stands for.
inline constexpr const char* kDefaultSpeechModel = "whisper-base";
inline constexpr const char* kDefaultTextModel = "all-minilm-l6-v2";

// One of the families; the others are null.
struct Model::Impl {
  std::shared_ptr<const WhisperModel> whisper;
  std::shared_ptr<const TextEncoder> text_encoder;
  std::shared_ptr<const ExecutionProvider> provider;  // that runs it
  std::string path;
  std::string device;
  Precision precision = Precision::kF32;
};

// The model as one of a family; kInvalidArgument says what it is instead.
Result<std::shared_ptr<const WhisperModel>> WhisperOf(const Model& model);
Result<std::shared_ptr<const TextEncoder>> TextEncoderOf(const Model& model);

// What kAuto means on this CPU; the others as they are.
Precision ResolvePrecision(Precision precision);
kernels::Precision KernelPrecision(Precision precision);  // of a resolved one

}  // namespace tessera

#endif  // TESSERA_PIPELINES_MODEL_IMPL_H_
