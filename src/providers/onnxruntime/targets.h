// Chips that a model can be compiled for without having one.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_TARGETS_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_TARGETS_H_

#include <string>
#include <string_view>

#include "tessera/status.h"

namespace tessera {

inline constexpr char kDefaultQnnTarget[] = "snapdragon-x";
// Leaves the chip to QNN: right on the chip itself, and what makes QNN's error 1002 elsewhere.
inline constexpr char kQnnWithoutChip[] = "qnn";

// A Qualcomm chip as QNN's options name it.
struct QnnTarget {
  std::string soc_model;  // QNN's number of the chip: "60" is SC8380XP, Snapdragon X
  std::string htp_arch;   // of its Hexagon NPU: "73"; "" lets QNN derive it from the chip
};

// "snapdragon-x", or "qnn:SOC" or "qnn:SOC,ARCH" with QNN's numbers. kInvalidArgument otherwise.
Result<QnnTarget> ParseQnnTarget(std::string_view text);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_TARGETS_H_
