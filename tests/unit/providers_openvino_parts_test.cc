// The OpenVINO backend without OpenVINO: messages, numbers of types, kept blobs, and a library of
// switches (openvino_fake.h) for what hardware would do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/atomic_file.h"
#include "base/file.h"
#include "providers/openvino/blob_store.h"
#include "providers/openvino/compile_child.h"
#include "providers/openvino/device.h"
#include "providers/openvino/errors.h"
#include "providers/openvino/model.h"
#include "providers/openvino/query.h"
#include "tests/unit/openvino_fake.h"
#include "tests/unit/temp_path.h"

namespace tessera::openvino {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// As OpenVINO 2026.4.1 says them on a machine without Intel's devices.
constexpr char kNoCompiler[] =
    "Exception from src/inference/src/cpp/core.cpp:117:\n"
    "Exception from src/inference/src/dev/plugin.cpp:54:\n"
    "Exception from "
    "src/plugins/intel_npu/src/compiler_adapter/src/plugin_compiler_adapter.cpp:54:\n"
    "VCL compiler loading failed, aborting. Error: Exception from "
    "src/plugins/intel_npu/src/utils/src/vcl/vcl_api.cpp:22:\n"
    "Cannot load library \"libs/libopenvino_intel_npu_compiler_loader.so\": cannot open shared "
    "object file: No such file or directory\n\n\n";
constexpr char kNoRule[] =
    "Check 'false' failed at src/frontends/common_translators/src/unconverted_ops_report.cpp:151:\n"
    "FrontEnd API failed with OpConversionFailure:\nModel wasn't fully converted. Failed "
    "operations detailed log:\n-- BitShift-17 with a message:\nWhile validating ONNX node "
    "'<Node(BitShift): c>': vector::_M_range_check\nSummary:\n-- No conversion rule found for "
    "operations: Foo-17, com.x.Bar-1\n-- Conversion is failed for: BitShift-17\n\n";

TEST(OpenVinoErrors, KeepsTheVendorsWordsWithoutItsSourceLines) {
  EXPECT_EQ(CleanMessage(kNoCompiler),
            "VCL compiler loading failed, aborting. Error: Exception from "
            "src/plugins/intel_npu/src/utils/src/vcl/vcl_api.cpp:22: Cannot load library "
            "\"libs/libopenvino_intel_npu_compiler_loader.so\": cannot open shared object file: No "
            "such file or directory");
  EXPECT_EQ(CleanMessage("\n \r\n"), "");
  const std::string cut = CleanMessage(std::string(1999, 'a') + "\xC3\xA9" + "more");
  EXPECT_EQ(cut, std::string(1999, 'a') + " ...") << "cut inside a character";
}

TEST(OpenVinoErrors, KnownOnesSayWhatHelps) {
  struct Case {
    const char* words;
    StatusCode code;
    const char* hint;
  };
  for (const Case& c : {
           Case{kNoCompiler, StatusCode::kUnavailable, "intel-driver-compiler-npu"},
           Case{kNoRule, StatusCode::kUnimplemented, "tessera doctor"},
           Case{"Could not find an NPU device. The driver compiler requires a valid device",
                StatusCode::kUnavailable, "tessera devices"},
           Case{"No available backend", StatusCode::kUnavailable, "intel_vpu"},
           Case{"[GPU] Can't get PERFORMANCE_HINT property as no supported devices found or an "
                "error happened during devices query.",
                StatusCode::kUnavailable, "intel-opencl-icd"},
           Case{"to_shape was called on a dynamic shape.", StatusCode::kUnimplemented, "--fix"},
           Case{"L0 zeCommandQueueExecuteCommandLists result: ZE_RESULT_ERROR_DEVICE_LOST, code "
                "0x70000001",
                StatusCode::kUnavailable, "reset"},
           Case{"something new", StatusCode::kInternal, ""},
       }) {
    auto core = fake::MakeCore();
    fake::world.words = c.words;
    const Status status = VendorError(core->api(), -1, "stage", StatusCode::kInternal);
    EXPECT_EQ(status.code(), c.code) << c.words;
    EXPECT_THAT(status.message(), HasSubstr(c.hint));
    EXPECT_THAT(status.message(), HasSubstr("stage: " + CleanMessage(c.words)));
    EXPECT_THAT(status.message(), HasSubstr("(GENERAL_ERROR, -1)"));
    core.reset();
    EXPECT_TRUE(fake::world.alive.empty());
  }
}

TEST(OpenVinoErrors, WithoutWordsTheStatusSpeaks) {
  auto core = fake::MakeCore();
  OpenVinoApi api = core->api();
  api.get_last_error = nullptr;  // before 2023.2
  EXPECT_EQ(VendorError(api, -77, "stage", StatusCode::kUnavailable).ToString(),
            "unavailable: stage: GENERAL_ERROR (unknown status, -77)");
}

TEST(OpenVinoErrors, NamesOfRefusedOperators) {
  EXPECT_THAT(RefusedOps(CleanMessage(kNoRule)), ElementsAre("Foo", "com.x.Bar", "BitShift"));
  EXPECT_THAT(RefusedOps("Unsupported operation of type: NonZero name: nz_1"),
              ElementsAre("NonZero"));
  EXPECT_TRUE(RefusedOps("Conversion is failed for: ").empty());
}

TEST(OpenVinoTypes, FoundByTheirSizesWhateverTheVersionCountsFrom) {
  ASSERT_NE(fake::MakeCore(), nullptr);
  const auto now = ElementTypes::Find(fake::Api());
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->FromDType(DType::kF32), 4u);
  EXPECT_EQ(now->FromDType(DType::kI32), 9u);
  EXPECT_EQ(now->FromDType(DType::kU8), std::nullopt);
  EXPECT_EQ(now->ToDType(10), DType::kI64);
  EXPECT_EQ(now->ToDType(11), std::nullopt);
  // Up to 2024 the list began with one more type that has no tensors.
  fake::world.bytes_of_two.insert(fake::world.bytes_of_two.begin(), 0);
  const auto before = ElementTypes::Find(fake::Api());
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->FromDType(DType::kF32), 5u);
  EXPECT_EQ(before->ToDType(11), DType::kI64);
  fake::world.bytes_of_two[5] = 12;
  EXPECT_EQ(ElementTypes::Find(fake::Api()).status().code(), StatusCode::kUnavailable);
}

