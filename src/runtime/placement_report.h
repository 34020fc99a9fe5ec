// PlacementReport: what was asked for, which provider runs each stage of a model, how much of the
// stage's work that is, and every hop that led there. Made of providers' own records
// (Program::placement), never of intentions. Plain values.
#ifndef TESSERA_RUNTIME_PLACEMENT_REPORT_H_
#define TESSERA_RUNTIME_PLACEMENT_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "providers/placement.h"
#include "runtime/hop.h"
#include "runtime/verdict_store.h"

namespace tessera {

// One stage; shares are of the stage's whole work, 0 to 1.
struct StageReport {
  StagePlacement placement;
  int64_t nodes_on_device = 0;  // of placement.nodes
  // Parts of the stage on the device, between which tensors go through another one: those that its
  // library made, or where the library has none, runs of nodes in the graph.
  int64_t subgraphs = 1;
  double flops_on_device = 0;     // share
  double weights_on_device = 0;   // share of the weights' bytes
  std::optional<Verdict> checks;  // of the device that runs it, where it was tried
  EvidenceTier evidence = EvidenceTier::kCompiler;  // the weakest of its nodes'
};

struct PlacementReport {
  std::string requested;  // SelectionPolicyText
  std::vector<StageReport> stages;
  std::vector<Hop> hops;

  // The providers of the stages, the first stage's first: "onnxruntime:qnn+cpu".
  std::string chosen() const;
  // Every stage with all its nodes on an NPU that is none of an emulator.
  bool all_on_npu() const;
};

// How much of `graph` the nodes on the device are. A node of the record belongs to the graph's node
// of that name, or of the name before its last '/': an ONNX node "layers.0.query/MatMul" to
// "layers.0.query". A node of the graph counts as on the device when all of its own are. `sizes`:
// of the symbols, for the FLOPs.
StageReport MakeStageReport(const Graph& graph, const DimBindings& sizes, StagePlacement placement);

// "encoder on onnxruntime:qnn (NPU, 225/225 nodes, 100 % of FLOPs); cross_kv, decoder on cpu (the
// CPU is faster: 2.1 ms against 4.0 ms)"
std::string PlacementLine(const PlacementReport& report);
// Stages, nodes that are elsewhere with their reasons, what the host does, hops; several lines.
std::string PlacementText(const PlacementReport& report);
// One JSON object; docs/cli.md describes it.
std::string PlacementJson(const PlacementReport& report);

}  // namespace tessera

#endif  // TESSERA_RUNTIME_PLACEMENT_REPORT_H_
