// What of the ONNX Runtime backend needs no library: versions, errors, targets, traces, the
// worker's protocol and the store of compiled models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "graph/builder.h"
#include "graph/onnx/export.h"
#include "providers/onnxruntime/backend.h"
#include "providers/onnxruntime/compile_worker.h"
#include "providers/onnxruntime/compiled_store.h"
#include "providers/onnxruntime/errors.h"
#include "providers/onnxruntime/op_trace.h"
#include "providers/onnxruntime/targets.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(OrtApiVersion, TakesTheNewestThatBothSidesKnow) {
  static const int kTable = 0;
  const auto library_of = [](uint32_t oldest, uint32_t newest) {
    return [=](uint32_t version) -> const int* {
      return version >= oldest && version <= newest ? &kTable : nullptr;
    };
  };
  EXPECT_EQ(ChooseApiVersion(library_of(17, 31), 24, 22), 24);
  EXPECT_EQ(ChooseApiVersion(library_of(1, 23), 24, 22), 23);
  EXPECT_EQ(ChooseApiVersion(library_of(1, 22), 24, 22), 22);
  EXPECT_EQ(ChooseApiVersion(library_of(1, 21), 24, 22), 0);
  EXPECT_EQ(ChooseApiVersion(library_of(25, 31), 24, 22), 0);
}

