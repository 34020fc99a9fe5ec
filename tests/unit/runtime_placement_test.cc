// Reports of placement, the comparison behind the numerics gate, and kept verdicts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "graph/builder.h"
#include "runtime/numerics_gate.h"
#include "runtime/placement_report.h"
#include "tests/unit/graph_samples.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A table that is looked up, a large and a small linear layer.
Graph Sample() {
  samples::Random random(1);
  GraphBuilder b("model.stage");
  const ValueId ids = b.Input("ids", DType::kI32, {Dim("tokens")});
  const ValueId table = b.Constant("table", random.Floats({10, 16}));
  const ValueId x = b.Gather("rows", table, ids);
  const ValueId large = b.Linear("large", x, b.Constant("large.weight", random.Floats({48, 16})));
  b.Output("y", b.Linear("small", large, b.Constant("small.weight", random.Floats({16, 48}))));
  b.Output("z", b.Linear("logits", x, table));
  auto graph = b.Build();
  TESSERA_CHECK(graph.ok());
  return std::move(graph).value();
}

NodePlacement Node(const char* name, bool on_npu) {
  return {.name = name,
          .op = "MatMul",
          .provider = on_npu ? "NPU" : "CPU",
          .device = on_npu ? DeviceKind::kNpu : DeviceKind::kCpu,
          .reason = on_npu ? "" : "refused"};
}

StagePlacement OnNpu(std::vector<NodePlacement> nodes) {
  return {.stage = "model.stage",
          .provider = "mock:npu",
          .device = DeviceKind::kNpu,
          .nodes = std::move(nodes),
          .host_nodes = {"rows"}};
}

TEST(StageReportTest, ANodeIsOnTheDeviceWhenAllThatItBecameIs) {
  const Graph graph = Sample();
  const StageReport all = MakeStageReport(
      graph, {{"tokens", 4}},
      OnNpu({Node("large/MatMul", true), Node("small/MatMul", true), Node("logits/x", true)}));
  EXPECT_EQ(all.nodes_on_device, 3);
  EXPECT_EQ(all.flops_on_device, 1);
  // The table is looked up on the host, but multiplied with on the device.
  EXPECT_EQ(all.weights_on_device, 1);

  const StageReport some =
      MakeStageReport(graph, {{"tokens", 4}},
                      OnNpu({Node("large/MatMul", true), Node("large/Add", false),
                             Node("small/MatMul", true), Node("logits/x", true)}));
  EXPECT_EQ(some.nodes_on_device, 3);
  // 48*16 + 16*48 + 10*16 products a token, of which the first layer's are elsewhere.
  EXPECT_DOUBLE_EQ(some.flops_on_device, (768.0 + 160) / (768 + 768 + 160));
  EXPECT_DOUBLE_EQ(some.weights_on_device, (768.0 + 160) / (768 + 768 + 160));
}

// ONNX Runtime records each node for itself where its provider has kernels: onnxruntime:cpu.
TEST(StageReportTest, PartsAreWhatLiesTogether) {
  const Graph graph = Sample();
  const auto parts = [&](int64_t recorded, bool large, bool small, bool logits) {
    StagePlacement placement =
        OnNpu({Node("large/MatMul", large), Node("small/MatMul", small), Node("logits/x", logits)});
    placement.subgraphs = recorded;
    return MakeStageReport(graph, {{"tokens", 4}}, placement).subgraphs;
  };
  EXPECT_EQ(parts(3, true, true, true), 1);
  EXPECT_EQ(parts(2, false, true, true), 1) << "nothing between them";
  EXPECT_EQ(parts(2, true, true, true), 2) << "a compiler has its own reasons";
  // Three layers in a row, the middle one elsewhere.
  GraphBuilder b("model.row");
  samples::Random random(1);
  ValueId x = b.Input("x", DType::kF32, {Dim("tokens"), Dim(16)});
  for (const char* name : {"first", "second", "third"})
    x = b.Linear(name, x, b.Constant(std::string(name) + ".weight", random.Floats({16, 16})));
  b.Output("y", x);
  auto row = b.Build();
  ASSERT_TRUE(row.ok());
  StagePlacement placement =
      OnNpu({Node("first/MatMul", true), Node("second/MatMul", false), Node("third/MatMul", true)});
  placement.subgraphs = 2;
  placement.host_nodes.clear();
  EXPECT_EQ(MakeStageReport(*row, {{"tokens", 4}}, placement).subgraphs, 2);
}

TEST(PlacementReportTest, WhatTheHostDoesIsFolded) {
  StageReport stage;
  stage.placement = OnNpu({});
  stage.placement.host_nodes = {"rows", "layers.0.key", "layers.10.key", "layers.0.value"};
  PlacementReport report;
  report.stages.push_back(stage);
  EXPECT_THAT(PlacementText(report),
              HasSubstr("4 nodes (rows that are looked up or stored): rows, layers.#.key (2), "
                        "layers.0.value\n"));
}

