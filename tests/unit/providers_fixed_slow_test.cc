// The step form as ONNX: what the reference backend computed in every run of a program, ONNX
// Runtime computes from the exported model. The program itself agrees with the interpreter
// (providers_fixed_test.cc), so the two together say that the exported models do.
#include <gtest/gtest.h>

#include <numeric>

#include "providers/fixed/provider.h"
#include "tests/unit/fixed_reference_backend.h"
#include "tests/unit/fixed_samples.h"
#include "tests/unit/onnx_oracle.h"

namespace tessera {
namespace {

using namespace fixed_test;  // NOLINT: the samples of this test
namespace fs = std::filesystem;

class StepFormTest : public OnnxOracleTest {
 protected:
  // Runs the graph once for each of `runs` and adds what each unit was given and gave as a case.
  void Add(const std::string& name, const std::vector<const Graph*>& graphs, const Graph& graph,
           const std::vector<std::map<std::string, Tensor>>& runs, StateStore* states,
           OnnxWeights weights) {
    auto backend = std::make_shared<ReferenceBackend>(graphs, UnitSizes());
    std::vector<fs::path> models;
    backend->on_compile = [&](const std::string& path, const FixedCompileOptions&) {
      models.push_back(folder_ / (name + "_" + std::to_string(models.size()) + ".onnx"));
      fs::create_directories(folder_);
      fs::copy_file(path, models.back());
      return OkStatus();
    };
    const FixedProvider provider(backend, {.weights = weights}, 1);
    auto program = provider.Compile(graph, {.max_dims = MaxDims()});
    ASSERT_TRUE(program.ok()) << program.status().ToString();
    const auto context = (*program)->NewContext();
    for (const auto& inputs : runs) {
      std::vector<NamedView> in;
      DimBindings sizes;
      for (const auto& [key, tensor] : inputs) {
        in.push_back({key, tensor.ViewOf()});
        ASSERT_TRUE(
            BindValue(graph.value(graph.FindValue(key)), tensor.dtype(), tensor.shape(), &sizes)
                .ok());
      }
      std::vector<Tensor> results;
      std::vector<NamedMutableView> out;
      for (const GraphOutput& output : graph.outputs())
        results.emplace_back(DType::kF32, *EvaluateDims(graph.value(output.value).dims, sizes));
      for (size_t i = 0; i < results.size(); ++i)
        out.push_back({graph.outputs()[i].name, results[i].MutableViewOf()});
      const Status status = (*program)->Run(*context, states, {in, out}, {});
      ASSERT_TRUE(status.ok()) << status.ToString();
    }
    const auto& compiled = backend->models.at(graph.name());
    for (size_t m = 0; m < compiled.size(); ++m) {
      for (size_t r = 0; r < compiled[m]->runs.size(); ++r) {
        const fs::path folder = AddCase(name + "_" + std::to_string(m) + "_" + std::to_string(r));
        fs::copy_file(models[m], folder / "model.onnx");
        for (const auto& [key, tensor] : compiled[m]->runs[r].inputs)
          AddTensor(folder, "input", key, tensor.ViewOf());
        for (const auto& [key, tensor] : compiled[m]->runs[r].outputs)
          AddTensor(folder, "output", key, tensor.ViewOf());
      }
    }
  }
};

TEST_F(StepFormTest, OnnxRuntimeComputesTheSame) {
  const Graph cross_kv = CrossKv(), decoder = StepDecoder();
  const Graph encoder = WholeEncoder(), text = fixed_test::TextEncoder();
  const std::vector<const Graph*> graphs = {&cross_kv, &decoder, &encoder, &text};
  samples::Random random(5);
  for (const OnnxWeights weights : {OnnxWeights::kF32, OnnxWeights::kF16}) {
    const std::string end = weights == OnnxWeights::kF32 ? "" : "_f16";
    const Graph* shared[] = {&cross_kv, &decoder};
    auto states = FixedProvider(std::make_shared<ReferenceBackend>(graphs, UnitSizes()), {}, 1)
                      .NewStateStore(shared, {.max_dims = MaxDims()});
    ASSERT_TRUE(states.ok());
    std::vector<std::map<std::string, Tensor>> windows(2);
    const std::vector<int32_t> lengths = {kPositions, 3};
    for (const int32_t window : {0, 1}) {
      std::vector<int32_t> rows(static_cast<size_t>(lengths[static_cast<size_t>(window)]));
      std::iota(rows.begin(), rows.end(), 0);
      const auto count = static_cast<int64_t>(rows.size());
      auto& inputs = windows[static_cast<size_t>(window)];
      inputs.emplace("features", random.Floats({count, kWidth}));
      inputs.emplace("slot", Ids(std::vector<int32_t>(rows.size(), window)));
      inputs.emplace("position", Ids(rows));
    }
    Add("cross_kv" + end, graphs, cross_kv, windows, states->get(), weights);

    std::vector<std::map<std::string, Tensor>> steps;
    steps.push_back(StepInputs({{3, 0, 0, {0}}, {7, 2, 1, {2}}, {1, 0, 0, {0, 0}}}, lengths, {2}));
    steps.push_back(
        StepInputs({{5, 1, 0, {0, 0, 1}}, {6, 2, 1, {2, 2}}, {9, 0, 0, {0, 0, 0}}}, lengths, {0}));
    steps.push_back(StepInputs({{8, 0, 0, {0, 0, 1, 0}}}, lengths, {0}));
    Add("decoder" + end, graphs, decoder, steps, states->get(), weights);

    std::vector<std::map<std::string, Tensor>> mels(1), texts(1);
    mels[0].emplace("mel", random.Floats({1, 2 * kPositions, kWidth}));
    mels[0].emplace("position_ids", Ids({8, 0, 1, 4, 2}));
    Add("encoder" + end, graphs, encoder, mels, nullptr, weights);
    texts[0].emplace("ids", random.Ints({20}, 0, kVocabulary));
    texts[0].emplace("offsets", Ids({0, 17, 20}));
    Add("text" + end, graphs, text, texts, nullptr, weights);
  }
  Check();
}

}  // namespace
}  // namespace tessera