TEST(OrtErrors, KeepWordsAndCodeAndExplainKnownOnes) {
  const Status memory = OrtError(
      11, "Failed to finalize QNN graph. Error: QNN_COMMON_ERROR_MEM_ALLOC: ..., Code: 1002",
      OrtPhase::kLoad);
  EXPECT_EQ(memory.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(memory.message(), HasSubstr("Code: 1002"));
  EXPECT_THAT(memory.message(), HasSubstr("soc_model"));
  EXPECT_THAT(memory.message(), HasSubstr("code 11"));
  const Status unknown = OrtError(1, "something new", OrtPhase::kLoad);
  EXPECT_EQ(unknown.message(), "something new (ONNX Runtime's code 1)");
  EXPECT_EQ(OrtError(1, "lost", OrtPhase::kRun).code(), StatusCode::kUnavailable);
  EXPECT_EQ(OrtError(2, "bad input", OrtPhase::kRun).code(), StatusCode::kInternal);
  EXPECT_EQ(OrtError(6, "std::bad_alloc", OrtPhase::kRun).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(OrtError(7, "protobuf", OrtPhase::kLoad).code(), StatusCode::kDataLoss);
  EXPECT_EQ(OrtError(3, "no file", OrtPhase::kLoad).code(), StatusCode::kNotFound);
  EXPECT_LT(OrtError(1, std::string(100000, 'x'), OrtPhase::kLoad).message().size(), 3000u);
}

TEST(QnnTargets, AreNamesOrNumbers) {
  EXPECT_EQ(ParseQnnTarget("snapdragon-x")->soc_model, "60");
  EXPECT_EQ(ParseQnnTarget("snapdragon-x")->htp_arch, "73");
  EXPECT_EQ(ParseQnnTarget("qnn:69,79")->soc_model, "69");
  EXPECT_EQ(ParseQnnTarget("qnn:69,79")->htp_arch, "79");
  EXPECT_EQ(ParseQnnTarget("qnn:57")->htp_arch, "");
  for (const char* wrong : {"", "qnn", "qnn:", "qnn:x", "qnn:60,", "qnn:60,73,1", "qnn:99999",
                            "snapdragon", "qnn:-1"}) {
    EXPECT_EQ(ParseQnnTarget(wrong).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(OpTrace, GivesEachRefusedNodeOnce) {
  const auto nodes = ParseOpTrace(R"({"schema_version": 2, "unsupported_nodes": [
      {"node_index": 1, "node_name": "erf", "op_type": "Erf", "reason": "not supported"},
      {"node_index": 1, "node_name": "erf", "op_type": "Erf", "reason": "again"},
      {"node_name": "t", "op_type": "Trilu", "reason": 3}]})");
  ASSERT_TRUE(nodes.ok()) << nodes.status().ToString();
  ASSERT_EQ(nodes->size(), 2u);
  EXPECT_EQ((*nodes)[0].name, "erf");
  EXPECT_EQ((*nodes)[0].reason, "not supported");
  EXPECT_EQ((*nodes)[1].reason, "");
  EXPECT_TRUE(ParseOpTrace("{}")->empty());
  for (const char* wrong :
       {"", "[]", R"({"unsupported_nodes": 1})", R"({"unsupported_nodes": ["x"]})"}) {
    EXPECT_FALSE(ParseOpTrace(wrong).ok()) << wrong;
  }
  EXPECT_TRUE(ReadOpTrace("/no/such/folder").empty());
}

TEST(Backend, RefusesUnknownNamesAndMissingLibraries) {
  EXPECT_EQ(OpenOnnxRuntimeBackend("cuda").status().code(), StatusCode::kInvalidArgument);
  OnnxRuntimeOptions options;
  options.library = "/no/such/folder";
  const Status status = OpenOnnxRuntimeBackend("cpu", options).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/no/such/folder"));
}

CompileJob SomeJob() {
  CompileJob job;
  job.library = "/lib/libonnxruntime.so";
  job.spec.ep = "QNNExecutionProvider";
  job.spec.ep_library = "/lib/qnn.so";
  job.spec.device = 2;
  job.spec.provider_options = {{"soc_model", "60"}, {"odd \"key\"", "näme\n"}};
  job.spec.session_options = {{"session.x", "1"}};
  job.spec.threads = 3;
  job.model = "/m/model.onnx";
  job.context = "/c/model.onnx";
  job.trace_folder = "/t";
  return job;
}

CompileOutcome SomeOutcome() {
  CompileOutcome outcome;
  outcome.placement.subgraphs = 2;
  outcome.placement.compile_seconds = 1.5;
  NodePlacement node;
  node.name = "n";
  node.op = "MatMul";
  node.provider = "QNNExecutionProvider";
  outcome.placement.nodes.push_back(node);
  outcome.refused = {{"e", "Erf", "not supported"}};
  outcome.compatibility = "v2:6";
  return outcome;
}

TEST(CompileJob, ComesThroughItsText) {
  const auto job = ParseCompileJob(CompileJobToJson(SomeJob()));
  ASSERT_TRUE(job.ok()) << job.status().ToString();
  EXPECT_EQ(CompileJobToJson(*job), CompileJobToJson(SomeJob()));
  EXPECT_EQ(job->spec.provider_options, SomeJob().spec.provider_options);
  const auto outcome = ParseCompileOutcome(CompileOutcomeToJson(SomeOutcome()));
  ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
  EXPECT_EQ(CompileOutcomeToJson(*outcome), CompileOutcomeToJson(SomeOutcome()));
  for (const char* wrong : {"", "{}", "[]", R"({"format": 2})", R"({"format": 1, "code": 99})"}) {
    EXPECT_FALSE(ParseCompileJob(wrong).ok()) << wrong;
    EXPECT_FALSE(ParseCompileOutcome(wrong).ok()) << wrong;
  }
  // Parent and child of different builds do not understand each other by chance.
  const auto of_next_format = [](std::string text) {
    const std::string mine = "\"format\": 1";
    const size_t place = text.find(mine);
    EXPECT_NE(place, std::string::npos);
    return text.replace(place, mine.size(), "\"format\": 2");
  };
  EXPECT_FALSE(ParseCompileJob(of_next_format(CompileJobToJson(SomeJob()))).ok());
  EXPECT_FALSE(ParseCompileOutcome(of_next_format(CompileOutcomeToJson(SomeOutcome()))).ok());
}

// A shell script in the worker's place: $1 is the command, $2 the job file.
class FakeWorker : public testing::Test {
 protected:
  void SetUp() override { path_ = TempPath("worker.sh"); }
  void TearDown() override { fs::remove(path_); }
  CompileOutcome Ask(const std::string& script, std::chrono::seconds limit = std::chrono::hours(1),
                     std::stop_token stop = {}) {
    std::ofstream(path_) << "#!/bin/sh\n" << script << "\n";
    fs::permissions(path_, fs::perms::owner_all);
    return RunCompileJobInChild(SomeJob(), path_, limit, std::move(stop));
  }
  std::string path_;
};

TEST_F(FakeWorker, ItsAnswerIsTheOutcome) {
  const std::string answer = CompileOutcomeToJson(SomeOutcome());
  const CompileOutcome outcome =
      Ask("test \"$1\" = compile-worker && grep -q soc_model \"$2\" && cat > \"$(dirname \"$2\")/"
          "answer.json\" <<'END'\n" +
          answer + "\nEND");
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.ToString();
  EXPECT_EQ(CompileOutcomeToJson(outcome), answer);
}

TEST_F(FakeWorker, ACompilersErrorComesBackWithItsCode) {
  CompileOutcome failed = SomeOutcome();
  failed.status = Unimplemented("refused");
  const CompileOutcome outcome = Ask("cat > \"$(dirname \"$2\")/answer.json\" <<'END'\n" +
                                     CompileOutcomeToJson(failed) + "\nEND");
  EXPECT_EQ(outcome.status.code(), StatusCode::kUnimplemented);
  EXPECT_EQ(outcome.status.message(), "refused");
  EXPECT_FALSE(outcome.not_a_worker);
  EXPECT_EQ(outcome.refused.size(), 1u);
}

TEST_F(FakeWorker, CrashesAndSilenceAreErrorsWithItsLastWords) {
  CompileOutcome outcome = Ask("echo assertion failed in tiling >&2; kill -SEGV $$");
  EXPECT_EQ(outcome.status.code(), StatusCode::kInternal);
  EXPECT_THAT(outcome.status.message(), HasSubstr("signal 11"));
  EXPECT_THAT(outcome.status.message(), HasSubstr("assertion failed in tiling"));
  outcome = Ask("kill -KILL $$");
  EXPECT_EQ(outcome.status.code(), StatusCode::kResourceExhausted);
  outcome = Ask("exit 1");
  EXPECT_EQ(outcome.status.code(), StatusCode::kInternal);
  EXPECT_THAT(outcome.status.message(), HasSubstr("code 1"));
  outcome = Ask("exit 0");
  EXPECT_EQ(outcome.status.code(), StatusCode::kInternal);
  outcome = Ask("yes x | head -c 3000000 >&2; echo END >&2; exit 1");
  EXPECT_LT(outcome.status.message().size(), 3000u);
}

TEST_F(FakeWorker, HangsEndAtTheTimeLimitOrTheStop) {
  EXPECT_EQ(Ask("sleep 600", std::chrono::seconds(1)).status.code(), StatusCode::kDeadlineExceeded);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(Ask("sleep 600", std::chrono::hours(1), stop.get_token()).status.code(),
            StatusCode::kCancelled);
}

TEST_F(FakeWorker, NonsenseIsAnError) {
  const CompileOutcome outcome = Ask("echo '{\"format\": 7}' > \"$(dirname \"$2\")/answer.json\"");
  EXPECT_EQ(outcome.status.code(), StatusCode::kInternal);
  EXPECT_THAT(outcome.status.message(), HasSubstr("nonsense"));
}

TEST_F(FakeWorker, AProgramThatIsNoWorkerIsToldApart) {
  const CompileOutcome outcome = Ask("echo 'unknown command' >&2; exit 2");
  EXPECT_TRUE(outcome.not_a_worker);
  EXPECT_EQ(outcome.status.code(), StatusCode::kUnimplemented);
}

class Store : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TempPath("store");
    key_ = {"whisper.encoder",
            std::string(64, 'a'),
            "QNNExecutionProvider",
            "1.31.1+2.7.0",
            {{"soc_model", "60"}, {"htp_arch", "73"}}};
  }
  void TearDown() override { fs::remove_all(folder_); }

  static CompileOutcome Compile(const std::string& path) {
    GraphBuilder builder("g");
    const ValueId x = builder.Input("x", DType::kF32, {Dim(2)});
    builder.Output("y", builder.Add("add", x, x));
    auto graph = builder.Build();
    EXPECT_TRUE(ExportOnnx(*graph, path, {}).ok());
    std::ofstream(fs::path(path).parent_path() / "model_qnn.bin") << "compiled bytes";
    return SomeOutcome();
  }

  std::string folder_;
  CompiledKey key_;
};

TEST_F(Store, KeepsWhatWasCompiledForItsKeyAlone) {
  const CompiledStore store(folder_);
  EXPECT_EQ(store.Find(key_).status().code(), StatusCode::kNotFound);
  auto made = store.Make(key_, Compile);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_TRUE(fs::exists(made->path));
  auto found = store.Find(key_);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(found->path, made->path);
  EXPECT_EQ(CompileOutcomeToJson(found->outcome), CompileOutcomeToJson(SomeOutcome()));

  CompiledKey other = key_;
  other.versions = "1.32.0+2.8.0";
  EXPECT_FALSE(store.Find(other).ok());
  EXPECT_TRUE(store.Find(other, true).ok());
  other = key_;
  other.options[0].second = "69";
  EXPECT_FALSE(store.Find(other).ok());
  other = key_;
  std::swap(other.options[0], other.options[1]);
  EXPECT_TRUE(store.Find(other).ok());
  other.model_sha256 = std::string(64, 'b');
  const Status status = store.Find(other, true).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("whisper.encoder"));
}

