// The attention ops in ONNX's terms.
#include <numeric>

#include "graph/onnx/lowering.h"

namespace tessera::onnx {
namespace {

// Far below any score, and finite in f32, so that a row without keys stays a number until it is
// zeroed.
constexpr float kHidden = -1e9f;

Attribute Perm(std::vector<int64_t> order) { return {"perm", std::move(order)}; }

}  // namespace

Lowering::Name Lowering::Attend(const Name& q, const Name& k, const Name& v,
                                const AttentionMask& mask) {
  Name scores = Emit("MatMul", {q, k});
  const bool selects =
      mask.kind == AttentionMask::kSeen || mask.kind == AttentionMask::kSeenOrEmpty;
  if (selects) scores = Emit("Where", {mask.name, scores, F32Scalar(kHidden)});
  if (mask.kind == AttentionMask::kAdded) scores = Emit("Add", {scores, mask.name});
  Name weights = Emit("Softmax", {scores}, {{"axis", int64_t{-1}}});
  if (mask.kind == AttentionMask::kSeenOrEmpty)
    weights = Emit("Where", {mask.name, weights, F32Scalar(0.0f)});
  return Emit("MatMul", {weights, v});
}

void Lowering::AttendHeads(const Node& node, const AttentionMask& mask) {
  const auto& attention = std::get<AttentionAttributes>(node.attributes);
  const Dims& dims = graph_.value(node.inputs[0]).dims;
  const int64_t width = dims.back().add, head_dim = width / attention.num_heads;
  // The axes of tokens, heads and columns come after the batch, where there is one.
  const bool batched = dims.size() == 3;
  const auto permuted = [&](const Name& x, std::vector<int64_t> axes) {
    if (batched) {
      for (int64_t& axis : axes) ++axis;
      axes.insert(axes.begin(), 0);
    }
    return Emit("Transpose", {x}, {{"perm", std::move(axes)}});
  };
  const Name split = batched ? Int64s({0, 0, attention.num_heads, head_dim})
                             : Int64s({0, attention.num_heads, head_dim});
  const auto heads = [&](ValueId id, std::vector<int64_t> axes) {
    return permuted(Emit("Reshape", {ReadF32(id), split}), std::move(axes));
  };
  const Name q = Emit("Mul", {heads(node.inputs[0], {1, 0, 2}), F32Scalar(attention.scale)});
  const Name k = heads(node.inputs[1], {1, 2, 0}), v = heads(node.inputs[2], {1, 0, 2});
  const Name joined = permuted(Attend(q, k, v, mask), {1, 0, 2});
  EmitResult(node.outputs[0], "Reshape",
             {joined, batched ? Int64s({0, 0, width}) : Int64s({0, width})});
}

Lowering::Name Lowering::Positions(ValueId id, int64_t axis) {
  const Dim& dim = graph_.value(id).dims[static_cast<size_t>(axis)];
  if (dim.IsConstant()) {
    std::vector<int64_t> positions(static_cast<size_t>(dim.add));
    std::iota(positions.begin(), positions.end(), 0);
    return Int64s(positions);
  }
  const std::string key = "positions " + DimToString(dim);
  if (const auto it = shared_.find(key); it != shared_.end()) return it->second;
  const Name size = Emit("Shape", {Read(id)}, {{"start", axis}, {"end", axis + 1}});
  const Name scalar = Emit("Squeeze", {size, Int64s({0})});
  const int64_t zero = 0, one = 1;
  const Name start = Unique("constants/zero"), step = Unique("constants/one");
  writer_->AddInitializer(start, {&zero, DType::kI64, {}});
  writer_->AddInitializer(step, {&one, DType::kI64, {}});
  return shared_[key] = Emit("Range", {start, scalar, step});
}

Lowering::Name Lowering::SeenMask(ValueId lengths, ValueId keys, int64_t axis) {
  const std::string key = "mask " + std::to_string(lengths) + " " +
                          DimToString(graph_.value(keys).dims[static_cast<size_t>(axis)]);
  if (const auto it = shared_.find(key); it != shared_.end()) return it->second;
  const Name column = Emit("Reshape", {ReadInt64(lengths), Int64s({-1, 1, 1, 1})});
  return shared_[key] = Emit("Less", {Positions(keys, axis), column});
}

void Lowering::LowerAttention(const Node& node) {
  const ValueId query = node.inputs[0], key = node.inputs[1];
  const bool has_lengths = node.inputs.size() > 3 && node.inputs[3] != kNoValue;
  AttentionMask mask;
  if (has_lengths) mask = {AttentionMask::kSeenOrEmpty, SeenMask(node.inputs[3], key, 1)};
  if (std::get<AttentionAttributes>(node.attributes).causal) {
    const Name positions = Positions(query, 1);
    const Name rows = Emit("Unsqueeze", {positions, Int64s({1})});
    const Name earlier = Emit("LessOrEqual", {positions, rows});
    if (has_lengths) {
      mask.name = Emit("And", {mask.name, earlier});
    } else {
      mask = {AttentionMask::kSeen, earlier};
    }
  }
  AttendHeads(node, mask);
}

Lowering::Name Lowering::PagedPlaces(const Node& node) {
  const ValueId index = node.inputs[3];
  // One value of each layer's cache differs, the places do not.
  const std::string key = "places " + std::to_string(index) + " " + std::to_string(node.inputs[4]);
  if (const auto it = shared_.find(key); it != shared_.end()) return it->second;
  const Name slots = Emit("Unsqueeze", {ReadInt64(index), Int64s({2})});
  const Name size = Emit("Shape", {Read(index)});
  const Name positions =
      Emit("Unsqueeze", {Emit("Expand", {Positions(index, 1), size}), Int64s({2})});
  const Name places = Emit("Concat", {slots, positions}, {{"axis", int64_t{2}}});
  // What lies behind the length may be anything; ONNX demands indices in range all the same.
  const Name seen = Emit("Reshape", {SeenMask(node.inputs[4], index, 1), Int64s({0, -1, 1})});
  return shared_[key] = Emit("Where", {seen, places, Int64s({0})});
}

void Lowering::LowerCachedAttention(const Node& node) {
  const auto& attention = std::get<AttentionAttributes>(node.attributes);
  const ValueId query = node.inputs[0], keys = node.inputs[1], values = node.inputs[2];
  const ValueId index = node.inputs[3], length = node.inputs[4];
  const int64_t width = graph_.value(query).dims[1].add;
  const int64_t num_heads = attention.num_heads, head_dim = width / num_heads;
  const bool paged = graph_.value(index).dims.size() == 2;
  const Name mask = paged ? SeenMask(length, index, 1) : SeenMask(length, keys, 1);
  Name places;
  if (paged) {
    places = PagedPlaces(node);
  } else {
    const std::string key = "slots " + std::to_string(index) + " " + std::to_string(length);
    Name& slots = shared_[key];
    if (slots.empty()) {
      const Name any = Emit("Greater", {ReadInt64(length), Int64s({0})});
      slots = Emit("Where", {any, ReadInt64(index), Int64s({0})});
    }
    places = slots;
  }
  const Name split = Int64s({0, 0, num_heads, head_dim});
  const auto history = [&](ValueId cache, std::vector<int64_t> order) {
    const Name rows = paged ? Emit("GatherND", {Read(cache), places})
                            : Emit("Gather", {Read(cache), places}, {{"axis", int64_t{0}}});
    const Name f32 = graph_.value(cache).dtype == DType::kF32 ? rows : Cast(rows, DType::kF32);
    return Emit("Transpose", {Emit("Reshape", {f32, split})}, {Perm(std::move(order))});
  };
  const Name heads = Emit("Reshape", {ReadF32(query), Int64s({0, num_heads, 1, head_dim})});
  const Name q = Emit("Mul", {heads, F32Scalar(attention.scale)});
  const Name k = history(keys, {0, 2, 3, 1}), v = history(values, {0, 2, 1, 3});
  EmitResult(node.outputs[0], "Reshape",
             {Attend(q, k, v, {AttentionMask::kSeenOrEmpty, mask}), Int64s({0, width})});
}

Lowering::Name Lowering::SameSequence(ValueId tokens, ValueId offsets) {
  const std::string key =
      "sequences " + std::to_string(offsets) + " " + DimToString(graph_.value(tokens).dims[0]);
  if (const auto it = shared_.find(key); it != shared_.end()) return it->second;
  // A token's sequence is told by how many offsets lie at or below it; of the tokens behind the
  // last offset that is all of them.
  const Name positions = Positions(tokens, 0);
  const Name ends = Emit("Unsqueeze", {ReadInt64(offsets), Int64s({1})});
  const Name passed = Cast(Emit("LessOrEqual", {ends, positions}), DType::kI64);
  const Name sequence = Emit("ReduceSum", {passed, Int64s({0})}, {{"keepdims", int64_t{1}}});
  const Name column = Emit("Transpose", {sequence}, {Perm({1, 0})});
  const Name count = Emit("Shape", {Read(offsets)});
  const Name owned = Emit("Less", {sequence, count});
  return shared_[key] = Emit("And", {Emit("Equal", {column, sequence}), owned});
}

void Lowering::LowerRaggedAttention(const Node& node) {
  const ValueId query = node.inputs[0], offsets = node.inputs[3];
  if (step_ == nullptr)
    return AttendHeads(node, {AttentionMask::kSeenOrEmpty, SameSequence(query, offsets)});
  const int64_t tokens = graph_.value(query).dims[0].add;
  AttendHeads(node, {AttentionMask::kAdded, step_->FindMask(offsets, tokens, false)->name});
}

}  // namespace tessera::onnx
