// The chain of providers with a device that has a fault: whatever it is, the stages' results are
// the CPU's, the report says what happened, and nothing is left to another device where an NPU is
// required. The device is real but for its chip: FixedProvider over reference ops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/guarded_thread.h"
#include "providers/cpu/provider.h"
#include "runtime/selection.h"
#include "tests/unit/faulty_backend.h"
#include "tests/unit/fixed_reference_backend.h"
#include "tests/unit/fixed_samples.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

using namespace fixed_test;  // NOLINT: the samples of this test
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kSteps = static_cast<int>(kHistory);

StageProbe ProbeOf(const std::map<std::string, Tensor>& inputs) {
  StageProbe probe;
  auto& run = probe.runs.emplace_back();
  for (const auto& [name, tensor] : inputs) run.emplace_back(name, Tensor::CopyOf(tensor.ViewOf()));
  return probe;
}

// A model in small: encoder, keys and values, greedy decoding of one row.
class SmallModel {
 public:
  SmallModel() : encoder(WholeEncoder()), cross_kv(CrossKv()), decoder(StepDecoder()) {
    samples::Random random(7);
    encoder_inputs.emplace("mel", random.Floats({1, 2 * kPositions, kWidth}));
    encoder_inputs.emplace("position_ids", Ids({0, 1, 2, 3, 4}));
    features = random.Floats({kPositions, kWidth});
  }

  std::map<std::string, Tensor> CrossInputs(const View& rows) const {
    std::map<std::string, Tensor> inputs;
    inputs.emplace("features", Tensor::CopyOf(rows));
    inputs.emplace("slot", Ids(std::vector<int32_t>(kPositions, 0)));
    inputs.emplace("position", Ids({0, 1, 2, 3, 4}));
    return inputs;
  }

  static std::map<std::string, Tensor> StepOf(int32_t token, int step) {
    return StepInputs({{.token = token, .history = std::vector<int32_t>(step + 1, 0)}},
                      {static_cast<int32_t>(kPositions)}, {0});
  }

  Graph encoder, cross_kv, decoder;
  std::map<std::string, Tensor> encoder_inputs;
  Tensor features;  // for a probe
};

// What came out of one decoding.
struct Decoded {
  Status status;
  std::vector<int32_t> tokens;
  std::vector<float> logits;  // of all steps
};

Status RunOn(const Program& program, ExecutionContext& context, StateStore* states,
             const std::map<std::string, Tensor>& inputs, std::span<const NamedMutableView> outputs,
             std::stop_token stop = {}) {
  std::vector<NamedView> in;
  for (const auto& [name, tensor] : inputs) in.push_back({name, tensor.ViewOf()});
  return program.Run(context, states, {in, outputs}, stop);
}

Status DecodeInto(const SmallModel& model, const ExecutionProvider& provider, bool probes,
                  Decoded* decoded) {
  CompileOptions options;
  options.max_dims = MaxDims();
  const auto compile = [&](const Graph& graph, StageProbe probe) {
    CompileOptions own = options;
    auto shared = std::make_shared<StageProbe>(std::move(probe));
    if (probes) {
      own.probe = [shared]() -> Result<StageProbe> {
        StageProbe copy;
        for (const auto& inputs : shared->runs) {
          auto& run = copy.runs.emplace_back();
          for (const auto& [name, tensor] : inputs)
            run.emplace_back(name, Tensor::CopyOf(tensor.ViewOf()));
        }
        return copy;
      };
    }
    return provider.Compile(graph, own);
  };
  TESSERA_ASSIGN_OR_RETURN(const auto encoder,
                           compile(model.encoder, ProbeOf(model.encoder_inputs)));
  TESSERA_ASSIGN_OR_RETURN(
      const auto cross_kv,
      compile(model.cross_kv, ProbeOf(model.CrossInputs(model.features.ViewOf()))));
  TESSERA_ASSIGN_OR_RETURN(const auto decoder,
                           compile(model.decoder, ProbeOf(SmallModel::StepOf(3, 0))));
  const auto encoder_context = encoder->NewContext();
  const auto cross_context = cross_kv->NewContext(nullptr, encoder_context.get());
  const auto decoder_context = decoder->NewContext(nullptr, encoder_context.get());
  const Graph* graphs[] = {&model.cross_kv, &model.decoder};
  TESSERA_ASSIGN_OR_RETURN(const auto states, provider.NewStateStore(graphs, options));

  Tensor features(DType::kF32, {1, kPositions, kWidth});
  const NamedMutableView encoder_out[] = {{"features", features.MutableViewOf()}};
  TESSERA_RETURN_IF_ERROR(
      RunOn(*encoder, *encoder_context, nullptr, model.encoder_inputs, encoder_out));
  View rows = features.ViewOf();
  rows.shape = {kPositions, kWidth};
  TESSERA_RETURN_IF_ERROR(
      RunOn(*cross_kv, *cross_context, states.get(), model.CrossInputs(rows), {}));
  int32_t token = 3;
  for (int step = 0; step < kSteps; ++step) {
    Tensor hidden(DType::kF32, {1, kWidth}), logits(DType::kF32, {1, kVocabulary});
    const NamedMutableView out[] = {{"hidden", hidden.MutableViewOf()},
                                    {"logits", logits.MutableViewOf()}};
    TESSERA_RETURN_IF_ERROR(
        RunOn(*decoder, *decoder_context, states.get(), SmallModel::StepOf(token, step), out));
    const std::span<const float> values = logits.Span<float>();
    decoded->logits.insert(decoded->logits.end(), values.begin(), values.end());
    token = static_cast<int32_t>(std::ranges::max_element(values) - values.begin());
    decoded->tokens.push_back(token);
  }
  return OkStatus();
}

