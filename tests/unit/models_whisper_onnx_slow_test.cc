// The exported stages of whisper-base in ONNX Runtime against openai-whisper's own tensors, within
// the tolerances that the CPU provider keeps (models_whisper_stages_slow_test.cc): with symbols,
// and with the fixed shapes that NPU compilers want. The mel is openai-whisper's, so that the
// stages alone are judged. Needs the packages of tools/make_venv.sh onnx.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "formats/json.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "graph/onnx/export.h"
#include "models/whisper/load.h"
#include "models/whisper/stages.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr char kGolden[] = TESSERA_SOURCE_DIR "/tests/golden/";

std::string Python() {
  if (const char* python = std::getenv("TESSERA_ONNX_PYTHON")) return python;
  return TESSERA_SOURCE_DIR "/.deps/venv-onnx/bin/python";
}

double Difference(float got, float want) {
  const double d = std::fabs(static_cast<double>(got) - want);
  return std::isnan(d) ? HUGE_VAL : d;
}

// Golden rows are every `kept`-th of `got`.
double RowsDifference(const View& got, const View& want, int64_t kept) {
  const int64_t width = want.shape[1];
  EXPECT_GT(got.shape[0], (want.shape[0] - 1) * kept);
  EXPECT_EQ(got.shape[1], width);
  double worst = 0;
  for (int64_t r = 0; r < want.shape[0]; ++r) {
    for (int64_t i = 0; i < width; ++i) {
      worst = std::max(worst, Difference(got.As<float>()[r * kept * width + i],
                                         want.As<float>()[r * width + i]));
    }
  }
  return worst;
}

class WhisperOnnxTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!fs::exists(Python())) {
      GTEST_SKIP() << "no Python with onnx and onnxruntime at " << Python()
                   << "; run tools/make_venv.sh onnx";
    }
    const Result<std::string> models = ModelsFolder();
    ASSERT_TRUE(models.ok());
    const std::string path = *models + "/whisper-base";
    if (!fs::exists(path)) GTEST_SKIP() << "no model in " << path;
    folder_ = fs::path(testing::TempDir()) /
              (std::string("whisper_onnx_") + (GetParam() ? "fixed" : "symbolic"));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    auto files = LoadWhisperFiles(path);
    ASSERT_TRUE(files.ok()) << files.status().ToString();
    files_ = std::move(files).value();
  }
  // Half a gigabyte.
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  void Export() {
    for (const std::string_view stage : kWhisperStages) {
      const auto graph = BuildWhisperStage(stage, files_.config, files_.weights);
      ASSERT_TRUE(graph.ok()) << graph.status().ToString();
      OnnxExportOptions options;
      options.external_data = true;
      if (GetParam()) options.bind = SingleTokenDims(*graph, files_.config);
      const Status status =
          ExportOnnx(*graph, (folder_ / (std::string(stage) + ".onnx")).string(), options);
      ASSERT_TRUE(status.ok()) << status.ToString();
    }
  }

  void Run(const WeightFile& golden, int64_t prompt) {
    const auto mel = OpenSafetensors(std::string(kGolden) + "whisper_mel/jfk.mel.safetensors");
    ASSERT_TRUE(mel.ok()) << mel.status().ToString();
    const View frames = mel->Find("mel")->view;
    std::ofstream(folder_ / "mel.bin", std::ios::binary)
        .write(static_cast<const char*>(frames.data), static_cast<std::streamsize>(frames.bytes()));
    const auto tokens = golden.Find("tokens")->view.Span<int32_t>();
    const nlohmann::json run = {{"mel", "mel.bin"},
                                {"mels", files_.config.num_mels},
                                {"tokens", std::vector<int32_t>(tokens.begin(), tokens.end())},
                                {"prompt", prompt},
                                {"positions", files_.config.num_audio_positions},
                                {"history", files_.config.num_text_positions}};
    std::ofstream(folder_ / "case.json") << run;
    const std::string command = "'" + Python() +
                                "' '" TESSERA_SOURCE_DIR "/tools/golden/onnx_whisper.py' '" +
                                folder_.string() + "' 2>&1";
    std::FILE* pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string text;
    std::array<char, 4096> buffer;
    while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      text.append(buffer.data(), n);
    }
    ASSERT_EQ(pclose(pipe), 0) << text;
  }

  Tensor Found(const std::string& name) {
    auto tensor = OpenNpy((folder_ / (name + ".npy")).string());
    EXPECT_TRUE(tensor.ok()) << tensor.status().ToString();
    return tensor.ok() ? std::move(tensor).value() : Tensor();
  }

  fs::path folder_;
  WhisperFiles files_;
};

