// What the doctor examines a model for: a vendor's NPU behind the library that compiles for it.
#ifndef TESSERA_DOCTOR_TARGET_H_
#define TESSERA_DOCTOR_TARGET_H_

#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera::doctor {

enum class TargetFamily { kQnn, kOpenVino, kVitisAi, kDirectMl };

// A number of the cost estimate, with where it comes from.
struct Constant {
  double value = 0;
  const char* source = "";
};

struct Target {
  std::string id;        // "snapdragon-x", "qnn:88", "intel-npu", "ryzen-ai", "directml"
  std::string title;     // "Snapdragon X Elite (Hexagon v73) through QNN"
  std::string provider;  // of ONNX Runtime: "QNNExecutionProvider"
  TargetFamily family = TargetFamily::kQnn;
  int soc_model = 0;  // kQnn: Qualcomm's number of the chip, 60 is X Elite

  Constant launch_seconds;       // of one subgraph
  Constant transfer_per_second;  // bytes that cross between CPU and NPU
  Constant npu_flops;            // sustained on matrix products, f16
  Constant cpu_flops;            // of the CPU beside it, f32
};

// "all" gives the four families. kInvalidArgument names what there is.
Result<std::vector<Target>> ParseTarget(std::string_view text);
// "snapdragon-x, qnn:SOC, ..." for help and messages.
std::string TargetNames();

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_TARGET_H_
