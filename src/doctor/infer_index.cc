// Operators that pick, place, reduce or order elements.
#include <algorithm>

#include "doctor/infer_context.h"

namespace tessera::doctor {
namespace {

void GatherRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers *data = c.Shape(0), *indices = c.Shape(1);
  if (data == nullptr || indices == nullptr) return;
  const std::optional<size_t> axis = NormalAxis(c.Int("axis", 0), data->size());
  if (!axis) return c.Conflict("the axis is outside " + ToString(*data));
  const auto split = data->begin() + static_cast<std::ptrdiff_t>(*axis);
  Numbers out(data->begin(), split);
  out.insert(out.end(), indices->begin(), indices->end());
  out.insert(out.end(), split + 1, data->end());
  c.Out(0).shape = std::move(out);
  const auto picks = c.KnownInts(1);
  if (c.Elements(0) == nullptr || data->size() != 1 || !picks) return;
  const auto n = static_cast<int64_t>(c.Elements(0)->size());
  Numbers elements;
  for (const int64_t pick : *picks) {
    const int64_t i = pick < 0 ? pick + n : pick;
    if (i < 0 || i >= n) return c.Conflict("index " + std::to_string(pick) + " is out of range");
    elements.push_back((*c.Elements(0))[static_cast<size_t>(i)]);
  }
  c.SetElements(0, std::move(elements));
}

void GatherElementsRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  if (c.In(1) != nullptr) c.Out(0).shape = c.In(1)->shape;
}

void GatherNdRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers *data = c.Shape(0), *indices = c.Shape(1);
  if (data == nullptr || indices == nullptr || indices->empty() || !indices->back().is_int())
    return;
  const int64_t skip = c.Int("batch_dims", 0) + indices->back().value();
  if (skip < 0 || skip > static_cast<int64_t>(data->size())) return;
  Numbers out(indices->begin(), indices->end() - 1);
  out.insert(out.end(), data->begin() + skip, data->end());
  c.Out(0).shape = std::move(out);
}

void FirstInput(InferContext& c) {  // Scatter*, and others that update a copy
  if (c.In(0) == nullptr) return;
  c.Set(0, c.Type(0), c.In(0)->shape);
}

void NonZeroRule(InferContext& c) {
  c.Set(0, 7, Numbers(2));
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  const Number rank = static_cast<int64_t>(std::max<size_t>(shape->size(), 1));
  c.Out(0).shape = Numbers{rank, Number()};  // how many are not zero is known at run time
  if (shape->size() != 1 || c.Elements(0) == nullptr) return;
  Numbers places;
  for (size_t i = 0; i < c.Elements(0)->size(); ++i) {
    const Number& n = (*c.Elements(0))[i];
    if (!n.known()) return;
    if (n.as_double() != 0) places.push_back(static_cast<int64_t>(i));
  }
  c.Out(0).shape = Numbers{rank, static_cast<int64_t>(places.size())};
  c.SetElements(0, std::move(places));
}

void TopKRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  c.Out(1).type = 7;
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  const std::optional<size_t> axis = NormalAxis(c.Int("axis", -1), shape->size());
  if (!axis) return;
  Numbers out = *shape;
  const Numbers* k = c.Elements(1);
  out[*axis] = k != nullptr && k->size() == 1 ? (*k)[0] : Number();
  if (c.node.FindAttribute("k") != nullptr) out[*axis] = c.Int("k", 0);
  c.Out(0).shape = out;
  c.Out(1).shape = std::move(out);
}

void OneHotRule(InferContext& c) {
  c.Out(0).type = c.Type(2);
  const Numbers* indices = c.Shape(0);
  if (indices == nullptr) return;
  const std::optional<size_t> axis = NormalAxis(c.Int("axis", -1), indices->size() + 1);
  if (!axis) return;
  Numbers out = *indices;
  const Numbers* depth = c.Elements(1);
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(*axis),
             depth != nullptr && depth->size() == 1 ? (*depth)[0] : Number());
  c.Out(0).shape = std::move(out);
}

