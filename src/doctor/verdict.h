// What the doctor says of one node, and how it knows.
#ifndef TESSERA_DOCTOR_VERDICT_H_
#define TESSERA_DOCTOR_VERDICT_H_

#include <string>

#include "providers/placement.h"

namespace tessera::doctor {

enum class Verdict {
  kSupported,    // runs on the NPU, or is gone before anything runs
  kPartial,      // not on the NPU; ONNX Runtime runs it on the CPU
  kUnsupported,  // neither: the model does not load or compile as it is
  kUnknown,      // nobody has told and it was not measured
};
const char* VerdictName(Verdict verdict);  // "supported", ...

struct NodeVerdict {
  Verdict verdict = Verdict::kUnknown;
  EvidenceTier tier = EvidenceTier::kHeuristic;
  std::string rule;    // stable id: "R1.static-shape"
  std::string reason;  // one sentence
  std::string remedy;  // what the user can do; "" where nothing is to be done or known
};

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_VERDICT_H_
