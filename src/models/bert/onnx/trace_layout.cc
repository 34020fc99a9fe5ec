// Rules of ops that only rearrange: Reshape, Transpose, Slice and their like.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/bert/onnx/trace.h"

namespace tessera::bert_onnx {
namespace {

constexpr size_t kMaxRank = 16;
constexpr double kToTheEnd = 1e9;  // exporters write the largest integers for "all"

std::optional<std::vector<size_t>> Positive(const std::vector<int64_t>& axes, size_t rank) {
  std::vector<size_t> result;
  for (int64_t axis : axes) {
    if (axis < 0) axis += static_cast<int64_t>(rank);
    if (axis < 0 || axis >= static_cast<int64_t>(rank)) return std::nullopt;
    result.push_back(static_cast<size_t>(axis));
  }
  std::sort(result.begin(), result.end());
  if (std::adjacent_find(result.begin(), result.end()) != result.end()) return std::nullopt;
  return result;
}

// The shape that Reshape makes of `from`: 0 keeps a size, -1 takes what is left.
std::optional<NumShape> Target(const NumShape& from, const Field& sizes, bool zero_is_size) {
  if (sizes.shape.size() != 1 || !sizes.shape[0].IsConstant() || sizes.shape[0].c > kMaxRank)
    return std::nullopt;
  NumShape shape;
  std::optional<size_t> open;
  for (size_t i = 0; static_cast<double>(i) < sizes.shape[0].c; ++i) {
    Num size = sizes.kind == Field::Kind::kUniform ? sizes.elements[0] : sizes.elements[i];
    if (size.Is(0) && !zero_is_size) {
      if (i >= from.size()) return std::nullopt;
      size = from[i];
    }
    if (size.Is(-1)) {
      if (open) return std::nullopt;
      open = i;
      size = {1, 0};
    }
    if (!(size.c >= 0)) return std::nullopt;
    shape.push_back(size);
  }
  const Num all = Product(from), known = Product(shape);
  if (open) {
    if (known.c == 0 || all.power < known.power) return std::nullopt;
    shape[*open] = {all.c / known.c, all.power - known.power};
    if (std::trunc(shape[*open].c) != shape[*open].c) return std::nullopt;
  }
  if (Product(shape) != all || !IsShape(shape)) return std::nullopt;
  return shape;
}

// The atoms in a new shape, split where a size ends inside one.
std::optional<std::vector<Axis>> Regroup(const std::vector<Axis>& axes, const NumShape& shape) {
  Axis atoms;  // in order, last first
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    atoms.insert(atoms.end(), axis->rbegin(), axis->rend());
  }
  std::vector<Axis> result;
  for (Num size : shape) {
    Axis& axis = result.emplace_back();
    while (!size.Is(1)) {
      if (atoms.empty()) return std::nullopt;
      Atom& next = atoms.back();
      if (next.tokens) {
        if (size.power < 1) return std::nullopt;
        --size.power;
        axis.push_back(next);
        atoms.pop_back();
        continue;
      }
      const auto left = static_cast<int64_t>(size.c);
      if (left % next.size == 0) {
        // Neighbours that were one before are one again.
        if (!axis.empty() && !axis.back().tokens && axis.back().stride == next.size * next.stride) {
          axis.back() = {.size = axis.back().size * next.size, .stride = next.stride};
        } else {
          axis.push_back(next);
        }
        size.c = static_cast<double>(left / next.size);
        atoms.pop_back();
      } else if (size.IsConstant() && left > 0 && next.size % left == 0) {
        axis.push_back({.size = left, .stride = next.stride * (next.size / left)});
        next.size /= left;
        size.c = 1;
      } else {
        return std::nullopt;
      }
    }
  }
  if (!atoms.empty()) return std::nullopt;
  return result;
}

// Dimensions other than 1.
NumShape WithoutOnes(NumShape shape) {
  std::erase_if(shape, [](const Num& size) { return size.Is(1); });
  return shape;
}

std::optional<size_t> FindSeq(const NumShape& shape) {
  const auto it = std::find(shape.begin(), shape.end(), kSeq);
  if (it == shape.end()) return std::nullopt;
  return static_cast<size_t>(it - shape.begin());
}

// A constant of the same elements in another shape.
std::optional<Constant> ReshapeConstant(const Constant& from, const NumShape& shape) {
  if (from.transposed || from.every_token) return std::nullopt;
  Constant result = from;
  result.view.shape.clear();
  for (const Num& size : shape) {
    if (!size.IsConstant()) return std::nullopt;
    result.view.shape.push_back(static_cast<int64_t>(size.c));
  }
  return result;
}

// The value in a shape of the same elements in the same order.
std::optional<Value> InShape(const Value& value, const NumShape& shape) {
  if (const auto* rows = std::get_if<Rows>(&value)) {
    auto axes = Regroup(rows->axes, shape);
    if (!axes || (rows->form != Form::kPlain && shape != rows->Dims())) return std::nullopt;
    Rows result = *rows;
    result.axes = std::move(*axes);
    return result;
  }
  if (const auto* constant = std::get_if<Constant>(&value)) {
    auto result = ReshapeConstant(*constant, shape);
    if (!result) return std::nullopt;
    return *result;
  }
  if (const auto* field = std::get_if<Field>(&value)) {
    Field result = *field;
    result.shape = shape;
    if (field->kind == Field::Kind::kPosition || field->kind == Field::Kind::kIds) {
      if (WithoutOnes(shape) != NumShape{kSeq}) return std::nullopt;
      result.axis = *FindSeq(shape);
    }
    return result;
  }
  if (const auto* scores = std::get_if<Scores>(&value)) {
    // Leading ones may come and go.
    if (shape.size() < 3) return std::nullopt;
    Scores result = *scores;
    result.rank = shape.size();
    if (result.Dims() != shape) return std::nullopt;
    return result;
  }
  return std::nullopt;
}

std::optional<NumShape> DimsOf(const Value& value) {
  if (const auto* rows = std::get_if<Rows>(&value)) return rows->Dims();
  if (const auto* field = std::get_if<Field>(&value)) return field->shape;
  if (const auto* scores = std::get_if<Scores>(&value)) return scores->Dims();
  if (const auto* constant = std::get_if<Constant>(&value)) {
    if (!constant->every_token) return constant->Dims();
  }
  return std::nullopt;
}

// Rows [0, size) of a list of ascending or equal numbers that lie in a table of the file, cut to
// the unknown length of the text: position ids and token types of exporters.
std::optional<Field> TablePrefix(const Constant& table, size_t axis) {
  const View& view = table.view;
  if (view.dtype != DType::kI64 && view.dtype != DType::kI32) return std::nullopt;
  for (size_t d = 0; d < view.shape.size(); ++d) {
    if (d != axis && view.shape[d] != 1) return std::nullopt;
  }
  const auto load = [&](int64_t i) {
    if (view.dtype == DType::kI32) {
      int32_t x;
      std::memcpy(&x, static_cast<const char*>(view.data) + 4 * i, 4);
      return int64_t{x};
    }
    int64_t x;
    std::memcpy(&x, static_cast<const char*>(view.data) + 8 * i, 8);
    return x;
  };
  const int64_t count = view.shape[axis];
  if (count < 2 || std::abs(load(0)) > 1'000'000'000) return std::nullopt;
  bool equal = true, ascending = true;
  for (int64_t i = 1; i < count; ++i) {
    equal = equal && load(i) == load(0);
    ascending = ascending && load(i) == load(0) + i;
  }
  if (!equal && !ascending) return std::nullopt;
  Field field;
  field.shape = table.Dims();
  field.shape[axis] = kSeq;
  if (equal) {
    field.elements = {Num{static_cast<double>(load(0)), 0}};
  } else {
    field.kind = Field::Kind::kPosition;
    field.axis = axis;
    field.offset = static_cast<double>(load(0));
  }
  return field;
}

// [begin, end) of a dimension, clamped as Slice does it.
struct Cut {
  Num begin, size;
};
std::optional<Cut> MakeCut(const Num& dim, Num begin, Num end) {
  const auto bound = [&](Num x) -> std::optional<Num> {
    if (x.IsConstant() && x.c >= kToTheEnd) return dim;
    if (x.IsConstant() && x.c <= -kToTheEnd) return Num{0, 0};
    if (x.IsConstant() && x.c < 0) {
      if (!dim.IsConstant()) return std::nullopt;
      return Num{std::max(x.c + dim.c, 0.0), 0};
    }
    if (x.IsConstant() && dim.IsConstant()) return Num{std::min(x.c, dim.c), 0};
    return x;
  };
  const auto from = bound(begin), to = bound(end);
  if (!from || !to || !from->IsConstant()) return std::nullopt;
  if (to->IsConstant()) {
    // Of seq tokens, only the first is known to be there.
    if (!dim.IsConstant() && !(from->c == 0 && to->c <= 1)) return std::nullopt;
    return Cut{*from, {std::max(to->c - from->c, 0.0), 0}};
  }
  if (!from->Is(0) || *to != kSeq) return std::nullopt;
  return Cut{*from, kSeq};  // of a longer table, or all
}

}  // namespace

std::optional<std::vector<int64_t>> Trace::Axes(const Call& call, size_t i) {
  if (call.Has(i)) return AsInts(call.Input(i));
  return call.Ints("axes");
}

Value Trace::Reshape(const Call& call) {
  const std::optional<NumShape> from = DimsOf(*call.Input(0));
  const std::optional<Field> sizes = AsField(call.Input(1));
  if (!from || !sizes ||
      (sizes->kind != Field::Kind::kUniform && sizes->kind != Field::Kind::kExplicit)) {
    return call.Fail("a known shape");
  }
  const std::optional<NumShape> shape = Target(*from, *sizes, call.Int("allowzero", 0) != 0);
  if (!shape)
    return call.Fail("a shape of as many elements", "another one for " + Describe(call.Input(0)));
  std::optional<Value> result = InShape(*call.Input(0), *shape);
  return result ? *result
                : Value(call.Fail("a shape that keeps tokens and columns apart",
                                  ToString(*shape) + " for " + Describe(call.Input(0))));
}

Value Trace::Flatten(const Call& call) {
  const std::optional<NumShape> from = DimsOf(*call.Input(0));
  int64_t axis = call.Int("axis", 1);
  const auto rank = static_cast<int64_t>(from ? from->size() : 0);
  if (axis < 0) axis += rank;
  if (!from || axis < 0 || axis > rank)
    return call.Fail("a value of known shape and an axis of it");
  const auto split = from->begin() + static_cast<ptrdiff_t>(axis);
  const NumShape shape = {Product({from->begin(), split}), Product({split, from->end()})};
  std::optional<Value> result = InShape(*call.Input(0), shape);
  return result ? *result : Value(call.Fail("a shape that keeps tokens and columns apart"));
}

Value Trace::Unsqueeze(const Call& call) {
  const auto axes = Axes(call, 1);
  const std::optional<NumShape> from = DimsOf(*call.Input(0));
  if (!axes || !from || from->size() + axes->size() > kMaxRank) return call.Fail("constant axes");
  const auto places = Positive(*axes, from->size() + axes->size());
  if (!places) return call.Fail("axes within the shape");
  NumShape shape = *from;
  for (const size_t place : *places) {
    shape.insert(shape.begin() + static_cast<ptrdiff_t>(place), Num{1, 0});
  }
  std::optional<Value> result = InShape(*call.Input(0), shape);
  return result ? *result : Value(call.Fail("a value that may get dimensions"));
}

Value Trace::Squeeze(const Call& call) {
  const auto axes = Axes(call, 1);
  const std::optional<NumShape> from = DimsOf(*call.Input(0));
  if (!from || (!axes && call.Has(1))) return call.Fail("constant axes");
  // A dimension seq may be 1 as well; without axes the result would depend on that.
  if (!axes && FindSeq(*from)) return call.Fail("axes that say which dimensions go");
  const auto places = Positive(axes.value_or(std::vector<int64_t>()), from->size());
  if (!places) return call.Fail("axes within the shape");
  NumShape shape;
  for (size_t d = 0; d < from->size(); ++d) {
    const bool goes =
        axes ? std::find(places->begin(), places->end(), d) != places->end() : (*from)[d].Is(1);
    if (!goes) shape.push_back((*from)[d]);
    if (goes && !(*from)[d].Is(1)) return call.Fail("dimensions of size 1");
  }
  std::optional<Value> result = InShape(*call.Input(0), shape);
  return result ? *result : Value(call.Fail("a value that may lose dimensions"));
}

Value Trace::Transpose(const Call& call) {
  const std::optional<NumShape> from = DimsOf(*call.Input(0));
  if (!from) return call.Fail("a value of known shape");
  std::vector<int64_t> perm;
  for (size_t i = 0; i < from->size(); ++i) {
    perm.push_back(static_cast<int64_t>(from->size() - 1 - i));
  }
  perm = call.Ints("perm").value_or(perm);
  const auto places = Positive(perm, from->size());
  if (!places || places->size() != from->size() ||
      std::any_of(perm.begin(), perm.end(), [](int64_t axis) { return axis < 0; })) {
    return call.Fail("a permutation of the axes");
  }
  if (const auto* rows = std::get_if<Rows>(call.Input(0)); rows != nullptr) {
    if (rows->form != Form::kPlain) return call.Fail("activations");
    Rows result = *rows;
    for (size_t i = 0; i < perm.size(); ++i) {
      result.axes[i] = rows->axes[static_cast<size_t>(perm[i])];
    }
    return result;
  }
  if (const auto* constant = std::get_if<Constant>(call.Input(0)); constant != nullptr) {
    Constant result = *constant;
    if (perm == std::vector<int64_t>{1, 0}) {
      result.transposed = !result.transposed;
      return result;
    }
    return call.Fail("the transpose of a matrix");
  }
  if (const auto* field = std::get_if<Field>(call.Input(0)); field != nullptr) {
    Field result = *field;
    for (size_t i = 0; i < perm.size(); ++i) {
      result.shape[i] = field->shape[static_cast<size_t>(perm[i])];
    }
    const bool one_axis = WithoutOnes(field->shape).size() <= 1;
    if (field->kind != Field::Kind::kUniform && !one_axis)
      return call.Fail("equal numbers or a list");
    if (field->kind == Field::Kind::kPosition || field->kind == Field::Kind::kIds) {
      result.axis = *FindSeq(result.shape);
    }
    return result;
  }
  return call.Fail("activations, a matrix or known numbers");
}

Value Trace::Expand(const Call& call) {
  const std::optional<Field> sizes = AsField(call.Input(1));
  const std::optional<NumShape> from = DimsOf(*call.Input(0));
  if (!sizes || !from ||
      (sizes->kind != Field::Kind::kUniform && sizes->kind != Field::Kind::kExplicit) ||
      sizes->shape.size() != 1 || !sizes->shape[0].IsConstant() || sizes->shape[0].c > kMaxRank) {
    return call.Fail("a known shape");
  }
  NumShape wanted;
  for (size_t i = 0; static_cast<double>(i) < sizes->shape[0].c; ++i) {
    wanted.push_back(sizes->kind == Field::Kind::kUniform ? sizes->elements[0]
                                                          : sizes->elements[i]);
  }
  const std::optional<NumShape> shape = Broadcast(*from, wanted);
  if (!shape || !IsShape(*shape))
    return call.Fail("a shape that fits " + ToString(*from), ToString(wanted));
  if (*shape == *from) return *call.Input(0);
  std::optional<Field> field = AsField(call.Input(0));
  if (!field || field->kind == Field::Kind::kExplicit) return call.Fail("a mask or positions");
  if (field->kind != Field::Kind::kUniform) field->axis += shape->size() - from->size();
  field->shape = *shape;
  return *field;
}

Value Trace::Slice(const Call& call) {
  const std::optional<NumShape> from = DimsOf(*call.Input(0));
  std::optional<Field> starts, ends;
  std::optional<std::vector<int64_t>> axes, steps;
  if (call.opset < 10 && call.size() == 1) {
    const auto list = [](const std::optional<std::vector<int64_t>>& ints) {
      std::optional<Field> field;
      if (!ints) return field;
      field.emplace();
      field->kind = Field::Kind::kExplicit;
      field->shape = {Num{static_cast<double>(ints->size()), 0}};
      for (const int64_t x : *ints) field->elements.push_back({static_cast<double>(x), 0});
      return field;
    };
    starts = list(call.Ints("starts"));
    ends = list(call.Ints("ends"));
    axes = call.Ints("axes");
  } else {
    starts = AsField(call.Input(1));
    ends = AsField(call.Input(2));
    if (call.Has(3)) axes = AsInts(call.Input(3));
    if (call.Has(4)) steps = AsInts(call.Input(4));
    if ((call.Has(3) && !axes) || (call.Has(4) && !steps))
      return call.Fail("constant axes and steps");
  }
  const auto is_list = [](const std::optional<Field>& f) {
    return f && f->shape.size() == 1 && f->shape[0].IsConstant() && f->shape[0].c <= kMaxRank &&
           (f->kind == Field::Kind::kUniform || f->kind == Field::Kind::kExplicit);
  };
  if (!from || !is_list(starts) || !is_list(ends) || starts->shape != ends->shape)
    return call.Fail("known bounds");
  const auto count = static_cast<size_t>(starts->shape[0].c);
  if (!axes) {
    axes.emplace();
    for (size_t i = 0; i < count; ++i) axes->push_back(static_cast<int64_t>(i));
  }
  if (axes->size() != count || count != 1 || (steps && *steps != std::vector<int64_t>{1}))
    return call.Fail("a slice along one axis, in steps of 1");
  const auto places = Positive(*axes, from->size());
  if (!places) return call.Fail("an axis within the shape");
  const size_t axis = places->at(0);
  const std::optional<Cut> cut = MakeCut((*from)[axis], starts->elements[0], ends->elements[0]);
  if (!cut) return call.Fail("bounds that are known for every sequence length");
  if (cut->size == (*from)[axis]) return *call.Input(0);  // all of it

  if (const auto* rows = std::get_if<Rows>(call.Input(0)); rows != nullptr) {
    Failed failed = call.Fail("the hidden states of all tokens", "those of some");
    if (rows->axes[axis] == Axis{{.tokens = true}} && cut->begin.Is(0) && cut->size.Is(1) &&
        IsPlainRows(call.Input(0))) {
      failed.pooled = *rows;
    }
    return failed;
  }
  if (const auto* constant = std::get_if<Constant>(call.Input(0));
      constant != nullptr && cut->size == kSeq && !constant->every_token && !constant->transposed) {
    if (const std::optional<Field> prefix = TablePrefix(*constant, axis)) return *prefix;
  }
  std::optional<Field> field = AsField(call.Input(0));
  if (!field) return call.Fail("known numbers");
  if (field->kind == Field::Kind::kUniform) {
    field->shape[axis] = cut->size;
    return *field;
  }
  if (field->kind == Field::Kind::kExplicit && field->shape.size() == 1 && cut->size.IsConstant()) {
    const auto begin = field->elements.begin() + static_cast<ptrdiff_t>(cut->begin.c);
    field->elements = {begin, begin + static_cast<ptrdiff_t>(cut->size.c)};
    field->shape = {cut->size};
    if (field->elements.size() == 1) field->kind = Field::Kind::kUniform;
    return *field;
  }
  return call.Fail("a list, or equal numbers");
}

}  // namespace tessera::bert_onnx
