// The stages of an installed model of ours as ONNX files, in the form that NPUs get them
// (graph/onnx/step.h: fixed shapes, states and lookups with the caller).
#ifndef TESSERA_DOCTOR_STAGE_MODELS_H_
#define TESSERA_DOCTOR_STAGE_MODELS_H_

#include <string>
#include <vector>

#include "base/temporary_folder.h"

namespace tessera::doctor {

struct StageModel {
  std::string name;  // "encoder", "decoder"
  std::string path;  // of the ONNX file, in the folder below
};

struct StageModels {
  TemporaryFolder folder;  // goes with the object
  std::vector<StageModel> stages;
};

// Tokens of the bucket that a text encoder is examined in.
inline constexpr int64_t kTextBucket = 128;

// `path`: a folder or file of a Whisper model or of a text encoder. Errors of its loader, and of
// writing.
Result<StageModels> ExportStages(const std::string& path);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_STAGE_MODELS_H_