TEST(OpenVinoDevices, Names) {
  EXPECT_EQ(ParseDevice("openvino:npu")->name, "NPU");
  EXPECT_EQ(ParseDevice("openvino:gpu")->kind, DeviceKind::kGpu);
  EXPECT_EQ(ParseDevice("openvino:AUTO").status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(IsOnDevice("NPU", "NPU"));
  EXPECT_TRUE(IsOnDevice("(CPU)", "CPU"));
  EXPECT_TRUE(IsOnDevice("GPU.0", "GPU"));
  EXPECT_FALSE(IsOnDevice("GPU.0 CPU", "GPU"));
  EXPECT_FALSE(IsOnDevice("NPU,CPU", "NPU"));
  EXPECT_FALSE(IsOnDevice("CPU", "NPU"));
  EXPECT_FALSE(IsOnDevice("NPUX", "NPU"));
  EXPECT_FALSE(IsOnDevice("", "NPU"));
}

class Blobs : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(RemoveFolder(folder_).ok()); }
  static Status Save(const BlobStore& store, const std::string& content) {
    return store.Save([&](const std::string& path) { return WriteFileAtomically(path, content); });
  }
  static std::string Text(const std::shared_ptr<const MappedFile>& file) {
    return std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  }
  const std::string folder_ = TempPath("blobs");
};

