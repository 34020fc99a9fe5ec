#include "tessera/engine.h"

#include "base/check.h"
#include "kernels/isa.h"
#include "models/family.h"
#include "pipelines/model_impl.h"
#include "pipelines/text_check.h"
#include "runtime/model_store.h"
#include "runtime/selection.h"

namespace tessera {
namespace {

constexpr int kMaxThreads = 1024;

Result<std::shared_ptr<const FallbackProvider>> MakeProvider(const ModelOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return InvalidArgument("threads: expected 0 (all) to " + std::to_string(kMaxThreads) +
                           ", found " + std::to_string(options.threads));
  }
  TESSERA_ASSIGN_OR_RETURN(const SelectionPolicy policy,
                           ParseSelectionPolicy(options.device, options.require_npu));
  return SelectProviders(policy, {.threads = options.threads});
}

Status LoadWeights(const std::string& path, kernels::Precision precision, Model::Impl& impl) {
  TESSERA_ASSIGN_OR_RETURN(const ModelFamily family, FindModelFamily(path));
  switch (family) {
    case ModelFamily::kWhisper: {
      TESSERA_ASSIGN_OR_RETURN(impl.whisper,
                               WhisperModel::Load(path, impl.provider, {.precision = precision}));
      return OkStatus();
    }
    case ModelFamily::kTextEncoder: {
      TESSERA_ASSIGN_OR_RETURN(impl.text_encoder,
                               TextEncoder::Load(path, impl.provider, {.precision = precision}));
      return OkStatus();
    }
  }
  return Internal("an unknown family of models");
}

Status AnotherFamily(const Model& model, const char* expected, const char* example) {
  const char* found = model.impl()->whisper != nullptr ? "a Whisper model (speech to text)"
                                                       : "a text encoder (text to vectors)";
  return InvalidArgument("expected " + std::string(expected) + " like " + example + ", found " +
                         found + " at " + model.path());
}

}  // namespace

// int8 writes as few wrong words as f32 (docs/accuracy.md) at about three times its speed. The
// scalar kernels are there to be compared with, so f32 is what they are asked for.
Precision ResolvePrecision(Precision precision) {
  if (precision != Precision::kAuto) return precision;
  return kernels::CurrentIsa() == kernels::Isa::kScalar ? Precision::kF32 : Precision::kInt8;
}

kernels::Precision KernelPrecision(Precision precision) {
  switch (precision) {
    case Precision::kBF16:
      return kernels::Precision::kBf16;
    case Precision::kInt8:
      return kernels::Precision::kInt8;
    case Precision::kAuto:
    case Precision::kF32:
      break;
  }
  return kernels::Precision::kF32;
}

Result<std::shared_ptr<const WhisperModel>> WhisperOf(const Model& model) {
  if (model.impl()->whisper != nullptr) return model.impl()->whisper;
  return AnotherFamily(model, "a Whisper model", kDefaultSpeechModel);
}

Result<std::shared_ptr<const TextEncoder>> TextEncoderOf(const Model& model) {
  if (model.impl()->text_encoder != nullptr) return model.impl()->text_encoder;
  return AnotherFamily(model, "a text encoder", kDefaultTextModel);
}

Result<Model> Model::Load(const ModelOptions& options) {
  auto impl = std::make_shared<Impl>();
  impl->precision = ResolvePrecision(options.precision);
  TESSERA_ASSIGN_OR_RETURN(impl->provider, MakeProvider(options));
  TESSERA_ASSIGN_OR_RETURN(impl->path,
                           ModelPath(options.model.empty() ? kDefaultSpeechModel : options.model));
  Status status = LoadWeights(impl->path, KernelPrecision(impl->precision), *impl);
  if (!status.ok()) {
    // Errors of a file name it, and with it the model.
    if (status.message().find(impl->path) != std::string::npos) return status;
    return std::move(status).AddContext("while loading model " + impl->path);
  }
  const Model model(impl);
  if (impl->whisper != nullptr) {
    TESSERA_RETURN_IF_ERROR(impl->provider->CheckText([&] { return TextDifference(model); }));
  }
  return model;
}

const std::string& Model::path() const { return impl_->path; }
bool Model::is_multilingual() const {
  return impl_->whisper != nullptr && impl_->whisper->tokenizer().is_multilingual();
}
Precision Model::precision() const { return impl_->precision; }
std::string Model::device() const { return impl_->provider->Report().chosen(); }
std::string Model::placement() const { return PlacementLine(impl_->provider->Report()); }
std::string Model::placement_json() const { return PlacementJson(impl_->provider->Report()); }

std::string PlacementTextOf(const Model& model) {
  return PlacementText(model.impl()->provider->Report());
}

bool RequiredDeviceFailed(const Model& model) {
  return model.impl()->provider->required_device_failed();
}

}  // namespace tessera
