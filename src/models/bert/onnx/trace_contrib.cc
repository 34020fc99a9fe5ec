// Rules of the fused ops that ONNX Runtime's optimizers write (domain com.microsoft).
#include <cmath>

#include "models/bert/onnx/trace.h"

namespace tessera::bert_onnx {

Trace::Outputs Trace::EvaluateContrib(const Call& call) {
  const std::string_view op = call.node.op_type;
  if (op == "EmbedLayerNormalization") return EmbedLayerNorm(call);
  if (op == "SkipLayerNormalization") return SkipLayerNorm(call);
  if (op == "Attention") return {FusedAttention(call)};
  if (op == "MultiHeadAttention") return {MultiHeadAttention(call)};
  if (op == "FusedMatMul") return {FusedMatMul(call)};
  if (op == "Gelu" && call.Has(0)) return {Gelu(call)};
  if (op == "BiasGelu" && call.Has(0) && call.Has(1)) {
    const Rows* x = std::get_if<Rows>(call.Input(0));
    const Constant* bias = std::get_if<Constant>(call.Input(1));
    if (x == nullptr || bias == nullptr) return {call.Fail("activations and a bias")};
    const Value sum = AddConstant(call, *x, *bias);
    if (std::holds_alternative<Failed>(sum)) return {sum};
    return {Gelu({call.node, {&sum}, call.opset})};
  }
  return {};
}

// Known to hide nothing: ones [.., seq], or the number of tokens [1].
bool Trace::IsFullMask(const Value* mask) {
  if (mask == nullptr) return true;
  const std::optional<Field> field = AsField(mask);
  if (!field || field->kind != Field::Kind::kUniform) return false;
  return field->shape.size() == 1 ? field->elements[0] == kSeq : field->elements[0].Is(1);
}

Trace::Outputs Trace::EmbedLayerNorm(const Call& call) {
  // input_ids, segment_ids, tokens, positions, types, gamma, beta, mask, position_ids
  const std::optional<Field> ids = AsField(call.Input(0));
  const Constant* tables[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    if (!call.Has(2 + i)) continue;
    tables[i] = std::get_if<Constant>(call.Input(2 + i));
    if (tables[i] == nullptr || tables[i]->view.shape.size() != 2 || tables[i]->transposed)
      return {call.Fail("embedding tables [rows, width]")};
  }
  if (!ids || ids->kind != Field::Kind::kIds || tables[0] == nullptr || tables[1] == nullptr)
    return {call.Fail("token ids and tables of tokens and positions")};
  std::optional<Field> positions = AsField(call.Input(8));
  if (!positions) {
    if (call.Has(8)) return {call.Fail("known position ids")};
    positions = *ids;
    positions->kind = Field::Kind::kPosition;
  }
  Value x = Embed(call, *tables[0], *ids);
  if (tables[2] != nullptr) {
    const std::optional<Field> types = AsField(call.Input(1));
    if (!types || types->kind != Field::Kind::kUniform) return {call.Fail("known token types")};
    const Value row = Embed(call, *tables[2], *types);
    if (std::holds_alternative<Failed>(row)) return {row};
    if (!std::holds_alternative<Rows>(x)) return {x};
    x = AddConstant(call, std::get<Rows>(x), std::get<Constant>(row));
  }
  if (std::holds_alternative<Failed>(x)) return {x};
  const Value places = Embed(call, *tables[1], *positions);
  if (std::holds_alternative<Failed>(places)) return {places};
  const Value sum = AddRows(call, x, places);
  if (std::holds_alternative<Failed>(sum)) return {sum};
  Value norm = LayerNorm(call, &sum, call.Input(5), call.Input(6), call.Float("epsilon", 1e-12));
  Value lengths = call.Fail("a mask", "none");
  if (call.Has(7) && IsFullMask(call.Input(7))) {
    Field field;
    field.shape = {Num{1, 0}};
    field.elements = {kSeq};
    lengths = field;
  }
  return {std::move(norm), std::move(lengths), sum};
}

Trace::Outputs Trace::SkipLayerNorm(const Call& call) {
  // input, skip, gamma, beta, bias
  if (!call.Has(0) || !call.Has(1)) return {call.Fail("two activations")};
  Value x = *call.Input(0);
  if (call.Has(4)) {
    const Rows* rows = std::get_if<Rows>(&x);
    const Constant* bias = std::get_if<Constant>(call.Input(4));
    if (rows == nullptr || bias == nullptr) return {call.Fail("activations and a bias")};
    x = AddConstant(call, *rows, *bias);
  }
  if (!std::holds_alternative<Rows>(x)) return {call.Fail("activations")};
  const Value sum = AddRows(call, x, *call.Input(1));
  if (std::holds_alternative<Failed>(sum)) return {sum};
  const Failed unused = call.Fail("a result that text encoders use", "a statistic");
  return {LayerNorm(call, &sum, call.Input(2), call.Input(3), call.Float("epsilon", 1e-12)), unused,
          unused, sum};
}

Value Trace::HeadAttention(const Call& call, const Rows& q, const Rows& k, const Rows& v) {
  const int64_t heads = call.Int("num_heads", 0);
  if (heads < 1 || q.width % heads != 0 || q.width != k.width || q.width != v.width)
    return call.Fail("queries, keys and values of one width that the heads divide");
  double scale = call.Float("scale", 0);
  const int64_t head_dim = q.width / heads;
  if (scale == 0) scale = 1 / std::sqrt(static_cast<double>(head_dim));
  return AddLayer({.kind = LayerKind::kAttention,
                   .node = call.Where(),
                   .inputs = {q.layer, k.layer, v.layer},
                   .width = q.width,
                   .heads = heads,
                   .scale = scale,
                   .error = RoundingError(DType::kF32)},
                  q.axes);
}

// Linear by the columns of part `part` of `parts` of a packed weight [in, parts * out].
Value Trace::Columns(const Call& call, const Rows& x, const Constant& weight, const Constant& bias,
                     int part, int parts) {
  const int64_t width = weight.view.shape[1] / parts;
  std::vector<Axis> axes = x.axes;
  axes.back() = {{.size = width}};
  return AddLayer({.kind = LayerKind::kLinear,
                   .node = call.Where(),
                   .inputs = {x.layer},
                   .width = width,
                   .weight = weight,
                   .first_column = part * width,
                   .bias = bias,
                   .first_bias = part * width},
                  axes);
}

Value Trace::FusedAttention(const Call& call) {
  // input, weights [in, 3 d], bias [3 d], mask_index, past, attention_bias, past length
  const Rows* x = call.Has(0) ? std::get_if<Rows>(call.Input(0)) : nullptr;
  const Constant* weight = call.Has(1) ? std::get_if<Constant>(call.Input(1)) : nullptr;
  const Constant* bias = call.Has(2) ? std::get_if<Constant>(call.Input(2)) : nullptr;
  if (!IsPlainRows(call.Input(0)) || weight == nullptr || bias == nullptr || weight->transposed ||
      weight->view.shape.size() != 2 || bias->view.shape.size() != 1 ||
      weight->view.shape[0] != x->width || weight->view.shape[1] % 3 != 0 ||
      weight->view.shape[1] < 3 || bias->view.shape[0] != weight->view.shape[1]) {
    return call.Fail("activations, weights [width, 3 width] and a bias [3 width]");
  }
  const int64_t width = weight->view.shape[1] / 3;
  const auto sizes = call.Ints("qkv_hidden_sizes");
  if (call.Int("unidirectional", 0) != 0 || call.Int("do_rotary", 0) != 0 ||
      (sizes && *sizes != std::vector<int64_t>(3, width)) || call.Has(4) || call.Has(6) ||
      (call.Has(5) && AsScalar(call.Input(5)) != 0.0)) {
    return call.Fail("self-attention in both directions, without past or bias", "other attributes");
  }
  if (!IsFullMask(call.Input(3))) return call.Fail("a mask of the text's tokens");
  Rows parts[3];
  for (int part = 0; part < 3; ++part) {
    parts[part] = std::get<Rows>(Columns(call, *x, *weight, *bias, part, 3));
  }
  return HeadAttention(call, parts[0], parts[1], parts[2]);
}

Value Trace::MultiHeadAttention(const Call& call) {
  // query, key, value, bias [3 d], key padding mask, attention bias, past
  const Constant* bias = call.Has(3) ? std::get_if<Constant>(call.Input(3)) : nullptr;
  Rows parts[3];
  for (size_t part = 0; part < 3; ++part) {
    if (!IsPlainRows(call.Input(part))) return call.Fail("queries, keys and values [seq, width]");
    parts[part] = std::get<Rows>(*call.Input(part));
  }
  if (call.Int("unidirectional", 0) != 0 || call.Has(6) || call.Has(7) || call.Has(8) ||
      (call.Has(5) && AsScalar(call.Input(5)) != 0.0)) {
    return call.Fail("self-attention in both directions, without past or bias", "other attributes");
  }
  if (!IsFullMask(call.Input(4))) return call.Fail("a mask of the text's tokens");
  if (call.Has(3)) {
    if (bias == nullptr || bias->view.shape != std::vector<int64_t>{3 * parts[0].width})
      return call.Fail("a bias [3 width]");
    for (int64_t part = 0; part < 3; ++part) {
      Rows& rows = parts[part];
      Layer layer = layers_[static_cast<size_t>(rows.layer)];
      if (layer.kind != LayerKind::kLinear || layer.bias || layer.width != parts[0].width)
        return call.Fail("the bias of three Linears that have none yet");
      layer.bias = *bias;
      layer.first_bias = part * layer.width;
      rows = std::get<Rows>(AddLayer(std::move(layer), rows.axes));
    }
  }
  return HeadAttention(call, parts[0], parts[1], parts[2]);
}

Value Trace::FusedMatMul(const Call& call) {
  if (!call.Has(0) || !call.Has(1) || call.Int("transA", 0) != 0 ||
      call.Int("transBatchA", 0) != 0 || call.Int("transBatchB", 0) != 0) {
    return call.Fail("a MatMul whose second input alone may be transposed");
  }
  Value second = *call.Input(1);
  if (call.Int("transB", 0) != 0) {
    if (auto* rows = std::get_if<Rows>(&second); rows != nullptr && rows->axes.size() >= 2) {
      std::swap(rows->axes[rows->axes.size() - 1], rows->axes[rows->axes.size() - 2]);
    } else if (auto* matrix = std::get_if<Constant>(&second);
               matrix != nullptr && matrix->view.shape.size() == 2) {
      matrix->transposed = !matrix->transposed;
    } else {
      return call.Fail("keys or a matrix");
    }
  }
  Value product = MatMul({call.node, {call.Input(0), &second}, call.opset});
  if (std::holds_alternative<Failed>(product)) return product;
  return ScaleBy(call, product, call.Float("alpha", 1), RoundingError(DType::kF32));
}

}  // namespace tessera::bert_onnx
