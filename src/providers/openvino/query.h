// What a device of OpenVINO makes of an ONNX model, node by node: for `tessera doctor`.
//
// A device takes a model whole or refuses it, so the verdict comes from compiling. Where it
// refuses, OpenVINO's words name the operators; nodes that they do not name stay unjudged (the
// doctor asks about those one by one).
#ifndef TESSERA_PROVIDERS_OPENVINO_QUERY_H_
#define TESSERA_PROVIDERS_OPENVINO_QUERY_H_

#include <string>
#include <string_view>
#include <vector>

#include "providers/openvino/backend.h"

namespace tessera {

enum class OpenVinoVerdict {
  kCompiled,   // part of what the device's compiler made
  kRefused,    // named as the reason why nothing was made
  kNotJudged,  // nothing was made, for the sake of another node or for a reason that names none
};

struct OpenVinoNode {
  std::string name;  // the first output's where the node has none
  std::string op;    // "MatMul"
  OpenVinoVerdict verdict = OpenVinoVerdict::kNotJudged;
  // Of a node that was not compiled: the vendor's words, and what helps.
  std::string reason;
  // What computes it ("brgemm_avx512_f32"), where the device tells; "" for a node that was folded
  // into another one.
  std::string kernel;
};

// Every node of the main graph of the file at `path`, in its order. The model's dimensions must be
// fixed. Errors are those of OpenOpenVinoBackend, of the file, and all that say nothing about the
// model (a compiler that is not installed, no memory). Thread-safe.
Result<std::vector<OpenVinoNode>> QueryOpenVino(const std::string& path, std::string_view device,
                                                const OpenVinoOptions& options = {});

namespace openvino {
// "Foo" and "BitShift" of the frontend's "No conversion rule found for operations: Foo-17 -- ...
// failed for: BitShift-17", or of a device's "Unsupported operation of type: Foo name: foo_1".
std::vector<std::string> RefusedOps(std::string_view words);
}  // namespace openvino

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_OPENVINO_QUERY_H_
