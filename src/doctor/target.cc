#include "doctor/target.h"

#include <charconv>

namespace tessera::doctor {
namespace {

constexpr int kSnapdragonX = 60;  // SC8380XP
constexpr int kMostSocs = 10000;

constexpr Constant kCopy = {20e9, "assumed: a copy through the memory of such a laptop"};
constexpr Constant kCpu = {200e9, "assumed: f32 products on all cores of such a laptop"};

Target Qnn(int soc) {
  Target t;
  t.family = TargetFamily::kQnn;
  t.id = soc == kSnapdragonX ? "snapdragon-x" : "qnn:" + std::to_string(soc);
  t.title = soc == kSnapdragonX ? "Snapdragon X Elite (Hexagon v73) through QNN"
                                : "Qualcomm SoC " + std::to_string(soc) + " through QNN";
  t.provider = "QNNExecutionProvider";
  t.soc_model = soc;
  t.launch_seconds = {190e-6,
                      "measured by others: 180-196 us for a trivial op through ONNX Runtime on a "
                      "Snapdragon X (github.com/krrishnarraj/clpeak issue 197)"};
  t.transfer_per_second = kCopy;
  t.npu_flops = {4e12, "assumed: a tenth of the 45 TOPS that the vendor names for int8"};
  t.cpu_flops = kCpu;
  return t;
}

Target Intel() {
  Target t;
  t.family = TargetFamily::kOpenVino;
  t.id = "intel-npu";
  t.title = "Intel NPU (Core Ultra) through OpenVINO";
  t.provider = "OpenVINOExecutionProvider";
  t.launch_seconds = {200e-6, "assumed as on Snapdragon X: no published figure was found"};
  t.transfer_per_second = kCopy;
  t.npu_flops = {3e12, "assumed: below the 5.5 TFLOPS of f16 that 11 TOPS of int8 mean"};
  t.cpu_flops = kCpu;
  return t;
}

Target RyzenAi() {
  Target t;
  t.family = TargetFamily::kVitisAi;
  t.id = "ryzen-ai";
  t.title = "AMD Ryzen AI (XDNA) through VitisAI";
  t.provider = "VitisAIExecutionProvider";
  t.launch_seconds = {267e-6,
                      "measured by others: a 512^3 bf16 product through XRT on XDNA1, launch and "
                      "all (drakosha/whisper-xdna)"};
  t.transfer_per_second = {50e9, "measured by others: reads of XDNA2 (arXiv 2512.13282)"};
  t.npu_flops = {1.5e12, "measured by others: bf16 products on XDNA1 (drakosha/whisper-xdna)"};
  t.cpu_flops = kCpu;
  return t;
}

Target DirectMl() {
  Target t;
  t.family = TargetFamily::kDirectMl;
  t.id = "directml";
  t.title = "DirectML (GPU, or NPU through a device filter)";
  t.provider = "DmlExecutionProvider";
  t.launch_seconds = {100e-6, "assumed: submission of a command list"};
  t.transfer_per_second = kCopy;
  t.npu_flops = {2e12, "assumed: an integrated GPU"};
  t.cpu_flops = kCpu;
  return t;
}

}  // namespace

std::string TargetNames() {
  return "snapdragon-x, qnn:SOC (a number, 60 is Snapdragon X Elite), intel-npu, ryzen-ai, "
         "directml, all";
}

Result<std::vector<Target>> ParseTarget(std::string_view text) {
  if (text == "all") return std::vector<Target>{Qnn(kSnapdragonX), Intel(), RyzenAi(), DirectMl()};
  if (text == "snapdragon-x") return std::vector<Target>{Qnn(kSnapdragonX)};
  if (text == "intel-npu") return std::vector<Target>{Intel()};
  if (text == "ryzen-ai") return std::vector<Target>{RyzenAi()};
  if (text == "directml") return std::vector<Target>{DirectMl()};
  if (text.starts_with("qnn:")) {
    int soc = 0;
    const std::string_view digits = text.substr(4);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), soc);
    if (error == std::errc() && end == digits.data() + digits.size() && soc > 0 &&
        soc < kMostSocs) {
      return std::vector<Target>{Qnn(soc)};
    }
  }
  return InvalidArgument("expected a target (" + TargetNames() + "), found \"" +
                         std::string(text.substr(0, 60)) + "\"");
}

}  // namespace tessera::doctor