TEST(PlacementReportTest, LineTextAndJsonSayTheSame) {
  const Graph graph = Sample();
  PlacementReport report;
  report.requested = "auto";
  report.stages.push_back(MakeStageReport(
      graph, {{"tokens", 4}}, OnNpu({Node("large/MatMul", false), Node("small/MatMul", true)})));
  EXPECT_FALSE(report.all_on_npu());
  StagePlacement cpu{.stage = "model.decoder", .provider = "cpu"};
  report.stages.push_back(MakeStageReport(graph, {{"tokens", 4}}, cpu));
  report.hops.push_back({"mock:npu", "model.decoder", HopStage::kCompile, StatusCode::kInternal,
                         "code 1002\nmore words", "try this"});
  EXPECT_EQ(report.chosen(), "mock:npu+cpu");
  const std::string line = PlacementLine(report);
  EXPECT_THAT(line, HasSubstr("stage on mock:npu (NPU, 1/2 nodes, 50.0 % of FLOPs); decoder on "
                              "cpu (decoder: mock:npu failed at compile: code 1002)"));
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  EXPECT_THAT(PlacementText(report), HasSubstr("large/MatMul (MatMul) on CPU: refused [compiler]"));
  const auto json = nlohmann::json::parse(PlacementJson(report));
  EXPECT_EQ(json["chosen"], "mock:npu+cpu");
  EXPECT_EQ(json["all_on_npu"], false);
  EXPECT_EQ(json["stages"][0]["elsewhere"][0]["reason"], "refused");
  EXPECT_EQ(json["stages"][0]["host_nodes"][0], "rows");
  EXPECT_EQ(json["hops"][0]["stage"], "compile");
  EXPECT_EQ(json["hops"][0]["code"], "internal");
  EXPECT_EQ(json["hops"][0]["vendor_message"], "code 1002\nmore words");
}

Tensor Values(std::vector<float> values) {
  Tensor tensor(DType::kF32, {static_cast<int64_t>(values.size())});
  std::ranges::copy(values, tensor.As<float>());
  return tensor;
}

TEST(NumericsGateTest, Compare) {
  const Tensor a = Values({1, -2, 3, 0.5f});
  EXPECT_TRUE(Compare(a.ViewOf(), a.ViewOf()).ok({}));
  EXPECT_NEAR(Compare(a.ViewOf(), a.ViewOf()).cosine, 1, 1e-12);
  const Tensor near = Values({1.001f, -2, 3, 0.5f});
  EXPECT_TRUE(Compare(a.ViewOf(), near.ViewOf()).ok({}));
  // One wrong value of many: the cosine hardly sees it.
  std::vector<float> many(10000, 1), wrong = many;
  wrong[77] = -1;
  const Agreement tile = Compare(Values(many).ViewOf(), Values(wrong).ViewOf());
  EXPECT_GT(tile.cosine, GateBounds().cosine);
  EXPECT_FALSE(tile.ok({}));
  for (const float bad :
       {0.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_FALSE(Compare(a.ViewOf(), Values({bad, bad, bad, bad}).ViewOf()).ok({})) << bad;
  }
}

TEST(NumericsGateTest, ImplausibleOutputsLeaveOutWhatNobodyWants) {
  const float nan = std::nanf("");
  Tensor logits = Values({nan, nan, 1, 2, 3, 4, 5, 6});
  MutableView view = logits.MutableViewOf();
  view.shape = {2, 4};
  const NamedMutableView outputs[] = {{"logits", view}};
  const uint8_t partial[] = {1, 0};
  EXPECT_THAT(ImplausibleOutput({.outputs = outputs}), HasSubstr("not finite"));
  EXPECT_EQ(ImplausibleOutput({.outputs = outputs, .partial_rows = {"logits", 2, partial}}), "");
  for (float& x : logits.Span<float>()) x = 0;
  EXPECT_THAT(ImplausibleOutput({.outputs = outputs}), HasSubstr("one value"));
}

TEST(VerdictStoreTest, KeepsWhatFitsAndForgetsTheRest) {
  const std::string file = TempPath("verdict") + "/v.json";
  const Verdict verdict{.accurate = true, .cosine = 0.9999, .device_seconds = 0.25};
  VerdictStore(file, "model 1").Keep("npu: encoder", verdict);
  EXPECT_EQ(VerdictStore(file, "model 1").Find("npu: encoder"), verdict);
  EXPECT_EQ(VerdictStore(file, "model 1").Find("npu: decoder"), std::nullopt);
  EXPECT_EQ(VerdictStore(file, "model 2").Find("npu: encoder"), std::nullopt);
  for (const char* text : {"", "{", "[]", R"({"identity":"model 1"})",
                           R"({"identity":"model 1","verdicts":{"npu: encoder":{"cosine":"x"}}})",
                           R"({"identity":"model 1","verdicts":{"npu: encoder":3}})"}) {
    std::ofstream(file, std::ios::trunc) << text;
    EXPECT_EQ(VerdictStore(file, "model 1").Find("npu: encoder"), std::nullopt) << text;
  }
  std::filesystem::remove_all(std::filesystem::path(file).parent_path());
}

}  // namespace
}  // namespace tessera
