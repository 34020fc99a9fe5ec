// Whisper's stages computed by Qualcomm's emulator of the HTP against our CPU kernels in f32. The
// emulator takes minutes, so the test runs where TESSERA_EMULATOR_TESTS is set; docs/
// qnn-emulator-run.md keeps what it printed.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "models/whisper/model.h"
#include "providers/cpu/provider.h"
#include "providers/fixed/provider.h"
#include "providers/onnxruntime/backend.h"
#include "tests/unit/npu_venv.h"
#include "tests/unit/tried_stages.h"

namespace tessera {
namespace {

TEST(QualcommEmulator, ComputesWhisperAsTheCpuDoes) {
  if (std::getenv("TESSERA_EMULATOR_TESTS") == nullptr) {
    GTEST_SKIP() << "takes minutes; set TESSERA_EMULATOR_TESTS to run it";
  }
  UseNpuVenv();
  const Result<std::string> models = ModelsFolder();
  ASSERT_TRUE(models.ok());
  const std::string path = *models + "/whisper-base";
  if (!FolderExists(path)) GTEST_SKIP() << "no model in " << path;
  OnnxRuntimeOptions options;
  options.worker = TESSERA_BINARY_DIR "/tessera";
  const auto backend = OpenOnnxRuntimeBackend("qnn", options);
  if (backend.status().code() == StatusCode::kNotFound) GTEST_SKIP() << backend.status().message();
  ASSERT_TRUE(backend.ok()) << backend.status().ToString();
  const auto files = LoadWhisperFiles(path);
  ASSERT_TRUE(files.ok()) << files.status().ToString();
  const auto cpu = std::make_shared<CpuProvider>(2);
  const auto model = WhisperModel::Load(path, cpu, {});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const auto expected = TryStages(*cpu, *files, (*model)->tokenizer());
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  const FixedProvider emulator(*backend, {.require_all_nodes = true}, 2);
  const auto found = TryStages(emulator, *files, (*model)->tokenizer());
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  const auto agreements = CompareStages(*expected, *found);
  EXPECT_GE(agreements.size(), 2u);
  for (const auto& [output, agreement] : agreements) EXPECT_GE(agreement.cosine, 0.999) << output;
}

}  // namespace
}  // namespace tessera