TEST_F(Blobs, AreFoundUnderTheirKeyOnly) {
  const BlobStore store(folder_, "encoder", "version 1");
  EXPECT_EQ(store.Load().status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(Save(store, "one").ok());
  EXPECT_EQ(Text(*store.Load()), "one");
  EXPECT_FALSE(BlobStore(folder_, "encoder", "version 12").Load().ok());
  EXPECT_FALSE(BlobStore(folder_, "encoder", "version").Load().ok());
  EXPECT_FALSE(BlobStore(folder_, "decoder", "version 1").Load().ok());
  ASSERT_TRUE(Save(store, "two!").ok());
  EXPECT_EQ(Text(*store.Load()), "two!");
  EXPECT_THAT(*ListFolder(folder_), ElementsAre("encoder.blob", "encoder.txt"));
}

TEST_F(Blobs, DamageCountsAsNothing) {
  const BlobStore store(folder_, "encoder", "key");
  ASSERT_TRUE(Save(store, "0123456789abcdef").ok());
  for (const char* damaged : {"0123456789abcdeF", "0123456789abcde", "0123456789abcdef0", ""}) {
    ASSERT_TRUE(WriteFileAtomically(JoinPath(folder_, "encoder.blob"), damaged).ok());
    EXPECT_EQ(store.Load().status().code(), StatusCode::kNotFound) << damaged;
  }
  ASSERT_TRUE(RemoveFile(JoinPath(folder_, "encoder.blob")).ok());
  EXPECT_FALSE(store.Load().ok());
}

TEST_F(Blobs, AWriterThatFailsLeavesWhatWasThere) {
  const BlobStore store(folder_, "encoder", "key");
  ASSERT_TRUE(Save(store, "good").ok());
  const Status failed = store.Save([](const std::string& path) {
    std::ofstream(path) << "half";
    return ResourceExhausted("disk full");
  });
  EXPECT_EQ(failed.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Text(*store.Load()), "good");
  EXPECT_EQ(ListFolder(folder_)->size(), 2u) << "the half file stayed";
}

TEST(OpenVinoChild, TextsComeBackAsTheyWent) {
  const ChildJob job{"openvino:npu",
                     {.library = "/l \"x\"", .precision = "f16", .threads = 3},
                     "/m.onnx",
                     "whisper.encoder",
                     "/cache"};
  const std::string text = ChildJobToJson(job);
  EXPECT_TRUE(IsChildJob(text));
  const auto back = ParseChildJob(text);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(ChildJobToJson(*back), text);
  EXPECT_EQ(back->options.library, job.options.library);
  const Status answer = ParseChildAnswer(ChildAnswerToJson(ResourceExhausted("no \n memory")));
  EXPECT_EQ(answer.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(answer.message(), "no \n memory");
  EXPECT_TRUE(ParseChildAnswer(ChildAnswerToJson(OkStatus())).ok());
}

TEST(OpenVinoChild, OtherTextsAreNeitherJobNorAnswer) {
  EXPECT_FALSE(IsChildJob("{\"format\": 1}"));  // a job of ONNX Runtime
  EXPECT_FALSE(IsChildJob("nonsense"));
  const std::string job = ChildJobToJson({"openvino:npu", {}, "m", "s", "c"});
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"openvino_job\": 1", "\"openvino_job\": 2"},
           {"\"threads\": 0", "\"threads\": -1"},
           {"\"model\": \"m\"", "\"model\": 7"},
           {"\"stage\"", "\"stages\""}}) {
    std::string other = job;
    other.replace(other.find(from), from.size(), to);
    EXPECT_EQ(ParseChildJob(other).status().code(), StatusCode::kDataLoss) << to;
  }
  for (const char* text :
       {"", "{}", "[]", "{\"openvino_answer\": 1, \"code\": 99, \"message\": \"\"}",
        "{\"openvino_answer\": 1, \"code\": 0}"}) {
    EXPECT_EQ(ParseChildAnswer(text).code(), StatusCode::kInternal) << text;
  }
}

class FakeModel : public testing::Test {
 protected:
  void SetUp() override {
    std::shared_ptr<const Core> core = fake::MakeCore();
    ASSERT_NE(core, nullptr);
    Handle<OvCompiledModel> compiled(fake::New<OvCompiledModel>(), core->api().compiled_free);
    auto model =
        OpenVinoModel::Make(core, std::move(compiled), nullptr, {}, "stage on openvino:npu");
    ASSERT_TRUE(model.ok());
    model_ = std::move(model).value();
  }
  void TearDown() override {
    model_.reset();
    EXPECT_TRUE(fake::world.alive.empty()) << "something was not freed";
  }
  Status Run(std::stop_token stop = {}) {
    const NamedView in[] = {{"x", x_.ViewOf()}};
    const NamedMutableView out[] = {{"y", y_.MutableViewOf()}};
    return model_->Run(in, out, stop);
  }
  std::unique_ptr<FixedModel> model_;
  Tensor x_ = Tensor::Zeros(DType::kF32, {2, 3}), y_ = Tensor::Zeros(DType::kF32, {2, 3});
};

