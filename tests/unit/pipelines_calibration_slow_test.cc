// A whole model in integers: its values observed on a recording, its stages written with that and
// run by ONNX Runtime's CPU device, which computes what the form says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "models/whisper/model.h"
#include "pipelines/calibration.h"
#include "providers/cpu/provider.h"
#include "providers/fixed/provider.h"
#include "providers/onnxruntime/backend.h"
#include "tests/unit/npu_venv.h"
#include "tests/unit/tried_stages.h"

namespace tessera {
namespace {

TEST(Calibration, SixteenBitValuesKeepWhispersStages) {
  UseNpuVenv();
  const Result<std::string> models = ModelsFolder();
  ASSERT_TRUE(models.ok());
  const std::string path = *models + "/whisper-base";
  if (!FolderExists(path)) GTEST_SKIP() << "no model in " << path;
  const std::string files[] = {TESSERA_SOURCE_DIR "/tests/data/jfk.flac"};
  const auto whisper = LoadWhisperFiles(path);
  ASSERT_TRUE(whisper.ok()) << whisper.status().ToString();
  const auto cpu = std::make_shared<CpuProvider>(2);
  const auto model = WhisperModel::Load(path, cpu, {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const auto expected = TryStages(*cpu, *whisper, (*model)->tokenizer());
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  const auto quantization = Calibrate(path, 16, files, {.threads = 2});
  if (quantization.status().code() == StatusCode::kNotFound)
    GTEST_SKIP() << quantization.status().message();
  ASSERT_TRUE(quantization.ok()) << quantization.status().ToString();
  const auto read = ParseQuantization(QuantizationToJson(*quantization));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  OnnxRuntimeOptions options;
  options.threads = 2;
  options.quantization = std::make_shared<Quantization>(*read);
  const auto backend = OpenOnnxRuntimeBackend("cpu", options);
  ASSERT_TRUE(backend.ok()) << backend.status().ToString();
  // What was found out about the device with one form of models is not taken for another's.
  EXPECT_THAT((*backend)->info().version, ::testing::HasSubstr(read->Key()));
  EXPECT_NE(read->Key(), Quantization{.activation_bits = 8}.Key());
  const FixedProvider provider(*backend, {.require_all_nodes = true}, 2);
  const auto found = TryStages(provider, *whisper, (*model)->tokenizer());
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  const auto agreements = CompareStages(*expected, *found);
  EXPECT_GE(agreements.size(), 2u);
  for (const auto& [output, agreement] : agreements)
    EXPECT_TRUE(agreement.ok(kIntegerBounds)) << output;
}

}  // namespace
}  // namespace tessera