class FallbackTest : public ::testing::Test {
 protected:
  FallbackTest()
      : real_(std::make_shared<ReferenceBackend>(
            std::vector<const Graph*>{&model_.encoder, &model_.cross_kv, &model_.decoder},
            UnitSizes())) {}

  // Adds the device; its decoder's fault shows after `good_runs`.
  void AddDevice(Fault fault, int good_runs = 0, bool emulated = false) {
    state_->fault = fault;
    state_->stage = "decoder";
    state_->good_runs = good_runs;
    added_ = std::make_unique<ScopedProviderSource>(
        std::make_shared<FaultySource>(real_, state_, emulated));
  }

  std::shared_ptr<const FallbackProvider> Select(SelectionPolicy policy) {
    auto selected = SelectProviders(policy, {.threads = 1});
    selection_ = selected.status();
    return selected.ok() ? *selected : nullptr;
  }

  Decoded Decode(const ExecutionProvider& provider, bool probes = false) {
    Decoded decoded;
    decoded.status = DecodeInto(model_, provider, probes, &decoded);
    return decoded;
  }

  void ExpectSameText(const Decoded& found) {
    ASSERT_TRUE(found.status.ok()) << found.status.ToString();
    const CpuProvider cpu(1);
    const Decoded expected = Decode(cpu);
    ASSERT_TRUE(expected.status.ok()) << expected.status.ToString();
    EXPECT_EQ(found.tokens, expected.tokens);
    ASSERT_EQ(found.logits.size(), expected.logits.size());
    for (size_t i = 0; i < found.logits.size(); ++i)
      EXPECT_NEAR(found.logits[i], expected.logits[i], 1e-4) << i;
  }

  SmallModel model_;
  const std::shared_ptr<const ReferenceBackend> real_;
  const std::shared_ptr<FaultState> state_ = std::make_shared<FaultState>();
  std::unique_ptr<ScopedProviderSource> added_;
  Status selection_;

  void TearDown() override { unsetenv("TESSERA_DEVICE_RUN_LIMIT"); }
};

const SelectionPolicy kAuto;

// More than any run of the small model takes.
void LimitRuns() { setenv("TESSERA_DEVICE_RUN_LIMIT", "0.25", 1); }

class FaultTest : public FallbackTest, public ::testing::WithParamInterface<FaultCase> {
 protected:
  void SetUp() override {
    if (GetParam().fault == Fault::kRunHangs) LimitRuns();
  }
  bool probes() const { return GetParam().fault == Fault::kWrongNumerics; }
};

