// The proof of `doctor --fix`: wrong fixes are found, and nothing is written then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "base/temporary_folder.h"
#include "doctor/fix.h"
#include "formats/onnx_writer.h"
#include "providers/onnxruntime/backend.h"
#include "tests/unit/npu_venv.h"

namespace tessera::doctor {
namespace {

using ::testing::HasSubstr;

// y = x * c, c a vector of the file; x may have another type than float.
OnnxModel Product(const std::vector<float>& c, OnnxType type = 1) {
  OnnxModel model;
  model.ir_version = 8;
  model.opsets[""] = 17;
  const auto own = std::make_shared<std::vector<float>>(c);
  const auto count = static_cast<int64_t>(c.size());
  model.owner = own;
  OnnxTensor tensor;
  tensor.name = "c";
  tensor.type = 1;
  tensor.shape = {count};
  tensor.data = {reinterpret_cast<const uint8_t*>(own->data()), own->size() * sizeof(float)};
  model.graph.initializers["c"] = tensor;
  const auto info = [&](std::string_view name, OnnxType of) {
    OnnxValueInfo value;
    value.name = name;
    value.type = of;
    value.dims = std::vector<OnnxDim>{{count, {}}};
    return value;
  };
  model.graph.inputs.push_back(info("x", type));
  model.graph.outputs.push_back(info("y", 1));
  OnnxNode node;
  node.op_type = "Mul";
  node.name = "product";
  node.inputs = {"x", "c"};
  node.outputs = {"y"};
  model.graph.nodes.push_back(node);
  return model;
}

class DoctorProof : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "vendors' libraries are not run under sanitizers";
    UseNpuVenv();
    if (const auto backend = OpenOnnxRuntimeBackend("cpu", {}); !backend.ok())
      GTEST_SKIP() << backend.status().message();
    auto folder = TemporaryFolder::Create();
    ASSERT_TRUE(folder.ok());
    folder_.emplace(std::move(*folder));
  }
  std::string Path(const std::string& name) const { return folder_->path() + "/" + name; }
  Result<Proof> Prove(const OnnxModel& before, const OnnxModel& after) {
    EXPECT_TRUE(WriteOnnx(before, Path("a.onnx")).ok());
    EXPECT_TRUE(WriteOnnx(after, Path("b.onnx")).ok());
    return ProveEqual(Path("a.onnx"), Path("b.onnx"));
  }
  std::optional<TemporaryFolder> folder_;
};

TEST_F(DoctorProof, OtherNumbersAreNotEqual) {
  const auto same = Prove(Product({1, 2}), Product({1, 2}));
  ASSERT_TRUE(same.ok()) << same.status().ToString();
  EXPECT_TRUE(same->equal());
  EXPECT_THAT(same->ToString(), HasSubstr("equal on 2 outputs of 2 runs"));
  // Twice as large has a cosine of 1.
  const auto larger = Prove(Product({1, 2}), Product({2, 4}));
  ASSERT_TRUE(larger.ok()) << larger.status().ToString();
  EXPECT_THAT(larger->ToString(), HasSubstr("not equal"));
  EXPECT_THAT(larger->difference, HasSubstr("output 'y'"));
  EXPECT_THAT(larger->difference, HasSubstr("cosine 1"));
}

TEST_F(DoctorProof, NumbersThatAreNoneAreNotEqualToOthers) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float odd : {kNan, kInfinity}) {
    const auto one_side = Prove(Product({1, 2}), Product({1, odd}));
    ASSERT_TRUE(one_side.ok());
    EXPECT_THAT(one_side->difference, HasSubstr("element 1 is "));
    const auto other_side = Prove(Product({1, odd}), Product({1, 2}));
    ASSERT_TRUE(other_side.ok());
    EXPECT_FALSE(other_side->equal());
    const auto both = Prove(Product({1, odd}), Product({1, odd}));
    ASSERT_TRUE(both.ok());
    EXPECT_TRUE(both->equal()) << both->difference;
  }
  const auto nothing = Prove(Product({kNan, kNan}), Product({kNan, kNan}));
  EXPECT_THAT(nothing.status().message(), HasSubstr("no output has a finite number"));
}

TEST_F(DoctorProof, OtherInterfacesAreNotEqual) {
  const auto shorter = Prove(Product({1, 2}), Product({1}));
  ASSERT_TRUE(shorter.ok()) << shorter.status().ToString();
  EXPECT_THAT(shorter->difference, HasSubstr("expected f32 [2]"));
  OnnxModel renamed = Product({1, 2});
  renamed.graph.outputs[0].name = renamed.graph.nodes[0].outputs[0] = "z";
  const auto gone = Prove(Product({1, 2}), renamed);
  ASSERT_TRUE(gone.ok());
  EXPECT_THAT(gone->difference, HasSubstr("output 'y' is gone"));
  OnnxModel broken = Product({1, 2});
  broken.graph.nodes[0].op_type = "NoSuchOperator";
  const auto refused = Prove(Product({1, 2}), broken);
  ASSERT_TRUE(refused.ok());
  EXPECT_FALSE(refused->equal());
}

TEST_F(DoctorProof, InputsThatCannotBeMadeProveNothing) {
  const auto proof = Prove(Product({1, 2}, kOnnxString), Product({1, 2}, kOnnxString));
  EXPECT_EQ(proof.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(proof.status().message(), HasSubstr("'x' is string [2]"));
  OnnxModel open = Product({1, 2});
  open.graph.inputs[0].dims = std::vector<OnnxDim>{{-1, "n"}};
  EXPECT_THAT(Prove(open, open).status().message(), HasSubstr("expected a fixed shape"));
}

TEST_F(DoctorProof, AWrongFixIsNotWritten) {
  ASSERT_TRUE(WriteOnnx(Product({1, 2}), Path("model.onnx")).ok());
  const auto right = FixFile(Path("model.onnx"), Path("right.onnx"), {});
  ASSERT_TRUE(right.ok()) << right.status().ToString();
  EXPECT_TRUE(right->proof.has_value()) << right->not_proven;
  EXPECT_TRUE(std::filesystem::exists(Path("right.onnx")));
  const auto wrong = FixFile(Path("model.onnx"), Path("wrong.onnx"), {},
                             [](OnnxModel& model) { model.graph.nodes[0].op_type = "Sub"; });
  EXPECT_EQ(wrong.status().code(), StatusCode::kInternal);
  EXPECT_THAT(wrong.status().message(), HasSubstr("differs from the original and was not written"));
  EXPECT_THAT(wrong.status().message(), HasSubstr("output 'y'"));
  EXPECT_FALSE(std::filesystem::exists(Path("wrong.onnx")));
}

TEST_F(DoctorProof, WhatCannotBeProvenIsWrittenAndSaysSo) {
  ASSERT_TRUE(WriteOnnx(Product({1, 2}, kOnnxString), Path("model.onnx")).ok());
  const auto fixed = FixFile(Path("model.onnx"), Path("fixed.onnx"), {});
  ASSERT_TRUE(fixed.ok()) << fixed.status().ToString();
  EXPECT_FALSE(fixed->proof.has_value());
  EXPECT_THAT(fixed->not_proven, HasSubstr("string"));
  EXPECT_TRUE(std::filesystem::exists(Path("fixed.onnx")));
}

}  // namespace
}  // namespace tessera::doctor
