// Where the nodes of a stage run: what providers record and reports show.
//
// A record says what a provider's own bookkeeping says after compiling, never what was asked for.
// Plain values.
#ifndef TESSERA_PROVIDERS_PLACEMENT_H_
#define TESSERA_PROVIDERS_PLACEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/devices.h"

namespace tessera {

// How a statement about a node is known, the strongest first.
enum class EvidenceTier { kCompiler, kMeasuredDb, kVendorDoc, kHeuristic };
const char* EvidenceTierName(EvidenceTier tier);  // "compiler", "measured-db", ...

// One node of the graph that a provider compiled.
struct NodePlacement {
  std::string name;      // the graph's; of an ONNX model the node's
  std::string op;        // "Linear"; of an ONNX model its op_type
  std::string provider;  // "cpu", "QNNExecutionProvider", "CPUExecutionProvider", "NPU"
  DeviceKind device = DeviceKind::kCpu;
  std::string reason;  // why it is not where the stage was to run; "" where it is
  EvidenceTier evidence = EvidenceTier::kCompiler;
};

// One stage as it was compiled.
struct StagePlacement {
  std::string stage;                     // name of the graph: "whisper.encoder"
  std::string provider;                  // "cpu", "onnxruntime:qnn", "openvino:npu"
  std::string provider_version;          // of its library; "" for our own
  std::string device_name;               // as `tessera devices` shows it
  DeviceKind device = DeviceKind::kCpu;  // where the stage was to run
  // The device is emulated or virtual: whatever runs there does not run on an NPU.
  bool emulated = false;
  std::string precision;  // of a model in integers: "a16w8"; "" for what the device computes in
  // Parts on the stage's device, as its library records them. One that looks for a kernel for each
  // node records each node; runtime/placement_report.h counts parts then.
  int64_t subgraphs = 1;
  std::vector<NodePlacement> nodes;
  // Nodes of the graph that were not compiled, since the host does them around every run: rows of
  // tables that are looked up, rows that are stored in a state.
  std::vector<std::string> host_nodes;
  double compile_seconds = 0;
  bool from_cache = false;
  std::string note;  // what else its user should know; "" for nothing
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_PLACEMENT_H_
