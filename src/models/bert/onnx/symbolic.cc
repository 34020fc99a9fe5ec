#include "models/bert/onnx/symbolic.h"

#include <algorithm>
#include <cmath>

namespace tessera::bert_onnx {

std::string ToString(const NumShape& shape) {
  std::string text = "[";
  for (const Num& size : shape) {
    if (text.size() > 1) text += ", ";
    if (size.IsConstant() || size.c != 1) text += std::to_string(static_cast<int64_t>(size.c));
    if (!size.IsConstant()) text += size.c != 1 ? " seq" : "seq";
    if (size.power > 1) text += "^" + std::to_string(size.power);
  }
  return text + "]";
}

Num Product(const NumShape& shape) {
  Num product{1, 0};
  for (const Num& size : shape) {
    product.c *= size.c;
    product.power += size.power;
  }
  if (product.c == 0) product.power = 0;
  return product;
}

bool IsShape(const NumShape& shape) {
  constexpr size_t kMaxRank = 16;
  return shape.size() <= kMaxRank && std::all_of(shape.begin(), shape.end(), [](const Num& size) {
           return size.c >= 0 && size.c < 1e15 && std::trunc(size.c) == size.c;
         });
}

NumShape Constant::Dims() const {
  NumShape dims;
  for (const int64_t size : view.shape) dims.push_back({static_cast<double>(size), 0});
  if (transposed) std::swap(dims[0], dims[1]);
  return dims;
}

NumShape Rows::Dims() const {
  NumShape dims;
  for (const Axis& axis : axes) {
    Num size{1, 0};
    for (const Atom& atom : axis) {
      if (atom.tokens) {
        ++size.power;
      } else {
        size.c *= static_cast<double>(atom.size);
      }
    }
    dims.push_back(size);
  }
  return dims;
}

NumShape Scores::Dims() const {
  NumShape dims(rank, Num{1, 0});
  dims[rank - 3] = {static_cast<double>(heads), 0};
  dims[rank - 2] = dims[rank - 1] = kSeq;
  return dims;
}

double RoundingError(DType type) {
  return type == DType::kF16    ? std::ldexp(1, -11)
         : type == DType::kBF16 ? std::ldexp(1, -8)
                                : std::ldexp(1, -24);
}

}  // namespace tessera::bert_onnx
