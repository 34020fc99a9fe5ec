// ONNX export: any graph as an ONNX model of standard ops (IR 8, opset 17; 9 and 20 with
// OnnxGelu::kOp), for ONNX Runtime's execution providers, OpenVINO and vendors' compilers.
//
// Graph inputs and outputs keep their names and types. A state NAME becomes the input `past_NAME`
// and, when it is updated, the output `present_NAME`, both of the full state; OnnxStates has
// another form. Symbols that are not bound stay as dim_param. Math is f32. A node made for a
// graph's node is named after it: "NODE/OpType", with a number behind it where it is not the first.
#ifndef TESSERA_GRAPH_ONNX_EXPORT_H_
#define TESSERA_GRAPH_ONNX_EXPORT_H_

#include <string>

#include "graph/graph.h"

namespace tessera {

enum class OnnxWeights {
  kF32,  // f16 and bf16 constants are widened
  kF16,  // float matrices are stored as f16 and cast to f32 in the model; those that overflow f16
         // stay f32
};

enum class OnnxGelu {
  kErf,  // by Erf, in the spelling that compilers fuse back to one op
  kOp,   // the op of opset 20: needed where values between would have to be quantized
};

enum class OnnxStates {
  // A state NAME is the input `past_NAME` and, when updated, the output `present_NAME`, both of the
  // full state.
  kWhole,
  // The form of NPUs' compilers: all symbols bound, one token a run where there are states. The
  // caller keeps the states and hands over what the token may see: step.h says what each input and
  // output is.
  kStep,
};

struct OnnxExportOptions {
  DimBindings bind;            // symbols to fix; NPU compilers want all of them
  bool external_data = false;  // initialisers above 1 MB go to PATH.data; needed above 2 GB
  OnnxWeights weights = OnnxWeights::kF32;
  OnnxStates states = OnnxStates::kWhole;
  OnnxGelu gelu = OnnxGelu::kErf;
  // Waits until the disk has it. Without, a crash of the system may leave a broken file: for those
  // that are read at once and then removed.
  bool flush = true;
};

// Writes `path`, whole or not at all. Error when a symbol in `bind` is not in the graph, the model
// passes 2 GB without external_data, or the disk refuses. Needs memory for the inline weights, or
// for the largest one when they are external.
Status ExportOnnx(const Graph& graph, const std::string& path,
                  const OnnxExportOptions& options = {});

}  // namespace tessera

#endif  // TESSERA_GRAPH_ONNX_EXPORT_H_
