// Checks the operands of one node, widens floats to f32 and calls the scalar reference.
#include <algorithm>
#include <set>
#include <utility>

#include "graph/interpreter.h"
#include "graph/reference/ops.h"
#include "graph/shape_inference.h"

namespace tessera {
namespace {

// Larger results are refused: the interpreter is for tests and small folds.
constexpr int64_t kMaxElements = int64_t{1} << 31;

// The f32 elements of a float operand: borrowed when it is aligned f32, converted otherwise; null
// when absent.
class Floats {
 public:
  static Result<Floats> Of(const View& view) {
    Floats floats;
    const bool aligned = reinterpret_cast<uintptr_t>(view.data) % alignof(float) == 0;
    if (view.data == nullptr || (view.dtype == DType::kF32 && aligned)) {
      floats.data_ = static_cast<const float*>(view.data);
      return floats;
    }
    TESSERA_ASSIGN_OR_RETURN(floats.tensor_, ToF32Tensor(view));
    floats.data_ = floats.tensor_.As<float>();
    return floats;
  }
  const float* get() const { return data_; }

 private:
  Tensor tensor_;
  const float* data_ = nullptr;
};

// Error unless every element of `ids` is in [low, high].
Status CheckRange(std::string_view operand, std::span<const int32_t> ids, int64_t low,
                  int64_t high) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < low || ids[i] > high) {
      return InvalidArgument(std::string(operand) + "[" + std::to_string(i) + "]: expected " +
                             std::to_string(low) + " to " + std::to_string(high) + ", found " +
                             std::to_string(ids[i]));
    }
  }
  return OkStatus();
}

int64_t RowsOf(const Shape& shape) { return NumElements(std::span(shape).first(shape.size() - 1)); }

Result<Tensor> RunCacheWrite(const std::vector<View>& in, Tensor out) {
  const Shape& cache = in[0].shape;
  const auto slots = in[2].Span<int32_t>(), positions = in[3].Span<int32_t>();
  TESSERA_RETURN_IF_ERROR(CheckRange("slot", slots, 0, cache[0] - 1));
  TESSERA_RETURN_IF_ERROR(CheckRange("position", positions, 0, cache[1] - 1));
  std::set<std::pair<int32_t, int32_t>> places;
  for (size_t t = 0; t < slots.size(); ++t) {
    if (!places.emplace(slots[t], positions[t]).second) {
      return InvalidArgument("two tokens write to slot " + std::to_string(slots[t]) +
                             ", position " + std::to_string(positions[t]));
    }
  }
  // Rows in the cache's own type.
  const int64_t n = in[1].size();
  TESSERA_ASSIGN_OR_RETURN(const Floats rows, Floats::Of(in[1]));
  Tensor stored(in[0].dtype, in[1].shape);
  for (int64_t i = 0; i < n; ++i) {
    switch (in[0].dtype) {
      case DType::kF16:
        stored.As<F16>()[i] = ToF16(rows.get()[i]);
        break;
      case DType::kBF16:
        stored.As<BF16>()[i] = ToBF16(rows.get()[i]);
        break;
      default:
        stored.As<float>()[i] = rows.get()[i];
        break;
    }
  }
  reference::CacheWrite(in[0].data, cache[0], cache[1],
                        static_cast<size_t>(cache[2]) * DTypeSize(in[0].dtype),
                        stored.ViewOf().data, slots.data(), positions.data(), in[1].shape[0],
                        out.MutableViewOf().data);
  return out;
}

Status CheckHistories(const std::vector<View>& in) {
  const auto index = in[3].Span<int32_t>(), length = in[4].Span<int32_t>();
  const int64_t slots = in[1].shape[0], capacity = in[1].shape[1];
  const bool paged = in[3].shape.size() == 2;
  const int64_t positions = paged ? in[3].shape[1] : capacity;
  TESSERA_RETURN_IF_ERROR(CheckRange("length", length, 0, std::min(capacity, positions)));
  for (size_t t = 0; t < length.size(); ++t) {
    // Entries behind the length are never read and may hold anything.
    const auto used =
        paged ? index.subspan(t * static_cast<size_t>(positions), static_cast<size_t>(length[t]))
              : index.subspan(t, length[t] > 0 ? 1 : 0);
    TESSERA_RETURN_IF_ERROR(CheckRange("index", used, 0, slots - 1));
  }
  return OkStatus();
}

