// FixedProvider over a backend that computes with reference ops: whole graphs agree with the
// interpreter, and what the device is given is exactly what the step form says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <set>
#include <thread>

#include "base/atomic_file.h"
#include "base/file.h"
#include "graph/interpreter.h"
#include "providers/fixed/host_state_store.h"
#include "providers/fixed/program.h"
#include "providers/fixed/provider.h"
#include "tests/unit/fixed_reference_backend.h"
#include "tests/unit/fixed_samples.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

using namespace fixed_test;  // NOLINT: the samples of this test
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::Pair;

std::vector<float> Floats(const View& view) {
  const std::span<const float> span = view.Span<float>();
  return {span.begin(), span.end()};
}

class FixedTest : public ::testing::Test {
 protected:
  FixedTest()
      : cross_kv_(CrossKv()),
        decoder_(StepDecoder()),
        encoder_(WholeEncoder()),
        text_(fixed_test::TextEncoder()),
        backend_(std::make_shared<ReferenceBackend>(
            std::vector<const Graph*>{&cross_kv_, &decoder_, &encoder_, &text_}, UnitSizes())),
        provider_(backend_, {}, 1) {}

  std::unique_ptr<Program> Compile(const Graph& graph) {
    CompileOptions options;
    options.max_dims = MaxDims();
    auto program = provider_.Compile(graph, options);
    EXPECT_TRUE(program.ok()) << program.status().ToString();
    return program.ok() ? std::move(program).value() : nullptr;
  }

  void MakeStates() {
    CompileOptions options;
    options.max_dims = MaxDims();
    const Graph* graphs[] = {&cross_kv_, &decoder_};
    auto store = provider_.NewStateStore(graphs, options);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(store).value();
    for (const Graph* graph : graphs) {
      for (const ValueId id : graph->states()) {
        const Value& value = graph->value(id);
        states_.insert_or_assign(value.name,
                                 Tensor::Zeros(DType::kF32, *EvaluateDims(value.dims, MaxDims())));
      }
    }
  }

  // Runs on the device; outputs by name in `found`.
  Status RunDevice(const Program& program, const Graph& graph,
                   const std::map<std::string, Tensor>& inputs,
                   std::map<std::string, Tensor>* found, std::stop_token stop = {}) {
    std::vector<NamedView> in;
    DimBindings sizes;
    for (const auto& [name, tensor] : inputs) {
      in.push_back({name, tensor.ViewOf()});
      EXPECT_TRUE(
          BindValue(graph.value(graph.FindValue(name)), tensor.dtype(), tensor.shape(), &sizes)
              .ok());
    }
    std::vector<NamedMutableView> out;
    for (const GraphOutput& output : graph.outputs()) {
      Tensor tensor(DType::kF32, *EvaluateDims(graph.value(output.value).dims, sizes));
      std::ranges::fill(tensor.Span<float>(), 1e30f);
      const auto at = found->insert_or_assign(output.name, std::move(tensor)).first;
      out.push_back({at->first, at->second.MutableViewOf()});
    }
    if (context_ == nullptr) context_ = program.NewContext();
    return program.Run(*context_, store_.get(), {in, out}, stop);
  }

  // Runs both, compares outputs and states.
  void RunBoth(const Program& program, const Graph& graph,
               const std::map<std::string, Tensor>& inputs) {
    std::map<std::string, Tensor> found;
    const Status status = RunDevice(program, graph, inputs, &found);
    ASSERT_TRUE(status.ok()) << status.ToString();
    std::map<std::string, View> views;
    for (const auto& [name, tensor] : inputs) views.emplace(name, tensor.ViewOf());
    std::map<std::string, Tensor> own;
    for (const ValueId id : graph.states()) {
      const std::string& name = graph.value(id).name;
      own.emplace(name, Tensor::CopyOf(states_.at(name).ViewOf()));
    }
    auto expected = Interpret(graph, views, own.empty() ? nullptr : &own);
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    for (const auto& [name, tensor] : *expected)
      ExpectNear(found.at(name).ViewOf(), tensor.ViewOf(), name);
    for (auto& [name, tensor] : own) {
      for (int64_t slot = 0; slot < tensor.shape()[0]; ++slot) {
        View rows = tensor.ViewOf().Rows(slot, slot + 1);
        rows.shape.erase(rows.shape.begin());
        ExpectNear(store_->HostRows(name, slot), rows, name + " " + std::to_string(slot));
      }
      states_.insert_or_assign(name, std::move(tensor));
    }
  }

