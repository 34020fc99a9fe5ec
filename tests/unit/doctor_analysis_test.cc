// Verdicts, partitions, measured rows, fixes and reports of the doctor.
#include "doctor/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/protobuf_wire.h"
#include "base/temporary_folder.h"
#include "doctor/fix.h"
#include "doctor/op_database.h"
#include "doctor/report.h"
#include "formats/json.h"
#include "formats/onnx_writer.h"

namespace tessera::doctor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kGolden = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/onnx/";

const OpDatabase& Database() {
  const Result<OpDatabase>& database = OpDatabase::BuiltIn();
  EXPECT_TRUE(database.ok()) << database.status().ToString();
  return *database;
}

Bindings BindAll(const OnnxModel& model, int64_t size) {
  Bindings bind;
  for (const OnnxValueInfo& input : model.graph.inputs) {
    for (const OnnxDim& dim : *input.dims) {
      if (dim.value < 0) bind[std::string(dim.symbol)] = size;
    }
  }
  return bind;
}

ModelReport Examine(const std::string& path, const std::string& target, const Bindings& bind) {
  auto model = ReadOnnx(path);
  EXPECT_TRUE(model.ok()) << model.status().ToString();
  AnalysisOptions options;
  options.bind = bind;
  options.database = &Database();
  auto report = Analyze(std::move(*model), path, *ParseTarget(target), options);
  EXPECT_TRUE(report.ok()) << report.status().ToString();
  return std::move(*report);
}

// x -> A -> B -> C -> y with verdicts as given: the smallest graph that has a cut.
TargetReport Chain(const std::vector<Verdict>& verdicts, Wiring& wiring) {
  TargetReport report;
  report.target = (*ParseTarget("snapdragon-x"))[0];
  for (size_t i = 0; i < verdicts.size(); ++i) {
    NodeReport node;
    node.name = "n" + std::to_string(i);
    node.op = "Op";
    node.verdict.verdict = verdicts[i];
    node.verdict.rule = "T1.op-table";
    node.verdict.remedy = "remedy";
    node.flops = 100;
    if (i > 0) node.producers = {static_cast<int>(i) - 1};
    report.nodes.push_back(node);
    wiring.values.push_back(
        {"v" + std::to_string(i), static_cast<int>(i) - 1, {static_cast<int>(i)}, 1000, false});
  }
  wiring.values.push_back({"y", static_cast<int>(verdicts.size()) - 1, {}, 1000, true});
  return report;
}

TEST(DoctorPartition, ACutMakesTwoSubgraphsAndItsRemovalIsTheGain) {
  Wiring wiring;
  using enum Verdict;
  TargetReport report = Chain({kSupported, kPartial, kSupported}, wiring);
  Summarize(wiring, report);
  EXPECT_EQ(report.totals.subgraphs, 2);
  EXPECT_EQ(report.totals.npu_nodes, 2);
  EXPECT_EQ(report.totals.boundary_bytes, 2000);
  EXPECT_EQ(report.totals.interface_bytes, 2000);
  EXPECT_EQ(report.nodes[0].partition, 0);
  EXPECT_EQ(report.nodes[1].partition, -1);
  EXPECT_EQ(report.nodes[2].partition, 1);
  ASSERT_EQ(report.help.size(), 1u);
  EXPECT_EQ(report.help[0].subgraphs_before, 2);
  EXPECT_EQ(report.help[0].subgraphs_after, 1);
  EXPECT_GT(report.help[0].gained_seconds, report.target.launch_seconds.value);
}

TEST(DoctorPartition, NodesAtTheEndOfTheWayDoNotCut) {
  Wiring wiring;
  using enum Verdict;
  TargetReport report = Chain({kPartial, kSupported, kSupported, kUnknown}, wiring);
  Summarize(wiring, report);
  EXPECT_EQ(report.totals.subgraphs, 1);
  EXPECT_EQ(report.totals.npu_nodes, 2);
}

