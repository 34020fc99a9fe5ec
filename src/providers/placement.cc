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

}  // namespace tessera
