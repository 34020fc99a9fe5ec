#include "graph/passes/equalize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "graph/passes/editor.h"

namespace tessera {
namespace {

// Columns below this share of the mean size count as that large: nothing of them is lost, and no
// factor runs away.
constexpr double kLeastSize = 1e-3;

class Equalizer {
 public:
  explicit Equalizer(Graph* graph)
      : graph_(*graph), editor_(graph), readers_(graph->values().size()) {
    for (size_t i = 0; i < graph_.nodes().size(); ++i)
      for (const ValueId id : graph_.nodes()[i].inputs)
        if (id != kNoValue) readers_[Index(id)].push_back(i);
    kept_.resize(graph_.values().size());
    for (const GraphOutput& output : graph_.outputs()) kept_[Index(output.value)] = true;
    for (const StateUpdate& update : graph_.state_updates()) kept_[Index(update.value)] = true;
  }

  Status Run() {
    for (const Node& node : graph_.nodes()) {
      if (node.op == OpKind::kLayerNorm) TESSERA_RETURN_IF_ERROR(BehindNorm(node));
      if (node.op == OpKind::kAttention || node.op == OpKind::kRaggedAttention)
        TESSERA_RETURN_IF_ERROR(BehindAttention(node));
    }
    return OkStatus();
  }

 private:
  // Exact, so that a fused addition behind it changes nothing.
  static double SquareOf(float x) { return double{x} * double{x}; }
  static size_t Index(ValueId id) { return static_cast<size_t>(id); }

  bool IsOwnConstant(ValueId id) const {
    return id != kNoValue && graph_.value(id).kind == ValueKind::kConstant &&
           readers_[Index(id)].size() == 1;
  }

  // The Linears that read `id`, when nothing else does and their weights are their own.
  std::vector<const Node*> LinearsBehind(ValueId id) const {
    std::vector<const Node*> linears;
    if (kept_[Index(id)]) return linears;
    for (const size_t reader : readers_[Index(id)]) {
      const Node& node = graph_.nodes()[reader];
      if (node.op != OpKind::kLinear || node.inputs[0] != id || !IsOwnConstant(node.inputs[1]))
        return {};
      linears.push_back(&node);
    }
    return linears;
  }

  // Root of the sum of squares in each column of all weights together.
  Result<std::vector<double>> ColumnSizes(const std::vector<const Node*>& linears) const {
    std::vector<double> sizes;
    for (const Node* linear : linears) {
      TESSERA_ASSIGN_OR_RETURN(const Tensor weight,
                               ToF32Tensor(graph_.value(linear->inputs[1]).data));
      const int64_t columns = weight.shape()[1];
      sizes.resize(static_cast<size_t>(columns));
      for (int64_t i = 0; i < weight.size(); ++i) {
        sizes[static_cast<size_t>(i % columns)] += SquareOf(weight.As<float>()[i]);
      }
    }
    for (double& size : sizes) size = std::sqrt(size);
    return sizes;
  }

  // To a mean of 1. False for zeros alone and for what is not finite.
  static bool Normalize(std::vector<double>& sizes) {
    double sum = 0;
    for (const double size : sizes) sum += size;
    const double mean = sum / static_cast<double>(sizes.size());
    if (!std::isfinite(mean) || mean < 1e-30) return false;
    for (double& size : sizes) size = std::max(size / mean, kLeastSize);
    return true;
  }

  // Multiplies the columns (axis 1) or rows (axis 0) of a constant.
  Status Scale(ValueId id, const std::vector<double>& factors, bool inverse, bool rows) {
    TESSERA_ASSIGN_OR_RETURN(Tensor tensor, ToF32Tensor(graph_.value(id).data));
    const int64_t inner = rows && tensor.shape().size() == 2 ? tensor.shape()[1] : 1;
    const auto count = static_cast<int64_t>(factors.size());
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const double factor = factors[static_cast<size_t>(i / inner % count)];
      float& x = tensor.As<float>()[i];
      x = static_cast<float>(inverse ? x / factor : x * factor);
    }
    editor_.MakeConstant(id, std::move(tensor));
    return OkStatus();
  }

  Status BehindNorm(const Node& norm) {
    const std::vector<const Node*> linears = LinearsBehind(norm.outputs[0]);
    if (linears.empty() || !IsOwnConstant(norm.inputs[1]) || !IsOwnConstant(norm.inputs[2]))
      return OkStatus();
    TESSERA_ASSIGN_OR_RETURN(std::vector<double> w, ColumnSizes(linears));
    TESSERA_ASSIGN_OR_RETURN(const Tensor gamma, ToF32Tensor(graph_.value(norm.inputs[1]).data));
    TESSERA_ASSIGN_OR_RETURN(const Tensor beta, ToF32Tensor(graph_.value(norm.inputs[2]).data));
    std::vector<double> a(w.size());
    for (size_t j = 0; j < a.size(); ++j)
      a[j] = std::sqrt(SquareOf(gamma.As<float>()[j]) + SquareOf(beta.As<float>()[j]));
    if (!Normalize(w) || !Normalize(a)) return OkStatus();
    std::vector<double> factors(w.size());
    for (size_t j = 0; j < w.size(); ++j) factors[j] = std::sqrt(a[j] / w[j]);
    for (const ValueId id : {norm.inputs[1], norm.inputs[2]})
      TESSERA_RETURN_IF_ERROR(Scale(id, factors, true, false));
    return ScaleColumns(linears, factors);
  }

  Status BehindAttention(const Node& attention) {
    const std::vector<const Node*> linears = LinearsBehind(attention.outputs[0]);
    const Value& value = graph_.value(attention.inputs[2]);
    if (linears.empty() || value.producer < 0 || kept_[Index(attention.inputs[2])] ||
        readers_[Index(attention.inputs[2])].size() != 1)
      return OkStatus();
    const Node& source = graph_.nodes()[Index(value.producer)];
    const bool has_bias = source.inputs.size() > 2 && source.inputs[2] != kNoValue;
    if (source.op != OpKind::kLinear || !IsOwnConstant(source.inputs[1]) ||
        (has_bias && !IsOwnConstant(source.inputs[2])))
      return OkStatus();
    TESSERA_ASSIGN_OR_RETURN(std::vector<double> w, ColumnSizes(linears));
    if (!Normalize(w)) return OkStatus();
    std::vector<double> factors(w.size());
    for (size_t j = 0; j < w.size(); ++j) factors[j] = std::sqrt(1 / w[j]);
    TESSERA_RETURN_IF_ERROR(Scale(source.inputs[1], factors, true, true));
    if (has_bias) TESSERA_RETURN_IF_ERROR(Scale(source.inputs[2], factors, true, true));
    return ScaleColumns(linears, factors);
  }

  Status ScaleColumns(const std::vector<const Node*>& linears, const std::vector<double>& factors) {
    for (const Node* linear : linears)
      TESSERA_RETURN_IF_ERROR(Scale(linear->inputs[1], factors, false, false));
    return OkStatus();
  }

  const Graph& graph_;
  GraphEditor editor_;
  std::vector<std::vector<size_t>>
      readers_;             // nodes, of each value; twice where they read it twice
  std::vector<bool> kept_;  // values that others see
};

}  // namespace

Status EqualizeLinears(Graph* graph) { return Equalizer(graph).Run(); }

}  // namespace tessera
