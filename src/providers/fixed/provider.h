// ExecutionProvider over a library that compiles ONNX models of fixed shapes and runs them.
//
// The library gets each graph's step form (graph/onnx/step.h); what is left of the work (rows of
// embedding tables, masks, states) is done here, on the host, by the calling thread. States are
// plain rows in the host's memory, so another provider can take over from a device that is lost.
#ifndef TESSERA_PROVIDERS_FIXED_PROVIDER_H_
#define TESSERA_PROVIDERS_FIXED_PROVIDER_H_

#include <chrono>
#include <memory>
#include <string>

#include "graph/onnx/export.h"
#include "providers/execution_provider.h"
#include "providers/fixed/backend.h"

namespace tessera {

struct FixedProviderOptions {
  // Of the exported models; a device computes in what its backend says either way. A backend with
  // a quantization gets models of that form.
  OnnxWeights weights = OnnxWeights::kF32;
  // 8 or 16: the float models that a quantization with so many bits of activations begins with, to
  // observe their ranges; 0: the plain ones.
  int observed_bits = 0;
  // Compiling fails instead of leaving a node to another device.
  bool require_all_nodes = false;
  std::chrono::seconds time_limit{600};  // of one stage's compiler
  // What is compiled is kept below, in a folder for each model; "": nothing is kept. Needs
  // OpenCache.
  std::string cache_folder;
  // The length of texts that is compiled at once; others when such a text comes.
  int64_t first_text_bucket = 128;
};

class FixedProvider : public ExecutionProvider {
 public:
  // `threads`: what num_threads() says, at least 1.
  FixedProvider(std::shared_ptr<const FixedBackend> backend, FixedProviderOptions options,
                int threads);

  std::string_view name() const override { return backend_->info().name; }
  int num_threads() const override { return threads_; }
  bool fixed_shapes() const override { return true; }
  // What has no place in the step form; what the library refuses is known after Compile.
  Capability GetCapability(const Graph& graph) const override;
  // Precisions in `options` are the CPU's own and say nothing here. Errors: kUnimplemented,
  // kInvalidArgument, those of ExportOnnx and of FixedBackend::Compile.
  Result<std::unique_ptr<Program>> Compile(const Graph& graph,
                                           const CompileOptions& options) const override;
  // Null without a cache_folder. A model's folder is emptied when it holds another model, or what
  // another version of the library made of it, and goes when the model's file (key.source) is gone.
  std::shared_ptr<CompileCache> OpenCache(CompileCacheKey key) const override;
  // A HostStateStore.
  Result<std::unique_ptr<StateStore>> NewStateStore(std::span<const Graph* const> graphs,
                                                    const CompileOptions& options) const override;

  const FixedBackend& backend() const { return *backend_; }

 private:
  const std::shared_ptr<const FixedBackend> backend_;
  const FixedProviderOptions options_;
  const int threads_;
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_FIXED_PROVIDER_H_
