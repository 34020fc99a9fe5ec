#include "providers/placement.h"

namespace tessera {

const char* EvidenceTierName(EvidenceTier tier) {
  switch (tier) {
    case EvidenceTier::kCompiler:
      return "compiler";
    case EvidenceTier::kMeasuredDb:
      return "measured-db";
    case EvidenceTier::kVendorDoc:
      return "vendor-doc";
    case EvidenceTier::kHeuristic:
      return "heuristic";
  }
  return "heuristic";
}

const char* DeviceKindName(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::kCpu:
      return "cpu";
    case DeviceKind::kGpu:
      return "gpu";
    case DeviceKind::kNpu:
      return "npu";
  }
  return "unknown";
}

}  // namespace tessera