Result<Tensor> RunAttention(const AttentionAttributes& attributes, const std::vector<View>& in,
                            Tensor out) {
  const bool has_lengths = in.size() > 3 && in[3].data != nullptr;
  if (has_lengths) {
    TESSERA_RETURN_IF_ERROR(CheckRange("lengths", in[3].Span<int32_t>(), 0, in[1].shape[1]));
  }
  TESSERA_ASSIGN_OR_RETURN(const Floats query, Floats::Of(in[0]));
  TESSERA_ASSIGN_OR_RETURN(const Floats key, Floats::Of(in[1]));
  TESSERA_ASSIGN_OR_RETURN(const Floats value, Floats::Of(in[2]));
  const reference::AttentionSizes sizes = {in[0].shape[0], in[0].shape[1], in[1].shape[1],
                                           attributes.num_heads,
                                           in[0].shape[2] / attributes.num_heads};
  reference::Attention(query.get(), key.get(), value.get(),
                       has_lengths ? in[3].As<int32_t>() : nullptr, sizes, attributes.scale,
                       attributes.causal, out.As<float>());
  return out;
}

Result<Tensor> RunCachedAttention(const AttentionAttributes& attributes,
                                  const std::vector<View>& in, Tensor out) {
  TESSERA_RETURN_IF_ERROR(CheckHistories(in));
  TESSERA_ASSIGN_OR_RETURN(const Floats query, Floats::Of(in[0]));
  TESSERA_ASSIGN_OR_RETURN(const Floats keys, Floats::Of(in[1]));
  TESSERA_ASSIGN_OR_RETURN(const Floats values, Floats::Of(in[2]));
  const reference::CachedAttentionSizes sizes = {
      in[0].shape[0], in[1].shape[1], attributes.num_heads, in[0].shape[1] / attributes.num_heads,
      in[3].shape.size() == 2 ? in[3].shape[1] : 0};
  reference::CachedAttention(query.get(), keys.get(), values.get(), in[3].As<int32_t>(),
                             in[4].As<int32_t>(), sizes, attributes.scale, out.As<float>());
  return out;
}

Result<Tensor> RunRaggedAttention(const AttentionAttributes& attributes,
                                  const std::vector<View>& in, Tensor out) {
  const auto offsets = in[3].Span<int32_t>();
  const int64_t tokens = in[0].shape[0];
  TESSERA_RETURN_IF_ERROR(CheckRange("offsets", offsets.first(1), 0, 0));
  for (size_t s = 1; s < offsets.size(); ++s) {
    if (offsets[s] < offsets[s - 1] || offsets[s] > tokens) {
      return InvalidArgument("offsets[" + std::to_string(s) + "]: expected " +
                             std::to_string(offsets[s - 1]) + " to " + std::to_string(tokens) +
                             ", found " + std::to_string(offsets[s]));
    }
  }
  TESSERA_ASSIGN_OR_RETURN(const Floats query, Floats::Of(in[0]));
  TESSERA_ASSIGN_OR_RETURN(const Floats key, Floats::Of(in[1]));
  TESSERA_ASSIGN_OR_RETURN(const Floats value, Floats::Of(in[2]));
  reference::RaggedAttention(query.get(), key.get(), value.get(), offsets.data(),
                             static_cast<int64_t>(offsets.size()) - 1, tokens, attributes.num_heads,
                             in[0].shape[1] / attributes.num_heads, attributes.scale,
                             out.As<float>());
  return out;
}

Result<Tensor> RunGather(const std::vector<View>& in, Tensor out) {
  const int64_t rows = in[0].shape[0];
  TESSERA_RETURN_IF_ERROR(CheckRange("ids", in[1].Span<int32_t>(), 0, rows - 1));
  // Gather in the table's type and widen after: a vocabulary is much larger than the rows picked.
  const int64_t row_size = NumElements(std::span(in[0].shape).subspan(1));
  Tensor picked(in[0].dtype, out.shape());
  reference::Gather(in[0].data, static_cast<size_t>(row_size) * DTypeSize(in[0].dtype),
                    in[1].As<int32_t>(), in[1].size(), picked.MutableViewOf().data);
  if (picked.dtype() == DType::kI32) return picked;
  return ToF32Tensor(picked.ViewOf());
}