TEST_P(WhisperOnnxTest, AgreesWithOpenaiWhisper) {
  const std::string folder = std::string(kGolden) + "whisper_base/";
  const auto json = ParseJsonFile(folder + "stages.json");
  ASSERT_TRUE(json.ok()) << json.status().ToString();
  const auto& recording = (*json)["recordings"]["jfk.flac"];
  const auto& expected = recording["stages"];
  const auto golden = OpenSafetensors(folder + "jfk.safetensors");
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  ASSERT_NO_FATAL_FAILURE(Export());
  ASSERT_NO_FATAL_FAILURE(Run(*golden, recording["sot_length"].get<int64_t>()));

  const auto tolerance = [&](const std::string& stage) {
    return expected[stage]["tolerance"].get<double>();
  };
  const auto report = [&](const std::string& stage, double found) {
    std::printf("%s: max error %.3g, limit %.3g\n", stage.c_str(), found, tolerance(stage));
    EXPECT_LE(found, tolerance(stage)) << stage;
  };
  const Tensor features = Found("features");
  report("encoder.output", RowsDifference(features.ViewOf(), golden->Find("encoder.output")->view,
                                          expected["encoder.output"]["kept"].get<int64_t>()));
  int cross_stages = 0;
  for (const auto& [stage, unused] : expected.items()) {
    if (!stage.starts_with("cross")) continue;
    // "cross0.key" is the state "cross_key.0".
    const size_t dot = stage.find('.');
    const std::string state = "cross_" + stage.substr(dot + 1) + "." + stage.substr(5, dot - 5);
    const Tensor found = Found(state);
    report(stage, RowsDifference(found.ViewOf(), golden->Find(stage)->view,
                                 expected[stage]["kept"].get<int64_t>()));
    ++cross_stages;
  }
  EXPECT_GE(cross_stages, 6);

  const Tensor logits = Found("logits");
  const View top_ids = golden->Find("logits.top_ids")->view;
  const View top_values = golden->Find("logits.top_values")->view;
  const auto sampled_ids = golden->Find("logits.sampled_ids")->view.Span<int32_t>();
  const View sampled_values = golden->Find("logits.sampled_values")->view;
  const int64_t vocab = files_.config.vocab_size;
  ASSERT_EQ(logits.shape(), (Shape{top_ids.shape[0], vocab}));
  double worst = 0;
  for (int64_t step = 0; step < top_ids.shape[0]; ++step) {
    const float* row = logits.As<float>() + step * vocab;
    for (int64_t j = 0; j < top_ids.shape[1]; ++j) {
      const int64_t at = step * top_ids.shape[1] + j;
      worst =
          std::max(worst, Difference(row[top_ids.As<int32_t>()[at]], top_values.As<float>()[at]));
    }
    for (size_t j = 0; j < sampled_ids.size(); ++j) {
      const size_t at = static_cast<size_t>(step) * sampled_ids.size() + j;
      worst = std::max(worst, Difference(row[sampled_ids[j]], sampled_values.As<float>()[at]));
    }
    EXPECT_EQ(std::max_element(row, row + vocab) - row,
              top_ids.As<int32_t>()[step * top_ids.shape[1]])
        << "step " << step;
  }
  report("decoder.logits", worst);
}

INSTANTIATE_TEST_SUITE_P(Shapes, WhisperOnnxTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Fixed" : "Symbolic"; });

}  // namespace
}  // namespace tessera