  static void ExpectNear(const View& found, const View& expected, const std::string& what) {
    ASSERT_EQ(found.shape, expected.shape) << what;
    for (int64_t i = 0; i < expected.size(); ++i) {
      const float want = expected.As<float>()[i];
      ASSERT_NEAR(found.As<float>()[i], want, 1e-5f * (1 + std::abs(want))) << what << " at " << i;
    }
  }

  std::map<std::string, Tensor> WindowInputs(int32_t window, int64_t positions) {
    std::vector<int32_t> rows;
    for (int32_t i = 0; i < positions; ++i) rows.push_back(i);
    std::map<std::string, Tensor> inputs;
    inputs.emplace("features", random_.Floats({positions, kWidth}));
    inputs.emplace("slot", Ids(std::vector<int32_t>(rows.size(), window)));
    inputs.emplace("position", Ids(rows));
    return inputs;
  }

  ReferenceModel& Model(const std::string& stage, size_t number = 0) {
    return *backend_->models.at(stage).at(number);
  }

  samples::Random random_{7};
  const Graph cross_kv_, decoder_, encoder_, text_;
  const std::shared_ptr<ReferenceBackend> backend_;
  const FixedProvider provider_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<ExecutionContext> context_;
  std::map<std::string, Tensor> states_;  // the interpreter's
};

class FixedDecoderTest : public FixedTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(MakeStates());
    cross_program_ = Compile(cross_kv_);
    program_ = Compile(decoder_);
    ASSERT_TRUE(cross_program_ && program_);
    // The second window is shorter than the device's shape.
    for (const int32_t window : {0, 1}) {
      context_.reset();
      ASSERT_NO_FATAL_FAILURE(RunBoth(*cross_program_, cross_kv_,
                                      WindowInputs(window, lengths_[static_cast<size_t>(window)])));
    }
    context_ = program_->NewContext();
  }
  std::map<std::string, Tensor> Step(const std::vector<StepToken>& tokens,
                                     std::vector<int32_t> outputs) {
    return StepInputs(tokens, lengths_, std::move(outputs));
  }
  void Both(const std::vector<StepToken>& tokens, std::vector<int32_t> outputs) {
    RunBoth(*program_, decoder_, Step(tokens, std::move(outputs)));
  }
  Status Device(const std::map<std::string, Tensor>& inputs, std::stop_token stop = {}) {
    std::map<std::string, Tensor> found;
    return RunDevice(*program_, decoder_, inputs, &found, std::move(stop));
  }

  const std::vector<int32_t> lengths_ = {kPositions, 3};
  std::unique_ptr<Program> cross_program_, program_;
};

TEST_F(FixedDecoderTest, AgreesWithTheInterpreter) {
  // A prompt of two rows whose windows differ, outputs in another order and one of them twice.
  Both({{3, 0, 0, {0}}, {7, 2, 1, {2}}, {1, 0, 0, {0, 0}}, {12, 0, 0, {0, 0, 0}}}, {3, 1, 3});
  // Rows 1 and 2 go on from row 0's history.
  Both({{5, 0, 0, {0, 0, 0, 0}}, {6, 1, 0, {0, 0, 0, 1}}, {2, 2, 0, {0, 0, 0, 2}}}, {0, 1, 2});
  // Beams change places: row 0 goes on from row 1.
  Both({{8, 0, 0, {0, 0, 0, 1, 0}}, {4, 2, 0, {0, 0, 0, 2, 2}}}, {1, 0});
  Both({{9, 0, 0, {0, 0, 0, 1, 0, 0}}}, {0});
  EXPECT_EQ(Model("small.decoder").runs.size(), 10u);
}

