// Asks a vendor's compiler about any ONNX file: which nodes its device takes, why not the others,
// and what it says about the whole. The model is compiled in a child process and thrown away.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_COMPILE_CHECK_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_COMPILE_CHECK_H_

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include "providers/onnxruntime/engine.h"
#include "providers/onnxruntime/op_trace.h"

namespace tessera {

struct CheckCompileOptions {
  // As in OnnxRuntimeOptions.
  std::string library, ep_library, worker;
  OrtOptions provider_options, session_options;
  std::chrono::seconds time_limit{600};
};

struct CompileReport {
  // Ok: it compiled, perhaps with nodes left to the CPU. Else why it did not, in the vendor's words
  // with what they mean; also kDeadlineExceeded and kInternal for a compiler that hangs or crashes.
  Status status;
  std::string compiler;  // "onnxruntime:qnn 1.31.1+2.7.0 (SDK 2.51.0)"
  // ONNX Runtime's record, after its own rewriting of the graph: constants are folded, some
  // patterns fused. Empty when it did not compile.
  std::vector<NodePlacement> nodes;
  int64_t subgraphs = 0;
  std::vector<RefusedNode> refused;  // the compiler's own reasons, also when it did not compile
  double seconds = 0;
  std::string note;  // as StagePlacement::note
};

// `target`: "snapdragon-x", "qnn:SOC[,ARCH]", or "qnn" for QNN without a named chip. Errors are of
// asking, not of the model: kNotFound (the compiler is not installed; how to), kUnavailable,
// kUnimplemented, kInvalidArgument (no such target), kCancelled. Thread-safe.
Result<CompileReport> CheckCompile(const std::string& path, const std::string& target,
                                   const CheckCompileOptions& options = {},
                                   std::stop_token stop = {});

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_COMPILE_CHECK_H_
