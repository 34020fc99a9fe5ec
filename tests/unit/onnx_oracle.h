// Exported models checked by onnx.checker and ONNX Runtime (tools/golden/onnx_check.py): a folder
// for each case with the model, its inputs and the expected outputs. Needs the packages of
// tools/make_venv.sh onnx in .deps/venv-onnx, or another Python that has them in
// TESSERA_ONNX_PYTHON.
#ifndef TESSERA_TESTS_UNIT_ONNX_ORACLE_H_
#define TESSERA_TESTS_UNIT_ONNX_ORACLE_H_

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tensor/tensor.h"

namespace tessera {

inline std::string OnnxPython() {
  if (const char* python = std::getenv("TESSERA_ONNX_PYTHON")) return python;
  return TESSERA_SOURCE_DIR "/.deps/venv-onnx/bin/python";
}

class OnnxOracleTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(OnnxPython())) {
      GTEST_SKIP() << "no Python with onnx and onnxruntime at " << OnnxPython()
                   << "; run tools/make_venv.sh onnx";
    }
    const auto* const info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("onnx_" + std::string(info->test_suite_name()) + "_" + info->name());
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override {
    if (!HasFailure() && !folder_.empty()) std::filesystem::remove_all(folder_);
  }

  // A case's folder, to be filled with model.onnx and tensors.
  std::filesystem::path AddCase(const std::string& name) {
    const std::filesystem::path folder = folder_ / name;
    std::filesystem::create_directories(folder);
    cases_ += " '" + folder.string() + "'";
    return folder;
  }

  // `role`: "input" or "output".
  static void AddTensor(const std::filesystem::path& folder, const std::string& role,
                        const std::string& name, const View& view) {
    std::string shape;
    for (int64_t size : view.shape) shape += (shape.empty() ? "" : "x") + std::to_string(size);
    const std::string file = role + "_" + name + ".bin";
    std::ofstream(folder / file, std::ios::binary)
        .write(static_cast<const char*>(view.data), static_cast<std::streamsize>(view.bytes()));
    std::ofstream(folder / "tensors.txt", std::ios::app)
        << role << ' ' << name << ' ' << DTypeName(view.dtype) << ' '
        << (shape.empty() ? "scalar" : shape) << ' ' << file << '\n';
  }

  void Check() {
    const std::string command = "'" + OnnxPython() +
                                "' '" TESSERA_SOURCE_DIR "/tools/golden/onnx_check.py'" + cases_ +
                                " 2>&1";
    std::FILE* pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string text;
    std::array<char, 4096> buffer;
    while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      text.append(buffer.data(), n);
    }
    EXPECT_EQ(pclose(pipe), 0) << text;
    std::fputs(text.c_str(), stdout);
  }

  std::filesystem::path folder_;

 private:
  std::string cases_;
};

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_ONNX_ORACLE_H_
