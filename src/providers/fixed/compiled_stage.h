// A graph at one set of sizes, compiled by a backend: the step form's device part as a model, with
// what the host has to know to feed it.
#ifndef TESSERA_PROVIDERS_FIXED_COMPILED_STAGE_H_
#define TESSERA_PROVIDERS_FIXED_COMPILED_STAGE_H_

#include <memory>
#include <mutex>
#include <string>

#include "graph/onnx/export.h"
#include "graph/onnx/step.h"
#include "providers/fixed/backend.h"

namespace tessera::fixed {

struct StageOptions {
  OnnxWeights weights = OnnxWeights::kF32;
  int observed_bits = 0;
  bool require_all_nodes = false;
  std::chrono::seconds time_limit{600};
  std::string cache_folder;  // of this model and backend; "": nothing is kept
  int64_t first_text_bucket = 128;
};

class CompiledStage {
 public:
  // Exports `graph` with its symbols bound to `dims` and has it compiled. Errors of the export and
  // of FixedBackend::Compile.
  static Result<std::unique_ptr<CompiledStage>> Compile(const Graph& graph, const DimBindings& dims,
                                                        const FixedBackend& backend,
                                                        const StageOptions& options,
                                                        std::stop_token stop);

  const Graph& graph() const { return graph_; }  // no symbols left
  const StepForm& form() const { return form_; }
  // As FixedModel::Run; callers of several threads take turns.
  Status Run(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs,
             std::stop_token stop) const;
  const StagePlacement& placement() const { return placement_; }
  size_t model_bytes() const { return model_bytes_; }  // of the exported files

 private:
  CompiledStage(Graph graph, StepForm form) : graph_(std::move(graph)), form_(std::move(form)) {}

  const Graph graph_;
  const StepForm form_;
  std::unique_ptr<FixedModel> model_;
  mutable std::mutex turn_;  // held during a run
  StagePlacement placement_;
  size_t model_bytes_ = 0;
};

// The record of a library in terms of the graph that was exported: its nodes named "NODE/OpType"
// after the graph's nodes, where their names still begin with one (libraries rename what they
// fuse), the stage's and backend's names filled in, and the nodes that the host does.
StagePlacement PlacementOfGraph(const Graph& graph, const StepForm& form, const BackendInfo& info,
                                StagePlacement record);

}  // namespace tessera::fixed

#endif  // TESSERA_PROVIDERS_FIXED_COMPILED_STAGE_H_
