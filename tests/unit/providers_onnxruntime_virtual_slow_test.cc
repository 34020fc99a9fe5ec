// The virtual NPUs that OpenVINO's plugin for ONNX Runtime offers to compile for (package
// onnxruntime-ep-openvino, beside onnxruntime in an environment that TESSERA_VENV names).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "providers/onnxruntime/backend.h"
#include "providers/onnxruntime/setup.h"
#include "tests/unit/npu_venv.h"
#include "tests/unit/temp_path.h"
#include "tests/unit/tiny_onnx.h"

namespace tessera {
namespace {

using testing::HasSubstr;

TEST(VirtualIntelNpu, IsNeverTakenForADeviceAndSaysThatTheCompilerIsMissing) {
  UseNpuVenv();
  const OrtProfile* profile = FindOrtProfile("openvino");
  ASSERT_NE(profile, nullptr);
  const auto setup = OpenOrtSetup(*profile, {.target = "intel-npu:4000"});
  if (setup.status().code() == StatusCode::kNotFound ||
      setup.status().code() == StatusCode::kUnimplemented) {
    GTEST_SKIP() << setup.status().message();
  }
  ASSERT_TRUE(setup.ok()) << setup.status().ToString();
  EXPECT_TRUE(setup->info.emulated);
  EXPECT_THAT(setup->info.device_name, HasSubstr("virtual"));
  EXPECT_EQ(setup->info.device, DeviceKind::kNpu);

  const auto devices = setup->engine->Devices(setup->spec.ep, setup->spec.ep_library, true);
  ASSERT_TRUE(devices.ok());
  EXPECT_GE(devices->size(), 4u);
  for (const OrtDevice& device : *devices) EXPECT_TRUE(device.is_virtual);
  // Those of this machine, with the virtual ones registered: no virtual one among them.
  const auto real = setup->engine->Devices(setup->spec.ep, setup->spec.ep_library, false);
  for (const OrtDevice& device : real.ok() ? *real : std::vector<OrtDevice>()) {
    EXPECT_FALSE(device.is_virtual);
  }

  const auto unknown = OpenOnnxRuntimeBackend("openvino", {.target = "intel-npu:1"});
  EXPECT_EQ(unknown.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(unknown.status().message(), HasSubstr("4000"));
  const auto newest = OpenOrtSetup(*profile, {.target = "intel-npu"});
  ASSERT_TRUE(newest.ok());
  EXPECT_NE(newest->spec.device, setup->spec.device);

  const auto backend = OpenOnnxRuntimeBackend("openvino", {.target = "intel-npu:4000"});
  ASSERT_TRUE(backend.ok()) << backend.status().ToString();
  const std::string path = TempPath("virtual.onnx");
  ASSERT_TRUE(TinyOnnx()
                  .Input("a", {4, 8})
                  .Node("Relu", "r", {"a"}, "b")
                  .Output("b", {4, 8})
                  .Write(path)
                  .ok());
  const auto model = (*backend)->Compile(path, {.stage = "s", .require_all_nodes = true}, {});
  EXPECT_TRUE(RemoveFile(path).ok());
  if (model.ok()) GTEST_SKIP() << "the compiler is here";
  EXPECT_THAT(model.status().message(), HasSubstr("libopenvino_intel_npu_compiler"))
      << "the vendor's words";
  EXPECT_THAT(model.status().message(), HasSubstr("is not installed")) << "and what they mean";
}

}  // namespace
}  // namespace tessera
