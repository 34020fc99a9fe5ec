// The OpenVINO backend on OpenVINO's CPU device, where OpenVINO is installed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/atomic_file.h"
#include "base/file.h"
#include "graph/interpreter.h"
#include "graph/onnx/export.h"
#include "providers/openvino/backend.h"
#include "providers/openvino/library.h"
#include "providers/openvino/query.h"
#include "tests/unit/graph_samples.h"
#include "tests/unit/npu_venv.h"
#include "tests/unit/temp_path.h"
#include "tests/unit/tiny_onnx.h"

namespace tessera {
namespace {

using testing::HasSubstr;

class OpenVinoOnCpu : public testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "vendors' libraries are not run under sanitizers";
    UseNpuVenv();
    if (const auto library = openvino::OpenLibrary(""); !library.ok()) {
      GTEST_SKIP() << library.status().message();
    }
    ASSERT_TRUE(MakeFolders(folder_).ok());
    auto backend = OpenOpenVinoBackend("openvino:cpu", {.threads = 1});
    ASSERT_TRUE(backend.ok()) << backend.status().ToString();
    backend_ = *backend;
  }
  void TearDown() override { EXPECT_TRUE(RemoveFolder(folder_).ok()); }
  std::string Path(const std::string& name) const { return JoinPath(folder_, name); }

  // a[4, 8] * w[8, 8] -> Relu -> c; t[5, 3] by i[2] -> g
  std::string SmallModel() const {
    Tensor w = Tensor::Zeros(DType::kF32, {8, 8}), t(DType::kF32, {5, 3});
    for (int64_t i = 0; i < 8; ++i) w.As<float>()[i * 9] = static_cast<float>(i) - 3;
    for (int64_t i = 0; i < t.size(); ++i) t.As<float>()[i] = static_cast<float>(i);
    const Status written = TinyOnnx()
                               .Input("a", {4, 8})
                               .Input("i", {2}, 6)
                               .Constant("w", w)
                               .Constant("t", t)
                               .Node("MatMul", "product", {"a", "w"}, "b")
                               .Node("Relu", "rectified", {"b"}, "c")
                               .Node("Gather", "picked", {"t", "i"}, "g")
                               .Output("c", {4, 8})
                               .Output("g", {2, 3})
                               .Write(Path("small.onnx"));
    TESSERA_CHECK(written.ok());
    return Path("small.onnx");
  }
  void RunSmall(FixedModel& model) const {
    Tensor a = Tensor::Zeros(DType::kF32, {4, 8}), i(DType::kI32, {2});
    for (float& x : a.Span<float>()) x = 2;
    i.As<int32_t>()[0] = 4;
    i.As<int32_t>()[1] = 1;
    Tensor c(DType::kF32, {4, 8}), g(DType::kF32, {2, 3});
    const NamedView in[] = {{"i", i.ViewOf()}, {"a", a.ViewOf()}};
    const NamedMutableView out[] = {{"g", g.MutableViewOf()}, {"c", c.MutableViewOf()}};
    for (int run = 0; run < 2; ++run) {
      const Status status = model.Run(in, out, {});
      ASSERT_TRUE(status.ok()) << status.ToString();
      for (int64_t k = 0; k < c.size(); ++k) {
        EXPECT_EQ(c.As<float>()[k], std::max<float>(0, 2.0f * static_cast<float>(k % 8 - 3)));
      }
      for (int64_t k = 0; k < 3; ++k) {
        EXPECT_EQ(g.As<float>()[k], static_cast<float>(12 + k));
        EXPECT_EQ(g.As<float>()[3 + k], static_cast<float>(3 + k));
      }
      for (const float x : a.Span<float>()) EXPECT_EQ(x, 2) << "inputs are only read";
    }
    const NamedView twice[] = {{"a", a.ViewOf()}, {"a", a.ViewOf()}};
    EXPECT_EQ(model.Run(twice, out, {}).code(), StatusCode::kInvalidArgument);
  }

  const std::string folder_ = TempPath("openvino");
  std::shared_ptr<const FixedBackend> backend_;
};