TEST_F(FakeModel, UsesTheCallersMemory) {
  x_.As<float>()[5] = 7;
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(y_.As<float>()[5], 7);
  EXPECT_EQ(fake::world.tensors_made, 2);
  x_.As<float>()[5] = 8;
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(y_.As<float>()[5], 8);
  EXPECT_EQ(fake::world.tensors_made, 2) << "the same addresses need no new tensors";
  Tensor other = Tensor::Zeros(DType::kF32, {2, 3});
  std::swap(other, y_);
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(y_.As<float>()[5], 8);
  EXPECT_EQ(fake::world.tensors_made, 3);
}

TEST_F(FakeModel, RefusesWhatTheModelDoesNotHave) {
  const auto code = [&](std::vector<NamedView> in, std::vector<NamedMutableView> out) {
    return model_->Run(in, out, {}).code();
  };
  Tensor small(DType::kF32, {2, 2}), ints(DType::kI32, {2, 3});
  const NamedView x{"x", x_.ViewOf()};
  const NamedMutableView y{"y", y_.MutableViewOf()};
  EXPECT_EQ(code({{"x", small.ViewOf()}}, {y}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{"x", ints.ViewOf()}}, {y}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{"z", x_.ViewOf()}}, {y}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({x, x}, {y}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({x}, {}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({x}, {{"y", small.MutableViewOf()}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{"x", View{nullptr, DType::kF32, {2, 3}}}}, {y}), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Run().ok()) << "and goes on afterwards";
}

TEST_F(FakeModel, ADeviceThatFailsSaysHow) {
  struct Case {
    const char* words;
    StatusCode code;
  };
  for (const Case& c :
       {Case{"ZE_RESULT_ERROR_DEVICE_LOST", StatusCode::kUnavailable},
        Case{"ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY", StatusCode::kResourceExhausted},
        Case{"a new trouble", StatusCode::kInternal}}) {
    fake::world.run_status = -1;
    fake::world.words = c.words;
    const Status status = Run();
    EXPECT_EQ(status.code(), c.code);
    EXPECT_THAT(status.message(), HasSubstr("stage on openvino:npu"));
    EXPECT_THAT(status.message(), HasSubstr(c.words));
    std::stop_source source;  // the other way of running
    EXPECT_EQ(Run(source.get_token()).code(), c.code);
  }
}

TEST_F(FakeModel, AStopCancelsTheRequest) {
  std::stop_source before;
  before.request_stop();
  EXPECT_EQ(Run(before.get_token()).code(), StatusCode::kCancelled);
  EXPECT_FALSE(fake::world.cancelled) << "nothing was started";

  model_.reset();
  static std::stop_source during;
  during = std::stop_source();
  fake::world = fake::World();
  OpenVinoApi api = fake::Api();
  api.request_wait = [](OvInferRequest*) -> OvStatus {
    during.request_stop();
    return fake::world.cancelled ? kOvInferCancelled : -1;
  };
  const auto core = Core::Create(std::shared_ptr<const OpenVinoLibrary>(
      new OpenVinoLibrary{api, *ElementTypes::Find(api), "", ""}));
  auto model = OpenVinoModel::Make(
      *core, Handle<OvCompiledModel>(fake::New<OvCompiledModel>(), api.compiled_free), nullptr, {},
      "stage");
  const NamedView in[] = {{"x", x_.ViewOf()}};
  const NamedMutableView out[] = {{"y", y_.MutableViewOf()}};
  EXPECT_EQ((*model)->Run(in, out, during.get_token()).code(), StatusCode::kCancelled);
  EXPECT_TRUE(fake::world.cancelled);
}

}  // namespace
}  // namespace tessera::openvino
