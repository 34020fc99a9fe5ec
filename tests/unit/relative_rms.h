// The distance of two tensors, for tests.
#ifndef TESSERA_TESTS_UNIT_RELATIVE_RMS_H_
#define TESSERA_TESTS_UNIT_RELATIVE_RMS_H_

#include <cmath>
#include <cstdint>

#include "tensor/tensor.h"

namespace tessera {

// |got - want| / |want| of f32 tensors of one size.
inline double RelativeRms(const Tensor& got, const Tensor& want) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    const double d = got.As<float>()[i] - want.As<float>()[i];
    error += d * d;
    norm += static_cast<double>(want.As<float>()[i]) * want.As<float>()[i];
  }
  return std::sqrt(error / norm);
}

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_RELATIVE_RMS_H_