TEST_P(FaultTest, TheTextIsTheCpusAndTheReportSaysWhy) {
  const FaultCase& c = GetParam();
  AddDevice(c.fault, /*good_runs=*/3);
  const auto provider = Select(kAuto);
  ASSERT_NE(provider, nullptr) << selection_.ToString();
  ExpectSameText(Decode(*provider, probes()));
  const std::vector<Hop> hops = provider->Report().hops;
  EXPECT_THAT(hops, Contains(testing::AllOf(Field(&Hop::at, c.at), Field(&Hop::code, c.code),
                                            Field(&Hop::message, HasSubstr(c.words)))));
  for (const Hop& hop : hops) EXPECT_FALSE(hop.message.empty());
}

TEST_P(FaultTest, WhereAnNpuIsRequiredNothingRunsElsewhere) {
  const FaultCase& c = GetParam();
  AddDevice(c.fault, /*good_runs=*/3);
  const auto provider = Select({.require_npu = true});
  const bool found = provider != nullptr;
  EXPECT_EQ(found, c.at != HopStage::kDetect && c.at != HopStage::kLoad);
  const Status status = found ? Decode(*provider, probes()).status : selection_;
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr(c.words));
  // Later runs do not try what has failed.
  if (found && provider->required_device_failed()) {
    const int runs = state_->runs;
    EXPECT_EQ(Decode(*provider).status.code(), StatusCode::kUnavailable);
    EXPECT_EQ(state_->runs, runs);
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, FaultTest, ::testing::ValuesIn(kFaults),
                         [](const auto& info) { return std::string(info.param.name); });

// A run that was given up goes on, and may use what it was given when everything else is gone.
TEST_F(FallbackTest, ARunThatHangsHarmsNobody) {
  LimitRuns();
  AddDevice(Fault::kRunHangs, /*good_runs=*/2);
  {
    const auto provider = Select(kAuto);
    ASSERT_NE(provider, nullptr);
    ExpectSameText(Decode(*provider));
    EXPECT_EQ(state_->hanging, 1);
    EXPECT_TRUE(AnyCallGivenUp());
  }
  // The device is not used again, whoever opens it.
  const auto provider = Select({.kind = SelectionPolicy::Kind::kNpu});
  ASSERT_NE(provider, nullptr);
  const int runs = state_->runs, compiled = state_->compiled;
  ExpectSameText(Decode(*provider));
  EXPECT_EQ(state_->runs, runs);
  EXPECT_EQ(state_->compiled, compiled);
  EXPECT_THAT(provider->Report().hops,
              Contains(Field(&Hop::message, HasSubstr("given up in this process"))));
  state_->release = true;
  state_->release.notify_all();
  state_->hanging.wait(1);
  EXPECT_EQ(state_->hanging, 0);
}

// Ctrl-C ends a run that hangs, long before its limit.
TEST_F(FallbackTest, AStopEndsARunThatHangs) {
  AddDevice(Fault::kRunHangs);
  state_->stage = "encoder";
  const auto provider = Select(kAuto);
  ASSERT_NE(provider, nullptr);
  CompileOptions options;
  options.max_dims = MaxDims();
  const auto encoder = provider->Compile(model_.encoder, options);
  ASSERT_TRUE(encoder.ok());
  const auto context = (*encoder)->NewContext();
  Tensor features(DType::kF32, {1, kPositions, kWidth});
  const NamedMutableView out[] = {{"features", features.MutableViewOf()}};
  std::jthread user;
  std::stop_source stop;
  user = std::jthread([&] {
    state_->hanging.wait(0);
    stop.request_stop();
  });
  const Status status =
      RunOn(**encoder, *context, nullptr, model_.encoder_inputs, out, stop.get_token());
  EXPECT_EQ(status.code(), StatusCode::kCancelled) << status.ToString();
  state_->release = true;
  state_->release.notify_all();
}

