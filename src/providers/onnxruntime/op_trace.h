// Reasons of Qualcomm's provider for each node that it refuses, from the trace that it writes
// (option "enable_framework_op_trace", file qnn_op_trace.json, schema 2).
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_OP_TRACE_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_OP_TRACE_H_

#include <string>
#include <vector>

#include "tessera/status.h"

namespace tessera {

struct RefusedNode {
  std::string name;  // of the node; may be ""
  std::string op;    // its op_type
  std::string reason;
};

// kDataLoss when the text is no such trace. Nodes that were refused more than once are given once.
Result<std::vector<RefusedNode>> ParseOpTrace(const std::string& text);
// Of the trace in `folder`; none where there is no trace.
std::vector<RefusedNode> ReadOpTrace(const std::string& folder);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_OP_TRACE_H_
