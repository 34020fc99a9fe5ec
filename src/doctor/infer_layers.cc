// Operators of layers: products, convolutions, pools, norms, recurrences, attention.
#include <algorithm>
#include <cmath>

#include "doctor/infer_context.h"

namespace tessera::doctor {
namespace {

void FirstInput(InferContext& c) {
  if (c.In(0) == nullptr) return;
  c.Set(0, c.Type(0), c.In(0)->shape);
}

std::optional<Numbers> MatMulShape(InferContext& c, size_t left, size_t right) {
  if (c.Shape(left) == nullptr || c.Shape(right) == nullptr) return std::nullopt;
  Numbers a = *c.Shape(left), b = *c.Shape(right);
  if (a.empty() || b.empty()) return std::nullopt;
  const bool a_vector = a.size() == 1, b_vector = b.size() == 1;
  if (a_vector) a.insert(a.begin(), 1);
  if (b_vector) b.emplace_back(1);
  const Number &inner_a = a.back(), &inner_b = b[b.size() - 2];
  if (inner_a.is_int() && inner_b.is_int() && !inner_a.Same(inner_b)) {
    c.Conflict("cannot multiply " + ToString(a) + " by " + ToString(b));
    return std::nullopt;
  }
  std::optional<Numbers> out =
      BroadcastShapes(Numbers(a.begin(), a.end() - 2), Numbers(b.begin(), b.end() - 2));
  if (!out) return std::nullopt;
  if (!a_vector) out->push_back(a[a.size() - 2]);
  if (!b_vector) out->push_back(b.back());
  return out;
}

void MatMulRule(InferContext& c) { c.Set(0, c.Type(0), MatMulShape(c, 0, 1)); }
void MatMulIntegerRule(InferContext& c) { c.Set(0, 6, MatMulShape(c, 0, 1)); }
void QLinearMatMulRule(InferContext& c) { c.Set(0, c.Type(7), MatMulShape(c, 0, 3)); }

void GemmRule(InferContext& c) {
  c.Set(0, c.Type(0), Numbers(2));
  const Numbers *a = c.Shape(0), *b = c.Shape(1);
  Numbers& out = *c.Out(0).shape;
  if (a != nullptr && a->size() == 2) out[0] = (*a)[c.Int("transA", 0) != 0 ? 1 : 0];
  if (b != nullptr && b->size() == 2) out[1] = (*b)[c.Int("transB", 0) != 0 ? 0 : 1];
}

// Windows of convolutions and pools over the spatial dimensions.
struct Windows {
  std::vector<int64_t> kernel, strides, dilations, pads;
  std::string_view auto_pad;
  bool ceil = false;
};

std::optional<Windows> ReadWindows(InferContext& c, size_t spatial,
                                   const std::optional<Numbers>& weight) {
  Windows w;
  const auto read = [&](std::string_view name, std::vector<int64_t>& to, size_t size,
                        int64_t otherwise) {
    const std::vector<int64_t>* ints = c.Ints(name);
    to = ints != nullptr ? *ints : std::vector<int64_t>(size, otherwise);
    return to.size() == size;
  };
  if (!read("strides", w.strides, spatial, 1) || !read("dilations", w.dilations, spatial, 1) ||
      !read("pads", w.pads, 2 * spatial, 0)) {
    return std::nullopt;
  }
  if (const std::vector<int64_t>* kernel = c.Ints("kernel_shape")) {
    w.kernel = *kernel;
  } else if (weight) {
    for (size_t i = 2; i < weight->size(); ++i) {
      if (!(*weight)[i].is_int()) return std::nullopt;
      w.kernel.push_back((*weight)[i].value());
    }
  }
  if (w.kernel.size() != spatial) return std::nullopt;
  for (size_t i = 0; i < spatial; ++i) {
    constexpr int64_t kMost = 1 << 30;
    if (w.strides[i] < 1 || w.dilations[i] < 1 || w.kernel[i] < 1 || w.strides[i] > kMost ||
        w.dilations[i] > kMost || w.kernel[i] > kMost) {
      return std::nullopt;
    }
  }
  w.auto_pad = c.String("auto_pad", "NOTSET");
  w.ceil = c.Int("ceil_mode", 0) != 0;
  return w;
}

Number WindowCount(const Windows& w, size_t i, size_t spatial, const Number& size) {
  const Number stride = w.strides[i];
  if (w.auto_pad == "SAME_UPPER" || w.auto_pad == "SAME_LOWER") return CeilDiv(size, stride);
  const Number window = Add(Mul(w.dilations[i], w.kernel[i] - 1), 1);
  const Number pads = w.auto_pad == "VALID" ? Number(0) : Add(w.pads[i], w.pads[i + spatial]);
  const Number room = Sub(Add(size, pads), window);
  if (room.is_int() && room.value() < 0) return {};
  if (!w.ceil) return Add(FloorDiv(room, stride), 1);
  const Number count = Add(CeilDiv(room, stride), 1);
  // A window must begin inside the input or its left padding.
  if (count.is_int() && size.is_int() && w.auto_pad != "VALID" &&
      (count.value() - 1) * w.strides[i] >= size.value() + w.pads[i]) {
    return {count.value() - 1};
  }
  return count;
}

void ConvolveTo(InferContext& c, OnnxType type, size_t weight_at) {
  c.Out(0).type = type;
  const Numbers* x = c.Shape(0);
  const Numbers* weight = c.Shape(weight_at);
  if (x == nullptr || x->size() < 3) return;
  const size_t spatial = x->size() - 2;
  Numbers out(x->size());
  out[0] = (*x)[0];
  std::optional<Numbers> known;
  if (weight != nullptr && weight->size() == x->size()) {
    known = *weight;
    out[1] = (*weight)[0];
  }
  if (const std::optional<Windows> w = ReadWindows(c, spatial, known)) {
    for (size_t i = 0; i < spatial; ++i) out[2 + i] = WindowCount(*w, i, spatial, (*x)[2 + i]);
  }
  c.Out(0).shape = std::move(out);
}
void ConvRule(InferContext& c) { ConvolveTo(c, c.Type(0), 1); }
void ConvIntegerRule(InferContext& c) { ConvolveTo(c, 6, 1); }
void QLinearConvRule(InferContext& c) { ConvolveTo(c, c.Type(7), 3); }

void ConvTransposeRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers *x = c.Shape(0), *weight = c.Shape(1);
  if (x == nullptr || weight == nullptr || x->size() < 3 || weight->size() != x->size()) return;
  const size_t spatial = x->size() - 2;
  Numbers out(x->size());
  out[0] = (*x)[0];
  out[1] = Mul((*weight)[1], c.Int("group", 1));
  const std::vector<int64_t>* given = c.Ints("output_shape");
  const std::vector<int64_t>* extra = c.Ints("output_padding");
  const std::optional<Windows> w = ReadWindows(c, spatial, *weight);
  for (size_t i = 0; w && i < spatial; ++i) {
    if (given != nullptr && given->size() == spatial) {
      out[2 + i] = (*given)[i];
      continue;
    }
    if (w->auto_pad == "SAME_UPPER" || w->auto_pad == "SAME_LOWER") {
      out[2 + i] = Mul((*x)[2 + i], w->strides[i]);
      continue;
    }
    const Number window = Add(Mul(w->dilations[i], w->kernel[i] - 1), 1);
    Number size = Add(Mul(Sub((*x)[2 + i], 1), w->strides[i]), window);
    if (w->auto_pad != "VALID") size = Sub(size, Add(w->pads[i], w->pads[i + spatial]));
    if (extra != nullptr && extra->size() == spatial) size = Add(size, (*extra)[i]);
    out[2 + i] = size;
  }
  c.Out(0).shape = std::move(out);
}

void PoolRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  c.Out(1).type = 7;  // MaxPool's indices
  const Numbers* x = c.Shape(0);
  if (x == nullptr || x->size() < 3) return;
  const size_t spatial = x->size() - 2;
  Numbers out = *x;
  const std::optional<Windows> w = ReadWindows(c, spatial, std::nullopt);
  for (size_t i = 0; i < spatial; ++i)
    out[2 + i] = w ? WindowCount(*w, i, spatial, (*x)[2 + i]) : Number();
  c.Out(0).shape = out;
  c.Out(1).shape = std::move(out);
}