TEST_F(FixedDecoderTest, GivesTheDeviceWhatTheStepFormSays) {
  Both({{3, 0, 0, {0}}, {1, 0, 0, {0, 0}}, {7, 1, 1, {1}}, {11, 1, 1, {1, 1}}}, {3});
  ReferenceModel& model = Model("small.decoder");
  std::vector<std::string> names;
  for (const OnnxPort& port : model.ports().inputs)
    names.push_back(port.name + " " + ShapeToString(port.shape));
  EXPECT_THAT(names, ElementsAre("token_rows [1, 32]", "place_rows [1, 32]", "length_mask [1, 5]",
                                 "window_length_mask [1, 5]", "past_self_key.0 [5, 32]",
                                 "past_self_value.0 [5, 32]", "past_cross_key [5, 32]",
                                 "past_cross_value [5, 32]", "past_self_key.1 [5, 32]",
                                 "past_self_value.1 [5, 32]"));
  names.clear();
  for (const OnnxPort& port : model.ports().outputs)
    names.push_back(port.name + " " + ShapeToString(port.shape));
  EXPECT_THAT(names, ElementsAre("hidden [1, 32]", "logits [1, 13]", "new_self_key.0 [1, 32]",
                                 "new_self_value.0 [1, 32]", "new_self_key.1 [1, 32]",
                                 "new_self_value.1 [1, 32]"));

  ASSERT_EQ(model.runs.size(), 4u);
  const auto input = [&](int run, const char* name) {
    return Floats(model.runs[static_cast<size_t>(run)].inputs.at(name).ViewOf());
  };
  constexpr float kNo = kHiddenScore;
  // Order of positions: both first tokens, then those that see them.
  EXPECT_THAT(input(0, "length_mask"), ElementsAre(kNo, kNo, kNo, kNo, kNo));
  EXPECT_THAT(input(1, "length_mask"), ElementsAre(kNo, kNo, kNo, kNo, kNo));
  EXPECT_THAT(input(2, "length_mask"), ElementsAre(0, kNo, kNo, kNo, kNo));
  EXPECT_THAT(input(0, "window_length_mask"), Each(0.0f));
  EXPECT_THAT(input(1, "window_length_mask"), ElementsAre(0, 0, 0, kNo, kNo));
  const View table = decoder_.value(decoder_.FindValue("embedding")).data;
  EXPECT_EQ(input(1, "token_rows"), Floats(table.Rows(7, 8)));
  const View places = decoder_.value(decoder_.FindValue("places")).data;
  EXPECT_EQ(input(3, "place_rows"), Floats(places.Rows(1, 2)));

  // A past within one row of the store is handed over where it lies.
  const auto address = [&](int run, const char* name) {
    return model.runs[static_cast<size_t>(run)].addresses.at(name);
  };
  EXPECT_EQ(address(2, "past_self_key.0"), store_->HostRows("self_key.0", 0).data);
  EXPECT_EQ(address(3, "past_cross_value"), store_->HostRows("cross_value", 1).data);

  // One that lies in several is brought together.
  Both({{2, 2, 0, {0, 1, 2}}}, {0});
  const std::vector<float> past = input(4, "past_self_value.1");
  const std::vector<float> first = Floats(store_->HostRows("self_value.1", 0).Rows(0, 1));
  const std::vector<float> second = Floats(store_->HostRows("self_value.1", 1).Rows(1, 2));
  EXPECT_EQ(std::vector<float>(past.begin(), past.begin() + kWidth), first);
  EXPECT_EQ(std::vector<float>(past.begin() + kWidth, past.begin() + 2 * kWidth), second);
  // And what the device made of the token is the row that is stored.
  EXPECT_EQ(Floats(model.runs[4].outputs.at("new_self_value.1").ViewOf()),
            Floats(store_->HostRows("self_value.1", 2).Rows(2, 3)));
}