// Runs of several threads on a device that hangs: all get their results, and none waits for the
// other's limit.
TEST_F(FallbackTest, RunsBesideOneThatHangsGoOn) {
  LimitRuns();
  AddDevice(Fault::kRunHangs, /*good_runs=*/5);
  state_->stage = "encoder";
  const auto provider = Select(kAuto);
  ASSERT_NE(provider, nullptr);
  CompileOptions options;
  options.max_dims = MaxDims();
  const auto encoder = provider->Compile(model_.encoder, options);
  ASSERT_TRUE(encoder.ok());
  std::vector<std::jthread> threads;
  std::atomic<int> failed = 0;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      const auto context = (*encoder)->NewContext();
      Tensor features(DType::kF32, {1, kPositions, kWidth});
      const NamedMutableView out[] = {{"features", features.MutableViewOf()}};
      for (int i = 0; i < 4; ++i)
        failed += RunOn(**encoder, *context, nullptr, model_.encoder_inputs, out).ok() ? 0 : 1;
    });
  }
  threads.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(state_->hanging, 1);
  EXPECT_EQ(provider->Report().chosen(), "cpu");
  state_->release = true;
  state_->release.notify_all();
  state_->hanging.wait(1);
}

TEST_F(FallbackTest, AGoodDeviceRunsAllStages) {
  AddDevice(Fault::kNone);
  const auto provider = Select(kAuto);
  ASSERT_NE(provider, nullptr);
  CompileOptions options;
  options.max_dims = MaxDims();
  const auto encoder = provider->Compile(model_.encoder, options);
  ASSERT_TRUE(encoder.ok());
  EXPECT_TRUE(provider->fixed_shapes());
  const PlacementReport report = provider->Report();
  ASSERT_EQ(report.stages.size(), 1u);
  EXPECT_EQ(report.stages[0].placement.provider, "mock:npu");
  EXPECT_EQ(report.stages[0].flops_on_device, 1);
  EXPECT_TRUE(report.all_on_npu());
  EXPECT_EQ(report.chosen(), "mock:npu");
  EXPECT_THAT(PlacementLine(report), HasSubstr("encoder on mock:npu (NPU, "));
  ExpectSameText(Decode(*provider));
  EXPECT_GT(state_->runs, 0);
  EXPECT_THAT(provider->Report().hops, IsEmpty());
}

// The decoder is lost after some steps: what it and its keys and values had made moves on, step by
// step, wherever the fault comes.
TEST_F(FallbackTest, NothingIsLostWhereverItFails) {
  for (int good = 0; good < kSteps; ++good) {
    for (const Fault fault : {Fault::kFailsMidRun, Fault::kDeviceLost, Fault::kNotANumber}) {
      state_->runs = 0;
      AddDevice(fault, good);
      const auto provider = Select(kAuto);
      ASSERT_NE(provider, nullptr);
      ExpectSameText(Decode(*provider));
      added_ = nullptr;
    }
  }
}

// Once a device is lost, stages that were there leave it before they run again.
TEST_F(FallbackTest, AllStagesLeaveALostDevice) {
  AddDevice(Fault::kDeviceLost, 1);
  const auto provider = Select(kAuto);
  ASSERT_NE(provider, nullptr);
  CompileOptions options;
  options.max_dims = MaxDims();
  const auto encoder = provider->Compile(model_.encoder, options);
  ASSERT_TRUE(encoder.ok());
  ExpectSameText(Decode(*provider));
  const auto context = (*encoder)->NewContext();
  Tensor features(DType::kF32, {1, kPositions, kWidth});
  const NamedMutableView out[] = {{"features", features.MutableViewOf()}};
  ASSERT_TRUE(RunOn(**encoder, *context, nullptr, model_.encoder_inputs, out).ok());
  EXPECT_EQ(provider->Report().chosen(), "cpu");
}

