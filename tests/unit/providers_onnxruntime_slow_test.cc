// ONNX Runtime's CPU provider and Qualcomm's compiler and emulator, as they are installed by
// tools/make_venv.sh npu; skipped where they are not.
#include <gtest/gtest.h>

#include <filesystem>

#include "graph/builder.h"
#include "graph/interpreter.h"
#include "graph/onnx/export.h"
#include "providers/onnxruntime/backend.h"
#include "providers/onnxruntime/compile_check.h"
#include "tests/unit/graph_samples.h"
#include "tests/unit/npu_venv.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

using samples::Random;
namespace fs = std::filesystem;

class OnnxRuntime : public testing::Test {
 protected:
  void SetUp() override {
    UseNpuVenv();
    folder_ = TempPath("ort");
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Skips the test where the libraries are not installed.
  std::shared_ptr<const FixedBackend> Open(std::string_view ep, OnnxRuntimeOptions options = {}) {
    auto backend = OpenOnnxRuntimeBackend(ep, options);
    if (backend.ok()) return *backend;
    if (backend.status().code() != StatusCode::kNotFound &&
        backend.status().code() != StatusCode::kUnimplemented) {
      ADD_FAILURE() << backend.status().ToString();
    }
    reason_ = backend.status().ToString();
    return nullptr;
  }

  // y[rows, 32] = Gelu(LayerNorm(x[rows, 64]) * W + b), rows fixed to 8 in the file.
  void ExportSmallGraph() {
    Random random(1);
    GraphBuilder builder("small");
    const ValueId x = builder.Input("x", DType::kF32, {Dim("rows"), Dim(64)});
    const ValueId gamma = builder.Constant("gamma", random.Floats({64}));
    const ValueId beta = builder.Constant("beta", random.Floats({64}));
    const ValueId weight = builder.Constant("weight", random.Floats({32, 64}));
    const ValueId bias = builder.Constant("bias", random.Floats({32}));
    const ValueId norm = builder.LayerNorm("norm", x, gamma, beta);
    builder.Output("y", builder.Gelu("gelu", builder.Linear("linear", norm, weight, bias)));
    auto graph = builder.Build();
    ASSERT_TRUE(graph.ok()) << graph.status().ToString();
    OnnxExportOptions options;
    options.bind = {{"rows", 8}};
    file_ = (folder_ / "small.onnx").string();
    ASSERT_TRUE(ExportOnnx(*graph, file_, options).ok());
    x_ = random.Floats({8, 64});
    auto outputs = Interpret(*graph, {{"x", x_.ViewOf()}}, nullptr);
    ASSERT_TRUE(outputs.ok()) << outputs.status().ToString();
    expected_ = std::move(outputs->at("y"));
  }

  // Largest distance from the interpreter's result.
  float RunSmallGraph(FixedModel& model) {
    Tensor y = Tensor::Zeros(DType::kF32, {8, 32});
    const NamedView input = {"x", x_.ViewOf()};
    const NamedMutableView output = {"y", y.MutableViewOf()};
    const Status status = model.Run({&input, 1}, {&output, 1}, {});
    EXPECT_TRUE(status.ok()) << status.ToString();
    float worst = 0;
    for (int64_t i = 0; i < y.size(); ++i) {
      worst = std::max(worst, std::abs(y.As<float>()[i] - expected_.As<float>()[i]));
    }
    return worst;
  }

  fs::path folder_;
  std::string file_;
  std::string reason_;
  Tensor x_;
  Tensor expected_;
};

TEST_F(OnnxRuntime, CpuProviderComputesWhatTheInterpreterDoes) {
  const auto backend = Open("cpu");
  if (backend == nullptr) GTEST_SKIP() << reason_;
  EXPECT_EQ(backend->info().name, "onnxruntime:cpu");
  EXPECT_EQ(backend->info().device, DeviceKind::kCpu);
  EXPECT_FALSE(backend->info().emulated);
  ExportSmallGraph();
  auto model = backend->Compile(file_, {.stage = "small"}, {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  fs::remove(file_);
  EXPECT_LT(RunSmallGraph(**model), 1e-5f);
  const StagePlacement& placement = (*model)->placement();
  EXPECT_EQ(placement.stage, "small");
  ASSERT_FALSE(placement.nodes.empty());
  for (const NodePlacement& node : placement.nodes) {
    EXPECT_EQ(node.provider, "CPUExecutionProvider") << node.name;
    EXPECT_EQ(node.device, DeviceKind::kCpu) << node.name;
  }
}

TEST_F(OnnxRuntime, RefusesTensorsThatAreNotTheModels) {
  const auto backend = Open("cpu");
  if (backend == nullptr) GTEST_SKIP() << reason_;
  ExportSmallGraph();
  auto model = backend->Compile(file_, {.stage = "small"}, {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  Tensor y = Tensor::Zeros(DType::kF32, {8, 32});
  const NamedMutableView output = {"y", y.MutableViewOf()};
  const Tensor short_x = Tensor::Zeros(DType::kF32, {7, 64});
  const NamedView wrong_shape = {"x", short_x.ViewOf()};
  EXPECT_EQ((*model)->Run({&wrong_shape, 1}, {&output, 1}, {}).code(),
            StatusCode::kInvalidArgument);
  const NamedView wrong_name = {"z", x_.ViewOf()};
  EXPECT_EQ((*model)->Run({&wrong_name, 1}, {&output, 1}, {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ((*model)->Run({}, {&output, 1}, {}).code(), StatusCode::kInvalidArgument);
  std::stop_source stop;
  stop.request_stop();
  const NamedView input = {"x", x_.ViewOf()};
  EXPECT_EQ((*model)->Run({&input, 1}, {&output, 1}, stop.get_token()).code(),
            StatusCode::kCancelled);
}

// Qualcomm's compiler for Snapdragon X and its emulator.
class Qnn : public OnnxRuntime {
 protected:
  void SetUp() override {
    OnnxRuntime::SetUp();
    options_.worker = TESSERA_BINARY_DIR "/tessera";
    if (!fs::exists(options_.worker)) GTEST_SKIP() << "no " << options_.worker;
  }
  OnnxRuntimeOptions options_;
};

TEST_F(Qnn, CompilesInAChildAndRunsEmulated) {
  const auto backend = Open("qnn", options_);
  if (backend == nullptr) GTEST_SKIP() << reason_;
  EXPECT_EQ(backend->info().device, DeviceKind::kNpu);
  EXPECT_TRUE(backend->info().emulated);
  ExportSmallGraph();
  const std::string cache = (folder_ / "cache").string();
  const FixedCompileOptions compile = {
      .stage = "small", .cache_folder = cache, .require_all_nodes = true};
  {
    auto model = backend->Compile(file_, compile, {});
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    EXPECT_FALSE((*model)->placement().from_cache);
    EXPECT_EQ((*model)->placement().note, "");
    EXPECT_LT(RunSmallGraph(**model), 0.02f);  // the device computes in 16-bit floats
    ASSERT_FALSE((*model)->placement().nodes.empty());
    for (const NodePlacement& node : (*model)->placement().nodes) {
      EXPECT_EQ(node.provider, "QNNExecutionProvider") << node.name;
      EXPECT_EQ(node.device, DeviceKind::kNpu) << node.name;
    }
  }
  {
    auto model = backend->Compile(file_, compile, {});
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    EXPECT_TRUE((*model)->placement().from_cache);
    EXPECT_FALSE((*model)->placement().nodes.empty());
    EXPECT_LT(RunSmallGraph(**model), 0.02f);
  }
}

// One float Gather: y[1, 8, 64] = table[1000, 64][ids[1, 8]].
std::string WriteGather(const fs::path& folder) {
  Random random(2);
  GraphBuilder builder("embedding");
  const ValueId ids = builder.Input("ids", DType::kI32, {Dim(8)});
  const ValueId table = builder.Constant("table", random.Floats({1000, 64}));
  builder.Output("y", builder.Gather("embed", table, ids));
  auto graph = builder.Build();
  EXPECT_TRUE(graph.ok());
  const std::string file = (folder / "gather.onnx").string();
  EXPECT_TRUE(ExportOnnx(*graph, file, {}).ok());
  return file;
}

// The finding that decides many a port: the same graph compiles once the chip is named.
TEST_F(Qnn, ReproducesAndExplainsError1002) {
  if (Open("qnn", options_) == nullptr) GTEST_SKIP() << reason_;
  const std::string file = WriteGather(folder_);
  CheckCompileOptions check;
  check.worker = options_.worker;
  auto report = CheckCompile(file, "qnn", check);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_FALSE(report->status.ok());
  EXPECT_NE(report->status.message().find("1002"), std::string::npos) << report->status.message();
  EXPECT_NE(report->status.message().find("soc_model"), std::string::npos);
  report = CheckCompile(file, "snapdragon-x", check);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->status.ok()) << report->status.ToString();
  ASSERT_FALSE(report->nodes.empty());
  EXPECT_EQ(report->nodes[0].device, DeviceKind::kNpu);
}

}  // namespace
}  // namespace tessera