TEST_F(FixedDecoderTest, RefusesWhatTheGraphDoesNotMean) {
  ASSERT_TRUE(Device(Step({{3, 0, 0, {0}}}, {0})).ok());
  const size_t runs = Model("small.decoder").runs.size();
  const auto refused = [&](const char* name, Tensor value, const char* message) {
    auto inputs = Step({{1, 0, 0, {0, 0}}, {2, 1, 1, {1}}}, {0});
    inputs.insert_or_assign(name, std::move(value));
    const Status status = Device(inputs);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(status.message(), HasSubstr(message));
  };
  refused("tokens", Ids({1, 13}), "tokens: expected values in 0..12, found 13");
  refused("slot", Ids({0, 3}), "slot: expected values in 0..2, found 3");
  refused("position", Ids({1, -1}), "position: expected values in 0..5, found -1");
  refused("position", Ids({0, 0}), "length: expected token 0 to be the last of its history");
  refused("length", Ids({3, 1}), "length: expected values in 1..2, found 3");
  refused("history", Ids({4, 0, 1, 0}, {2, 2}), "history: expected values in 0..2, found 4");
  refused("history", Ids({0, 1, 1, 0}, {2, 2}), "expected token 0 to be the last");
  refused("window", Ids({0, 2}), "window: expected values in 0..1, found 2");
  refused("window_length", Ids({5, 4}), "window_length: slot 1 holds 3 rows, found 4");
  refused("outputs", Ids({2}), "outputs: expected values in 0..1, found 2");
  auto inputs = Step({{1, 0, 0, {0, 0}}}, {0});
  inputs.erase("slot");
  EXPECT_THAT(Device(inputs).message(), HasSubstr("the input slot is missing"));
  EXPECT_EQ(Model("small.decoder").runs.size(), runs);
}

TEST_F(FixedDecoderTest, KeepsWhatWasDoneBeforeTheDeviceFailed) {
  ReferenceModel& model = Model("small.decoder");
  // Runs are asked to end from another thread, so the device's own answer stands for that here.
  std::stop_source source;
  model.before = [&](int run) {
    if (run == 0) return OkStatus();
    source.request_stop();
    return Cancelled("a stop was requested");
  };
  const auto prompt = Step({{3, 0, 0, {0}}, {1, 0, 0, {0, 0}}, {12, 0, 0, {0, 0, 0}}}, {2});
  EXPECT_EQ(Device(prompt, source.get_token()).code(), StatusCode::kCancelled);
  EXPECT_EQ(model.runs.size(), 1u);
  EXPECT_THAT(Floats(store_->HostRows("self_key.0", 0).Rows(1, 2)), Each(0.0f));

  model.before = [](int run) { return run == 2 ? Unavailable("the device is gone") : OkStatus(); };
  const Status status = Device(prompt);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "the device is gone");
  EXPECT_EQ(Floats(store_->HostRows("self_key.0", 0).Rows(0, 1)),
            Floats(model.runs[1].outputs.at("new_self_key.0").ViewOf()));
  EXPECT_THAT(Floats(store_->HostRows("self_key.0", 0).Rows(1, 2)), Each(0.0f));
}

TEST_F(FixedDecoderTest, PlacementNamesNodesOfTheGraph) {
  const StagePlacement& placement = program_->placement();
  EXPECT_EQ(placement.stage, "small.decoder");
  EXPECT_EQ(placement.provider, "reference:test");
  EXPECT_EQ(placement.device_name, "Test Device");
  EXPECT_TRUE(placement.emulated);
  EXPECT_THAT(placement.host_nodes,
              ElementsAre("token_rows", "place_rows", "layers.0.key_write", "layers.0.value_write",
                          "layers.1.key_write", "layers.1.value_write", "output_rows"));
  std::set<std::string> names(placement.host_nodes.begin(), placement.host_nodes.end());
  for (const NodePlacement& node : placement.nodes)
    names.insert(node.name.substr(0, node.name.rfind('/')));
  for (const Node& node : decoder_.nodes()) EXPECT_TRUE(names.contains(node.name)) << node.name;
  EXPECT_EQ(names.size(), decoder_.nodes().size());
  // Every weight but the embeddings, which the host looks up, and the logits' table.
  EXPECT_GT(program_->weight_bytes(), 2000u);
}

