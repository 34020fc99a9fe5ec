// The loops behind machine_limits.h for one instruction set; internal to this folder.
#ifndef TESSERA_KERNELS_MACHINE_LIMITS_LOOPS_H_
#define TESSERA_KERNELS_MACHINE_LIMITS_LOOPS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"
#include "kernels/linear.h"

namespace tessera::kernels {

struct OperationLoop {
  void (*run)(int64_t steps) = nullptr;
  double operations_per_step = 0;
};
struct LimitLoops {
  OperationLoop f32, bf16, int8;
  // Reads every byte; `bytes` is a multiple of kReadUnit, `data` is 64-byte aligned.
  void (*read)(const uint8_t* data, size_t bytes) = nullptr;
};
inline constexpr size_t kReadUnit = 1024;

void FillLimitsRef(LimitLoops& loops);
// True and filled when this build has the target that serves `isa`.
bool FillLimitsSimd(Isa isa, LimitLoops& loops);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_MACHINE_LIMITS_LOOPS_H_