TEST_F(OpenVinoOnCpu, CompilesRunsAndSaysWhere) {
  EXPECT_EQ(backend_->info().name, "openvino:cpu");
  EXPECT_EQ(backend_->info().device, DeviceKind::kCpu);
  EXPECT_FALSE(backend_->info().version.empty());
  EXPECT_FALSE(backend_->info().device_name.empty());
  auto model = backend_->Compile(SmallModel(), {.stage = "small", .require_all_nodes = true}, {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  ASSERT_TRUE(RemoveFile(Path("small.onnx")).ok()) << "the file may go away";
  RunSmall(**model);
  const StagePlacement& placement = (*model)->placement();
  ASSERT_EQ(placement.nodes.size(), 3u);
  EXPECT_EQ(placement.nodes[1].name, "rectified");
  EXPECT_EQ(placement.nodes[1].op, "Relu");
  EXPECT_EQ(placement.nodes[1].provider, "CPU");
  EXPECT_FALSE(placement.from_cache);
}

TEST_F(OpenVinoOnCpu, ACompiledModelIsKeptAndVerified) {
  const FixedCompileOptions options{.stage = "small", .cache_folder = Path("cache")};
  const std::string path = SmallModel();
  const auto compile = [&] {
    auto model = backend_->Compile(path, options, {});
    EXPECT_TRUE(model.ok()) << model.status().ToString();
    RunSmall(**model);
    return (*model)->placement().from_cache;
  };
  EXPECT_FALSE(compile());
  EXPECT_TRUE(compile());
  std::string blob = *ReadFile(Path("cache/openvino.blob"), 1 << 20);
  blob[blob.size() / 2] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(Path("cache/openvino.blob"), blob).ok());
  EXPECT_FALSE(compile()) << "a flipped bit";
  EXPECT_TRUE(compile()) << "made again";
  std::string model = *ReadFile(path, 1 << 20);
  model += std::string("\x12\x01x", 3);  // producer_name = "x"
  ASSERT_TRUE(WriteFileAtomically(path, model).ok());
  EXPECT_FALSE(compile()) << "another model";
  const auto other = OpenOpenVinoBackend("openvino:cpu", {.precision = "bf16", .threads = 1});
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  EXPECT_FALSE((*(*other)->Compile(path, options, {}))->placement().from_cache)
      << "another precision";
}

TEST_F(OpenVinoOnCpu, CompilesInAChildProcess) {
  // What a GPU or NPU does by itself.
  const std::string tessera = TESSERA_BINARY_DIR "/tessera";
  if (!FileExists(tessera)) GTEST_SKIP() << tessera << " is not built";
  const auto open = [](const std::string& worker) {
    return *OpenOpenVinoBackend("openvino:cpu", {.threads = 1, .worker = worker});
  };
  const auto backend = open(tessera);
  FixedCompileOptions options{.stage = "small"};
  for (const char* folder : {"", "cache", "cache"}) {
    options.cache_folder = *folder == '\0' ? "" : Path(folder);
    const bool kept = FileExists(Path("cache/openvino.blob"));
    auto model = backend->Compile(SmallModel(), options, {});
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    EXPECT_EQ((*model)->placement().from_cache, kept);
    EXPECT_EQ((*model)->placement().nodes.size(), 3u);
    RunSmall(**model);
  }
  ASSERT_TRUE(TinyOnnx()
                  .Input("a", {2})
                  .Node("Foo", "foo", {"a"}, "b")
                  .Output("b", {2})
                  .Write(Path("foo.onnx"))
                  .ok());
  const Status refused = backend->Compile(Path("foo.onnx"), options, {}).status();
  EXPECT_EQ(refused.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(refused.message(), HasSubstr("small on openvino:cpu: "));
  EXPECT_THAT(refused.message(), HasSubstr("No conversion rule found for operations: Foo"));
  EXPECT_EQ(open("/bin/false")->Compile(Path("foo.onnx"), options, {}).status().code(),
            StatusCode::kInternal)
      << "a compiler that ends without an answer";
}

TEST_F(OpenVinoOnCpu, ComputesAnExportedGraphAsTheInterpreterDoes) {
  const samples::Sample sample = samples::Encoder({}, 7);
  ASSERT_TRUE(ExportOnnx(sample.graph, Path("g.onnx"), {.bind = sample.sizes}).ok());
  const auto want = Interpret(sample.graph, sample.InputViews(), nullptr);
  ASSERT_TRUE(want.ok());
  auto model = backend_->Compile(Path("g.onnx"), {.stage = "sample"}, {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  std::vector<NamedView> in;
  for (const auto& [name, tensor] : sample.inputs) in.push_back({name, tensor.ViewOf()});
  std::map<std::string, Tensor> got;
  std::vector<NamedMutableView> out;
  for (const auto& [name, tensor] : *want) {
    out.push_back(
        {name,
         got.emplace(name, Tensor(DType::kF32, tensor.shape())).first->second.MutableViewOf()});
  }
  const Status status = (*model)->Run(in, out, {});
  ASSERT_TRUE(status.ok()) << status.ToString();
  for (const auto& [name, tensor] : *want) {
    for (int64_t i = 0; i < tensor.size(); ++i) {
      EXPECT_NEAR(got.at(name).As<float>()[i], tensor.As<float>()[i], 1e-4) << name << " " << i;
    }
  }
}

TEST_F(OpenVinoOnCpu, RefusesOpenDimensionsAndUnknownOperators) {
  ASSERT_TRUE(TinyOnnx()
                  .Input("a", {-1, 8})
                  .Node("Relu", "r", {"a"}, "b")
                  .Output("b", {-1, 8})
                  .Write(Path("open.onnx"))
                  .ok());
  Status status = backend_->Compile(Path("open.onnx"), {.stage = "s"}, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), HasSubstr("fixed shapes"));
  ASSERT_TRUE(TinyOnnx()
                  .Input("a", {4, 8})
                  .Node("Relu", "r", {"a"}, "b")
                  .Node("Foo", "foo", {"b"}, "c")
                  .Output("c", {4, 8})
                  .Write(Path("foo.onnx"))
                  .ok());
  status = backend_->Compile(Path("foo.onnx"), {.stage = "s"}, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), HasSubstr("Foo"));
  EXPECT_THAT(status.message(), HasSubstr("tessera doctor"));
  EXPECT_EQ(backend_->Compile(Path("none.onnx"), {.stage = "s"}, {}).status().code(),
            StatusCode::kNotFound);

  const auto nodes = QueryOpenVino(Path("foo.onnx"), "openvino:cpu");
  ASSERT_TRUE(nodes.ok()) << nodes.status().ToString();
  ASSERT_EQ(nodes->size(), 2u);
  EXPECT_EQ((*nodes)[0].verdict, OpenVinoVerdict::kNotJudged);
  EXPECT_EQ((*nodes)[1].verdict, OpenVinoVerdict::kRefused);
  EXPECT_THAT((*nodes)[1].reason, HasSubstr("No conversion rule"));
}

TEST_F(OpenVinoOnCpu, QueryNamesTheKernels) {
  const auto nodes = QueryOpenVino(SmallModel(), "openvino:cpu");
  ASSERT_TRUE(nodes.ok()) << nodes.status().ToString();
  ASSERT_EQ(nodes->size(), 3u);
  for (const OpenVinoNode& node : *nodes) {
    EXPECT_EQ(node.verdict, OpenVinoVerdict::kCompiled) << node.name;
    EXPECT_EQ(node.reason, "");
  }
  EXPECT_EQ((*nodes)[0].name, "product");
  EXPECT_THAT((*nodes)[0].kernel, HasSubstr("f32"));
  EXPECT_THAT((*nodes)[2].kernel, HasSubstr("f32"));
}

TEST_F(OpenVinoOnCpu, AStopEndsARun) {
  TinyOnnx onnx;
  Tensor w = Tensor::Zeros(DType::kF32, {512, 512});
  onnx.Input("x0", {1024, 512}).Constant("w", w);
  constexpr int kLayers = 200;  // many seconds
  for (int i = 0; i < kLayers; ++i) {
    const std::string from = std::to_string(i), to = std::to_string(i + 1);
    onnx.Node("MatMul", "m" + from, {"x" + from, "w"}, "y" + from);
    onnx.Node("Sin", "s" + from, {"y" + from}, "x" + to);
  }
  onnx.Output("x" + std::to_string(kLayers), {1024, 512});
  ASSERT_TRUE(onnx.Write(Path("long.onnx")).ok());
  auto model = backend_->Compile(Path("long.onnx"), {.stage = "long"}, {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  Tensor x = Tensor::Zeros(DType::kF32, {1024, 512}), y(DType::kF32, {1024, 512});
  const NamedView in[] = {{"x0", x.ViewOf()}};
  const std::string last = "x" + std::to_string(kLayers);
  const NamedMutableView out[] = {{last, y.MutableViewOf()}};
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    source.request_stop();
  });
  EXPECT_EQ((*model)->Run(in, out, source.get_token()).code(), StatusCode::kCancelled);
}

TEST_F(OpenVinoOnCpu, AnAbsentDeviceSaysWhatHelps) {
  const auto npu = OpenOpenVinoBackend("openvino:npu", {});
  if (npu.ok()) GTEST_SKIP() << "there is an NPU";
  EXPECT_EQ(npu.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(npu.status().message(), HasSubstr("tessera devices"));
  EXPECT_EQ(OpenOpenVinoBackend("openvino:cpu", {.precision = "f8"}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(OpenVinoAbsent, SaysWhatToInstall) {
  const auto backend = OpenOpenVinoBackend("openvino:cpu", {.library = TempPath("nowhere")});
  EXPECT_EQ(backend.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(backend.status().message(), HasSubstr("pip install openvino"));
  const std::string path = TempPath("libopenvino_c.so");
  ASSERT_TRUE(WriteFileAtomically(path, "not a library").ok());
  const auto broken = OpenOpenVinoBackend("openvino:cpu", {.library = path});
  EXPECT_TRUE(RemoveFile(path).ok());
  EXPECT_EQ(broken.status().code(), StatusCode::kUnavailable) << broken.status().message();
}

}  // namespace
}  // namespace tessera
