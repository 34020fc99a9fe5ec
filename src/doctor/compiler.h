// The vendor's compiler asked about a model; what it says replaces the static verdicts.
#ifndef TESSERA_DOCTOR_COMPILER_H_
#define TESSERA_DOCTOR_COMPILER_H_

#include <chrono>
#include <stop_token>
#include <string>

#include "doctor/analysis.h"

namespace tessera::doctor {

struct CompilerOptions {
  std::chrono::seconds time_limit{600};
  // Ask as a program does that names no chip: Qualcomm's compiler then fails on operators that it
  // takes for a chip that is named, with the opaque error 1002.
  bool without_soc = false;
};

// Asks about `path`, the file that `report` is of, and puts the answers in: node by node with tier
// kCompiler, and compiler_note. Nodes that the compiler does not name keep their verdict: they were
// folded or fused. Errors are of asking (not installed, no compiler for this target).
Status AskCompiler(const std::string& path, const CompilerOptions& options, std::stop_token stop,
                   TargetReport& report);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_COMPILER_H_
