// Rules that recognise layers: embeddings, Linear, LayerNorm, Gelu, attention.
#include <cmath>
#include <numbers>

#include "models/bert/onnx/trace.h"

namespace tessera::bert_onnx {
namespace {

bool IsFloat(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
}

const Rows* AsRows(const Value& value, Form form) {
  const Rows* rows = std::get_if<Rows>(&value);
  return rows != nullptr && rows->form == form ? rows : nullptr;
}

// The first is in form `a` and the second in form `b` of one layer.
bool AreForms(const Value& x, Form a, const Value& y, Form b) {
  const Rows *first = AsRows(x, a), *second = AsRows(y, b);
  return first != nullptr && second != nullptr && first->layer == second->layer;
}

std::optional<NumShape> DimsOf(const Value& value) {
  if (const auto* rows = std::get_if<Rows>(&value)) return rows->Dims();
  if (const auto* scores = std::get_if<Scores>(&value)) return scores->Dims();
  if (const auto* field = std::get_if<Field>(&value)) return field->shape;
  if (const auto* constant = std::get_if<Constant>(&value)) return constant->Dims();
  return std::nullopt;
}

// Broadcasting `other` to `value` does not change the shape of `value`.
bool Fits(const Value& other, const Value& value) {
  const auto own = DimsOf(value), dims = DimsOf(other);
  return own && dims && Broadcast(*dims, *own) == own;
}

// How a tensor holds heads: [..., heads, x, y] where x and y are the tokens and a head's columns.
struct Heads {
  int64_t count = 1, dim = 0;
};
std::optional<Heads> HeadsOf(const Rows& rows, bool columns_last) {
  if (rows.form != Form::kPlain || rows.axes.size() < 3) return std::nullopt;
  const Axis& tokens = rows.axes[rows.axes.size() - (columns_last ? 2 : 1)];
  const Axis& columns = rows.axes[rows.axes.size() - (columns_last ? 1 : 2)];
  const Axis& leading = rows.axes[rows.axes.size() - 3];
  for (size_t i = 0; i + 3 < rows.axes.size(); ++i) {
    if (!rows.axes[i].empty()) return std::nullopt;
  }
  if (tokens != Axis{{.tokens = true}} || columns.size() != 1 || columns[0].tokens ||
      columns[0].stride != 1) {
    return std::nullopt;
  }
  Heads heads{1, columns[0].size};
  if (!leading.empty()) {
    if (leading != Axis{{.size = leading[0].size, .stride = heads.dim}} || leading[0].tokens)
      return std::nullopt;
    heads.count = leading[0].size;
  }
  if (heads.count * heads.dim != rows.width) return std::nullopt;
  return heads;
}

}  // namespace

std::optional<Constant> VectorOf(const Value* value, int64_t width) {
  const Constant* constant = value == nullptr ? nullptr : std::get_if<Constant>(value);
  if (constant == nullptr || !IsFloat(constant->view.dtype) || constant->view.size() != width ||
      constant->view.shape.empty() ||
      constant->Dims().back() != Num{static_cast<double>(width), 0}) {
    return std::nullopt;
  }
  Constant vector = *constant;
  vector.view.shape = {width};
  vector.transposed = false;
  return vector;
}

Value Trace::AddLayer(Layer layer, const std::vector<Axis>& axes) {
  Rows rows;
  rows.layer = static_cast<int>(layers_.size());
  rows.width = layer.width;
  rows.axes = axes;
  layers_.push_back(std::move(layer));
  return rows;
}

Value Trace::Embed(const Call& call, const Constant& table, const Field& index) {
  const int64_t rows = table.view.shape[0], width = table.view.shape[1];
  if (width < 1 || rows < 1) return call.Fail("a table of at least one row");
  Layer layer{.node = call.Where(), .width = width, .weight = table};
  std::vector<Axis> axes;
  for (const Num& size : index.shape)
    axes.push_back(size == kSeq ? Axis{{.tokens = true}} : Axis());
  axes.push_back({{.size = width}});
  const bool whole = index.offset >= 0 && std::trunc(index.offset) == index.offset &&
                     index.offset < static_cast<double>(rows);
  switch (index.kind) {
    case Field::Kind::kIds:
      layer.kind = LayerKind::kTokens;
      return AddLayer(std::move(layer), axes);
    case Field::Kind::kPosition:
      if (!whole) return call.Fail("positions within the table");
      layer.kind = LayerKind::kPositions;
      layer.offset = static_cast<int64_t>(index.offset);
      return AddLayer(std::move(layer), axes);
    case Field::Kind::kUniform: {
      const Num row = index.elements[0];
      if (!row.IsConstant() || row.c < 0 || row.c >= static_cast<double>(rows))
        return call.Fail("a row within the table");
      Constant constant = table;
      const auto i = static_cast<int64_t>(row.c);
      constant.view = table.view.Rows(i, i + 1);
      constant.view.shape = {width};
      constant.every_token = true;
      if (Broadcast(index.shape, {Num{1, 0}, kSeq}) != NumShape{Num{1, 0}, kSeq})
        return call.Fail("one token type for each token");
      return constant;
    }
    case Field::Kind::kExplicit:
      break;
  }
  return call.Fail("token ids, positions or one token type");
}

Value Trace::Binary(const Call& call) {
  if (call.size() != 2 || !call.Has(0) || !call.Has(1)) return call.Fail("two inputs");
  const Value &a = *call.Input(0), &b = *call.Input(1);
  const auto is_activation = [](const Value& x) {
    return std::holds_alternative<Rows>(x) || std::holds_alternative<Scores>(x);
  };
  const std::string_view op = call.node.op_type;
  if (is_activation(a) || is_activation(b)) {
    if (op == "Add") return is_activation(a) ? AddRows(call, a, b) : AddRows(call, b, a);
    if (op == "Mul") return is_activation(a) ? MulRows(call, a, b) : MulRows(call, b, a);
    if (op == "Div") return DivRows(call, a, b);
    const Rows* rows = std::get_if<Rows>(&a);
    if (op == "Sub" && rows != nullptr) return SubRows(call, *rows, b);
    if (op == "Pow" && rows != nullptr) return PowRows(call, *rows, b);
    return call.Fail("an operation of LayerNorm, Gelu or attention");
  }
  const std::optional<Field> x = AsField(&a), y = AsField(&b);
  if (!x || !y) return call.Fail("known numbers within bounds, or activations");
  return FieldBinary(call, *x, *y);
}

Value Trace::AddConstant(const Call& call, const Rows& rows, const Constant& row) {
  const Value self = rows, other = row;
  const std::optional<Constant> vector = VectorOf(&other, rows.width);
  if (!vector || !IsPlainRows(&self)) return call.Fail("activations and a bias of their width");
  Layer layer = layers_[static_cast<size_t>(rows.layer)];
  if (layer.kind == LayerKind::kLinear && !layer.bias && !row.every_token) {
    layer.bias = *vector;
    return AddLayer(std::move(layer), rows.axes);
  }
  return AddLayer({.kind = LayerKind::kAddRow,
                   .node = call.Where(),
                   .inputs = {rows.layer},
                   .width = rows.width,
                   .weight = *vector},
                  rows.axes);
}

Value Trace::AddRows(const Call& call, const Value& a, const Value& b) {
  const std::optional<double> scalar = AsScalar(&b);
  if (scalar == 0.0 && Fits(b, a)) return a;  // a mask that hides nothing
  const Rows* rows = std::get_if<Rows>(&a);
  if (rows == nullptr) return call.Fail("scores plus a mask of zeros for tokens that are seen");
  Rows result = *rows;
  if (rows->form == Form::kVariance && scalar && *scalar >= 0) {
    result.form = Form::kVarianceEps;
    result.epsilon = *scalar;
    return result;
  }
  if (rows->form == Form::kErf && scalar == 1.0) {
    result.form = Form::kErfPlusOne;
    result.factor = 1;
    return result;
  }
  if (rows->form == Form::kScaled) {
    Rows source = *rows;
    source.form = Form::kPlain;
    const Value x = source, gamma = rows->gamma;
    return LayerNorm(call, &x, &gamma, &b, rows->epsilon);
  }
  if (const Rows* other = std::get_if<Rows>(&b)) {
    if (!IsPlainRows(&a) || !IsPlainRows(&b) || rows->width != other->width ||
        !Broadcast(rows->Dims(), other->Dims()))
      return call.Fail("two activations of one shape");
    return AddLayer({.kind = LayerKind::kAdd,
                     .node = call.Where(),
                     .inputs = {rows->layer, other->layer},
                     .width = rows->width},
                    rows->axes.size() >= other->axes.size() ? rows->axes : other->axes);
  }
  if (const auto* constant = std::get_if<Constant>(&b); constant != nullptr && Fits(b, a)) {
    return AddConstant(call, *rows, *constant);
  }
  return call.Fail("activations, a bias or a part of LayerNorm or Gelu");
}

Value Trace::ScaleBy(const Call& call, const Value& x, double factor, double error) {
  if (!std::isfinite(factor) || factor == 0) return call.Fail("a factor other than zero");
  if (const Scores* scores = std::get_if<Scores>(&x)) {
    if (scores->softmax && factor != 1) return call.Fail("attention weights as they are");
    Scores result = *scores;
    result.scale *= factor;
    result.error += error;
    return result;
  }
  const Rows* rows = std::get_if<Rows>(&x);
  if (rows == nullptr || (rows->form != Form::kPlain && rows->form != Form::kErfPlusOne &&
                          rows->form != Form::kGeluProduct)) {
    return call.Fail("activations that may be scaled");
  }
  Rows result = *rows;
  result.factor *= factor;
  if (factor != 1) result.error += error;
  if (result.form != Form::kGeluProduct || result.factor != 0.5) return result;
  return AddLayer({.kind = LayerKind::kGelu,
                   .node = call.Where(),
                   .inputs = {rows->layer},
                   .width = rows->width},
                  rows->axes);
}

Value Trace::MulRows(const Call& call, const Value& a, const Value& b) {
  double error = 0;
  if (const std::optional<double> scalar = AsScalar(&b, &error)) {
    if (Fits(b, a)) return ScaleBy(call, a, *scalar, error);
  }
  if (AreForms(a, Form::kCentered, b, Form::kCentered)) {
    Rows result = std::get<Rows>(a);
    result.form = Form::kSquared;
    return result;
  }
  for (const auto& [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (AreForms(*x, Form::kCentered, *y, Form::kInverse)) {
      Rows result = std::get<Rows>(*x);
      result.form = Form::kNormalized;
      result.epsilon = std::get<Rows>(*y).epsilon;
      return result;
    }
    if (AreForms(*x, Form::kPlain, *y, Form::kErfPlusOne)) {
      Rows product = std::get<Rows>(*x);
      if (product.axes != std::get<Rows>(*y).axes) break;
      const double factor = product.factor * std::get<Rows>(*y).factor;
      product.form = Form::kGeluProduct;
      product.factor = factor;
      return ScaleBy(call, product, 1, 0);
    }
  }
  if (const Rows* rows = AsRows(a, Form::kNormalized)) {
    if (const auto gamma = VectorOf(&b, rows->width); gamma && !gamma->every_token) {
      Rows result = *rows;
      result.form = Form::kScaled;
      result.gamma = *gamma;
      return result;
    }
  }
  return call.Fail("activations times a number, or a part of LayerNorm or Gelu");
}

Value Trace::SubRows(const Call& call, const Rows& a, const Value& b) {
  const Value self = a;
  if (AsScalar(&b) == 0.0 && Fits(b, self)) return a;
  if (!IsPlainRows(&self) || !AreForms(self, Form::kPlain, b, Form::kMean))
    return call.Fail("activations minus their mean");
  Rows result = a;
  result.form = Form::kCentered;
  return result;
}

Value Trace::DivRows(const Call& call, const Value& a, const Value& b) {
  double error = 0;
  if (const std::optional<double> scalar = AsScalar(&b, &error)) {
    if (Fits(b, a)) return ScaleBy(call, a, 1 / *scalar, error);
  }
  if (!AreForms(a, Form::kCentered, b, Form::kDeviation))
    return call.Fail("activations over a number, or the quotient of a LayerNorm");
  Rows result = std::get<Rows>(a);
  result.form = Form::kNormalized;
  result.epsilon = std::get<Rows>(b).epsilon;
  return result;
}

Value Trace::PowRows(const Call& call, const Rows& a, const Value& b) {
  const std::optional<double> power = AsScalar(&b);
  Rows result = a;
  if (a.form == Form::kCentered && power == 2.0) {
    result.form = Form::kSquared;
  } else if (a.form == Form::kVarianceEps && power == 0.5) {
    result.form = Form::kDeviation;
  } else if (a.form == Form::kVarianceEps && power == -0.5) {
    result.form = Form::kInverse;
  } else {
    return call.Fail("a power that is part of LayerNorm");
  }
  return result;
}

Value Trace::LayerNorm(const Call& call, const Value* x, const Value* gamma, const Value* beta,
                       double epsilon) {
  if (!IsPlainRows(x)) return call.Fail("activations, normalized over their whole width");
  const Rows& rows = std::get<Rows>(*x);
  Layer layer{.kind = LayerKind::kNorm,
              .node = call.Where(),
              .inputs = {rows.layer},
              .width = rows.width,
              .epsilon = epsilon};
  const std::optional<Constant> scale = VectorOf(gamma, rows.width);
  if (beta != nullptr) layer.bias = VectorOf(beta, rows.width);
  if (!scale || scale->every_token || (beta != nullptr && (!layer.bias || layer.bias->every_token)))
    return call.Fail("constants gamma and beta of the width of the activations");
  if (!(epsilon >= 0 && epsilon < 1)) return call.Fail("an epsilon between 0 and 1");
  layer.weight = *scale;
  return AddLayer(std::move(layer), rows.axes);
}

Value Trace::Linear(const Call& call, const Value* x, const Value* weight, bool transposed,
                    const Value* bias) {
  const Constant* matrix = weight == nullptr ? nullptr : std::get_if<Constant>(weight);
  if (!IsPlainRows(x) || matrix == nullptr || matrix->view.shape.size() != 2 ||
      matrix->every_token || !IsFloat(matrix->view.dtype)) {
    return call.Fail("activations and a constant matrix");
  }
  const Rows& rows = std::get<Rows>(*x);
  Layer layer{
      .kind = LayerKind::kLinear, .node = call.Where(), .inputs = {rows.layer}, .weight = *matrix};
  if (transposed) layer.weight.transposed = !layer.weight.transposed;
  const int64_t in = layer.weight.view.shape[layer.weight.transposed ? 1 : 0];
  layer.width = layer.weight.view.shape[layer.weight.transposed ? 0 : 1];
  if (in != rows.width || layer.width < 1)
    return call.Fail("a matrix of the width of the activations");
  if (bias != nullptr) {
    layer.bias = VectorOf(bias, layer.width);
    if (!layer.bias || layer.bias->every_token)
      return call.Fail("a constant bias of the matrix's width");
  }
  std::vector<Axis> axes = rows.axes;
  axes.back() = {{.size = layer.width}};
  return AddLayer(std::move(layer), axes);
}

Value Trace::MatMul(const Call& call) {
  const Value *a = call.Input(0), *b = call.Input(1);
  if (b == nullptr) return call.Fail("two inputs");
  const Rows *x = std::get_if<Rows>(a), *y = std::get_if<Rows>(b);
  if (x != nullptr && y != nullptr) {
    const auto query = HeadsOf(*x, true), key = HeadsOf(*y, false);
    if (!query || !key || query->count != key->count || query->dim != key->dim ||
        x->axes.size() != y->axes.size()) {
      return call.Fail("queries [heads, seq, head_dim] and keys [heads, head_dim, seq]");
    }
    return Scores{.query = x->layer,
                  .key = y->layer,
                  .heads = query->count,
                  .head_dim = query->dim,
                  .scale = x->factor * y->factor,
                  .error = x->error + y->error,
                  .rank = x->axes.size()};
  }
  const Scores* scores = std::get_if<Scores>(a);
  if (scores != nullptr && y != nullptr) return Attend(call, *scores, *y);
  return Linear(call, a, b, false, nullptr);
}

Value Trace::Attend(const Call& call, const Scores& scores, const Rows& value) {
  const auto heads = HeadsOf(value, true);
  if (!scores.softmax || !heads || heads->count != scores.heads || heads->dim != scores.head_dim ||
      value.factor != 1 || value.axes.size() != scores.rank) {
    return call.Fail("attention weights and values [heads, seq, head_dim]");
  }
  return AddLayer({.kind = LayerKind::kAttention,
                   .node = call.Where(),
                   .inputs = {scores.query, scores.key, value.layer},
                   .width = value.width,
                   .heads = scores.heads,
                   .scale = scores.scale,
                   .error = scores.error},
                  value.axes);
}

Value Trace::Gemm(const Call& call) {
  if (call.Float("alpha", 1) != 1 || call.Float("beta", 1) != 1 || call.Int("transA", 0) != 0) {
    return call.Fail("a Gemm with alpha 1, beta 1 and transA 0");
  }
  return Linear(call, call.Input(0), call.Input(1), call.Int("transB", 0) != 0, call.Input(2));
}

Value Trace::Softmax(const Call& call) {
  const Scores* scores = std::get_if<Scores>(call.Input(0));
  const int64_t axis = call.Int("axis", call.opset < 13 ? 1 : -1);
  if (scores == nullptr || scores->softmax ||
      (axis != -1 && axis != static_cast<int64_t>(scores->rank) - 1)) {
    return call.Fail("attention scores, over the keys");
  }
  Scores result = *scores;
  result.softmax = true;
  return result;
}

Value Trace::Erf(const Call& call) {
  const Rows* rows = AsRows(*call.Input(0), Form::kPlain);
  if (rows == nullptr ||
      std::abs(rows->factor * std::numbers::sqrt2 - 1) > 1e-6 + 2 * rows->error) {
    return call.Fail("activations over the square root of 2");
  }
  Rows result = *rows;
  result.form = Form::kErf;
  return result;
}

Value Trace::Gelu(const Call& call) {
  if (call.String("approximate", "none") != "none") {
    return call.Fail("the exact Gelu, with erf", "an approximation by tanh");
  }
  if (!IsPlainRows(call.Input(0))) return call.Fail("activations");
  const Rows& rows = std::get<Rows>(*call.Input(0));
  return AddLayer(
      {.kind = LayerKind::kGelu, .node = call.Where(), .inputs = {rows.layer}, .width = rows.width},
      rows.axes);
}

Value Trace::Reduce(const Call& call) {
  const auto given = Axes(call, 1);
  if (!given && call.Has(1)) return call.Fail("constant axes");
  const auto dims = DimsOf(*call.Input(0));
  if (!dims) return call.Fail("a value of known shape");
  const bool keep = call.Int("keepdims", 1) != 0;
  std::vector<size_t> axes;
  for (int64_t axis : given.value_or(std::vector<int64_t>())) {
    if (axis < 0) axis += static_cast<int64_t>(dims->size());
    if (axis < 0 || axis >= static_cast<int64_t>(dims->size()))
      return call.Fail("axes within the shape");
    axes.push_back(static_cast<size_t>(axis));
  }
  if (axes.empty()) {
    if (call.Int("noop_with_empty_axes", 0) != 0) return *call.Input(0);
    for (size_t d = 0; d < dims->size(); ++d) axes.push_back(d);
  }
  const Rows* rows = std::get_if<Rows>(call.Input(0));
  if (rows == nullptr) {
    const std::optional<Field> field = AsField(call.Input(0));
    if (!field) return call.Fail("activations or known numbers");
    return ReduceField(call, *field, axes, keep);
  }
  const bool plain = IsPlainRows(call.Input(0));
  if (axes.size() == 1 && rows->axes[axes[0]] == Axis{{.tokens = true}} && plain) {
    Failed failed = call.Fail("the hidden states of all tokens", "what they have in common");
    failed.pooled = *rows;
    return failed;
  }
  const bool over_width = axes.size() == 1 && axes[0] == rows->axes.size() - 1 && keep &&
                          call.node.op_type == "ReduceMean";
  Rows result = *rows;
  if (over_width && plain) {
    result.form = Form::kMean;
  } else if (over_width && rows->form == Form::kSquared) {
    result.form = Form::kVariance;
  } else {
    return call.Fail("the mean of activations over their width");
  }
  return result;
}

}  // namespace tessera::bert_onnx
