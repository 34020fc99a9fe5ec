#include "graph/shape_inference.h"

#include <string>

namespace tessera {
namespace {

bool IsFloat(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
}

std::string Describe(const Value& value) {
  return "'" + value.name + "' " + std::string(DTypeName(value.dtype)) + DimsToString(value.dims);
}

// Reads the operands of one op and words its errors: "Linear: weight: expected ..., found ...".
class Operands {
 public:
  Operands(OpKind op, const std::vector<const Value*>& inputs) : op_(op), inputs_(inputs) {}

  Status Error(std::string_view operand, std::string_view expected,
               const std::string& found) const {
    return InvalidArgument(std::string(OpName(op_)) + ": " + std::string(operand) + ": expected " +
                           std::string(expected) + ", found " + found);
  }
  Status Error(std::string_view operand, std::string_view expected, const Value& found) const {
    return Error(operand, expected, Describe(found));
  }

  Status CheckCount(size_t required, size_t at_most) const {
    if (inputs_.size() < required || inputs_.size() > at_most) {
      return Error("inputs",
                   required == at_most
                       ? std::to_string(required)
                       : std::to_string(required) + " to " + std::to_string(at_most),
                   std::to_string(inputs_.size()));
    }
    for (size_t i = 0; i < required; ++i) {
      if (inputs_[i] == nullptr) {
        return Error("input " + std::to_string(i), "a value", "none");
      }
    }
    return OkStatus();
  }

  const Value& operator[](size_t i) const { return *inputs_[i]; }
  bool Has(size_t i) const { return i < inputs_.size() && inputs_[i] != nullptr; }

  Status CheckFloat(size_t i, std::string_view operand) const {
    if (IsFloat(inputs_[i]->dtype)) return OkStatus();
    return Error(operand, "a float type (f32, f16, bf16)", *inputs_[i]);
  }
  Status CheckFloatOfRank(size_t i, std::string_view operand, size_t rank) const {
    TESSERA_RETURN_IF_ERROR(CheckFloat(i, operand));
    if (inputs_[i]->dims.size() == rank) return OkStatus();
    return Error(operand, std::to_string(rank) + " dimensions", *inputs_[i]);
  }
  // Exact dimensions, float.
  Status CheckFloatDims(size_t i, std::string_view operand, const Dims& dims) const {
    TESSERA_RETURN_IF_ERROR(CheckFloat(i, operand));
    if (inputs_[i]->dims == dims) return OkStatus();
    return Error(operand, DimsToString(dims), *inputs_[i]);
  }
  Status CheckI32Dims(size_t i, std::string_view operand, const Dims& dims) const {
    if (inputs_[i]->dtype == DType::kI32 && inputs_[i]->dims == dims) return OkStatus();
    return Error(operand, "i32" + DimsToString(dims), *inputs_[i]);
  }

  // The attributes of type T, or an error.
  template <typename T>
  Result<T> Attributes(const OpAttributes& attributes) const {
    if (const T* typed = std::get_if<T>(&attributes)) return *typed;
    return Error("attributes", "those of the op", "others");
  }
  Status CheckNoAttributes(const OpAttributes& attributes) const {
    if (std::holds_alternative<std::monostate>(attributes)) return OkStatus();
    return Error("attributes", "none", "some");
  }
  Status CheckHeads(const AttentionAttributes& attributes, const Dim& width) const {
    if (attributes.num_heads < 1) {
      return Error("num_heads", "at least 1", std::to_string(attributes.num_heads));
    }
    if (!width.IsConstant() || width.add < 1 || width.add % attributes.num_heads != 0) {
      return Error("width", "a multiple of " + std::to_string(attributes.num_heads) + " heads",
                   DimToString(width));
    }
    // Also catches NaN.
    if (!(attributes.scale > 0.0f && attributes.scale < 1e6f)) {
      return Error("scale", "a positive number", std::to_string(attributes.scale));
    }
    return OkStatus();
  }