TEST_F(FixedTest, RecordsKeepTheNamesThatLibrariesChange) {
  StagePlacement record;
  record.nodes = {{.name = "layers.0.query/MatMul/MatMulAddFusion", .op = "Gemm"},
                  {.name = "layers.0.query/Gemm", .op = "Gemm"},
                  {.name = "fused_3", .op = "LayerNormalization"},
                  {.name = "/x", .op = "Add"}};
  const StagePlacement placement = fixed::PlacementOfGraph(decoder_, {}, backend_->info(), record);
  std::vector<std::string> names;
  for (const NodePlacement& node : placement.nodes) names.push_back(node.name);
  EXPECT_THAT(names, ElementsAre("layers.0.query/Gemm", "layers.0.query/Gemm", "fused_3", "/x"));
}

TEST_F(FixedTest, WindowsAreEncodedWhole) {
  const auto program = Compile(encoder_);
  ASSERT_TRUE(program);
  const auto inputs = [&](int64_t positions) {
    std::vector<int32_t> ids;
    for (int32_t i = 0; i < positions; ++i) ids.push_back(8 - i);
    std::map<std::string, Tensor> tensors;
    tensors.emplace("mel", random_.Floats({1, 2 * positions, kWidth}));
    tensors.emplace("position_ids", Ids(ids));
    return tensors;
  };
  ASSERT_NO_FATAL_FAILURE(RunBoth(*program, encoder_, inputs(kPositions)));
  std::map<std::string, Tensor> found;
  EXPECT_THAT(RunDevice(*program, encoder_, inputs(kPositions - 1), &found).message(),
              HasSubstr("computes small.encoder whole: expected positions = 5, found 4"));
  EXPECT_EQ(Model("small.encoder").runs.size(), 1u);
}

TEST_F(FixedTest, TextsRunOneByOneInTheShapeOfTheirLength) {
  const auto program = Compile(text_);
  ASSERT_TRUE(program);
  EXPECT_THAT(fixed::TextBuckets(40), ElementsAre(16, 32, 40));
  EXPECT_THAT(fixed::TextBuckets(16), ElementsAre(16));
  const auto inputs = [&](std::vector<int32_t> offsets) {
    std::map<std::string, Tensor> tensors;
    tensors.emplace("ids", random_.Ints({offsets.back()}, 0, kVocabulary));
    tensors.emplace("offsets", Ids(std::move(offsets)));
    return tensors;
  };
  ASSERT_NO_FATAL_FAILURE(RunBoth(*program, text_, inputs({0, 17, 17, 20, 36})));
  // The first shape is there from the beginning, others came with their texts.
  const auto& models = backend_->models.at("small.text");
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(models[0]->ports().inputs[0].shape, (Shape{40, kWidth}));
  EXPECT_EQ(models[1]->ports().inputs[0].shape, (Shape{32, kWidth}));
  EXPECT_EQ(models[2]->ports().inputs[0].shape, (Shape{16, kWidth}));
  EXPECT_EQ(models[0]->runs.size(), 0u);
  EXPECT_EQ(models[1]->runs.size(), 1u);
  EXPECT_EQ(models[2]->runs.size(), 2u);
  const std::vector<float> mask = Floats(models[2]->runs[0].inputs.at("offsets_mask").ViewOf());
  std::vector<float> expected(16, kHiddenScore);
  std::fill_n(expected.begin(), 3, 0.0f);
  EXPECT_EQ(mask, expected);
  ASSERT_NO_FATAL_FAILURE(RunBoth(*program, text_, inputs({0, 40})));
  EXPECT_EQ(models[0]->runs.size(), 1u);

  std::map<std::string, Tensor> found;
  for (const std::vector<int32_t>& bad :
       std::vector<std::vector<int32_t>>{{1, 5}, {0, 4, 3, 5}, {0, 4}}) {
    auto wrong = inputs({0, 5});
    wrong.insert_or_assign("offsets", Ids(bad));
    EXPECT_THAT(
        RunDevice(*program, text_, wrong, &found).message(),
        HasSubstr("offsets: expected values that begin with 0, do not fall and end with 5"));
  }
  EXPECT_THAT(RunDevice(*program, text_, inputs({0, 41}), &found).message(),
              HasSubstr("tokens: expected values in 1..40, found 41"));
}

