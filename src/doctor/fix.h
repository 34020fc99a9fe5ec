// Safe remedies, applied to a model: what changes neither results nor, but for fixed sizes and
// index types that are said, the interface.
//
//   * functions are put in place, open dimensions of the inputs are fixed as bound;
//   * what is known at load (shape arithmetic) becomes constants, and nodes that nothing needs go;
//   * x * (1 + erf(x / sqrt 2)) / 2 becomes Gelu (ONNX's from opset 20, before that ONNX
//   Runtime's);
//   * int64 indices of Gather and GatherElements become int32: constants are stored so, computed
//     ones get a Cast.
#ifndef TESSERA_DOCTOR_FIX_H_
#define TESSERA_DOCTOR_FIX_H_

#include <optional>
#include <string>
#include <vector>

#include "doctor/inference.h"

namespace tessera::doctor {

struct FixOptions {
  Bindings bind;
  bool gelu = true, fold = true, int32_indices = true;
};

struct FixSummary {
  int64_t bound = 0, folded = 0, removed = 0, gelus = 0, indices = 0;
  std::vector<std::string> still_open;  // inputs with open dimensions

  std::string ToString() const;
};

// Changes `model`; new names and numbers live in its owner.
Result<FixSummary> FixModel(OnnxModel& model, const FixOptions& options);

// What two models computed from the same random inputs.
struct Proof {
  double max_difference = 0;  // absolute, over all finite elements of all outputs
  double worst_cosine = 1;
  int64_t outputs = 0, runs = 0;
  std::string library;     // "onnxruntime:cpu 1.31.1"
  std::string difference;  // of the first output that is not equal; "" when all are

  bool equal() const { return difference.empty(); }
  std::string ToString() const;
};

// Runs both files on the same random inputs with ONNX Runtime's CPU provider and compares every
// output: interface, integers exactly, floats within rounding (cosine 0.99999 and 1 % of the
// largest value), infinities and not-a-numbers at the same places. A model `after` that does not
// run is not equal. kNotFound, kUnavailable: ONNX Runtime is not there; kInvalidArgument: an open
// dimension, a type that inputs cannot be made for, or no output with a finite number; other errors
// are of running `before`.
Result<Proof> ProveEqual(const std::string& before, const std::string& after);

struct FixedFile {
  FixSummary summary;
  std::optional<Proof> proof;
  std::string not_proven;  // why there is no proof
};

// Reads `path`, applies the remedies and then `last` (null: nothing more), and writes `out`, the
// weights beside it. Where the proof can be made it comes first: kInternal when the models differ,
// and nothing is written then.
Result<FixedFile> FixFile(const std::string& path, const std::string& out,
                          const FixOptions& options, void (*last)(OnnxModel&) = nullptr);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_FIX_H_