 private:
  OpKind op_;
  const std::vector<const Value*>& inputs_;
};

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

Result<TypedDims> InferLinear(const Operands& in) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(2, 3));
  TESSERA_RETURN_IF_ERROR(in.CheckFloat(0, "x"));
  if (in[0].dims.empty()) return in.Error("x", "at least 1 dimension", in[0]);
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(1, "weight", 2));
  const Dim& width = in[0].dims.back();
  if (in[1].dims[1] != width) {
    return in.Error("weight", "[out, " + DimToString(width) + "] for x " + Describe(in[0]), in[1]);
  }
  const Dim& out = in[1].dims[0];
  if (in.Has(2)) TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(2, "bias", {out}));
  Dims dims = in[0].dims;
  dims.back() = out;
  return TypedDims{DType::kF32, dims};
}

Result<TypedDims> InferConv1d(const Operands& in, const OpAttributes& attributes) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(2, 3));
  TESSERA_ASSIGN_OR_RETURN(const auto conv, in.Attributes<Conv1dAttributes>(attributes));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(0, "x", 3));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(1, "weight", 3));
  const Dim &channels = in[0].dims[2], &length = in[0].dims[1];
  const Dim &out = in[1].dims[0], &kernel = in[1].dims[2];
  if (in[1].dims[1] != channels || !kernel.IsConstant() || kernel.add < 1 ||
      kernel.add > kMaxDimFactor) {
    return in.Error("weight", "[out, " + DimToString(channels) + ", kernel >= 1]", in[1]);
  }
  if (in.Has(2)) TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(2, "bias", {out}));
  if (conv.stride < 1 || conv.stride > kMaxDimFactor) {
    return in.Error("stride", "at least 1", std::to_string(conv.stride));
  }
  if (conv.padding < 0 || conv.padding >= kernel.add) {
    return in.Error("padding", "0 to kernel - 1", std::to_string(conv.padding));
  }
  const int64_t last = length.add + 2 * conv.padding - kernel.add;  // start of the last window
  Dim out_length = FloorDivide(last, conv.stride) + 1;
  if (length.IsConstant()) {
    if (last < 0) return in.Error("x", "a padded length of at least the kernel's", in[0]);
  } else {
    // floor((mul*s + c) / stride) is linear in s only when stride divides mul.
    if (length.mul % conv.stride != 0) {
      return in.Error("x",
                      "a length divisible by the stride " + std::to_string(conv.stride) +
                          " (name it as a multiple of a symbol)",
                      in[0]);
    }
    out_length = Dim(length.symbol, length.mul / conv.stride, out_length.add);
  }
  return TypedDims{DType::kF32, {in[0].dims[0], out_length, out}};
}

Result<TypedDims> InferLayerNorm(const Operands& in, const OpAttributes& attributes) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(3, 3));
  TESSERA_ASSIGN_OR_RETURN(const auto norm, in.Attributes<LayerNormAttributes>(attributes));
  if (!(norm.epsilon >= 0.0f && norm.epsilon < 1.0f)) {
    return in.Error("epsilon", "0 to 1", std::to_string(norm.epsilon));
  }
  TESSERA_RETURN_IF_ERROR(in.CheckFloat(0, "x"));
  if (in[0].dims.empty()) return in.Error("x", "at least 1 dimension", in[0]);
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(1, "gamma", {in[0].dims.back()}));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(2, "beta", {in[0].dims.back()}));
  return TypedDims{DType::kF32, in[0].dims};
}

Result<TypedDims> InferAdd(const Operands& in) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(2, 2));
  TESSERA_RETURN_IF_ERROR(in.CheckFloat(0, "a"));
  TESSERA_RETURN_IF_ERROR(in.CheckFloat(1, "b"));
  const Dims &a = in[0].dims, &b = in[1].dims;
  bool fits = b.size() <= a.size();
  for (size_t i = 0; fits && i < b.size(); ++i) {
    const Dim& size = b[b.size() - 1 - i];
    fits = size == Dim(1) || size == a[a.size() - 1 - i];
  }
  if (!fits) return in.Error("b", "a shape that broadcasts to a " + Describe(in[0]), in[1]);
  return TypedDims{DType::kF32, a};
}

