// Whisper-base and whisper-tiny.en on the CPU provider against openai-whisper's own tensors
// (tools/golden/whisper_stages.py). Tolerances are in stages.json: four times the f32 error of
// openai-whisper against its own f64 run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "audio/decode.h"
#include "audio/log_mel.h"
#include "base/file.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "graph/builder.h"
#include "models/whisper/load.h"
#include "models/whisper/model.h"
#include "models/whisper/stages.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

std::string SharedData() {
  const char* shared = std::getenv("TESSERA_SHARED");
  return (shared ? std::string(shared) : std::string(TESSERA_SOURCE_DIR "/../shared")) + "/data/";
}

// The recordings of stages.json by name, wherever they lie in the data.
std::string FindRecording(const std::string& name) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(SharedData(), error), end; !error && it != end;
       it.increment(error))
    if (it->path().filename() == name) return it->path().string();
  return "";
}

struct StageCase {
  std::string golden;  // folder under tests/golden
  std::string model;   // folder in the model store
};

class WhisperStagesTest : public testing::TestWithParam<StageCase> {};

double MaxDifference(std::span<const float> got, std::span<const float> want) {
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double d = std::fabs(static_cast<double>(got[i]) - want[i]);
    if (!(d <= worst)) worst = d;  // also takes a NaN
  }
  return worst;
}

// What a session does, with the features and the cross states visible.
class Stages {
 public:
  explicit Stages(const std::string& path) {
    Result<WhisperFiles> loaded = LoadWhisperFiles(path);
    EXPECT_TRUE(loaded.ok()) << loaded.status().ToString();
    files_ = std::move(loaded).value();
  }
  const WhisperConfig& config() const { return files_.config; }

  Tensor Encode(const View& mel, kernels::Precision precision = kernels::Precision::kF32) {
    const WhisperConfig& c = files_.config;
    Result<Graph> graph = BuildWhisperEncoder(c, files_.weights);
    EXPECT_TRUE(graph.ok());
    CpuProvider provider(2);
    CompileOptions options;
    options.max_dims = {{"batch", 1}, {"positions", c.num_audio_positions}};
    options.precision = precision;
    options.linear_precision = [&](const std::string& node) {
      return WhisperLinearPrecision(graph->name(), node, precision);
    };
    auto program = provider.Compile(*graph, options);
    EXPECT_TRUE(program.ok()) << program.status().ToString();
    auto context = (*program)->NewContext();
    Tensor padded = Tensor::Zeros(DType::kF32, {1, c.num_frames(), c.num_mels});
    std::copy_n(mel.As<float>(), mel.size(), padded.As<float>());
    Tensor features(DType::kF32, {1, c.num_audio_positions, c.audio_width});
    Tensor ids(DType::kI32, {c.num_audio_positions});
    for (int32_t i = 0; i < c.num_audio_positions; ++i) ids.As<int32_t>()[i] = i;
    const NamedView in[] = {{"mel", padded.ViewOf()}, {"position_ids", ids.ViewOf()}};
    const NamedMutableView out[] = {{"features", features.MutableViewOf()}};
    const Status status = (*program)->Run(*context, nullptr, {in, out}, {});
    EXPECT_TRUE(status.ok()) << status.ToString();
    return features;
  }

  // weight * features + bias of one layer of the cross states.
  Tensor Project(const LinearWeights& w, const Tensor& features) {
    GraphBuilder b("project");
    const int64_t width = files_.config.audio_width;
    const ValueId x = b.Input("x", DType::kF32, {Dim("positions"), width});
    b.Output("y", b.Linear("y", x, b.Constant("w", w.weight),
                           w.bias.data ? b.Constant("b", w.bias) : kNoValue));
    Result<Graph> graph = b.Build();
    EXPECT_TRUE(graph.ok());
    CpuProvider provider(2);
    CompileOptions options;
    options.max_dims = {{"positions", files_.config.num_audio_positions}};
    auto program = provider.Compile(*graph, options);
    auto context = (*program)->NewContext();
    View rows = features.ViewOf();
    rows.shape = {files_.config.num_audio_positions, width};
    Tensor y(DType::kF32, {rows.shape[0], w.weight.shape[0]});
    const NamedView in[] = {{"x", rows}};
    const NamedMutableView out[] = {{"y", y.MutableViewOf()}};
    EXPECT_TRUE((*program)->Run(*context, nullptr, {in, out}, {}).ok());
    return y;
  }
  const WhisperDecoderLayer& layer(size_t i) const { return files_.weights.decoder_layers[i]; }

