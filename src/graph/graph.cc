#include "graph/graph.h"

#include <set>

namespace tessera {

Result<int64_t> EvaluateDim(const Dim& dim, const DimBindings& bindings) {
  int64_t size = dim.add;
  if (!dim.IsConstant()) {
    const auto it = bindings.find(dim.symbol);
    if (it == bindings.end()) {
      return InvalidArgument("dimension '" + DimToString(dim) + "': symbol '" + dim.symbol +
                             "' is not bound");
    }
    // Bounding the factors first keeps the product below 2^62.
    if (it->second < 0 || it->second > kMaxDimSize || dim.mul < 0 || dim.mul > kMaxDimFactor ||
        dim.add < -kMaxDimFactor || dim.add > kMaxDimFactor) {
      return InvalidArgument("dimension '" + DimToString(dim) + "' with " + dim.symbol + " = " +
                             std::to_string(it->second) + " is out of range");
    }
    size = dim.mul * it->second + dim.add;
  }
  if (size < 0 || size > kMaxDimSize) {
    return InvalidArgument("dimension '" + DimToString(dim) + "' has size " + std::to_string(size) +
                           ", expected 0 to 2^40");
  }
  return size;
}

Result<Shape> EvaluateDims(const Dims& dims, const DimBindings& bindings) {
  Shape shape;
  shape.reserve(dims.size());
  for (const Dim& dim : dims) {
    TESSERA_ASSIGN_OR_RETURN(const int64_t size, EvaluateDim(dim, bindings));
    shape.push_back(size);
  }
  return shape;
}

std::string DimToString(const Dim& dim) {
  if (dim.IsConstant()) return std::to_string(dim.add);
  std::string text = dim.mul == 1 ? dim.symbol : std::to_string(dim.mul) + "*" + dim.symbol;
  if (dim.add > 0) text += " + " + std::to_string(dim.add);
  if (dim.add < 0) text += " - " + std::to_string(dim.add).substr(1);
  return text;
}

std::string DimsToString(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + DimToString(dims[i]);
  return text + "]";
}

ValueId Graph::FindValue(const std::string& name) const {
  for (size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].name == name) return static_cast<ValueId>(i);
  }
  return kNoValue;
}

std::vector<std::string> Graph::Symbols() const {
  std::set<std::string> symbols;
  for (const std::vector<ValueId>* ids : {&inputs_, &states_}) {
    for (ValueId id : *ids) {
      for (const Dim& dim : value(id).dims) {
        if (!dim.IsConstant()) symbols.insert(dim.symbol);
      }
    }
  }
  return {symbols.begin(), symbols.end()};
}

}  // namespace tessera
