#include "graph/binding.h"

namespace tessera {
namespace {

Status Mismatch(const Value& value, DType dtype, const Shape& shape, const std::string& why) {
  return InvalidArgument("'" + value.name + "': expected " + std::string(DTypeName(value.dtype)) +
                         DimsToString(value.dims) + ", found " + std::string(DTypeName(dtype)) +
                         ShapeToString(shape) + why);
}

}  // namespace

Status BindValue(const Value& value, DType dtype, const Shape& shape, DimBindings* bindings) {
  if (dtype != value.dtype || shape.size() != value.dims.size()) {
    return Mismatch(value, dtype, shape, "");
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim& dim = value.dims[i];
    if (shape[i] < 0 || shape[i] > kMaxDimSize) {
      return Mismatch(value, dtype, shape, " (size out of range)");
    }
    if (dim.IsConstant()) {
      if (shape[i] != dim.add) return Mismatch(value, dtype, shape, "");
      continue;
    }
    const int64_t scaled = shape[i] - dim.add;
    if (scaled < 0 || scaled % dim.mul != 0) {
      return Mismatch(value, dtype, shape,
                      " (no '" + dim.symbol + "' fits " + DimToString(dim) + ")");
    }
    const auto [it, is_new] = bindings->try_emplace(dim.symbol, scaled / dim.mul);
    if (!is_new && it->second != scaled / dim.mul) {
      return Mismatch(
          value, dtype, shape,
          " where " + dim.symbol + " = " + std::to_string(it->second) + " is given elsewhere");
    }
  }
  return OkStatus();
}

}  // namespace tessera