// The axes that are reduced; nothing when they are not known.
std::optional<std::vector<bool>> ReducedAxes(InferContext& c, size_t rank) {
  const bool given = c.Ints("axes") != nullptr || c.In(1) != nullptr;
  std::vector<bool> reduced(rank, false);
  if (given) {
    const auto axes = c.IntsOf("axes", 1);
    if (!axes) return std::nullopt;
    for (const int64_t a : *axes) {
      const std::optional<size_t> axis = NormalAxis(a, rank);
      if (!axis) return std::nullopt;
      reduced[*axis] = true;
    }
    if (!axes->empty()) return reduced;
  }
  if (c.Int("noop_with_empty_axes", 0) == 0) reduced.assign(rank, true);
  return reduced;
}

void ReduceRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  const bool keep = c.Int("keepdims", 1) != 0;
  const std::optional<std::vector<bool>> reduced = ReducedAxes(c, shape->size());
  if (!reduced) {
    if (keep) c.Out(0).shape.emplace(shape->size());
    return;
  }
  Numbers out;
  for (size_t i = 0; i < shape->size(); ++i) {
    if (!(*reduced)[i]) out.push_back((*shape)[i]);
    if ((*reduced)[i] && keep) out.push_back(1);
  }
  c.Out(0).shape = std::move(out);
  // ReduceProd and ReduceSum of a shape.
  const Numbers* elements = c.Elements(0);
  if (elements == nullptr || shape->size() != 1 || !(*reduced)[0]) return;
  if (c.node.op_type == "ReduceProd") c.SetElements(0, {Product(*elements)});
  if (c.node.op_type == "ReduceSum" || c.node.op_type == "ReduceMax") {
    Number result = elements->empty() ? Number(0) : (*elements)[0];
    for (size_t i = 1; i < elements->size(); ++i) {
      result =
          c.node.op_type == "ReduceSum" ? Add(result, (*elements)[i]) : Max(result, (*elements)[i]);
    }
    c.SetElements(0, {result});
  }
}

void ArgRule(InferContext& c) {
  c.Out(0).type = 7;
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  const std::optional<size_t> axis = NormalAxis(c.Int("axis", 0), shape->size());
  if (!axis) return;
  Numbers out = *shape;
  if (c.Int("keepdims", 1) != 0) {
    out[*axis] = 1;
  } else {
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(*axis));
  }
  c.Out(0).shape = std::move(out);
}

void UniqueRule(InferContext& c) {
  c.Set(0, c.Type(0),
        c.node.FindAttribute("axis") != nullptr && c.Shape(0) != nullptr
            ? std::optional<Numbers>(Numbers(c.Shape(0)->size()))
            : std::optional<Numbers>(Numbers(1)));
  for (size_t i = 1; i < 4; ++i) c.Set(i, 7, Numbers(1));
}

void CompressRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  if (c.node.FindAttribute("axis") == nullptr) {
    c.Out(0).shape.emplace(1);
    return;
  }
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  const std::optional<size_t> axis = NormalAxis(c.Int("axis", 0), shape->size());
  if (!axis) return;
  Numbers out = *shape;
  out[*axis] = Number();
  c.Out(0).shape = std::move(out);
}

void NonMaxSuppressionRule(InferContext& c) { c.Set(0, 7, Numbers{Number(), 3}); }

constexpr NamedRule kRules[] = {
    {"ArgMax", ArgRule},
    {"ArgMin", ArgRule},
    {"Compress", CompressRule},
    {"Gather", GatherRule},
    {"GatherElements", GatherElementsRule},
    {"GatherND", GatherNdRule},
    {"NonMaxSuppression", NonMaxSuppressionRule},
    {"NonZero", NonZeroRule},
    {"OneHot", OneHotRule},
    {"ReduceL1", ReduceRule},
    {"ReduceL2", ReduceRule},
    {"ReduceLogSum", ReduceRule},
    {"ReduceLogSumExp", ReduceRule},
    {"ReduceMax", ReduceRule},
    {"ReduceMean", ReduceRule},
    {"ReduceMin", ReduceRule},
    {"ReduceProd", ReduceRule},
    {"ReduceSum", ReduceRule},
    {"ReduceSumSquare", ReduceRule},
    {"ReverseSequence", FirstInput},
    {"Scatter", FirstInput},
    {"ScatterElements", FirstInput},
    {"ScatterND", FirstInput},
    {"TensorScatter", FirstInput},
    {"TopK", TopKRule},
    {"Unique", UniqueRule},
};

}  // namespace

RuleTable IndexRules() { return {kRules, std::size(kRules)}; }

}  // namespace tessera::doctor
