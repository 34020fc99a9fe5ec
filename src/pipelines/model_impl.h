// What a tessera::Model holds.
#ifndef TESSERA_PIPELINES_MODEL_IMPL_H_
#define TESSERA_PIPELINES_MODEL_IMPL_H_

#include <memory>
#include <string>

#include "models/bert/model.h"
#include "models/whisper/model.h"
#include "runtime/fallback_provider.h"
#include "tessera/engine.h"

namespace tessera {

// One of the families; the others are null.
struct Model::Impl {
  std::shared_ptr<const WhisperModel> whisper;
  std::shared_ptr<const TextEncoder> text_encoder;
  std::shared_ptr<const FallbackProvider> provider;  // that runs it
  std::string path;
  Precision precision = Precision::kF32;
};

// The model as one of a family; kInvalidArgument says what it is instead.
Result<std::shared_ptr<const WhisperModel>> WhisperOf(const Model& model);
Result<std::shared_ptr<const TextEncoder>> TextEncoderOf(const Model& model);

// Whether a run failed since ModelOptions::require_npu left no other device.
bool RequiredDeviceFailed(const Model& model);
// placement_json for people: several lines.
std::string PlacementTextOf(const Model& model);

// What kAuto means on this CPU; the others as they are.
Precision ResolvePrecision(Precision precision);
kernels::Precision KernelPrecision(Precision precision);  // of a resolved one

}  // namespace tessera

#endif  // TESSERA_PIPELINES_MODEL_IMPL_H_