 private:
  WhisperFiles files_;
};

// Golden rows are every `kept`-th position.
double RowsDifference(const Tensor& got, const View& want, int64_t kept, int64_t width) {
  double worst = 0;
  for (int64_t r = 0; r < want.shape[0]; ++r)
    worst = std::max(worst,
                     MaxDifference({got.As<float>() + r * kept * width, static_cast<size_t>(width)},
                                   {want.As<float>() + r * width, static_cast<size_t>(width)}));
  return worst;
}

TEST_P(WhisperStagesTest, AgreeWithOpenaiWhisper) {
  Result<std::string> models = ModelsFolder();
  ASSERT_TRUE(models.ok());
  const std::string model_path = *models + "/" + GetParam().model;
  if (!fs::exists(model_path)) GTEST_SKIP() << "no model in " << model_path;
  const std::string folder = TESSERA_SOURCE_DIR "/tests/golden/" + GetParam().golden + "/";
  Result<nlohmann::json> json = ParseJsonFile(folder + "stages.json");
  ASSERT_TRUE(json.ok()) << json.status().ToString();
  Stages stages(model_path);
  Result<std::shared_ptr<const WhisperModel>> model =
      WhisperModel::Load(model_path, std::make_shared<CpuProvider>(2), {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  auto session = (*model)->NewSession({.max_windows = 1, .max_rows = 1});
  ASSERT_TRUE(session.ok());
  const WhisperConfig& c = stages.config();

  int recordings = 0;
  for (const auto& [name, recording] : (*json)["recordings"].items()) {
    SCOPED_TRACE(name);
    const std::string path = FindRecording(name);
    if (path.empty()) GTEST_SKIP() << name << " is not in " << SharedData();
    ++recordings;
    Result<WeightFile> golden =
        OpenSafetensors(folder + fs::path(name).stem().string() + ".safetensors");
    ASSERT_TRUE(golden.ok()) << golden.status().ToString();
    const auto& expected = recording["stages"];
    // Rounding in the stages, and what our mel (within its own tolerance of openai-whisper's) may
    // change: the goldens say how much a mel that is off by float32_error moves each stage.
    const double mel_units =
        expected["mel"]["tolerance"].get<double>() / expected["mel"]["float32_error"].get<double>();
    auto tolerance = [&](const std::string& stage) {
      return expected[stage]["tolerance"].get<double>() +
             mel_units * expected[stage]["mel_float32_effect"].get<double>();
    };

    Result<AudioClip> clip = DecodeFile(path);
    ASSERT_TRUE(clip.ok()) << clip.status().ToString();
    Result<LogMel> log_mel = LogMel::Create(*clip, static_cast<int>(c.num_mels));
    ASSERT_TRUE(log_mel.ok());
    const int64_t frames = std::min<int64_t>(log_mel->content_frames(), c.num_frames());
    EXPECT_EQ(log_mel->content_frames(), recording["content_frames"].get<int64_t>());
    Tensor mel(DType::kF32, {frames, c.num_mels});
    ASSERT_TRUE(log_mel->Frames(0, frames, mel.Span<float>()).ok());

    const Tensor features = stages.Encode(mel.ViewOf());
    EXPECT_LT(RowsDifference(features, golden->Find("encoder.output")->view,
                             expected["encoder.output"]["kept"].get<int64_t>(), c.audio_width),
              tolerance("encoder.output"));
    for (const auto& [stage, unused] : expected.items()) {
      const size_t dot = stage.find('.');
      if (stage.rfind("cross", 0) != 0 || dot == std::string::npos) continue;
      const size_t layer = std::stoul(stage.substr(5, dot - 5));
      const bool key = stage.substr(dot + 1) == "key";
      const AttentionWeights& cross = stages.layer(layer).cross;
      EXPECT_LT(RowsDifference(stages.Project(key ? cross.key : cross.value, features),
                               golden->Find(stage)->view, expected[stage]["kept"].get<int64_t>(),
                               c.text_width),
                tolerance(stage))
          << stage;
    }

    // The decoder through the session: a prompt in one call, then token by token, as a search feeds
    // it.
    ASSERT_TRUE((*session)->Encode(mel.ViewOf(), 0, {}, {}).ok());
    (*session)->BeginRow(0, 0);
    const auto tokens = golden->Find("tokens")->view.Span<int32_t>();
    const int prompt = recording["sot_length"].get<int>();
    const auto top_ids = golden->Find("logits.top_ids")->view;
    const auto top_values = golden->Find("logits.top_values")->view;
    const auto sampled_ids = golden->Find("logits.sampled_ids")->view.Span<int32_t>();
    const auto sampled_values = golden->Find("logits.sampled_values")->view;
    double worst = 0;
    for (size_t step = 0; step < tokens.size();) {
      std::vector<TokenInput> inputs;
      const size_t count = step == 0 ? prompt : 1;
      for (size_t i = 0; i < count; ++i)
        inputs.push_back({tokens[step + i], static_cast<int32_t>(step + i), 0, true});
      Result<View> logits = (*session)->Decode(inputs, {});
      ASSERT_TRUE(logits.ok()) << logits.status().ToString();
      for (size_t i = 0; i < count; ++i, ++step) {
        const float* row = logits->As<float>() + i * c.vocab_size;
        for (int64_t j = 0; j < top_ids.shape[1]; ++j) {
          const int64_t at = static_cast<int64_t>(step) * top_ids.shape[1] + j;
          worst = std::max<double>(
              worst, std::fabs(row[top_ids.As<int32_t>()[at]] - top_values.As<float>()[at]));
        }
        for (size_t j = 0; j < sampled_ids.size(); ++j)
          worst = std::max<double>(
              worst, std::fabs(row[sampled_ids[j]] -
                               sampled_values.As<float>()[step * sampled_ids.size() + j]));
        EXPECT_EQ(std::max_element(row, row + c.vocab_size) - row,
                  top_ids.As<int32_t>()[static_cast<int64_t>(step) * top_ids.shape[1]]);
      }
    }
    EXPECT_LT(worst, tolerance("decoder.logits"));
    RecordProperty("logits_difference", std::to_string(worst));
  }
  EXPECT_GT(recordings, 0);
}

// The fast paths keep the direction of the features, over all positions that hold sound.
TEST(WhisperPrecisionTest, FastEncodersKeepTheFeatures) {
  Result<std::string> models = ModelsFolder();
  ASSERT_TRUE(models.ok());
  const std::string model_path = *models + "/whisper-base";
  if (!fs::exists(model_path)) GTEST_SKIP() << "no model in " << model_path;
  Stages stages(model_path);
  for (const char* name : {"jfk", "VOiCES_sp0307"}) {
    SCOPED_TRACE(name);
    Result<WeightFile> golden = OpenSafetensors(
        std::string(TESSERA_SOURCE_DIR) + "/tests/golden/whisper_mel/" + name + ".mel.safetensors");
    ASSERT_TRUE(golden.ok()) << golden.status().ToString();
    const View mel = golden->weights().begin()->second.view;
    const Tensor exact = stages.Encode(mel);
    const int64_t count = mel.shape[0] / 2 * stages.config().audio_width;
    for (kernels::Precision precision : {kernels::Precision::kBf16, kernels::Precision::kInt8}) {
      const Tensor fast = stages.Encode(mel, precision);
      double dot = 0, a = 0, b = 0;
      for (int64_t i = 0; i < count; ++i) {
        const double x = exact.As<float>()[i], y = fast.As<float>()[i];
        dot += x * y;
        a += x * x;
        b += y * y;
      }
      EXPECT_GE(dot / std::sqrt(a * b), 0.999) << kernels::PrecisionName(precision);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, WhisperStagesTest,
                         testing::Values(StageCase{"whisper_base", "whisper-base"},
                                         StageCase{"whisper_tiny_en", "whisper-tiny.en"}));

}  // namespace
}  // namespace tessera
