#include "runtime/hop.h"

namespace tessera {

const char* HopStageName(HopStage stage) {
  switch (stage) {
    case HopStage::kDetect:
      return "detect";
    case HopStage::kLoad:
      return "load";
    case HopStage::kCapability:
      return "capability";
    case HopStage::kCompile:
      return "compile";
    case HopStage::kNumerics:
      return "numerics";
    case HopStage::kSpeed:
      return "speed";
    case HopStage::kRun:
      return "run";
  }
  return "run";
}

std::string HopText(const Hop& hop) {
  std::string text = (hop.provider.empty() ? "" : hop.provider + ": ") + HopStageName(hop.at);
  if (!hop.stage.empty()) text += " of " + hop.stage;
  text += ": " + hop.message;
  if (!hop.hint.empty()) text += " (" + hop.hint + ")";
  return text;
}

}  // namespace tessera
