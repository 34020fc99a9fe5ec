// A model examined for a target: verdicts, partitions, cost, and what would help.
//
// Plain values; strings are copies, nothing points into the model. Analyze is a pure function of
// the file, the target and the options.
#ifndef TESSERA_DOCTOR_ANALYSIS_H_
#define TESSERA_DOCTOR_ANALYSIS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "doctor/inference.h"
#include "doctor/rules.h"
#include "doctor/target.h"
#include "doctor/verdict.h"

namespace tessera::doctor {

struct NodeReport {
  std::string name;  // of the file, else "node_INDEX"
  std::string op;    // "LayerNormalization", "com.microsoft.Gelu"
  NodeVerdict verdict;
  std::string result;  // "float [1, 128, 384]"
  double flops = 0;
  double weight_bytes = 0, value_bytes = 0;
  bool sized = true;  // false: a size is open, and its work counts as nothing
  // The subgraph that it becomes part of: 0, 1, ... on the NPU; -1 on the CPU; -2 gone before
  // anything runs.
  int partition = -1;
  std::vector<int> producers;  // indices of the nodes that make its inputs
};

struct Boundary {
  std::string value;
  double bytes = 0;  // 0: its size is not known
  bool to_npu = false;
  bool model_interface = false;  // an input or output of the model: it crosses in any case
};

struct Totals {
  int64_t nodes = 0;  // without those that are gone
  int64_t npu_nodes = 0, gone_nodes = 0;
  int64_t unsized_nodes = 0;  // of nodes: their work is not in the sums below
  int64_t supported = 0, partial = 0, unsupported = 0, unknown = 0;
  double flops = 0, npu_flops = 0;
  double weight_bytes = 0, npu_weight_bytes = 0;
  int64_t subgraphs = 0;
  double boundary_bytes = 0;  // of tensors that cross only because the model is cut
  double interface_bytes = 0;
  double launch_seconds = 0, transfer_seconds = 0;
  double compute_seconds = 0;  // rough: both sides at their constant's rate
  double Seconds() const { return launch_seconds + transfer_seconds + compute_seconds; }
};

// Nodes with one reason, and what would be gained if it were removed.
struct Help {
  std::string rule, op, reason, remedy;
  EvidenceTier tier = EvidenceTier::kHeuristic;
  Verdict verdict = Verdict::kUnknown;
  std::vector<int> nodes;
  double gained_flops = 0;
  int64_t subgraphs_before = 0, subgraphs_after = 0;
  double gained_seconds = 0;
};

struct TargetReport {
  Target target;
  std::vector<ModelFinding> findings;
  std::vector<NodeReport> nodes;
  std::vector<Boundary> boundaries;
  Totals totals;
  std::vector<Help> help;     // the largest gain first
  std::string compiler_note;  // what the vendor's compiler said of the whole; "" without --compiler
};

// Who makes and who reads the values that are no constants.
struct Wiring {
  struct Value {
    std::string name;
    int producer = -1;  // node; -1: an input of the model
    std::vector<int> consumers;
    double bytes = 0;
    bool model_output = false;
  };
  std::vector<Value> values;
};

struct ModelReport {
  std::string path;
  std::string stage;  // "encoder" of a model of ours; "" of a file
  std::string producer;
  int64_t opset = 0, ir_version = 0;
  uint64_t file_bytes = 0, data_bytes = 0;
  size_t data_files = 0;
  std::vector<std::string> inputs, outputs;  // "ids int32 [128]"
  std::vector<std::string> conflicts;        // of shape inference
  Wiring wiring;
  std::vector<TargetReport> targets;
};

struct AnalysisOptions {
  Bindings bind;
  const OpDatabase* database = nullptr;  // null: without measured rows
};

// Errors of InferShapes and of functions that cannot be put in place.
Result<ModelReport> Analyze(OnnxModel model, const std::string& path,
                            const std::vector<Target>& targets, const AnalysisOptions& options);

// Subgraphs, boundaries, totals and help from the verdicts of the nodes; called by Analyze, and
// again when a compiler has changed verdicts.
void Summarize(const Wiring& wiring, TargetReport& report);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_ANALYSIS_H_
