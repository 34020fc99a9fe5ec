// Whisper's stages on a provider, with the inputs that devices are tried with.
#ifndef TESSERA_TESTS_UNIT_TRIED_STAGES_H_
#define TESSERA_TESTS_UNIT_TRIED_STAGES_H_

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/whisper/load.h"
#include "models/whisper/probe.h"
#include "models/whisper/stages.h"
#include "providers/execution_provider.h"
#include "runtime/numerics_gate.h"

namespace tessera {

// Stages of a model on one provider, tried one after another with the model's own probes.
struct Tried {
  std::map<std::string, std::map<std::string, Tensor>> outputs;  // by stage; of the last run
};

inline constexpr int64_t kMostTokens = 32;  // of the probe's prompt

inline Result<Tried> TryStages(const ExecutionProvider& provider, const WhisperFiles& files,
                               const WhisperTokenizer& tokenizer) {
  std::vector<Graph> graphs;
  for (const std::string_view stage : kWhisperStages) {
    TESSERA_ASSIGN_OR_RETURN(Graph graph, BuildWhisperStage(stage, files.config, files.weights));
    graphs.push_back(std::move(graph));
  }
  CompileOptions state_options;
  for (const Graph& graph : graphs) {
    state_options.max_dims.merge(SingleTokenDims(graph, files.config));
  }
  const Graph* with_states[] = {&graphs[1], &graphs[2]};
  TESSERA_ASSIGN_OR_RETURN(const auto states, provider.NewStateStore(with_states, state_options));
  Tried tried;
  std::vector<std::unique_ptr<Program>> programs;
  for (size_t i = 0; i < graphs.size(); ++i) {
    CompileOptions options;
    options.max_dims = SingleTokenDims(graphs[i], files.config);
    if (i == 2) options.max_dims["tokens"] = options.max_dims["outputs"] = kMostTokens;
    TESSERA_ASSIGN_OR_RETURN(auto program, provider.Compile(graphs[i], options));
    programs.push_back(std::move(program));
    const StagePlacement& placement = programs[i]->placement();
    std::printf("%s on %s: %zu nodes, compiled in %.1f s\n", placement.stage.c_str(),
                std::string(provider.name()).c_str(), placement.nodes.size(),
                placement.compile_seconds);
    std::fflush(stdout);
    TESSERA_ASSIGN_OR_RETURN(const StageProbe probe,
                             i == 0   ? WhisperEncoderProbe(files.config)
                             : i == 1 ? WhisperCrossKvProbe(files.config, graphs[0], *programs[0])
                                      : WhisperDecoderProbe(files.config, tokenizer));
    const auto context = programs[i]->NewContext();
    for (const StageProbe::Inputs& inputs : probe.runs) {
      TESSERA_ASSIGN_OR_RETURN(
          tried.outputs[placement.stage],
          RunProbe(graphs[i], *programs[i], *context, i == 0 ? nullptr : states.get(), inputs, {}));
    }
  }
  return tried;
}

// Of each output in `found` with that of the same name in `expected`, by "STAGE OUTPUT"; printed.
inline std::map<std::string, Agreement> CompareStages(const Tried& expected, const Tried& found) {
  std::map<std::string, Agreement> all;
  for (const auto& [stage, tensors] : expected.outputs) {
    for (const auto& [name, tensor] : tensors) {
      const Agreement agreement =
          Compare(tensor.ViewOf(), found.outputs.at(stage).at(name).ViewOf());
      std::printf("%s %s: cosine %.6f, largest error %.4f of the largest value\n", stage.c_str(),
                  name.c_str(), agreement.cosine, agreement.relative_error);
      all[stage + " " + name] = agreement;
    }
  }
  return all;
}

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_TRIED_STAGES_H_