TEST_F(FixedTest, ContextsOfSeveralThreadsTakeTurns) {
  const auto program = Compile(text_);
  ASSERT_TRUE(program);
  const Tensor ids = random_.Ints({36}, 0, kVocabulary), offsets = Ids({0, 3, 23, 36});
  const NamedView in[] = {{"ids", ids.ViewOf()}, {"offsets", offsets.ViewOf()}};
  std::vector<Tensor> found;
  for (int i = 0; i < 4; ++i) found.push_back(Tensor::Zeros(DType::kF32, {36, kWidth}));
  {
    std::vector<std::jthread> threads;
    for (Tensor& tensor : found)
      threads.emplace_back([&] {
        const auto context = program->NewContext();
        const NamedMutableView out[] = {{"hidden", tensor.MutableViewOf()}};
        EXPECT_TRUE(program->Run(*context, nullptr, {in, out}, {}).ok());
      });
  }
  EXPECT_THAT(Floats(found[0].ViewOf()), ::testing::Not(Each(0.0f)));
  for (const Tensor& tensor : found) EXPECT_EQ(Floats(tensor.ViewOf()), Floats(found[0].ViewOf()));
  // 16, 32 and the first one, each compiled once.
  EXPECT_EQ(backend_->models.at("small.text").size(), 3u);
}

TEST_F(FixedTest, ACompilerThatFailsSaysSo) {
  backend_->on_compile = [](const std::string&, const FixedCompileOptions&) {
    return Unimplemented("no op Gemm");
  };
  CompileOptions options;
  options.max_dims = MaxDims();
  EXPECT_EQ(provider_.Compile(decoder_, options).status().message(), "no op Gemm");
  options.max_dims.erase("history");
  EXPECT_THAT(provider_.Compile(decoder_, options).status().message(),
              HasSubstr("no largest size for 'history'"));
}

TEST_F(FixedTest, KeepsModelsOfOneIdentity) {
  const std::string folder = TempPath("fixed");
  FixedProvider provider(backend_, {.cache_folder = folder}, 2);
  std::vector<std::string> paths, folders;
  std::vector<std::filesystem::file_time_type> times;
  backend_->on_compile = [&](const std::string& path, const FixedCompileOptions& options) {
    paths.push_back(path);
    folders.push_back(options.cache_folder);
    times.push_back(std::filesystem::last_write_time(path));
    return OkStatus();
  };
  const std::string source = TempPath("model");
  ASSERT_TRUE(WriteFileAtomically(source, "weights").ok());
  const auto compile = [&](const char* identity) {
    CompileOptions options;
    options.max_dims = MaxDims();
    options.cache =
        provider.OpenCache({"somewhere/model-reference:test-f32.packed", identity, source});
    ASSERT_NE(options.cache, nullptr);
    ASSERT_TRUE(provider.Compile(decoder_, options).ok());
    const Result<bool> committed = options.cache->Commit();
    ASSERT_TRUE(committed.ok());
    EXPECT_FALSE(*committed);
  };
  compile("a");
  compile("a");
  const std::string mark = JoinPath(folders[0], "compiled");
  ASSERT_TRUE(WriteFileAtomically(mark, "x").ok());
  EXPECT_EQ(times[0], times[1]);
  EXPECT_EQ(paths[0], paths[1]);
  EXPECT_THAT(folders[0], HasSubstr("model-reference_test-f32.packed/small.decoder-"));
  EXPECT_EQ(folders[0], folders[1]);
  // One that is damaged is made again.
  const auto content = [&] { return ReadFile(paths[0], 1 << 20).value(); };
  const std::string whole = content();
  ASSERT_TRUE(WriteFileAtomically(paths[0], whole.substr(0, whole.size() / 2)).ok());
  compile("a");
  EXPECT_EQ(content(), whole);
  EXPECT_TRUE(FileExists(mark));
  compile("b");
  EXPECT_EQ(paths[0], paths[3]);
  EXPECT_FALSE(FileExists(mark));

  // Where nothing can be written, nothing is kept.
  ASSERT_TRUE(RemoveFolder(folders[0]).ok());
  ASSERT_TRUE(WriteFileAtomically(folders[0], "a file").ok());
  compile("b");
  EXPECT_EQ(folders.back(), "");
  EXPECT_FALSE(FileExists(paths.back()));

  // Nor without a cache.
  ASSERT_TRUE(provider.Compile(decoder_, {.max_dims = MaxDims()}).ok());
  EXPECT_EQ(folders.back(), "");
  EXPECT_FALSE(FileExists(paths.back()));
  EXPECT_EQ(FixedProvider(backend_, {}, 0).OpenCache({"a", "b", "c"}), nullptr);

  // A model that is gone takes its folder with it, when another one is opened.
  EXPECT_TRUE(FileExists(JoinPath(folder, "model-reference_test-f32.packed/identity")));
  ASSERT_TRUE(RemoveFile(source).ok());
  ASSERT_NE(provider.OpenCache({"other", "c", TESSERA_SOURCE_DIR "/LICENSE"}), nullptr);
  EXPECT_FALSE(FolderExists(JoinPath(folder, "model-reference_test-f32.packed")));
  EXPECT_TRUE(FolderExists(JoinPath(folder, "other")));
  EXPECT_TRUE(RemoveFolder(folder).ok());
}