void GlobalPoolRule(InferContext& c) {
  FirstInput(c);
  if (!c.Out(0).shape) return;
  for (size_t i = 2; i < c.Out(0).shape->size(); ++i) (*c.Out(0).shape)[i] = 1;
}

// The mean and the inverse deviation have the reduced dimensions as 1.
void LayerNormRule(InferContext& c) {
  FirstInput(c);
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  const std::optional<size_t> axis = NormalAxis(c.Int("axis", -1), shape->size());
  if (!axis) return;
  Numbers reduced = *shape;
  for (size_t i = *axis; i < reduced.size(); ++i) reduced[i] = 1;
  const OnnxType stash = static_cast<OnnxType>(c.Int("stash_type", 1));
  for (size_t i = 1; i < 3; ++i) c.Set(i, stash, reduced);
}

void BatchNormRule(InferContext& c) {
  FirstInput(c);
  for (size_t i = 1; i < c.output_count(); ++i) {
    c.Out(i).type = c.Type(3) != 0 ? c.Type(3) : c.Type(0);
    if (c.In(3) != nullptr) c.Out(i).shape = c.In(3)->shape;
  }
}

void ResizeRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  Numbers out(shape->size());
  const bool is_upsample = c.node.op_type == "Upsample" || (c.opset > 0 && c.opset < 11);
  const size_t scales_at = is_upsample ? 1 : 2;
  const Numbers* scales = c.Elements(scales_at);
  const Numbers* sizes = is_upsample ? nullptr : c.Elements(3);
  std::vector<size_t> axes;
  if (const std::vector<int64_t>* given = c.Ints("axes")) {
    out = *shape;
    for (const int64_t a : *given) {
      const std::optional<size_t> axis = NormalAxis(a, shape->size());
      if (!axis) return;
      axes.push_back(*axis);
    }
  } else {
    for (size_t i = 0; i < shape->size(); ++i) axes.push_back(i);
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    Number& to = out[axes[i]];
    const Number& from = (*shape)[axes[i]];
    to = Number();
    if (sizes != nullptr && i < sizes->size()) {
      // Other policies scale one of the sizes down or up.
      if (c.String("keep_aspect_ratio_policy", "stretch") == "stretch") to = (*sizes)[i];
    } else if (scales != nullptr && i < scales->size() && (*scales)[i].known()) {
      const double scale = (*scales)[i].as_double();
      if (scale == 1) {
        to = from;
      } else if (from.is_int() && scale > 0 && scale * static_cast<double>(from.value()) < 1e12) {
        to = {static_cast<int64_t>(std::floor(scale * static_cast<double>(from.value())))};
      } else if (scale == std::floor(scale) && scale > 0 && scale < 1e9) {
        to = Mul(from, static_cast<int64_t>(scale));
      }
    }
  }
  c.Out(0).shape = std::move(out);
}