Result<TypedDims> InferAttention(const Operands& in, const OpAttributes& attributes) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(3, 4));
  TESSERA_ASSIGN_OR_RETURN(const auto attention, in.Attributes<AttentionAttributes>(attributes));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(0, "query", 3));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(1, "key", 3));
  const Dims& query = in[0].dims;
  const Dims expected_key = {query[0], in[1].dims[1], query[2]};
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(1, "key", expected_key));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(2, "value", expected_key));
  if (in.Has(3)) TESSERA_RETURN_IF_ERROR(in.CheckI32Dims(3, "lengths", {query[0]}));
  TESSERA_RETURN_IF_ERROR(in.CheckHeads(attention, query[2]));
  if (attention.causal && expected_key[1] != query[1]) {
    return in.Error("key", "the query's length " + DimToString(query[1]) + " when causal", in[1]);
  }
  return TypedDims{DType::kF32, query};
}

Result<TypedDims> InferGather(const Operands& in) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(2, 2));
  if (!IsFloat(in[0].dtype) && in[0].dtype != DType::kI32) {
    return in.Error("table", "a float type or i32", in[0]);
  }
  if (in[0].dims.empty()) return in.Error("table", "at least 1 dimension", in[0]);
  if (in[1].dtype != DType::kI32 || in[1].dims.size() != 1) {
    return in.Error("ids", "i32 with 1 dimension", in[1]);
  }
  Dims dims = in[0].dims;
  dims[0] = in[1].dims[0];
  return TypedDims{in[0].dtype == DType::kI32 ? DType::kI32 : DType::kF32, dims};
}

Result<TypedDims> InferCacheWrite(const Operands& in) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(4, 4));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(0, "cache", 3));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(1, "rows", 2));
  const Dim& tokens = in[1].dims[0];
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(1, "rows", {tokens, in[0].dims[2]}));
  TESSERA_RETURN_IF_ERROR(in.CheckI32Dims(2, "slot", {tokens}));
  TESSERA_RETURN_IF_ERROR(in.CheckI32Dims(3, "position", {tokens}));
  return TypedDims{in[0].dtype, in[0].dims};
}

Result<TypedDims> InferCachedAttention(const Operands& in, const OpAttributes& attributes) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(5, 5));
  TESSERA_ASSIGN_OR_RETURN(const auto attention, in.Attributes<AttentionAttributes>(attributes));
  if (attention.causal) return in.Error("causal", "false (length says what is seen)", "true");
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(0, "query", 2));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(1, "key_cache", 3));
  const Dim &tokens = in[0].dims[0], &width = in[0].dims[1];
  if (in[1].dims[2] != width) {
    return in.Error("key_cache", "[slots, capacity, " + DimToString(width) + "]", in[1]);
  }
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(2, "value_cache", in[1].dims));
  const size_t index_rank = in[3].dims.size();
  if (in[3].dtype != DType::kI32 || index_rank < 1 || index_rank > 2 || in[3].dims[0] != tokens) {
    const std::string size = DimToString(tokens);
    return in.Error("index", "i32[" + size + "] or i32[" + size + ", positions]", in[3]);
  }
  TESSERA_RETURN_IF_ERROR(in.CheckI32Dims(4, "length", {tokens}));
  TESSERA_RETURN_IF_ERROR(in.CheckHeads(attention, width));
  return TypedDims{DType::kF32, in[0].dims};
}

Result<TypedDims> InferRaggedAttention(const Operands& in, const OpAttributes& attributes) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(4, 4));
  TESSERA_ASSIGN_OR_RETURN(const auto attention, in.Attributes<AttentionAttributes>(attributes));
  if (attention.causal) return in.Error("causal", "false (a token sees its sequence)", "true");
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(0, "query", 2));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(1, "key", in[0].dims));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(2, "value", in[0].dims));
  const Value& offsets = in[3];
  if (offsets.dtype != DType::kI32 || offsets.dims.size() != 1 || offsets.dims[0].add < 1) {
    return in.Error("offsets", "i32[sequences + 1]", offsets);
  }
  TESSERA_RETURN_IF_ERROR(in.CheckHeads(attention, in[0].dims[1]));
  return TypedDims{DType::kF32, in[0].dims};
}

Result<TypedDims> InferElementwise(const Operands& in) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(1, 1));
  TESSERA_RETURN_IF_ERROR(in.CheckFloat(0, "x"));
  return TypedDims{DType::kF32, in[0].dims};
}

