// NumPy .npy files: the golden tensors of the tests.
//
// Source: NumPy's format description, versions 1.0 to 3.0. Only little-endian arrays in C order of
// f4, f2, i4, i8, i1, u1, b1.
#ifndef TESSERA_FORMATS_NPY_H_
#define TESSERA_FORMATS_NPY_H_

#include <string>

#include "base/mapped_file.h"
#include "tensor/tensor.h"

namespace tessera {

// kDataLoss for a broken file, kUnimplemented for another element type, byte order or Fortran
// order.
Result<Tensor> OpenNpy(const std::string& path);
Result<Tensor> ReadNpy(Bytes bytes);

}  // namespace tessera

#endif  // TESSERA_FORMATS_NPY_H_
