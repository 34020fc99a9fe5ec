// Whisper's stages computed by Qualcomm's emulator of the HTP against our CPU kernels in f32. The
// emulator takes minutes, so the test runs where TESSERA_EMULATOR_TESTS is set; docs/
// qnn-emulator-run.md keeps what it printed.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "models/whisper/load.h"
#include "models/whisper/model.h"
#include "models/whisper/probe.h"
#include "models/whisper/stages.h"
#include "providers/cpu/provider.h"
#include "providers/fixed/provider.h"
#include "providers/onnxruntime/backend.h"
#include "runtime/numerics_gate.h"
#include "tests/unit/npu_venv.h"

namespace tessera {
namespace {

// Stages of a model on one provider, tried one after another with the model's own probes.
struct Tried {
  std::map<std::string, std::map<std::string, Tensor>> outputs;  // by stage; of the last run
};

constexpr int64_t kMostTokens = 32;  // of the probe's prompt

Result<Tried> TryStages(const ExecutionProvider& provider, const WhisperFiles& files,
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

TEST(QualcommEmulator, ComputesWhisperAsTheCpuDoes) {
  if (std::getenv("TESSERA_EMULATOR_TESTS") == nullptr) {
    GTEST_SKIP() << "takes minutes; set TESSERA_EMULATOR_TESTS to run it";
  }
  UseNpuVenv();
  const Result<std::string> models = ModelsFolder();
  ASSERT_TRUE(models.ok());
  const std::string path = *models + "/whisper-base";
  if (!FolderExists(path)) GTEST_SKIP() << "no model in " << path;
  OnnxRuntimeOptions options;
  options.worker = TESSERA_BINARY_DIR "/tessera";
  const auto backend = OpenOnnxRuntimeBackend("qnn", options);
  if (backend.status().code() == StatusCode::kNotFound) GTEST_SKIP() << backend.status().message();
  ASSERT_TRUE(backend.ok()) << backend.status().ToString();
  const auto files = LoadWhisperFiles(path);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  const auto cpu = std::make_shared<CpuProvider>(2);
  const auto model = WhisperModel::Load(path, cpu, {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const auto expected = TryStages(*cpu, *files, (*model)->tokenizer());
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  const FixedProvider emulator(*backend, {.require_all_nodes = true}, 2);
  const auto found = TryStages(emulator, *files, (*model)->tokenizer());
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  int outputs = 0;
  for (const auto& [stage, tensors] : expected->outputs) {
    for (const auto& [name, tensor] : tensors) {
      const Agreement agreement =
          Compare(tensor.ViewOf(), found->outputs.at(stage).at(name).ViewOf());
      std::printf("%s %s: cosine %.6f, largest error %.4f of the largest value\n", stage.c_str(),
                  name.c_str(), agreement.cosine, agreement.relative_error);
      EXPECT_GE(agreement.cosine, 0.999) << stage << " " << name;
      ++outputs;
    }
  }
  EXPECT_GE(outputs, 2);
}

}  // namespace
}  // namespace tessera
