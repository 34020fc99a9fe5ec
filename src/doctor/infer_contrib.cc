// ONNX Runtime's own operators (domain com.microsoft), as its optimizer and its tools for
// transformers write them.
#include <algorithm>

#include "doctor/infer_context.h"

namespace tessera::doctor {
namespace {

void FirstInput(InferContext& c) {
  if (c.In(0) == nullptr) return;
  c.Set(0, c.Type(0), c.In(0)->shape);
}

// Outputs: the norm, (mean, deviation,) and the sum of both inputs.
void SkipNormRule(InferContext& c) {
  FirstInput(c);
  if (c.In(0) != nullptr) c.Set(3, c.Type(0), c.In(0)->shape);
}

void EmbedLayerNormRule(InferContext& c) {
  const Numbers *ids = c.Shape(0), *table = c.Shape(2);
  c.Out(0).type = c.Type(2);
  c.Out(1).type = 6;
  if (ids != nullptr && !ids->empty()) c.Out(1).shape = Numbers{(*ids)[0]};
  if (ids == nullptr || table == nullptr || table->size() != 2) return;
  Numbers out = *ids;
  out.push_back((*table)[1]);
  c.Out(0).shape = std::move(out);
}

// input [batch, seq, width], weight [width, 3 * hidden]
void FusedAttentionRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers *x = c.Shape(0), *weight = c.Shape(1);
  if (x == nullptr || weight == nullptr || x->size() != 3 || weight->size() != 2) return;
  Number width = FloorDiv((*weight)[1], 3);
  if (const std::vector<int64_t>* sizes = c.Ints("qkv_hidden_sizes");
      sizes != nullptr && sizes->size() == 3) {
    width = (*sizes)[2];
  }
  c.Out(0).shape = Numbers{(*x)[0], (*x)[1], width};
}

// query [batch, seq, hidden], value [batch, keys, hidden]; presents have the same types.
void MultiHeadRule(InferContext& c) {
  for (size_t i = 0; i < c.output_count(); ++i) c.Out(i).type = c.Type(0);
  const Numbers *q = c.Shape(0), *v = c.Shape(2);
  if (q == nullptr || q->size() != 3) return;
  c.Out(0).shape = Numbers{(*q)[0], (*q)[1], v != nullptr && v->size() == 3 ? (*v)[2] : (*q)[2]};
}

// query [batch, seq, heads * d] or packed; past and present share their shape when their buffer is
// shared, which the file does not say.
void GroupQueryRule(InferContext& c) {
  for (size_t i = 0; i < c.output_count(); ++i) c.Out(i).type = c.Type(0);
  const Numbers* q = c.Shape(0);
  if (q == nullptr || q->size() != 3) return;
  if (c.Shape(1) != nullptr) {
    c.Out(0).shape = *q;
    return;
  }
  const int64_t heads = c.Int("num_heads", 0), kv_heads = c.Int("kv_num_heads", 0);
  if (heads < 1 || kv_heads < 1 || heads > 1 << 20 || kv_heads > 1 << 20) return;
  const Number d = FloorDiv((*q)[2], heads + 2 * kv_heads);
  c.Out(0).shape = Numbers{(*q)[0], (*q)[1], Mul(d, heads)};
}

void FusedMatMulRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  if (c.Shape(0) == nullptr || c.Shape(1) == nullptr) return;
  Numbers a = *c.Shape(0), b = *c.Shape(1);
  if (a.size() < 2 || b.size() < 2 || c.Int("transBatchA", 0) != 0 ||
      c.Int("transBatchB", 0) != 0) {
    return;
  }
  if (c.Int("transA", 0) != 0) std::swap(a.back(), a[a.size() - 2]);
  if (c.Int("transB", 0) != 0) std::swap(b.back(), b[b.size() - 2]);
  std::optional<Numbers> out =
      BroadcastShapes(Numbers(a.begin(), a.end() - 2), Numbers(b.begin(), b.end() - 2));
  if (!out) return;
  out->push_back(a[a.size() - 2]);
  out->push_back(b.back());
  c.Out(0).shape = std::move(out);
}

// x [..., K] by a packed matrix of N columns.
void MatMulNBitsRule(InferContext& c) {
  FirstInput(c);
  if (c.Out(0).shape && !c.Out(0).shape->empty()) c.Out(0).shape->back() = c.Int("N", -1);
}

void MatMulIntegerToFloatRule(InferContext& c) {
  c.Out(0).type = 1;
  if (c.Shape(0) == nullptr || c.Shape(1) == nullptr) return;
  const Numbers &a = *c.Shape(0), &b = *c.Shape(1);
  if (a.size() < 2 || b.size() != 2) return;
  Numbers out = a;
  out.back() = b[1];
  c.Out(0).shape = std::move(out);
}

// Elementwise over quantized inputs a, a_scale, a_zero, b, ...
void QLinearBinaryRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  if (c.Shape(0) != nullptr && c.Shape(3) != nullptr)
    c.Out(0).shape = BroadcastShapes(*c.Shape(0), *c.Shape(3));
}

void GatherBlockRule(InferContext& c) {
  c.Out(0).type = c.Type(2);
  const Numbers *data = c.Shape(0), *indices = c.Shape(1);
  if (data == nullptr || indices == nullptr || data->empty()) return;
  Numbers out = *indices;
  out.insert(out.end(), data->begin() + 1, data->end());
  if (c.Int("bits", 4) == 4 && c.Type(0) == 2 && !out.empty()) out.back() = Mul(out.back(), 2);
  c.Out(0).shape = std::move(out);
}

constexpr NamedRule kRules[] = {
    {"Attention", FusedAttentionRule},
    {"BiasGelu", FirstInput},
    {"BiasSoftmax", FirstInput},
    {"BiasSplitGelu", FirstInput},
    {"EmbedLayerNormalization", EmbedLayerNormRule},
    {"FastGelu", FirstInput},
    {"FusedMatMul", FusedMatMulRule},
    {"GatherBlockQuantized", GatherBlockRule},
    {"GroupQueryAttention", GroupQueryRule},
    {"MatMulIntegerToFloat", MatMulIntegerToFloatRule},
    {"DynamicQuantizeMatMul", MatMulIntegerToFloatRule},
    {"MatMulNBits", MatMulNBitsRule},
    {"MultiHeadAttention", MultiHeadRule},
    {"QLinearAdd", QLinearBinaryRule},
    {"QLinearMul", QLinearBinaryRule},
    {"QuickGelu", FirstInput},
    {"RotaryEmbedding", FirstInput},
    {"SimplifiedLayerNormalization", FirstInput},
    {"SkipLayerNormalization", SkipNormRule},
    {"SkipSimplifiedLayerNormalization", SkipNormRule},
};

}  // namespace

RuleTable ContribRules() { return {kRules, std::size(kRules)}; }

}  // namespace tessera::doctor