// LSTM, GRU, RNN: Y [seq, directions, batch, hidden], Y_h and Y_c [directions, batch, hidden].
void RecurrentRule(InferContext& c) {
  for (size_t i = 0; i < c.output_count(); ++i) c.Out(i).type = c.Type(0);
  const Numbers* x = c.Shape(0);
  const Number directions = c.String("direction", "forward") == "bidirectional" ? 2 : 1;
  Number hidden = c.Int("hidden_size", -1);
  const Numbers* recurrence = c.Shape(2);
  if (hidden.Is(-1))
    hidden = recurrence != nullptr && recurrence->size() == 3 ? (*recurrence)[2] : Number();
  if (x == nullptr || x->size() != 3) return;
  const bool batch_first = c.Int("layout", 0) != 0;
  const Number seq = (*x)[batch_first ? 1 : 0], batch = (*x)[batch_first ? 0 : 1];
  if (batch_first) {
    c.Out(0).shape = Numbers{batch, seq, directions, hidden};
    for (size_t i = 1; i < 3; ++i) c.Out(i).shape = Numbers{batch, directions, hidden};
  } else {
    c.Out(0).shape = Numbers{seq, directions, batch, hidden};
    for (size_t i = 1; i < 3; ++i) c.Out(i).shape = Numbers{directions, batch, hidden};
  }
}

void EinsumRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  std::string equation;
  for (const char ch : c.String("equation", "")) {
    if (ch != ' ') equation.push_back(ch);
  }
  if (equation.find('.') != std::string::npos) return;
  const size_t arrow = equation.find("->");
  if (arrow == std::string::npos) return;
  Number sizes[256];
  size_t input = 0, dim = 0;
  for (size_t i = 0; i < arrow; ++i) {
    if (equation[i] == ',') {
      ++input;
      dim = 0;
      continue;
    }
    const Numbers* shape = c.Shape(input);
    if (shape == nullptr || dim >= shape->size()) return;
    Number& size = sizes[static_cast<uint8_t>(equation[i])];
    size = size.Is(1) ? (*shape)[dim] : JoinDims(size, (*shape)[dim]);
    ++dim;
  }
  Numbers out;
  for (size_t i = arrow + 2; i < equation.size(); ++i)
    out.push_back(sizes[static_cast<uint8_t>(equation[i])]);
  if (out.size() <= 64) c.Out(0).shape = std::move(out);
}

void RotaryRule(InferContext& c) { FirstInput(c); }

// ONNX's Attention (opset 23): q, k, v of 3 or 4 dimensions.
void AttentionRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  for (size_t i = 1; i < 4; ++i) c.Out(i).type = c.Type(i == 3 ? 0 : i);
  const Numbers *q = c.Shape(0), *k = c.Shape(1), *v = c.Shape(2);
  if (q == nullptr || v == nullptr || k == nullptr || q->size() != v->size()) return;
  if (q->size() == 4) {
    c.Out(0).shape = Numbers{(*q)[0], (*q)[1], (*q)[2], (*v)[3]};
  } else if (q->size() == 3) {
    const Number heads = c.Int("q_num_heads", 0), kv_heads = c.Int("kv_num_heads", 0);
    c.Out(0).shape = Numbers{(*q)[0], (*q)[1], Mul(heads, FloorDiv((*v)[2], kv_heads))};
  }
}

void HannRule(InferContext& c) {  // windows of a signal
  c.Set(0, static_cast<OnnxType>(c.Int("output_datatype", 1)), Numbers(1));
  if (c.Elements(0) != nullptr && c.Elements(0)->size() == 1)
    c.Out(0).shape = Numbers{(*c.Elements(0))[0]};
}

void GridSampleRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers *x = c.Shape(0), *grid = c.Shape(1);
  if (x == nullptr || grid == nullptr || x->size() < 3 || grid->size() != x->size()) return;
  Numbers out{(*x)[0], (*x)[1]};
  out.insert(out.end(), grid->begin() + 1, grid->end() - 1);
  c.Out(0).shape = std::move(out);
}

constexpr NamedRule kRules[] = {
    {"Attention", AttentionRule},
    {"AveragePool", PoolRule},
    {"BatchNormalization", BatchNormRule},
    {"BlackmanWindow", HannRule},
    {"Conv", ConvRule},
    {"ConvInteger", ConvIntegerRule},
    {"ConvTranspose", ConvTransposeRule},
    {"Einsum", EinsumRule},
    {"GRU", RecurrentRule},
    {"Gemm", GemmRule},
    {"GlobalAveragePool", GlobalPoolRule},
    {"GlobalLpPool", GlobalPoolRule},
    {"GlobalMaxPool", GlobalPoolRule},
    {"GridSample", GridSampleRule},
    {"GroupNormalization", FirstInput},
    {"HammingWindow", HannRule},
    {"HannWindow", HannRule},
    {"Hardmax", FirstInput},
    {"InstanceNormalization", FirstInput},
    {"LRN", FirstInput},
    {"LSTM", RecurrentRule},
    {"LayerNormalization", LayerNormRule},
    {"LogSoftmax", FirstInput},
    {"LpNormalization", FirstInput},
    {"LpPool", PoolRule},
    {"MatMul", MatMulRule},
    {"MatMulInteger", MatMulIntegerRule},
    {"MaxPool", PoolRule},
    {"MeanVarianceNormalization", FirstInput},
    {"QLinearConv", QLinearConvRule},
    {"QLinearMatMul", QLinearMatMulRule},
    {"RMSNormalization", FirstInput},
    {"RNN", RecurrentRule},
    {"Resize", ResizeRule},
    {"RotaryEmbedding", RotaryRule},
    {"Softmax", FirstInput},
    {"Upsample", ResizeRule},
};

}  // namespace

RuleTable LayerRules() { return {kRules, std::size(kRules)}; }

}  // namespace tessera::doctor