TEST_F(Store, KeepsManyStages) {
  const CompiledStore store(folder_);
  CompiledKey second = key_;
  second.stage = "whisper.decoder";
  second.model_sha256 = std::string(64, 'c');
  ASSERT_TRUE(store.Make(key_, Compile).ok());
  ASSERT_TRUE(store.Make(second, Compile).ok());
  ASSERT_TRUE(store.Make(key_, Compile).ok());  // again
  EXPECT_TRUE(store.Find(key_).ok());
  EXPECT_TRUE(store.Find(second).ok());
}

TEST_F(Store, UsesNothingThatIsDamaged) {
  const CompiledStore store(folder_);
  auto made = store.Make(key_, Compile);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  const fs::path data = fs::path(made->path).parent_path() / "model_qnn.bin";
  std::ofstream(data) << "compiled bytez";
  Status status = store.Find(key_).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("model_qnn.bin"));
  ASSERT_TRUE(store.Make(key_, Compile).ok());
  EXPECT_TRUE(store.Find(key_).ok());
  fs::remove(data);
  EXPECT_FALSE(store.Find(key_).ok());

  std::ifstream file(fs::path(folder_) / "manifest.json");
  std::string manifest(std::istreambuf_iterator<char>(file), {});
  const size_t name = manifest.find("model_qnn.bin");
  ASSERT_NE(name, std::string::npos);
  manifest.replace(name, 13, "../../passwd1");
  std::ofstream(fs::path(folder_) / "manifest.json") << manifest;
  EXPECT_THAT(store.Find(key_).status().message(), HasSubstr("outside"));
  std::ofstream(fs::path(folder_) / "manifest.json") << "{";
  EXPECT_FALSE(store.Find(key_).ok());
}

TEST_F(Store, KeepsNothingOfAFailure) {
  const CompiledStore store(folder_);
  const auto fail = [](const std::string& path) {
    std::ofstream(path) << "half";
    CompileOutcome outcome;
    outcome.status = Internal("crashed");
    return outcome;
  };
  EXPECT_EQ(store.Make(key_, fail).status().code(), StatusCode::kInternal);
  EXPECT_FALSE(store.Find(key_).ok());
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace tessera