TEST_F(FallbackTest, ACancelledRunAndABadCallMoveNothing) {
  AddDevice(Fault::kNone);
  const auto provider = Select(kAuto);
  ASSERT_NE(provider, nullptr);
  CompileOptions options;
  options.max_dims = MaxDims();
  const auto encoder = provider->Compile(model_.encoder, options);
  ASSERT_TRUE(encoder.ok());
  const auto context = (*encoder)->NewContext();
  Tensor features(DType::kF32, {1, kPositions, kWidth});
  const NamedMutableView out[] = {{"features", features.MutableViewOf()}};
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(
      RunOn(**encoder, *context, nullptr, model_.encoder_inputs, out, stop.get_token()).code(),
      StatusCode::kCancelled);
  std::map<std::string, Tensor> missing;
  missing.emplace("mel", Tensor::CopyOf(model_.encoder_inputs.at("mel").ViewOf()));
  EXPECT_EQ(RunOn(**encoder, *context, nullptr, missing, out).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(provider->Report().chosen(), "mock:npu");
  EXPECT_THAT(provider->Report().hops, IsEmpty());
}

TEST_F(FallbackTest, AnEmulatorIsNoNpu) {
  AddDevice(Fault::kNone, 0, /*emulated=*/true);
  const auto by_itself = Select(kAuto);
  ASSERT_NE(by_itself, nullptr);
  ExpectSameText(Decode(*by_itself));
  EXPECT_EQ(state_->compiled, 0);

  EXPECT_EQ(Select({.kind = SelectionPolicy::Kind::kNpu}), nullptr);
  EXPECT_EQ(selection_.code(), StatusCode::kUnavailable);
  EXPECT_EQ(
      Select(
          {.kind = SelectionPolicy::Kind::kProvider, .provider = "mock:npu", .require_npu = true}),
      nullptr);
  EXPECT_EQ(selection_.code(), StatusCode::kUnavailable);
  EXPECT_THAT(selection_.message(), HasSubstr("emulated"));

  const auto named = Select({.kind = SelectionPolicy::Kind::kProvider, .provider = "mock:npu"});
  ASSERT_NE(named, nullptr) << selection_.ToString();
  CompileOptions options;
  options.max_dims = MaxDims();
  const auto encoder = named->Compile(model_.encoder, options);
  ASSERT_TRUE(encoder.ok());
  const PlacementReport report = named->Report();
  EXPECT_FALSE(report.all_on_npu());
  EXPECT_THAT(PlacementLine(report), HasSubstr("emulated, no NPU"));
  EXPECT_THAT(PlacementLine(report), Not(HasSubstr("(NPU")));
  EXPECT_TRUE(nlohmann::json::parse(PlacementJson(report))["stages"][0]["device"]["emulated"]);
}

TEST_F(FallbackTest, AProviderThatIsNotThereIsAnError) {
  EXPECT_EQ(Select({.kind = SelectionPolicy::Kind::kProvider, .provider = "abacus"}), nullptr);
  EXPECT_EQ(selection_.code(), StatusCode::kUnavailable);
  EXPECT_THAT(selection_.message(), HasSubstr("onnxruntime:qnn"));
  AddDevice(Fault::kNoPermission);
  EXPECT_EQ(Select({.kind = SelectionPolicy::Kind::kProvider, .provider = "mock:npu"}), nullptr);
  EXPECT_THAT(selection_.message(), HasSubstr("usermod"));
}

// A slow but right device: "auto" gives the stages to the CPU and says so, "npu" does not.
TEST_F(FallbackTest, AutoTakesTheFasterDevice) {
  AddDevice(Fault::kNone);
  const auto slow = std::make_shared<ReferenceBackend>(
      std::vector<const Graph*>{&model_.encoder, &model_.cross_kv, &model_.decoder}, UnitSizes());
  class SlowModel : public FixedModel {
   public:
    explicit SlowModel(std::unique_ptr<FixedModel> real) : real_(std::move(real)) {}
    const StagePlacement& placement() const override { return real_->placement(); }
    Status Run(std::span<const NamedView> in, std::span<const NamedMutableView> out,
               std::stop_token stop) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      return real_->Run(in, out, stop);
    }
    std::unique_ptr<FixedModel> real_;
  };
  class SlowBackend : public FixedBackend {
   public:
    explicit SlowBackend(std::shared_ptr<const FixedBackend> real) : real_(std::move(real)) {}
    const BackendInfo& info() const override { return real_->info(); }
    Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                                const FixedCompileOptions& options,
                                                std::stop_token stop) const override {
      TESSERA_ASSIGN_OR_RETURN(auto model, real_->Compile(path, options, stop));
      return std::unique_ptr<FixedModel>(std::make_unique<SlowModel>(std::move(model)));
    }
    std::shared_ptr<const FixedBackend> real_;
  };
  added_ = std::make_unique<ScopedProviderSource>(
      std::make_shared<FaultySource>(std::make_shared<SlowBackend>(slow), state_));
  const auto provider = Select(kAuto);
  ASSERT_NE(provider, nullptr);
  ExpectSameText(Decode(*provider, /*probes=*/true));
  EXPECT_THAT(provider->Report().hops,
              Contains(testing::AllOf(Field(&Hop::at, HopStage::kSpeed),
                                      Field(&Hop::message, HasSubstr("the CPU is faster")))));
  const auto wanted = Select({.kind = SelectionPolicy::Kind::kNpu});
  ASSERT_NE(wanted, nullptr);
  ExpectSameText(Decode(*wanted, /*probes=*/true));
  EXPECT_THAT(wanted->Report().hops, IsEmpty());
}