TEST(DoctorAnalysis, OpenDimensionsAreTheReasonAndBindingTheRemedy) {
  const std::string path = kGolden + "bert_sdpa_17.onnx";
  const ModelReport open = Examine(path, "snapdragon-x", {});
  EXPECT_GT(open.targets[0].totals.partial, 50);
  ASSERT_FALSE(open.targets[0].findings.empty());
  EXPECT_EQ(open.targets[0].findings[0].rule, "R1.static-inputs");
  EXPECT_THAT(open.targets[0].findings[0].remedy, HasSubstr("--bind"));
  const auto model = ReadOnnx(path);
  const ModelReport bound = Examine(path, "snapdragon-x", BindAll(*model, 8));
  EXPECT_LT(bound.targets[0].totals.partial, 5);
  EXPECT_GT(bound.targets[0].totals.npu_flops, 0.9 * bound.targets[0].totals.flops);
}

TEST(DoctorAnalysis, NobodyTellsOfVitisAi) {
  const auto model = ReadOnnx(kGolden + "bert_sdpa_17.onnx");
  const ModelReport report = Examine(kGolden + "bert_sdpa_17.onnx", "ryzen-ai", BindAll(*model, 8));
  EXPECT_GT(report.targets[0].totals.unknown, 20);
  EXPECT_EQ(report.targets[0].totals.npu_nodes, 0);
}

TEST(DoctorTarget, NamesAndNumbers) {
  EXPECT_EQ(ParseTarget("all")->size(), 4u);
  EXPECT_EQ((*ParseTarget("qnn:60"))[0].id, "snapdragon-x");
  EXPECT_EQ((*ParseTarget("qnn:88"))[0].soc_model, 88);
  for (const char* wrong : {"", "qnn:", "qnn:x", "qnn:0", "qnn:60x", "hexagon"})
    EXPECT_EQ(ParseTarget(wrong).status().code(), StatusCode::kInvalidArgument) << wrong;
}

TEST(DoctorDatabase, HasItsRowsAndRefusesWhatIsNone) {
  uint64_t rows = 0;
  for (const OpDatabase::Source& source : Database().sources()) rows += source.rows;
  EXPECT_GT(rows, 400000u);
  EXPECT_FALSE(OpDatabase::Parse(AsBytes("not zlib")).ok());
  EXPECT_FALSE(OpDatabase::Parse({}).ok());
}

NodeView AddOf(const OnnxNode& node, const ValueFacts& a, const ValueFacts& b) {
  NodeView view;
  view.node = &node;
  view.inputs = {&a, &b};
  view.outputs = {&a};
  view.opset = 17;
  view.has_rule = true;
  view.database = &Database();
  return view;
}

TEST(DoctorDatabase, RowsTellTypesAndRanksApart) {
  OnnxNode add;
  add.op_type = "Add";
  add.inputs = {"a", "b"};
  add.outputs = {"c"};
  ValueFacts f32, deep, f64;
  f32.type = 1;
  f32.shape = Numbers{2, 3};
  deep = f32;
  deep.shape = Numbers{1, 2, 3, 4, 5, 6};
  f64 = f32;
  f64.type = 11;
  const Target target = (*ParseTarget("snapdragon-x"))[0];
  const NodeVerdict good = JudgeNode(AddOf(add, f32, f32), target);
  EXPECT_EQ(good.verdict, Verdict::kSupported) << good.reason;
  EXPECT_EQ(good.tier, EvidenceTier::kMeasuredDb);
  const NodeVerdict bad = JudgeNode(AddOf(add, deep, deep), target);
  EXPECT_NE(bad.verdict, Verdict::kSupported) << bad.reason;
  EXPECT_EQ(bad.tier, EvidenceTier::kMeasuredDb);
  EXPECT_THAT(bad.reason, HasSubstr("rank 6"));
  EXPECT_EQ(JudgeNode(AddOf(add, f64, f64), target).rule, "R5.element-type");
  ValueFacts open = f32;
  (*open.shape)[0] = Number::Symbol("batch");
  const NodeVerdict dynamic = JudgeNode(AddOf(add, open, f32), target);
  EXPECT_EQ(dynamic.rule, "R1.static-shape");
  EXPECT_THAT(dynamic.remedy, HasSubstr("--bind batch=SIZE"));
}