// Ops on floats alone.
Result<Tensor> RunDense(OpKind op, const OpAttributes& attributes, const std::vector<View>& in,
                        Tensor out) {
  std::vector<Floats> operands;
  for (const View& view : in) {
    TESSERA_ASSIGN_OR_RETURN(Floats floats, Floats::Of(view));
    operands.push_back(std::move(floats));
  }
  const auto x = [&](size_t i) { return i < operands.size() ? operands[i].get() : nullptr; };
  const Shape& shape = in[0].shape;
  float* y = out.As<float>();
  switch (op) {
    case OpKind::kLinear:
      reference::Linear(x(0), RowsOf(shape), shape.back(), x(1), in[1].shape[0], x(2), y);
      return out;
    case OpKind::kConv1d: {
      const auto& conv = std::get<Conv1dAttributes>(attributes);
      const reference::Conv1dSizes sizes = {
          shape[0], shape[1], shape[2], in[1].shape[0], in[1].shape[2], conv.stride, conv.padding};
      reference::Conv1d(x(0), sizes, x(1), x(2), y);
      return out;
    }
    case OpKind::kLayerNorm:
      reference::LayerNorm(x(0), RowsOf(shape), shape.back(), x(1), x(2),
                           std::get<LayerNormAttributes>(attributes).epsilon, y);
      return out;
    case OpKind::kGelu:
      reference::Gelu(x(0), in[0].size(), y);
      return out;
    case OpKind::kAdd:
      reference::Add(x(0), shape, x(1), in[1].shape, y);
      return out;
    case OpKind::kRelu:
      reference::Relu(x(0), in[0].size(), y);
      return out;
    case OpKind::kSigmoid:
      reference::Sigmoid(x(0), in[0].size(), y);
      return out;
    case OpKind::kMagnitude:
      reference::Magnitude(x(0), RowsOf(shape), shape.back() / 2, y);
      return out;
    case OpKind::kSlice: {
      const int64_t row = NumElements(std::span(shape).subspan(1));
      std::copy_n(x(0) + std::get<SliceAttributes>(attributes).front * row, out.size(), y);
      return out;
    }
    case OpKind::kLstm:
      reference::Lstm(x(0), {shape[0], shape[1], shape[2], in[2].shape[1]}, x(1), x(2), x(3), x(4),
                      y);
      return out;
    default:
      return Internal("no dense reference for " + std::string(OpName(op)));
  }
}

}  // namespace

Result<Tensor> InterpretNode(OpKind op, const OpAttributes& attributes,
                             const std::vector<View>& inputs) {
  // The shape rule on constant dimensions is the check of the operands.
  std::vector<Value> values(inputs.size());
  std::vector<const Value*> operands;
  for (size_t i = 0; i < inputs.size(); ++i) {
    TESSERA_RETURN_IF_ERROR(CheckedNumElements(inputs[i].shape).status());
    values[i].name = "operand " + std::to_string(i);
    values[i].dtype = inputs[i].dtype;
    values[i].dims.assign(inputs[i].shape.begin(), inputs[i].shape.end());
    operands.push_back(inputs[i].data == nullptr ? nullptr : &values[i]);
  }
  TESSERA_ASSIGN_OR_RETURN(const TypedDims type, InferOutput(op, operands, attributes));
  TESSERA_ASSIGN_OR_RETURN(Shape shape, EvaluateDims(type.dims, {}));
  TESSERA_RETURN_IF_ERROR(CheckedNumElements(shape, kMaxElements).status());
  Tensor out(type.dtype, std::move(shape));
  switch (op) {
    case OpKind::kAttention:
      return RunAttention(std::get<AttentionAttributes>(attributes), inputs, std::move(out));
    case OpKind::kCachedAttention:
      return RunCachedAttention(std::get<AttentionAttributes>(attributes), inputs, std::move(out));
    case OpKind::kRaggedAttention:
      return RunRaggedAttention(std::get<AttentionAttributes>(attributes), inputs, std::move(out));
    case OpKind::kGather:
      return RunGather(inputs, std::move(out));
    case OpKind::kCacheWrite:
      return RunCacheWrite(inputs, std::move(out));
    default:
      return RunDense(op, attributes, inputs, std::move(out));
  }
}

}  // namespace tessera
