#include "runtime/numerics_gate.h"

#include <algorithm>
#include <cmath>

#include "graph/binding.h"

namespace tessera {
namespace {

// Of the first `count` elements from `begin`: all finite, and whether they are one value.
struct Look {
  bool finite = true, constant = true;
};
Look LookAt(const float* begin, int64_t count) {
  Look look;
  // A sum of zeros times the values is 0 exactly when all are finite.
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += begin[i] * 0.0f;
    look.constant &= begin[i] == begin[0];
  }
  look.finite = sum == 0;
  return look;
}

}  // namespace

Agreement Compare(const View& reference, const View& found) {
  const std::span<const float> a = reference.Span<float>(), b = found.Span<float>();
  TESSERA_CHECK(a.size() == b.size());
  double dot = 0, aa = 0, bb = 0, error = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
    // max() would drop a NaN.
    const double difference = std::fabs(double{a[i]} - b[i]);
    if (!(difference <= error)) error = difference;
    largest = std::max(largest, std::fabs(double{a[i]}));
  }
  Agreement agreement;
  if (aa == 0 && bb == 0) return agreement;
  agreement.cosine = dot / std::sqrt(aa * bb);
  agreement.relative_error = error / largest;
  if (!std::isfinite(agreement.cosine)) agreement.cosine = 0;
  if (!std::isfinite(agreement.relative_error)) agreement.relative_error = 1e9;
  return agreement;
}

Agreement Worse(const Agreement& a, const Agreement& b) {
  return {std::min(a.cosine, b.cosine), std::max(a.relative_error, b.relative_error)};
}

Result<std::map<std::string, Tensor>> RunProbe(const Graph& graph, const Program& program,
                                               ExecutionContext& context, StateStore* states,
                                               const StageProbe::Inputs& inputs,
                                               std::stop_token stop) {
  DimBindings sizes;
  std::vector<NamedView> in;
  for (const auto& [name, tensor] : inputs) {
    const ValueId id = graph.FindValue(name);
    if (id == kNoValue) return Internal(graph.name() + " has no input \"" + name + "\"");
    TESSERA_RETURN_IF_ERROR(BindValue(graph.value(id), tensor.dtype(), tensor.shape(), &sizes));
    in.push_back({name, tensor.ViewOf()});
  }
  std::map<std::string, Tensor> outputs;
  std::vector<NamedMutableView> out;
  for (const GraphOutput& output : graph.outputs()) {
    const Value& value = graph.value(output.value);
    TESSERA_ASSIGN_OR_RETURN(Shape shape, EvaluateDims(value.dims, sizes));
    const auto [at, added] = outputs.emplace(output.name, Tensor(value.dtype, std::move(shape)));
    out.push_back({output.name, at->second.MutableViewOf()});
  }
  TESSERA_RETURN_IF_ERROR(program.Run(context, states, {in, out}, std::move(stop)));
  return outputs;
}

std::string ImplausibleOutput(const RunBindings& bindings) {
  for (const NamedMutableView& output : bindings.outputs) {
    const View view{output.view.data, output.view.dtype, output.view.shape};
    if (view.dtype != DType::kF32 || view.size() < 2) continue;
    const int64_t columns = view.shape.back(), rows = view.size() / columns;
    const bool partial = output.name == bindings.partial_rows.output;
    bool constant = true;
    int64_t looked = 0;
    float first = 0;
    for (int64_t row = 0; row < rows; ++row) {
      const auto r = static_cast<size_t>(row);
      const int64_t skip = partial && r < bindings.partial_rows.partial.size() &&
                                   bindings.partial_rows.partial[r] != 0
                               ? std::min(columns, bindings.partial_rows.first_column)
                               : 0;
      if (skip == columns) continue;
      const float* const begin = view.As<float>() + row * columns + skip;
      const Look look = LookAt(begin, columns - skip);
      if (!look.finite) return "output " + std::string(output.name) + " is not finite";
      if (looked == 0) first = begin[0];
      constant &= look.constant && begin[0] == first;
      looked += columns - skip;
    }
    if (constant && looked > 1)
      return "output " + std::string(output.name) + " is one value throughout";
  }
  return "";
}

}  // namespace tessera
