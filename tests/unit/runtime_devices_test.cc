#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "runtime/device_providers.h"
#include "runtime/devices_linux.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A machine laid out in a folder: /sys and /dev as the kernel would show them.
class DevicesTest : public ::testing::Test {
 protected:
  DevicesTest()
      : root_(fs::path(testing::TempDir()) /
              ("tessera_devices_" +
               std::string(testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    fs::remove_all(root_);
    trees_.sys = (root_ / "sys").string();
    trees_.dev = (root_ / "dev").string();
    trees_.proc = (root_ / "proc").string();
    trees_.firmware = (root_ / "firmware").string();
    trees_.can_open = [this](const std::string&) { return may_open_; };
    trees_.group_of = [this](const std::string&) { return group_; };
    trees_.user = "ada";
  }
  ~DevicesTest() override { fs::remove_all(root_); }

  fs::path AddPci(const std::string& slot, const std::string& vendor, const std::string& device,
                  const std::string& pci_class, const std::string& driver) {
    const fs::path folder = root_ / "sys/bus/pci/devices" / slot;
    fs::create_directories(folder);
    std::ofstream(folder / "vendor") << vendor << "\n";
    std::ofstream(folder / "device") << device << "\n";
    std::ofstream(folder / "class") << pci_class << "\n";
    if (!driver.empty()) {
      fs::create_directories(root_ / "sys/drivers" / driver);
      fs::create_symlink(root_ / "sys/drivers" / driver, folder / "driver");
    }
    return folder;
  }
  void Write(const fs::path& path, const std::string& text) {
    const fs::path whole = path.is_absolute() ? path : root_ / path;
    fs::create_directories(whole.parent_path());
    std::ofstream(whole) << text << "\n";
  }
  void AddAccel(const std::string& name, const fs::path& pci, bool node) {
    fs::create_directories(root_ / "sys/class/accel" / name);
    fs::create_symlink(pci, root_ / "sys/class/accel" / name / "device");
    fs::create_directories(root_ / "dev/accel");
    if (node) std::ofstream(root_ / "dev/accel" / name) << "";
  }

  const fs::path root_;
  SystemTrees trees_;
  bool may_open_ = true;
  std::string group_ = "render";
};

TEST_F(DevicesTest, NothingThere) {
  EXPECT_TRUE(DetectNpus(trees_).empty());
  EXPECT_TRUE(DetectGpus(trees_).empty());
}

TEST_F(DevicesTest, NpuWithDriverShowsOnceAndNamesItsNode) {
  AddAccel("accel0", AddPci("0000:c4:00.1", "0x1022", "0x17f0", "0x118000", "amdxdna"), true);
  const std::vector<HardwareDevice> npus = DetectNpus(trees_);
  ASSERT_EQ(npus.size(), 1u);
  EXPECT_EQ(npus[0].vendor, "AMD");
  EXPECT_THAT(npus[0].name, HasSubstr("XDNA 2"));
  EXPECT_EQ(npus[0].driver, "amdxdna");
  EXPECT_EQ(npus[0].node, trees_.dev + "/accel/accel0");
  EXPECT_TRUE(npus[0].usable) << npus[0].reason;
  EXPECT_THAT(ProvidersFor(npus[0]), ElementsAre("onnxruntime:vitisai"));
}

TEST_F(DevicesTest, NodeWithoutPermissionNamesTheGroup) {
  AddAccel("accel0", AddPci("0000:00:0b.0", "0x8086", "0x643e", "0x120000", "intel_vpu"), true);
  may_open_ = false;
  const std::vector<HardwareDevice> npus = DetectNpus(trees_);
  ASSERT_EQ(npus.size(), 1u);
  EXPECT_THAT(npus[0].reason, HasSubstr("no permission"));
  EXPECT_EQ(npus[0].hint, "sudo usermod -aG render ada, then log in again");
  group_ = "root";
  EXPECT_THAT(DetectNpus(trees_).at(0).hint, HasSubstr("udev"));
}

TEST_F(DevicesTest, DriverAndFirmwareSayTheirVersions) {
  const fs::path pci = AddPci("0000:c4:00.1", "0x1022", "0x17f0", "0x118000", "amdxdna");
  AddAccel("accel0", pci, true);
  Write("proc/sys/kernel/osrelease", "6.14.2-amd64");
  Write(pci / "vbnv", "NPU Strix Halo");
  Write(pci / "fw_version", "1.5.5.391");
  HardwareDevice npu = DetectNpus(trees_).at(0);
  EXPECT_EQ(npu.name, "AMD NPU Strix Halo");
  EXPECT_EQ(npu.driver_version, "Linux 6.14.2-amd64");
  EXPECT_EQ(npu.firmware, "1.5.5.391");
  Write("sys/module/amdxdna/version", "2.20.0");
  EXPECT_EQ(DetectNpus(trees_).at(0).driver_version, "2.20.0");
}

TEST_F(DevicesTest, TooLittleMemoryMayBeLockedForXdna) {
  AddAccel("accel0", AddPci("0000:c4:00.1", "0x1022", "0x1502", "0x118000", "amdxdna"), true);
  trees_.locked_memory_limit = uint64_t{8} << 20;
  const HardwareDevice npu = DetectNpus(trees_).at(0);
  EXPECT_FALSE(npu.usable);
  EXPECT_THAT(npu.reason, HasSubstr("8 MiB"));
  EXPECT_THAT(npu.hint, HasSubstr("ada - memlock unlimited"));
  trees_.locked_memory_limit = uint64_t{64} << 20;
  EXPECT_TRUE(DetectNpus(trees_).at(0).usable);
  // Intel's driver locks nothing.
  AddAccel("accel1", AddPci("0000:00:0b.0", "0x8086", "0x643e", "0x120000", "intel_vpu"), true);
  trees_.locked_memory_limit = 0;
  EXPECT_TRUE(DetectNpus(trees_).at(1).usable);
}

TEST_F(DevicesTest, AnOldKernelAndMissingFirmwareAreTold) {
  AddPci("0000:c4:00.1", "0x1022", "0x17f0", "0x118000", "");
  Write("proc/sys/kernel/osrelease", "6.1.0-21-amd64");
  EXPECT_THAT(DetectNpus(trees_).at(0).reason, HasSubstr("6.14 and newer"));
  Write("proc/sys/kernel/osrelease", "6.14.0");
  EXPECT_THAT(DetectNpus(trees_).at(0).reason, HasSubstr("firmware is missing"));
  fs::create_directories(root_ / "firmware/amdnpu");
  EXPECT_THAT(DetectNpus(trees_).at(0).hint, HasSubstr("modprobe amdxdna"));
}

TEST_F(DevicesTest, AnotherDriverHoldsTheDevice) {
  AddPci("0000:c4:00.1", "0x1022", "0x1502", "0x118000", "vfio-pci");
  const HardwareDevice npu = DetectNpus(trees_).at(0);
  EXPECT_THAT(npu.reason, HasSubstr("vfio-pci"));
  EXPECT_THAT(npu.hint, HasSubstr("amdxdna"));
}

TEST_F(DevicesTest, MissingNodeIsTold) {
  AddAccel("accel0", AddPci("0000:00:0b.0", "0x8086", "0x7d1d", "0x120000", "intel_vpu"), false);
  EXPECT_THAT(DetectNpus(trees_).at(0).reason, HasSubstr("does not exist"));
}

TEST_F(DevicesTest, KnownNpuWithoutDriverTellsTheKernel) {
  AddPci("0000:00:0b.0", "0x8086", "0x7d1d", "0x120000", "");
  AddPci("0000:c4:00.1", "0x1022", "0x1502", "0x118000", "");
  const std::vector<HardwareDevice> npus = DetectNpus(trees_);
  ASSERT_EQ(npus.size(), 2u);
  EXPECT_THAT(npus[0].hint, HasSubstr("intel_vpu"));
  EXPECT_THAT(npus[1].hint, HasSubstr("amdxdna"));
  EXPECT_THAT(npus[1].reason, HasSubstr("no kernel driver"));
}

TEST_F(DevicesTest, QualcommNode) {
  fs::create_directories(trees_.dev);
  std::ofstream(trees_.dev + "/fastrpc-cdsp") << "";
  const std::vector<HardwareDevice> npus = DetectNpus(trees_);
  ASSERT_EQ(npus.size(), 1u);
  EXPECT_EQ(npus[0].vendor, "Qualcomm");
  EXPECT_TRUE(npus[0].usable);
  EXPECT_THAT(ProvidersFor(npus[0]), ElementsAre("onnxruntime:qnn"));
  Write("sys/class/remoteproc/remoteproc1/name", "cdsp");
  Write("sys/class/remoteproc/remoteproc1/firmware", "qcom/x1e80100/qccdsp8380.mbn");
  Write("sys/class/remoteproc/remoteproc1/state", "offline");
  const HardwareDevice off = DetectNpus(trees_).at(0);
  EXPECT_FALSE(off.usable);
  EXPECT_THAT(off.reason, HasSubstr("offline"));
  EXPECT_THAT(off.hint, HasSubstr("remoteproc1/state"));
  EXPECT_EQ(off.firmware, "qcom/x1e80100/qccdsp8380.mbn");
}

TEST_F(DevicesTest, GpuWithRenderNode) {
  const fs::path pci = AddPci("0000:01:00.0", "0x10de", "0x2330", "0x030200", "nvidia");
  fs::create_directories(pci / "drm/renderD128");
  const std::vector<HardwareDevice> gpus = DetectGpus(trees_);
  ASSERT_EQ(gpus.size(), 1u);
  EXPECT_EQ(gpus[0].name, "GPU 10de:2330");
  EXPECT_EQ(gpus[0].node, trees_.dev + "/dri/renderD128");
  EXPECT_TRUE(DetectNpus(trees_).empty());
}

TEST(CpuInfoTest, CoresAndFeatures) {
  const CpuInfo info = ParseCpuInfo(
      "processor\t: 0\nmodel name\t: AMD Test 9\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: fpu "
      "avx2 fma avx512_bf16\n\n"
      "processor\t: 1\nmodel name\t: AMD Test 9\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: fpu "
      "avx2 fma avx512_bf16\n\n"
      "processor\t: 2\nphysical id\t: 1\ncore id\t\t: 0\nflags\t\t: fpu\n");
  EXPECT_EQ(info.name, "AMD Test 9");
  EXPECT_EQ(info.usable_threads, 3);
  EXPECT_EQ(info.usable_cores, 2);
  EXPECT_THAT(info.features, ElementsAre("avx2", "fma", "avx512_bf16"));
  EXPECT_EQ(ParseCpuInfo("garbage").name, "unknown CPU");
}

}  // namespace
}  // namespace tessera