Result<TypedDims> InferMagnitude(const Operands& in) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(1, 1));
  TESSERA_RETURN_IF_ERROR(in.CheckFloat(0, "x"));
  if (in[0].dims.empty() || !in[0].dims.back().IsConstant() || in[0].dims.back().add % 2 != 0) {
    return in.Error("x", "an even last dimension", in[0]);
  }
  Dims dims = in[0].dims;
  dims.back().add /= 2;
  return TypedDims{DType::kF32, dims};
}

Result<TypedDims> InferSlice(const Operands& in, const OpAttributes& attributes) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(1, 1));
  TESSERA_ASSIGN_OR_RETURN(const auto slice, in.Attributes<SliceAttributes>(attributes));
  TESSERA_RETURN_IF_ERROR(in.CheckFloat(0, "x"));
  if (in[0].dims.empty()) return in.Error("x", "at least 1 dimension", in[0]);
  for (const int64_t left_out : {slice.front, slice.back}) {
    if (left_out < 0 || left_out > kMaxDimFactor) {
      return in.Error("front and back", "0 to " + std::to_string(kMaxDimFactor),
                      std::to_string(left_out));
    }
  }
  Dims dims = in[0].dims;
  dims[0].add -= slice.front + slice.back;
  if (dims[0].IsConstant() && dims[0].add < 0) {
    return in.Error("x", "at least " + std::to_string(slice.front + slice.back) + " rows", in[0]);
  }
  return TypedDims{DType::kF32, dims};
}

Result<TypedDims> InferLstm(const Operands& in) {
  TESSERA_RETURN_IF_ERROR(in.CheckCount(3, 5));
  if (!in.Has(4)) return in.Error("input 4", "a state", "none");
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(0, "x", 3));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatOfRank(2, "weight_hh", 2));
  const Dim &steps = in[0].dims[0], &batch = in[0].dims[1], &width = in[0].dims[2];
  const Dim& hidden = in[2].dims[1];
  if (!hidden.IsConstant() || hidden.add < 1 || hidden.add > kMaxDimFactor ||
      in[2].dims[0] != Dim(4 * hidden.add)) {
    return in.Error("weight_hh", "[4 h, h] with h >= 1", in[2]);
  }
  const Dim gates = 4 * hidden.add;
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(1, "weight_ih", {gates, width}));
  if (in.Has(3)) TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(3, "bias", {gates}));
  TESSERA_RETURN_IF_ERROR(in.CheckFloatDims(4, "state", {2, batch, hidden}));
  Dim rows = steps;
  rows.add += 1;
  return TypedDims{DType::kF32, {rows, batch, hidden}};
}

}  // namespace

Result<TypedDims> InferOutput(OpKind op, const std::vector<const Value*>& inputs,
                              const OpAttributes& attributes) {
  const Operands in(op, inputs);
  switch (op) {
    case OpKind::kConv1d:
      return InferConv1d(in, attributes);
    case OpKind::kLayerNorm:
      return InferLayerNorm(in, attributes);
    case OpKind::kAttention:
      return InferAttention(in, attributes);
    case OpKind::kCachedAttention:
      return InferCachedAttention(in, attributes);
    case OpKind::kRaggedAttention:
      return InferRaggedAttention(in, attributes);
    case OpKind::kSlice:
      return InferSlice(in, attributes);
    case OpKind::kLinear:
    case OpKind::kGelu:
    case OpKind::kAdd:
    case OpKind::kGather:
    case OpKind::kCacheWrite:
    case OpKind::kRelu:
    case OpKind::kSigmoid:
    case OpKind::kMagnitude:
    case OpKind::kLstm:
      break;
  }
  TESSERA_RETURN_IF_ERROR(in.CheckNoAttributes(attributes));
  switch (op) {
    case OpKind::kLinear:
      return InferLinear(in);
    case OpKind::kAdd:
      return InferAdd(in);
    case OpKind::kGather:
      return InferGather(in);
    case OpKind::kCacheWrite:
      return InferCacheWrite(in);
    case OpKind::kMagnitude:
      return InferMagnitude(in);
    case OpKind::kLstm:
      return InferLstm(in);
    case OpKind::kGelu:
    case OpKind::kRelu:
    case OpKind::kSigmoid:
      return InferElementwise(in);
    default:
      return in.Error("op", "a known op", std::to_string(static_cast<int>(op)));
  }
}

}  // namespace tessera