// What was found out is kept: the next start does not try the device again, unless the model, the
// provider or its version is another one.
TEST_F(FallbackTest, VerdictsAreKept) {
  const std::string cache = TempPath("verdicts");
  std::filesystem::remove_all(cache);
  ASSERT_EQ(setenv("XDG_CACHE_HOME", cache.c_str(), 1), 0);
  AddDevice(Fault::kNone, 1000);
  CompileCacheKey key{.file = cache + "/tessera/packed/model.packed", .identity = "model 1"};
  const auto runs_of_start = [&](const std::string& identity) {
    const auto provider = Select({.kind = SelectionPolicy::Kind::kNpu});
    key.identity = identity;
    const auto kept = provider->OpenCache(key);
    const int before = state_->runs;
    ExpectSameText(Decode(*provider, /*probes=*/true));
    EXPECT_EQ(provider->Report().chosen(), "");  // no program lives any more
    return state_->runs - before;
  };
  EXPECT_EQ(runs_of_start("model 1"), kSteps + 1);
  EXPECT_EQ(runs_of_start("model 1"), kSteps);
  EXPECT_EQ(runs_of_start("model 2"), kSteps + 1);
  // Wrong results are remembered too, with what to do about it.
  state_->fault = Fault::kWrongNumerics;
  EXPECT_EQ(runs_of_start("model 3"), 1);
  EXPECT_EQ(runs_of_start("model 3"), 0);
  const auto provider = Select({.kind = SelectionPolicy::Kind::kNpu});
  const auto kept = provider->OpenCache(key);
  const int compiled = state_->compiled;
  ExpectSameText(Decode(*provider, /*probes=*/true));
  EXPECT_GT(state_->compiled, compiled);
  EXPECT_THAT(provider->Report().hops, Contains(Field(&Hop::hint, HasSubstr(cache))));
  std::filesystem::remove_all(cache);
}

// What a compiler failed at is not asked of it at every start, until something is different.
TEST_F(FallbackTest, FailuresToCompileAreRemembered) {
  const std::string cache = TempPath("failures");
  std::filesystem::remove_all(cache);
  ASSERT_EQ(setenv("XDG_CACHE_HOME", cache.c_str(), 1), 0);
  CompileCacheKey key{.file = cache + "/tessera/packed/model.packed",
                      .identity = "model 1, one variant",
                      .source = "model",
                      .model = "model 1"};
  std::vector<Hop> hops;
  // How often the compiler was asked.
  const auto compiled = [&](const SelectionPolicy& policy) {
    const auto provider = Select(policy);
    const auto kept = provider->OpenCache(key);
    const int before = state_->compiled;
    const Status status = Decode(*provider).status;
    EXPECT_EQ(status.ok(), !policy.require_npu) << status.ToString();
    hops = provider->Report().hops;
    return state_->compiled - before;
  };
  const SelectionPolicy named{.kind = SelectionPolicy::Kind::kProvider, .provider = "mock:npu"};
  for (const Fault fault : {Fault::kCompileError, Fault::kCompileCrash, Fault::kCompileHang}) {
    SCOPED_TRACE(static_cast<int>(fault));
    std::filesystem::remove_all(cache);
    AddDevice(fault);
    EXPECT_EQ(compiled(kAuto), 2) << "two groups";
    EXPECT_EQ(compiled(kAuto), 0);
    ASSERT_FALSE(hops.empty());
    EXPECT_THAT(hops[0].message, HasSubstr("as on 20"));
    EXPECT_THAT(hops[0].message, HasSubstr("not tried again: "));
    EXPECT_THAT(hops[0].hint, HasSubstr("--device mock:npu"));
    // Another variant of the same weights is the same model to the device.
    key.identity = "model 1, another variant";
    EXPECT_EQ(compiled(kAuto), 0);
    key.model = "model 2";
    EXPECT_EQ(compiled(kAuto), 2);
    key.model = "model 1";
    EXPECT_EQ(compiled(kAuto), 2) << "of a file that held another model in between";
    EXPECT_EQ(compiled(named), 2);
    EXPECT_EQ(compiled({.require_npu = true}), 1);
    // One that compiles is good from then on.
    state_->fault = Fault::kNone;
    EXPECT_EQ(compiled(kAuto), 0);
    EXPECT_EQ(compiled(named), 3);
    EXPECT_EQ(compiled(kAuto), 3);
    ASSERT_TRUE(ClearVerdicts(cache + "/tessera/placement").ok());
    added_ = nullptr;
  }
  // What depends on the moment is not kept.
  for (const Fault fault : {Fault::kBusy, Fault::kOutOfMemory}) {
    AddDevice(fault);
    EXPECT_EQ(compiled(kAuto), 2);
    EXPECT_EQ(compiled(kAuto), 2);
    added_ = nullptr;
  }
  std::filesystem::remove_all(cache);
}

