// Operators that change shapes and layouts of what they get.
#include <algorithm>
#include <limits>

#include "doctor/infer_context.h"

namespace tessera::doctor {
namespace {

void Reshaped(InferContext& c, Numbers shape) {
  c.Set(0, c.Type(0), std::move(shape));
  if (c.Elements(0) != nullptr) c.SetElements(0, *c.Elements(0));
}

void ReshapeRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  Numbers target;
  if (const std::vector<int64_t>* ints = c.Ints("shape")) {
    target.assign(ints->begin(), ints->end());
  } else if (c.Elements(1) != nullptr) {
    target = *c.Elements(1);
  } else {
    // The rank is the number of elements of the shape.
    const Numbers* sizes = c.Shape(1);
    if (sizes != nullptr && sizes->size() == 1 && (*sizes)[0].is_int() &&
        (*sizes)[0].value() <= 64) {
      c.Out(0).shape.emplace(static_cast<size_t>(std::max<int64_t>(0, (*sizes)[0].value())));
    }
    return;
  }
  const Numbers* from = c.Shape(0);
  const bool keeps_zero = c.Int("allowzero", 0) != 0;
  std::optional<size_t> rest;
  Number product = 1;
  for (size_t i = 0; i < target.size(); ++i) {
    Number& n = target[i];
    if (n.Is(0) && !keeps_zero) n = from != nullptr && i < from->size() ? (*from)[i] : Number();
    if (n.Is(-1)) {
      rest = i;
      continue;
    }
    product = Mul(product, n);
  }
  if (rest) {
    target[*rest] = Number();
    if (from != nullptr) {
      // Dimensions that are on both sides drop out: [batch, seq, 384] as [batch, seq, 12, -1].
      Numbers numerator = *from, denominator;
      for (size_t i = 0; i < target.size(); ++i) {
        if (i == *rest) continue;
        const auto same = std::find_if(numerator.begin(), numerator.end(),
                                       [&](const Number& n) { return n.Same(target[i]); });
        if (same != numerator.end()) {
          numerator.erase(same);
        } else {
          denominator.push_back(target[i]);
        }
      }
      target[*rest] = FloorDiv(Product(numerator), Product(denominator));
    }
  }
  if (from != nullptr && AllKnown(*from) && AllKnown(target) &&
      !Product(*from).Same(Product(target)) && Product(*from).is_int()) {
    c.Conflict("cannot reshape " + ToString(*from) + " to " + ToString(target));
  }
  Reshaped(c, std::move(target));
}

void FlattenRule(InferContext& c) {
  c.Set(0, c.Type(0), Numbers(2));
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  int64_t axis = c.Int("axis", 1);
  const auto rank = static_cast<int64_t>(shape->size());
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank) return;
  Reshaped(c, {Product(Numbers(shape->begin(), shape->begin() + axis)),
               Product(Numbers(shape->begin() + axis, shape->end()))});
}

void TransposeRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const std::vector<int64_t>* perm = c.Ints("perm");
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) {
    if (perm != nullptr && perm->size() <= 64) c.Out(0).shape.emplace(perm->size());
    return;
  }
  Numbers out(shape->rbegin(), shape->rend());
  if (perm != nullptr) {
    if (perm->size() != shape->size()) return;
    for (size_t i = 0; i < perm->size(); ++i) {
      const std::optional<size_t> axis = NormalAxis((*perm)[i], shape->size());
      if (!axis) return;
      out[i] = (*shape)[*axis];
    }
  }
  c.Out(0).shape = std::move(out);
  if (shape->size() <= 1 && c.Elements(0) != nullptr) c.SetElements(0, *c.Elements(0));
}

void SqueezeRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  const bool given = c.Ints("axes") != nullptr || c.In(1) != nullptr;
  std::vector<bool> drop(shape->size(), false);
  if (given) {
    const auto axes = c.IntsOf("axes", 1);
    if (!axes) return;
    for (const int64_t a : *axes) {
      const std::optional<size_t> axis = NormalAxis(a, shape->size());
      if (!axis) return c.Conflict("axis " + std::to_string(a) + " is outside " + ToString(*shape));
      drop[*axis] = true;
    }
  } else {
    for (size_t i = 0; i < shape->size(); ++i) {
      if (!(*shape)[i].is_int()) return;  // it may be 1
      drop[i] = (*shape)[i].Is(1);
    }
  }
  Numbers out;
  for (size_t i = 0; i < shape->size(); ++i) {
    if (!drop[i]) out.push_back((*shape)[i]);
  }
  Reshaped(c, std::move(out));
}

void UnsqueezeRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers* shape = c.Shape(0);
  const auto axes = c.IntsOf("axes", 1);
  if (shape == nullptr || !axes || axes->size() > 64) return;
  const size_t rank = shape->size() + axes->size();
  std::vector<bool> is_new(rank, false);
  for (const int64_t a : *axes) {
    const std::optional<size_t> axis = NormalAxis(a, rank);
    if (!axis || is_new[*axis]) return c.Conflict("axis " + std::to_string(a) + " does not fit");
    is_new[*axis] = true;
  }
  Numbers out;
  size_t next = 0;
  for (size_t i = 0; i < rank; ++i) out.push_back(is_new[i] ? Number(1) : (*shape)[next++]);
  Reshaped(c, std::move(out));
}

void ConcatRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  std::optional<Numbers> out;
  size_t axis = 0;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const Numbers* shape = c.Shape(i);
    if (shape == nullptr || (out && shape->size() != out->size())) {
      out.reset();
      return;
    }
    if (!out) {
      const std::optional<size_t> normal = NormalAxis(c.Int("axis", 0), shape->size());
      if (!normal) return;
      axis = *normal;
      out = *shape;
      continue;
    }
    for (size_t d = 0; d < shape->size(); ++d) {
      (*out)[d] = d == axis ? Add((*out)[d], (*shape)[d]) : JoinDims((*out)[d], (*shape)[d]);
    }
  }
  if (!out) return;
  c.Out(0).shape = out;
  if (out->size() != 1) return;
  Numbers elements;
  for (size_t i = 0; i < c.input_count(); ++i) {
    if (c.Elements(i) == nullptr ||
        static_cast<int64_t>(elements.size() + c.Elements(i)->size()) > kMaxTracked) {
      return;
    }
    elements.insert(elements.end(), c.Elements(i)->begin(), c.Elements(i)->end());
  }
  c.SetElements(0, std::move(elements));
}

void SplitRule(InferContext& c) {
  const Numbers* shape = c.Shape(0);
  for (size_t i = 0; i < c.output_count(); ++i) c.Out(i).type = c.Type(0);
  if (shape == nullptr) return;
  const std::optional<size_t> axis = NormalAxis(c.Int("axis", 0), shape->size());
  if (!axis) return;
  const auto sizes = c.IntsOf("split", 1);
  const bool given = c.Ints("split") != nullptr || c.In(1) != nullptr;
  const auto count = static_cast<int64_t>(c.output_count());
  const Number each = CeilDiv((*shape)[*axis], {count});
  for (int64_t i = 0; i < count; ++i) {
    Numbers out = *shape;
    if (given) {
      out[*axis] = sizes && static_cast<size_t>(i) < sizes->size()
                       ? Number((*sizes)[static_cast<size_t>(i)])
                       : Number();
    } else {
      // The last part is what remains.
      out[*axis] = i + 1 < count ? each : Sub((*shape)[*axis], Mul(each, {count - 1}));
    }
    c.Out(static_cast<size_t>(i)).shape = std::move(out);
  }
}

