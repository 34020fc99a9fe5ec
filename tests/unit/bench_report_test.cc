// The report's arithmetic against figures worked out by hand, and its four forms.
#include "bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bench/roofline_svg.h"
#include "bench/tables.h"

namespace tessera::bench {
namespace {

using testing::HasSubstr;
using testing::Not;

// 100 f32, 200 bf16 and 400 int8 operations a second, 10 bytes a second.
Report Sample() {
  Report report;
  report.version = "1.2.3";
  report.machine = {.cpu = "A <CPU> & \"more\"", .isa = "avx2", .threads = 2, .llc_bytes = 1 << 20};
  report.limits.operations = {Sampled{100, 90, 5}, Sampled{200, 180, 5}, Sampled{400, 300, 5}};
  report.limits.read = {10, 9, 5};
  report.limits.cache_read = {50, 40, 5};
  report.limits.barrier = {1e-6, 2e-6, 5};
  ModelReport model{.name = "model\x01\xff<x>", .precision = Precision::kInt8};
  Stage stage{.id = "encoder", .title = "encoder, 30 s window", .audio_seconds = 30};
  stage.seconds = {40, 44, 3};
  // 600 bf16 operations take 3 s, 2000 int8 ones 5 s; 20 bytes take 2 s.
  stage.steps.push_back({.name = "mixed",
                         .steps = 2,
                         .work = {.seconds = 16, .operations = {0, 600, 2000}, .bytes = 20}});
  // 100 f32 operations take 1 s, 120 bytes take 12 s.
  stage.steps.push_back({.name = "stream",
                         .steps = 1,
                         .work = {.seconds = 20, .operations = {100, 0, 0}, .bytes = 120}});
  stage.steps.push_back({.name = "copy", .steps = 1, .work = {.seconds = 2, .bytes = 5}});
  model.stages.push_back(stage);
  Stage step{.id = "decoder_8", .title = "decoder step, 8 rows", .rows = 8};
  step.seconds = {2, 2, 3};
  step.steps = {stage.steps[0]};
  model.stages.push_back(step);
  model.load_seconds = 0.5;
  model.end_to_end.push_back({.mode = "batched", .audio_seconds = 100, .work_seconds = 4});
  report.models.push_back(model);
  report.rates.push_back(
      {.name = "log-mel", .threads = 1, .audio_seconds = 60, .seconds = {0.5, 0.6, 3}});
  report.audio_file = "talk.mp3";
  report.notes = {"a note"};
  ApplyLimits(report);
  return report;
}

TEST(BenchReport, IdealTimeOfAMixedStepIsTheSumOverItsPrecisions) {
  const Report report = Sample();
  const Stage& stage = report.models[0].stages[0];
  const Work& mixed = stage.steps[0].work;
  EXPECT_DOUBLE_EQ(mixed.compute_seconds, 600.0 / 200 + 2000.0 / 400);
  EXPECT_DOUBLE_EQ(mixed.memory_seconds, 2);
  EXPECT_DOUBLE_EQ(mixed.ideal_seconds, 8);
  EXPECT_FALSE(mixed.memory_bound());
  EXPECT_DOUBLE_EQ(mixed.Share(), 0.5);
  const Work& stream = stage.steps[1].work;
  EXPECT_TRUE(stream.memory_bound());
  EXPECT_DOUBLE_EQ(stream.ideal_seconds, 12);
  EXPECT_DOUBLE_EQ(stage.steps[2].work.ideal_seconds, 0.5);
  // The stage: each kind at its own limit, over the time of the whole run.
  EXPECT_DOUBLE_EQ(stage.total.ideal_seconds, 8 + 12 + 0.5);
  EXPECT_DOUBLE_EQ(stage.total.Operations(), 2700);
  EXPECT_DOUBLE_EQ(stage.total.seconds, 40);
  EXPECT_DOUBLE_EQ(stage.total.Share(), 20.5 / 40);
}

TEST(BenchReport, WithoutLimitsThereIsNoShare) {
  Report report = Sample();
  report.limits.read = {};
  for (ModelReport& model : report.models)
    for (Stage& stage : model.stages)
      for (StepKind& kind : stage.steps)
        kind.work = {.seconds = 1, .operations = {0, 0, 1}, .bytes = 1};
  ApplyLimits(report);
  EXPECT_EQ(report.models[0].stages[0].total.ideal_seconds, 0);
  EXPECT_EQ(report.models[0].stages[0].total.bytes, 3);
  const auto json = nlohmann::json::parse(ReportJson(report));
  EXPECT_TRUE(json["limits"]["read_bytes_per_s"].is_null());
  EXPECT_TRUE(json["models"][0]["stages"][0]["share_of_limit"].is_null());
  EXPECT_THAT(DrawRoofline(report), HasSubstr("nothing to draw"));
  EXPECT_THAT(ReportText(report), HasSubstr("–"));
}

std::vector<std::string> Keys(const nlohmann::ordered_json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

TEST(BenchReport, JsonHasTheKeysThatArePromised) {
  const auto json = nlohmann::ordered_json::parse(ReportJson(Sample()));
  using V = std::vector<std::string>;
  EXPECT_EQ(json["schema"], "tessera-bench/1");
  EXPECT_EQ(Keys(json), (V{"schema", "version", "interrupted", "machine", "limits", "rates",
                           "audio_file", "models", "devices", "notes"}));
  EXPECT_EQ(Keys(json["machine"]), (V{"cpu", "isa", "threads", "last_level_cache_bytes"}));
  EXPECT_EQ(Keys(json["limits"]),
            (V{"f32_operations_per_s", "bf16_operations_per_s", "int8_operations_per_s",
               "read_bytes_per_s", "read_buffer_bytes", "cache_read_bytes_per_s", "barrier_s"}));
  EXPECT_EQ(Keys(json["rates"][0]), (V{"name", "threads", "audio_s", "seconds", "x_real_time"}));
  const auto& model = json["models"][0];
  EXPECT_EQ(Keys(model), (V{"name", "precision", "stages", "load_s", "end_to_end"}));
  EXPECT_EQ(Keys(model["end_to_end"][0]), (V{"mode", "audio_s", "work_s", "x_real_time"}));
  const V work = {"operations",       "bytes",    "operations_per_byte",
                  "operations_per_s", "ideal_s",  "compute_s",
                  "memory_s",         "bound_by", "share_of_limit"};
  V stage = {"id", "title", "seconds", "audio_s", "rows", "x_real_time", "tokens_per_s"};
  stage.insert(stage.end(), work.begin(), work.end());
  stage.push_back("steps");
  EXPECT_EQ(Keys(model["stages"][0]), stage);
  V step = {"kind", "times", "seconds"};
  step.insert(step.end(), work.begin(), work.end());
  EXPECT_EQ(Keys(model["stages"][0]["steps"][0]), step);

  EXPECT_EQ(model["stages"][0]["x_real_time"], 30.0 / 40);
  EXPECT_TRUE(model["stages"][0]["tokens_per_s"].is_null());
  EXPECT_EQ(model["stages"][1]["tokens_per_s"], 4.0);
  EXPECT_EQ(model["stages"][0]["steps"][0]["operations_per_byte"], 130.0);
  EXPECT_EQ(model["stages"][0]["steps"][1]["bound_by"], "memory");
  EXPECT_EQ(model["end_to_end"][0]["x_real_time"], 25.0);
  EXPECT_EQ(json["rates"][0]["x_real_time"], 120.0);
}

TEST(BenchReport, NamesFromOutsideAreEscaped) {
  const Report report = Sample();
  for (const std::string& page : {ReportHtml(report), DrawRoofline(report)}) {
    EXPECT_THAT(page, HasSubstr("A &lt;CPU&gt; &amp; &quot;more&quot;"));
    EXPECT_THAT(page, HasSubstr("model?\xEF\xBF\xBD&lt;x&gt;"));
    EXPECT_THAT(page, Not(HasSubstr("<CPU>")));
    EXPECT_THAT(page, Not(HasSubstr("http://www.w3.org/1999")));
  }
}

TEST(BenchReport, TablesSayWhatTheyMeasured) {
  const Report report = Sample();
  const Table summary = SummaryTable(report, report.models[0]);
  EXPECT_EQ(summary.rows[0], (std::vector<std::string>{"encoder, 30 s window", "40.0 s",
                                                       "0.750x real time", "memory", "51 %", "–"}));
  EXPECT_EQ(summary.rows[1][2], "4.00 tokens/s");
  // 2600 operations at the int8 limit would take 6.5 s of the 2 s measured.
  EXPECT_EQ(summary.rows[1][5], "325 %");
  EXPECT_EQ(summary.rows[3][2], "25.0x real time");
  const Table steps = StepsTable(report.models[0].stages[0]);
  ASSERT_EQ(steps.rows.size(), 3u);
  EXPECT_EQ(steps.rows[0][0], "stream");  // the most time first
  EXPECT_EQ(steps.rows[1],
            (std::vector<std::string>{"mixed", "2", "16000.000", "42.1 %", "2.60 k", "20.0", "130",
                                      "0.000000163", "compute", "50 %"}));
  for (const Table& table : {summary, steps, LimitsTable(report)})
    for (const auto& row : table.rows) EXPECT_EQ(row.size(), table.header.size());
}

TEST(BenchReport, DevicesAreBesideEachOther) {
  Report report;
  report.devices_model = "small";
  report.devices.push_back(
      {.device = "mock:npu",
       .placement = "all on mock:npu",
       .stages = {{.id = "encoder", .seconds = {0.5, 0.6, 3}, .cosine = 0.9995},
                  {.id = "decoder_1", .seconds = {0.002, 0.003, 9}}}});
  report.devices.push_back({.device = "other:npu", .error = "is not there"});
  const Table table = DevicesTable(report);
  EXPECT_EQ(table.rows[0],
            (std::vector<std::string>{"mock:npu", "500 ms", "0.999500", "2.00 ms", "1.000000"}));
  EXPECT_EQ(table.rows[1], (std::vector<std::string>{"other:npu", "–", "–", "–", "–"}));
  const std::string text = ReportText(report);
  EXPECT_THAT(text, HasSubstr("mock:npu: all on mock:npu\n"));
  EXPECT_THAT(text, HasSubstr("other:npu: is not there\n"));
  EXPECT_THAT(text, Not(HasSubstr("GFLOP/s"))) << "limits that were not measured";
  const auto json = nlohmann::json::parse(ReportJson(report));
  EXPECT_EQ(json["devices"][0]["stages"][0]["cosine"], 0.9995);
  EXPECT_TRUE(json["devices"][0]["error"].is_null());
  EXPECT_EQ(json["devices"][1]["error"], "is not there");
}

TEST(BenchReport, DigitsAreThreeAndNoExponent) {
  EXPECT_EQ(Digits(945.6), "946");
  EXPECT_EQ(Digits(55.12), "55.1");
  EXPECT_EQ(Digits(0.2831), "0.283");
  EXPECT_EQ(Digits(12345), "12345");
  EXPECT_EQ(Digits(0), "–");
  EXPECT_EQ(Digits(-1), "–");
  EXPECT_EQ(Digits(std::numeric_limits<double>::infinity()), "–");
  EXPECT_EQ(Percent(0.714), "71 %");
  EXPECT_EQ(Percent(0), "–");
}

}  // namespace
}  // namespace tessera::bench