TEST_F(FallbackTest, TheTextOfAllStagesTogetherDecides) {
  AddDevice(Fault::kNone);
  const auto provider = Select({.kind = SelectionPolicy::Kind::kNpu});
  ASSERT_NE(provider, nullptr);
  CompileOptions options;
  options.max_dims = MaxDims();
  const auto encoder = provider->Compile(model_.encoder, options);
  ASSERT_TRUE(encoder.ok());
  EXPECT_TRUE(provider->CheckText([]() -> Result<std::string> { return std::string(); }).ok());
  EXPECT_EQ(provider->Report().chosen(), "mock:npu");
  EXPECT_TRUE(
      provider->CheckText([]() -> Result<std::string> { return std::string("other words"); }).ok());
  EXPECT_EQ(provider->Report().chosen(), "cpu");
  EXPECT_THAT(PlacementLine(provider->Report()), HasSubstr("other words"));
  // On the CPU nobody asks.
  EXPECT_TRUE(provider->CheckText([]() -> Result<std::string> { return Internal("asked"); }).ok());
}

// Runs of several threads while the device fails: each gets its results.
TEST_F(FallbackTest, RunsBesideEachOtherSurviveAMove) {
  AddDevice(Fault::kNone);
  state_->stage = "encoder";
  state_->good_runs = 20;
  state_->fault = Fault::kFailsMidRun;
  const auto provider = Select(kAuto);
  ASSERT_NE(provider, nullptr);
  CompileOptions options;
  options.max_dims = MaxDims();
  const auto encoder = provider->Compile(model_.encoder, options);
  ASSERT_TRUE(encoder.ok());
  std::vector<std::jthread> threads;
  std::atomic<int> failed = 0;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      const auto context = (*encoder)->NewContext();
      Tensor features(DType::kF32, {1, kPositions, kWidth});
      const NamedMutableView out[] = {{"features", features.MutableViewOf()}};
      for (int i = 0; i < 20; ++i)
        failed += RunOn(**encoder, *context, nullptr, model_.encoder_inputs, out).ok() ? 0 : 1;
    });
  }
  threads.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(provider->Report().hops.size(), 1u);
  EXPECT_EQ(provider->Report().chosen(), "cpu");
}

TEST(SelectionPolicyTest, Texts) {
  using Kind = SelectionPolicy::Kind;
  EXPECT_EQ(ParseSelectionPolicy("", false)->kind, Kind::kAuto);
  EXPECT_EQ(ParseSelectionPolicy("npu", false)->kind, Kind::kNpu);
  EXPECT_EQ(ParseSelectionPolicy("cpu", false)->kind, Kind::kCpu);
  EXPECT_EQ(ParseSelectionPolicy("onnxruntime:qnn", true)->provider, "onnxruntime:qnn");
  for (const char* device : {"cpu", "openvino:cpu", "openvino:gpu"}) {
    EXPECT_EQ(ParseSelectionPolicy(device, true).status().code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(ParseSelectionPolicy(device, false).ok());
  }
  EXPECT_EQ(SelectionPolicyText(*ParseSelectionPolicy("npu", true)), "npu (NPU required)");
}

}  // namespace
}  // namespace tessera