// The size of [start, end) by step over a dimension.
Number SliceSize(const Number& size, int64_t start, const Number& end, int64_t step) {
  if (step == 0) return {};
  constexpr int64_t kFar = int64_t{1} << 31;
  if (!size.is_int()) {
    if (step != 1) return {};
    // [0, end) and [start, all) of a dimension that has no number yet.
    const bool to_end = end.is_int() && end.value() >= kFar - 1;
    if (to_end && (start == 0 || start <= -kFar)) return size;
    if (to_end && start > 0) return Sub(size, start);
    if (to_end) return {-start};
    if (end.is_int() && end.value() < 0 && start >= 0) return Sub(Add(size, end), start);
    if (start >= 0 && end.symbolic()) return Sub(end, start);
    return {};
  }
  if (!end.is_int()) return end.symbolic() && step == 1 && start >= 0 ? Sub(end, start) : Number();
  const int64_t n = size.value();
  const auto place = [n](int64_t i, int64_t low, int64_t high) {
    return std::clamp(i < 0 ? i + n : i, low, high);
  };
  if (step > 0) {
    const int64_t from = place(start, 0, n), to = place(end.value(), 0, n);
    return {to > from ? (to - from - 1) / step + 1 : 0};
  }
  if (step == std::numeric_limits<int64_t>::min()) return {};
  const int64_t from = place(start, -1, n - 1);
  const int64_t to = end.value() < -n ? -1 : place(end.value(), -1, n - 1);
  return {from > to ? (from - to - 1) / -step + 1 : 0};
}

void SliceRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  Numbers out = *shape;
  c.Out(0).shape = Numbers(shape->size());  // the rank stays
  const auto starts = c.IntsOf("starts", 1);
  Numbers ends;
  if (const std::vector<int64_t>* ints = c.Ints("ends")) {
    ends.assign(ints->begin(), ints->end());
  } else if (c.Elements(2) != nullptr) {
    ends = *c.Elements(2);
  }
  const bool has_axes = c.Ints("axes") != nullptr || c.In(3) != nullptr;
  auto axes = c.IntsOf("axes", 3);
  auto steps = c.KnownInts(4);
  if (has_axes && !axes) return;
  const Numbers* starts_shape = c.Shape(1);
  if (!starts || ends.size() != starts->size() || (c.In(4) != nullptr && !steps)) {
    // Only the sliced dimensions are unknown.
    if (!axes) {
      if (starts_shape == nullptr || starts_shape->size() != 1 || !(*starts_shape)[0].is_int())
        return;
      axes.emplace();
      for (int64_t i = 0; i < std::min<int64_t>((*starts_shape)[0].value(), 64); ++i)
        axes->push_back(i);
    }
    for (const int64_t a : *axes) {
      const std::optional<size_t> axis = NormalAxis(a, shape->size());
      if (!axis) return;
      out[*axis] = Number();
    }
    c.Out(0).shape = std::move(out);
    return;
  }
  for (size_t i = 0; i < starts->size(); ++i) {
    const int64_t raw = axes ? (i < axes->size() ? (*axes)[i] : std::numeric_limits<int64_t>::max())
                             : static_cast<int64_t>(i);
    const std::optional<size_t> axis = NormalAxis(raw, shape->size());
    if (!axis) return c.Conflict("expected axes within " + ToString(*shape));
    const int64_t step = steps ? (i < steps->size() ? (*steps)[i] : 0) : 1;
    out[*axis] = SliceSize(out[*axis], (*starts)[i], ends[i], step);
    // Contents of a vector, as shape arithmetic slices it.
    if (shape->size() == 1 && starts->size() == 1 && c.Elements(0) != nullptr && out[0].is_int() &&
        step != 0) {
      const auto n = static_cast<int64_t>(c.Elements(0)->size());
      int64_t at = (*starts)[0] < 0 ? (*starts)[0] + n : (*starts)[0];
      at = step > 0 ? std::clamp<int64_t>(at, 0, n) : std::clamp<int64_t>(at, -1, n - 1);
      Numbers elements;
      for (int64_t k = 0; k < out[0].value() && at >= 0 && at < n; ++k) {
        elements.push_back((*c.Elements(0))[static_cast<size_t>(at)]);
        if (k + 1 < out[0].value()) at += step;
      }
      if (out[0].Is(static_cast<int64_t>(elements.size()))) c.SetElements(0, std::move(elements));
    }
  }
  c.Out(0).shape = std::move(out);
}

void ExpandRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers *shape = c.Shape(0), *target = c.Elements(1);
  if (target == nullptr) {
    const Numbers* sizes = c.Shape(1);
    if (shape != nullptr && sizes != nullptr && sizes->size() == 1 && (*sizes)[0].is_int() &&
        (*sizes)[0].value() >= 0 && (*sizes)[0].value() <= 64) {
      c.Out(0).shape.emplace(std::max(shape->size(), static_cast<size_t>((*sizes)[0].value())));
    }
    return;
  }
  if (shape == nullptr) return;
  std::optional<Numbers> both = BroadcastShapes(*shape, *target);
  if (!both) return c.Conflict("cannot expand " + ToString(*shape) + " to " + ToString(*target));
  c.Out(0).shape = std::move(both);
  const std::optional<int64_t> count = c.Out(0).ElementCount();
  if (count && *count <= kMaxTracked && c.Elements(0) != nullptr && c.Elements(0)->size() == 1)
    c.SetElements(0, Numbers(static_cast<size_t>(*count), (*c.Elements(0))[0]));
}

void TileRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers *shape = c.Shape(0), *repeats = c.Elements(1);
  if (shape == nullptr) return;
  Numbers out(shape->size());
  for (size_t i = 0; i < out.size() && repeats != nullptr && i < repeats->size(); ++i)
    out[i] = Mul((*shape)[i], (*repeats)[i]);
  c.Out(0).shape = std::move(out);
}

void PadRule(InferContext& c) {
  c.Out(0).type = c.Type(0);
  const Numbers* shape = c.Shape(0);
  if (shape == nullptr) return;
  Numbers pads;
  if (const std::vector<int64_t>* ints = c.Ints("pads")) {
    pads.assign(ints->begin(), ints->end());
  } else if (c.Elements(1) != nullptr) {
    pads = *c.Elements(1);
  }
  std::vector<int64_t> axes;
  if (c.In(3) != nullptr) {
    const auto given = c.KnownInts(3);
    if (!given) pads.clear();
    if (given) axes = *given;
  } else {
    for (size_t i = 0; i < shape->size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  Numbers out(shape->size());
  if (!pads.empty() && pads.size() == 2 * axes.size()) {
    out = *shape;
    for (size_t i = 0; i < axes.size(); ++i) {
      const std::optional<size_t> axis = NormalAxis(axes[i], shape->size());
      if (axis) out[*axis] = Add(out[*axis], Add(pads[i], pads[i + axes.size()]));
    }
  }
  c.Out(0).shape = std::move(out);
}

void BlockRule(InferContext& c, bool to_space) {
  c.Out(0).type = c.Type(0);
  const Numbers* shape = c.Shape(0);
  const Number block = c.Int("blocksize", 0);
  if (shape == nullptr || shape->size() != 4 || block.value() < 1) return;
  const Number area = Mul(block, block);
  Numbers out = *shape;
  for (const size_t i : {2, 3})
    out[i] = to_space ? Mul((*shape)[i], block) : FloorDiv((*shape)[i], block);
  out[1] = to_space ? FloorDiv((*shape)[1], area) : Mul((*shape)[1], area);
  c.Out(0).shape = std::move(out);
}
void DepthToSpaceRule(InferContext& c) { BlockRule(c, true); }
void SpaceToDepthRule(InferContext& c) { BlockRule(c, false); }

constexpr NamedRule kRules[] = {
    {"Concat", ConcatRule},
    {"DepthToSpace", DepthToSpaceRule},
    {"Expand", ExpandRule},
    {"Flatten", FlattenRule},
    {"Pad", PadRule},
    {"Reshape", ReshapeRule},
    {"Slice", SliceRule},
    {"SpaceToDepth", SpaceToDepthRule},
    {"Split", SplitRule},
    {"Squeeze", SqueezeRule},
    {"Tile", TileRule},
    {"Transpose", TransposeRule},
    {"Unsqueeze", UnsqueezeRule},
};

}  // namespace

RuleTable ShapeRules() { return {kRules, std::size(kRules)}; }

}  // namespace tessera::doctor
