// Hop: one step down a chain of providers, with its reason. Plain values.
#ifndef TESSERA_RUNTIME_HOP_H_
#define TESSERA_RUNTIME_HOP_H_

#include <string>

#include "tessera/status.h"

namespace tessera {

// Where a provider was given up.
enum class HopStage {
  kDetect,      // there is no such device, or the system does not let us use it
  kLoad,        // its library or driver cannot be used
  kCapability,  // it does not know the model's operations
  kCompile,     // its compiler failed, crashed or took too long
  kNumerics,    // its results differ too much from the CPU's
  kSpeed,       // the next one is faster (policy "auto" only)
  kRun,         // it failed while it worked
};
const char* HopStageName(HopStage stage);  // "detect", "load", ...

struct Hop {
  std::string provider;  // that was given up: "onnxruntime:qnn"
  std::string stage;     // of the model that it was given up at: "whisper.encoder"; "": all
  HopStage at = HopStage::kDetect;
  StatusCode code = StatusCode::kUnavailable;
  std::string message;  // with the vendor's words and code
  std::string hint;     // what to do; may be ""
};

// "onnxruntime:qnn: compile of whisper.encoder: MESSAGE (HINT)"
std::string HopText(const Hop& hop);

}  // namespace tessera

#endif  // TESSERA_RUNTIME_HOP_H_