TEST(HostStateStore, RowsAndWholeSlots) {
  const Graph cross_kv = CrossKv(), decoder = StepDecoder();
  const Graph* graphs[] = {&cross_kv, &decoder};
  auto store = HostStateStore::Create(graphs, MaxDims());
  ASSERT_TRUE(store.ok());
  // Four of the decoder's own, two of both.
  EXPECT_EQ((*store)->bytes(),
            static_cast<size_t>(4 * kRows * kHistory + 2 * kWindows * kPositions) * kWidth *
                sizeof(float));
  Tensor rows(DType::kF32, {2, kWidth});
  std::iota(rows.As<float>(), rows.As<float>() + rows.size(), 1.0f);
  ASSERT_TRUE((*store)->WriteRows("self_key.1", 1, 3, rows.ViewOf()).ok());
  const View slot = (*store)->HostRows("self_key.1", 1);
  EXPECT_EQ(slot.shape, (Shape{kHistory, kWidth}));
  EXPECT_EQ(Floats(slot.Rows(3, 5)), Floats(rows.ViewOf()));
  EXPECT_THAT(Floats(slot.Rows(5, 6)), Each(0.0f));
  EXPECT_THAT(Floats((*store)->HostRows("self_key.1", 0)), Each(0.0f));
  const HostStateStore::State& state = *(*store)->Find("self_key.1");
  EXPECT_THAT(state.written, ElementsAre(0, 5, 0));
  ASSERT_TRUE((*store)->WriteRows("self_key.1", 1, 0, rows.ViewOf()).ok());
  EXPECT_THAT(state.written, ElementsAre(0, 5, 0));
  ASSERT_TRUE((*store)->WriteRows("cross_key", 0, 0, rows.ViewOf()).ok());
  EXPECT_THAT((*store)->Find("cross_key")->written, ElementsAre(2, 0));

  const auto code = [&](const char* name, int64_t at, int64_t position, const View& view) {
    return (*store)->WriteRows(name, at, position, view).code();
  };
  EXPECT_EQ(code("nothing", 0, 0, rows.ViewOf()), StatusCode::kNotFound);
  EXPECT_EQ(code("self_key.1", 3, 0, rows.ViewOf()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("self_key.1", 0, 5, rows.ViewOf()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("self_key.1", 0, -1, rows.ViewOf()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("cross_key", 0, 1, rows.ViewOf()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("cross_key", 0, 0, {rows.As<float>(), DType::kF32, {4, 4}}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ((*store)->HostRows("nothing", 0).data, nullptr);
  EXPECT_EQ((*store)->HostRows("self_key.1", 3).data, nullptr);
}

}  // namespace
}  // namespace tessera