TEST(DoctorFix, BindsFoldsAndWritesGelu) {
  const auto folder = TemporaryFolder::Create();
  ASSERT_TRUE(folder.ok());
  const std::string out = folder->path() + "/fixed.onnx";
  auto model = ReadOnnx(kGolden + "bert_sdpa_14_unfolded.onnx");
  ASSERT_TRUE(model.ok());
  const auto count = [](const OnnxModel& m, std::string_view op) {
    return std::count_if(m.graph.nodes.begin(), m.graph.nodes.end(),
                         [&](const OnnxNode& n) { return n.op_type == op; });
  };
  const auto erfs = count(*model, "Erf");
  ASSERT_GT(erfs, 0);
  const auto summary = FixModel(*model, {.bind = BindAll(*model, 8)});
  ASSERT_TRUE(summary.ok()) << summary.status().ToString();
  EXPECT_EQ(summary->gelus, erfs);
  EXPECT_GT(summary->bound, 0);
  EXPECT_GT(summary->folded, 20);
  EXPECT_TRUE(summary->still_open.empty());
  const Status written = WriteOnnx(*model, out);
  ASSERT_TRUE(written.ok()) << written.ToString();
  const auto again = ReadOnnx(out);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(count(*again, "Erf"), 0);
  EXPECT_EQ(count(*again, "Gelu"), erfs);
  EXPECT_EQ(count(*again, "Shape"), 0);
  EXPECT_TRUE(again->opsets.contains("com.microsoft"));
  for (const OnnxValueInfo& input : again->graph.inputs) {
    for (const OnnxDim& dim : *input.dims) EXPECT_GT(dim.value, 0);
  }
}

TEST(OnnxWriter, WritesWhatTheReaderReads) {
  const auto folder = TemporaryFolder::Create();
  ASSERT_TRUE(folder.ok());
  for (const uint64_t external : {uint64_t{0}, uint64_t{1}}) {
    const std::string out = folder->path() + "/m" + std::to_string(external) + ".onnx";
    const auto model = ReadOnnx(kGolden + "xlmr_sdpa_17.onnx");
    ASSERT_TRUE(model.ok());
    ASSERT_TRUE(WriteOnnx(*model, out, {external}).ok());
    EXPECT_EQ(std::filesystem::exists(out + ".data"), external == 1);
    const auto again = ReadOnnx(out);
    ASSERT_TRUE(again.ok()) << again.status().ToString();
    ASSERT_EQ(again->graph.nodes.size(), model->graph.nodes.size());
    for (size_t i = 0; i < model->graph.nodes.size(); ++i) {
      EXPECT_EQ(again->graph.nodes[i].inputs, model->graph.nodes[i].inputs);
      EXPECT_EQ(again->graph.nodes[i].attributes.size(), model->graph.nodes[i].attributes.size());
    }
    ASSERT_EQ(again->graph.initializers.size(), model->graph.initializers.size());
    for (const auto& [name, tensor] : model->graph.initializers) {
      const OnnxTensor* copy = again->graph.FindInitializer(name);
      ASSERT_NE(copy, nullptr);
      EXPECT_EQ(copy->shape, tensor.shape);
      EXPECT_TRUE(
          std::equal(copy->data.begin(), copy->data.end(), tensor.data.begin(), tensor.data.end()));
    }
  }
}

TEST(DoctorReport, NamesOfTheFileAreEscaped) {
  DoctorReport report;
  Wiring wiring;
  TargetReport target = Chain({Verdict::kPartial, Verdict::kSupported}, wiring);
  target.nodes[0].name = "<script>alert(1)</script>\"";
  target.nodes[0].verdict.reason = "<b>reason</b>";
  Summarize(wiring, target);
  ModelReport model;
  model.path = "<img src=x>";
  model.inputs = {"<i>"};
  model.targets.push_back(target);
  report.models.push_back(model);
  const std::string html = ReportHtml(report);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("<b>reason")));
  EXPECT_THAT(html, HasSubstr("&lt;b&gt;reason"));
  const auto json = ParseJson(ReportJson(report));
  ASSERT_TRUE(json.ok()) << json.status().ToString();
  EXPECT_EQ((*json)["schema"], 1);
  EXPECT_EQ((*json)["models"][0]["targets"][0]["nodes"][0]["verdict"], "partial");
  EXPECT_THAT(ReportText(report, false), HasSubstr("what would help"));
}

}  // namespace
}  // namespace tessera::doctor
