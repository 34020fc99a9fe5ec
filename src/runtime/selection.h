// Which providers run a model: from what the user asked for and what the machine has to a chain of
// providers, the best first.
//
//   auto      every NPU that was found, then the CPU; a stage goes to the CPU when its results
//             differ on the NPU, or when the CPU is faster (fallback_provider.h)
//   npu       the same, but an NPU must be there, and speed does not count
//   cpu       our own kernels
//   PROVIDER  this one, which must be there, then the CPU for stages that it cannot run
// With require_npu the CPU is left out of the chain: what cannot run on an NPU fails. Emulators and
// virtual devices are found by their own name only and never count as an NPU.
#ifndef TESSERA_RUNTIME_SELECTION_H_
#define TESSERA_RUNTIME_SELECTION_H_

#include <memory>
#include <string>
#include <string_view>

#include "runtime/fallback_provider.h"

namespace tessera {

struct SelectionPolicy {
  enum class Kind { kAuto, kNpu, kCpu, kProvider };
  Kind kind = Kind::kAuto;
  std::string provider;  // of kProvider
  bool require_npu = false;
};

// `device` as --device takes it. kInvalidArgument when require_npu contradicts it; whether a
// provider of that name exists is found out by SelectProviders.
Result<SelectionPolicy> ParseSelectionPolicy(std::string_view device, bool require_npu);
// "auto", "npu", "onnxruntime:qnn", with " (NPU required)" where that is so.
std::string SelectionPolicyText(const SelectionPolicy& policy);

struct SelectionOptions {
  int threads = 0;  // 0: all usable cores
};

// The chain, opened. kUnavailable when a device that must be there cannot be used: the message
// holds every reason and remedy.
Result<std::shared_ptr<const FallbackProvider>> SelectProviders(const SelectionPolicy& policy,
                                                                const SelectionOptions& options);

}  // namespace tessera

#endif  // TESSERA_RUNTIME_SELECTION_H_
