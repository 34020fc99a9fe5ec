// Rules of known numbers: shapes, masks, position ids, constants.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/bert/onnx/trace.h"

namespace tessera::bert_onnx {
namespace {

constexpr size_t kMaxElements = 1 << 16;  // of one Field
constexpr size_t kMaxRank = 16;

bool IsFloat(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
}

double LoadNumber(const View& view, int64_t i) {
  const auto* bytes = static_cast<const uint8_t*>(view.data);
  switch (view.dtype) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      return LoadFloat(view.data, view.dtype, i);
    case DType::kI64: {
      int64_t x;
      std::memcpy(&x, bytes + 8 * i, 8);
      return static_cast<double>(x);
    }
    case DType::kI32: {
      int32_t x;
      std::memcpy(&x, bytes + 4 * i, 4);
      return x;
    }
    case DType::kI8:
      return static_cast<int8_t>(bytes[i]);
    case DType::kU8:
    case DType::kBool:
      return bytes[i];
  }
  return 0;
}

FieldType TypeOf(DType type) {
  return IsFloat(type)          ? FieldType::kFloat
         : type == DType::kBool ? FieldType::kBool
                                : FieldType::kInt;
}

// A field of one number or of all; equal numbers become one.
Field MakeField(FieldType type, NumShape shape, std::vector<Num> elements) {
  Field field;
  field.type = type;
  field.shape = std::move(shape);
  const bool same =
      !elements.empty() &&
      std::all_of(elements.begin(), elements.end(), [&](const Num& x) { return x == elements[0]; });
  if (same) elements.resize(1);
  field.kind = same ? Field::Kind::kUniform : Field::Kind::kExplicit;
  field.elements = std::move(elements);
  return field;
}

Field Uniform(FieldType type, NumShape shape, Num value) {
  return MakeField(type, std::move(shape), {value});
}

Num At(const Field& field, size_t i) {
  return field.kind == Field::Kind::kUniform ? field.elements[0] : field.elements[i];
}

bool IsNumbers(const Field& field) {
  return field.kind == Field::Kind::kUniform || field.kind == Field::Kind::kExplicit;
}

std::optional<size_t> AxisOf(int64_t axis, size_t rank) {
  if (axis < 0) axis += static_cast<int64_t>(rank);
  if (axis < 0 || axis >= static_cast<int64_t>(rank)) return std::nullopt;
  return static_cast<size_t>(axis);
}

// Whether a is less than b for every seq >= 1; nothing when that depends on seq.
std::optional<bool> Less(const Num& a, const Num& b) {
  if (a.power == b.power) return a.c < b.c;
  // c seq^p lies in [c, inf) for c > 0.
  if (a.IsConstant() && b.c > 0 && a.c < b.c) return true;
  if (b.IsConstant() && a.c > 0 && a.c >= b.c) return false;
  return std::nullopt;
}

std::optional<bool> Equal(const Num& a, const Num& b) {
  if (a.power == b.power) return a.c == b.c;
  if (Less(a, b) == true || Less(b, a) == true) return false;
  return std::nullopt;
}

std::optional<Num> Number(std::optional<bool> truth) {
  if (!truth) return std::nullopt;
  return Num{*truth ? 1.0 : 0.0, 0};
}

std::optional<Num> Apply(std::string_view op, bool integers, const Num& a, const Num& b) {
  if (op == "Add" || op == "Sub") {
    const double sign = op == "Sub" ? -1 : 1;
    if (b.Is(0)) return a;
    if (a.power != b.power && !a.Is(0)) return std::nullopt;
    const double c = a.c + sign * b.c;
    return Num{c, c == 0 ? 0 : b.power};
  }
  if (op == "Mul") {
    const double c = a.c * b.c;
    return Num{c, c == 0 ? 0 : a.power + b.power};
  }
  if (op == "Div") {
    if (b.c == 0 || a.power < b.power) return a.Is(0) && b.c != 0 ? std::optional(a) : std::nullopt;
    const double c = a.c / b.c;
    const int power = a.power - b.power;
    if (!integers) return Num{c, power};
    if (power == 0) return Num{std::trunc(c), 0};
    if (std::trunc(c) != c) return std::nullopt;
    return Num{c, power};
  }
  if (op == "Pow") {
    if (!a.IsConstant() || !b.IsConstant()) return std::nullopt;
    return Num{std::pow(a.c, b.c), 0};
  }
  if (op == "And") return Num{a.c != 0 && b.c != 0 ? 1.0 : 0.0, 0};
  if (op == "Or") return Num{a.c != 0 || b.c != 0 ? 1.0 : 0.0, 0};
  if (op == "Equal") return Number(Equal(a, b));
  if (op == "Less") return Number(Less(a, b));
  if (op == "Greater") return Number(Less(b, a));
  const auto flipped = [](std::optional<bool> x) { return x ? std::optional(!*x) : std::nullopt; };
  if (op == "LessOrEqual") return Number(flipped(Less(b, a)));
  if (op == "GreaterOrEqual") return Number(flipped(Less(a, b)));
  const std::optional<bool> less = Less(a, b);
  if (!less) return std::nullopt;
  return (op == "Max") == *less ? b : a;
}

// A comparison of every position in [offset, offset + seq) with one number, where it has one
// outcome.
std::optional<bool> ComparePositions(std::string_view op, double offset, const Num& x) {
  const bool or_equal = op.ends_with("OrEqual");
  const bool greater = op.starts_with("Greater");
  if (!greater && !op.starts_with("Less")) return std::nullopt;
  // With a constant the first position decides, with seq the last.
  if (x.IsConstant() && (greater == or_equal ? offset >= x.c : offset > x.c)) return greater;
  if (x == kSeq && (greater == or_equal ? offset <= 0 : offset <= 1)) return !greater;
  return std::nullopt;
}

bool IsComparison(std::string_view op) {
  return op == "Equal" || op.starts_with("Less") || op.starts_with("Greater") || op == "And" ||
         op == "Or";
}

// The element of `field` that stands at element i of a constant shape it is broadcast to.
Num Element(const Field& field, const NumShape& shape, size_t i) {
  if (field.kind == Field::Kind::kUniform) return field.elements[0];
  size_t at = 0, stride = 1;
  for (size_t d = 0; d < field.shape.size(); ++d) {
    const auto size = static_cast<size_t>(shape[shape.size() - 1 - d].c);
    const auto own = static_cast<size_t>(field.shape[field.shape.size() - 1 - d].c);
    const size_t index = i % size;
    i /= size;
    if (own != 1) at += index * stride;
    stride *= own;
  }
  return field.elements[at];
}

// The number of elements, where it is a constant within bounds.
std::optional<size_t> Count(const NumShape& shape) {
  const Num product = Product(shape);
  if (!product.IsConstant() || product.c < 0 || product.c > kMaxElements) return std::nullopt;
  return static_cast<size_t>(product.c);
}

}  // namespace

std::optional<Field> Trace::AsField(const Value* value) {
  if (value == nullptr) return std::nullopt;
  if (const Field* field = std::get_if<Field>(value)) {
    if (!Spend(field->elements.size())) return std::nullopt;
    return *field;
  }
  const Constant* constant = std::get_if<Constant>(value);
  if (constant == nullptr || constant->transposed || constant->every_token) return std::nullopt;
  const int64_t count = constant->view.size();
  if (count > static_cast<int64_t>(kMaxElements) || !Spend(static_cast<size_t>(count)))
    return std::nullopt;
  std::vector<Num> elements;
  elements.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) elements.push_back({LoadNumber(constant->view, i), 0});
  Field field = MakeField(TypeOf(constant->view.dtype), constant->Dims(), std::move(elements));
  if (field.type == FieldType::kFloat) field.error = RoundingError(constant->view.dtype);
  return field;
}

std::optional<std::vector<int64_t>> Trace::AsInts(const Value* value) {
  const std::optional<Field> field = AsField(value);
  if (!field || field->type != FieldType::kInt || !IsNumbers(*field)) return std::nullopt;
  const std::optional<size_t> count = Count(field->shape);
  if (!count || *count > kMaxElements) return std::nullopt;
  std::vector<int64_t> ints;
  for (size_t i = 0; i < *count; ++i) {
    const Num x = At(*field, i);
    if (!x.IsConstant() || std::abs(x.c) > 1e15) return std::nullopt;
    ints.push_back(static_cast<int64_t>(x.c));
  }
  return ints;
}

std::optional<double> Trace::AsScalar(const Value* value, double* error) {
  const std::optional<Field> field = AsField(value);
  if (!field || field->kind != Field::Kind::kUniform || !field->elements[0].IsConstant())
    return std::nullopt;
  if (error != nullptr) *error = field->error;
  return field->elements[0].c;
}

Value FromTensor(const OnnxTensor& tensor) {
  Result<View> view = tensor.ToView();
  if (view.ok()) return Constant{std::string(tensor.name.substr(0, 200)), *view};
  constexpr OnnxType kDouble = 11;
  if (tensor.type != kDouble || tensor.data.size() > 64 * sizeof(double)) {
    return Failed{std::move(view).status(), std::nullopt};
  }
  std::vector<Num> elements(tensor.data.size() / sizeof(double));
  for (size_t i = 0; i < elements.size(); ++i) {
    std::memcpy(&elements[i].c, tensor.data.data() + i * sizeof(double), sizeof(double));
  }
  NumShape shape;
  for (const int64_t size : tensor.shape) shape.push_back({static_cast<double>(size), 0});
  return MakeField(FieldType::kFloat, std::move(shape), std::move(elements));
}

Value Trace::ConstantOp(const Call& call) {
  for (const OnnxAttribute& attribute : call.node.attributes) {
    const auto numbers = [](const auto& values, FieldType type) {
      std::vector<Num> elements;
      elements.reserve(values.size());
      for (const auto x : values) elements.push_back({static_cast<double>(x), 0});
      NumShape shape = {{static_cast<double>(elements.size()), 0}};
      return MakeField(type, std::move(shape), std::move(elements));
    };
    if (attribute.name == "value" && attribute.tensors.size() == 1) {
      Value value = FromTensor(attribute.tensors[0]);
      if (auto* constant = std::get_if<Constant>(&value)) {
        constant->name = std::string(call.node.outputs.at(0).substr(0, 200));
      }
      return value;
    }
    if (attribute.name == "value_int") {
      return Uniform(FieldType::kInt, {}, {static_cast<double>(attribute.i), 0});
    }
    if (attribute.name == "value_float") return Uniform(FieldType::kFloat, {}, {attribute.f, 0});
    if (attribute.name == "value_ints" && Spend(attribute.ints.size())) {
      return numbers(attribute.ints, FieldType::kInt);
    }
    if (attribute.name == "value_floats" && Spend(attribute.floats.size())) {
      return numbers(attribute.floats, FieldType::kFloat);
    }
  }
  return call.Fail("a constant of numbers", "none");
}

Value Trace::Cast(const Call& call) {
  const int64_t to = call.Int("to", 0);
  const std::optional<DType> dtype =
      OnnxDType(static_cast<OnnxType>(std::clamp<int64_t>(to, 0, 99)));
  constexpr int64_t kDouble = 11;
  const bool to_float = to == kDouble || (dtype && IsFloat(*dtype));
  const Value& x = *call.Input(0);
  if (std::holds_alternative<Rows>(x) || std::holds_alternative<Scores>(x)) {
    return to_float ? x : Value(call.Fail("a float type", OnnxTypeName(static_cast<OnnxType>(to))));
  }
  if (const Constant* constant = std::get_if<Constant>(&x)) {
    if (to_float && IsFloat(constant->view.dtype)) return x;
  }
  std::optional<Field> field = AsField(&x);
  if (!field || (!to_float && !dtype)) return call.Fail("known numbers of a size within bounds");
  const FieldType type = to_float ? FieldType::kFloat : TypeOf(*dtype);
  if (!IsNumbers(*field)) {
    if (type == FieldType::kBool) return call.Fail("numbers");
    field->type = type;
    return *field;
  }
  for (Num& element : field->elements) {
    if (type == FieldType::kBool) element = {element.c != 0 ? 1.0 : 0.0, 0};
    if (type == FieldType::kInt) {
      if (!element.IsConstant() && std::trunc(element.c) != element.c)
        return call.Fail("whole numbers");
      element.c = std::trunc(element.c);
    }
  }
  Field result = MakeField(type, field->shape, std::move(field->elements));
  if (dtype && IsFloat(*dtype)) result.error = std::max(field->error, RoundingError(*dtype));
  return result;
}

Value Trace::Shape(const Call& call) {
  NumShape shape;
  if (const auto* field = std::get_if<Field>(call.Input(0))) shape = field->shape;
  if (const auto* rows = std::get_if<Rows>(call.Input(0))) shape = rows->Dims();
  if (const auto* scores = std::get_if<Scores>(call.Input(0))) shape = scores->Dims();
  if (const auto* constant = std::get_if<Constant>(call.Input(0))) {
    if (constant->every_token) return call.Fail("a value of known shape");
    shape = constant->Dims();
  }
  const auto rank = static_cast<int64_t>(shape.size());
  const auto bound = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
  const int64_t start = bound(call.Int("start", 0)), end = bound(call.Int("end", rank));
  std::vector<Num> elements(shape.begin() + start, shape.begin() + std::max(start, end));
  if (!Spend(elements.size())) return call.Fail("fewer known numbers");
  NumShape own = {{static_cast<double>(elements.size()), 0}};
  return MakeField(FieldType::kInt, std::move(own), std::move(elements));
}

Value Trace::FieldBinary(const Call& call, const Field& a, const Field& b) {
  const std::string_view op = call.node.op_type;
  const std::optional<NumShape> shape = Broadcast(a.shape, b.shape);
  if (!shape || !IsShape(*shape)) return call.Fail("shapes that fit");
  // RoBERTa finds its padding so. In one text alone no token is padding; import_onnx.cc checks that
  // the position table agrees.
  if (op == "Equal" && (a.kind == Field::Kind::kIds) != (b.kind == Field::Kind::kIds)) {
    const Field& id = a.kind == Field::Kind::kIds ? b : a;
    if (id.kind != Field::Kind::kUniform || !id.elements[0].IsConstant() || id.elements[0].c < 0 ||
        id.elements[0].c > 1e9 ||
        (padding_id_ >= 0 && padding_id_ != static_cast<int64_t>(id.elements[0].c))) {
      return call.Fail("token ids compared with the id of padding");
    }
    padding_id_ = static_cast<int64_t>(id.elements[0].c);
    return Uniform(FieldType::kBool, *shape, {0, 0});
  }
  if (IsComparison(op) &&
      (a.kind == Field::Kind::kPosition) != (b.kind == Field::Kind::kPosition)) {
    const bool first = a.kind == Field::Kind::kPosition;
    const Field &positions = first ? a : b, &other = first ? b : a;
    std::string flipped(op);
    if (!first && op.starts_with("Less")) flipped.replace(0, 4, "Greater");
    if (!first && op.starts_with("Greater")) flipped.replace(0, 7, "Less");
    const auto outcome = other.kind == Field::Kind::kUniform
                             ? ComparePositions(flipped, positions.offset, other.elements[0])
                             : std::nullopt;
    if (!outcome) return call.Fail("a comparison with one outcome for all positions");
    return Uniform(FieldType::kBool, *shape, *Number(outcome));
  }
  // Positions move, and stay as they are times or plus the neutral number.
  if (a.kind == Field::Kind::kPosition || b.kind == Field::Kind::kPosition) {
    const bool first = a.kind == Field::Kind::kPosition;
    Field result = first ? a : b;
    const Field& other = first ? b : a;
    const bool constant = other.kind == Field::Kind::kUniform && other.elements[0].IsConstant();
    const bool moves = op == "Add" || (op == "Sub" && first);
    const bool keeps = (op == "Mul" || (op == "Div" && first)) && other.IsUniform(1);
    if (other.kind == Field::Kind::kPosition)
      return call.Fail("positions counted from the start", "relative ones");
    if (!constant || !(moves || keeps)) return call.Fail("positions plus a constant");
    if (moves) result.offset += (op == "Sub" ? -1 : 1) * other.elements[0].c;
    result.axis += shape->size() - result.shape.size();
    result.shape = *shape;
    return result;
  }
  if (!IsNumbers(a) || !IsNumbers(b)) return call.Fail("known numbers");
  const bool uniform = a.kind == Field::Kind::kUniform && b.kind == Field::Kind::kUniform;
  const std::optional<size_t> count = uniform ? std::optional<size_t>(1) : Count(*shape);
  if (!count || !Spend(*count)) return call.Fail("known numbers of a constant, bounded shape");
  const bool integers = a.type == FieldType::kInt && b.type == FieldType::kInt;
  std::vector<Num> elements;
  for (size_t i = 0; i < *count; ++i) {
    const std::optional<Num> x =
        Apply(op, integers, uniform ? a.elements[0] : Element(a, *shape, i),
              uniform ? b.elements[0] : Element(b, *shape, i));
    if (!x) return call.Fail("an operation whose result is known for every sequence length");
    elements.push_back(*x);
  }
  if (uniform) {
    Field result = Uniform(IsComparison(op) ? FieldType::kBool : a.type, *shape, elements[0]);
    result.error = a.error + b.error;
    return result;
  }
  Field result =
      MakeField(IsComparison(op) ? FieldType::kBool : a.type, *shape, std::move(elements));
  result.error = a.error + b.error;
  return result;
}

Value Trace::Unary(const Call& call) {
  const std::string_view op = call.node.op_type;
  if (const auto* scores = std::get_if<Scores>(call.Input(0)); scores != nullptr && op == "IsNaN") {
    // The softmax of finite scores; exporters guard rows that see no key, and each sees its own.
    return Uniform(FieldType::kBool, scores->Dims(), {0, 0});
  }
  if (const auto* rows = std::get_if<Rows>(call.Input(0))) {
    Rows result = *rows;
    if (op == "Sqrt" && rows->form == Form::kVarianceEps) {
      result.form = Form::kDeviation;
      return result;
    }
    if (op == "Reciprocal" && rows->form == Form::kDeviation) {
      result.form = Form::kInverse;
      return result;
    }
    return call.Fail("a part of LayerNorm or Gelu");
  }
  std::optional<Field> field = AsField(call.Input(0));
  if (!field || !IsNumbers(*field)) return call.Fail("known numbers");
  for (Num& x : field->elements) {
    if (op == "Not") {
      x = {x.c == 0 ? 1.0 : 0.0, 0};
    } else if (op == "Neg") {
      x.c = -x.c;
    } else if (op == "IsNaN") {
      x = {std::isnan(x.c) ? 1.0 : 0.0, 0};
    } else if (!x.IsConstant()) {
      return call.Fail("constants");
    } else if (op == "Sqrt") {
      x.c = std::sqrt(x.c);
    } else if (op == "Reciprocal") {
      x.c = 1 / x.c;
    } else if (op == "Abs") {
      x.c = std::abs(x.c);
    } else {
      x.c = std::floor(x.c);
    }
  }
  if (op == "IsNaN") field->type = FieldType::kBool;
  return *field;
}

Value Trace::Where(const Call& call) {
  const std::optional<Field> condition = AsField(call.Input(0));
  if (!condition || condition->type != FieldType::kBool || !IsNumbers(*condition) ||
      call.size() != 3 || !call.Has(1) || !call.Has(2)) {
    return call.Fail("a known condition");
  }
  if (condition->kind == Field::Kind::kUniform) {
    const bool first = condition->elements[0].c != 0;
    const Value& chosen = *call.Input(first ? 1 : 2);
    const Value& other = *call.Input(first ? 2 : 1);
    if (const auto* scores = std::get_if<Scores>(&chosen)) {
      const auto shape = Broadcast(condition->shape, scores->Dims());
      const std::optional<Field> rest = AsField(&other);
      const bool fits = shape == scores->Dims() && rest &&
                        Broadcast(rest->shape, scores->Dims()) == scores->Dims();
      return fits ? chosen : Value(call.Fail("shapes that fit"));
    }
    std::optional<Field> field = AsField(&chosen);
    const std::optional<Field> rest = AsField(&other);
    if (!field || !rest) return call.Fail("known numbers or attention scores");
    auto shape = Broadcast(condition->shape, field->shape);
    if (shape) shape = Broadcast(*shape, rest->shape);
    if (!shape || !IsShape(*shape)) return call.Fail("shapes that fit");
    if (field->kind == Field::Kind::kExplicit && *shape != field->shape) {
      return call.Fail("shapes that are equal");
    }
    if (!IsNumbers(*field)) field->axis += shape->size() - field->shape.size();
    field->shape = *shape;
    return *field;
  }
  const std::optional<Field> a = AsField(call.Input(1)), b = AsField(call.Input(2));
  if (!a || !b || !IsNumbers(*a) || !IsNumbers(*b)) return call.Fail("known numbers");
  auto shape = Broadcast(condition->shape, a->shape);
  if (shape) shape = Broadcast(*shape, b->shape);
  const std::optional<size_t> count = shape ? Count(*shape) : std::nullopt;
  if (!count || !Spend(*count)) return call.Fail("known numbers of a constant, bounded shape");
  std::vector<Num> elements;
  elements.reserve(*count);
  for (size_t i = 0; i < *count; ++i) {
    elements.push_back(Element(Element(*condition, *shape, i).c != 0 ? *a : *b, *shape, i));
  }
  return MakeField(a->type, *shape, std::move(elements));
}

Value Trace::Gather(const Call& call) {
  const Value* data = call.Input(0);
  std::optional<Field> index = AsField(call.Input(1));
  if (!index || index->type != FieldType::kInt) return call.Fail("known indices, ids or positions");
  const int64_t axis_attribute = call.Int("axis", 0);
  const Constant* constant = std::get_if<Constant>(data);
  if (constant != nullptr && IsFloat(constant->view.dtype)) {
    if (axis_attribute == 0 && constant->view.shape.size() == 2 && !constant->transposed &&
        !constant->every_token) {
      return Embed(call, *constant, *index);
    }
    return call.Fail("an embedding table [rows, width]");
  }
  if (const Rows* rows = std::get_if<Rows>(data)) {
    const auto axis = AxisOf(axis_attribute, rows->axes.size());
    Failed failed = call.Fail("the hidden states of all tokens", "those of one");
    if (axis && rows->axes[*axis] == Axis{{.tokens = true}} && index->IsUniform(0) &&
        IsPlainRows(data)) {
      failed.pooled = *rows;
    }
    return failed;
  }
  const std::optional<Field> field = AsField(data);
  if (!field || !IsNumbers(*field)) return call.Fail("known numbers");
  const auto axis = AxisOf(axis_attribute, field->shape.size());
  if (!axis) return call.Fail("an axis within the shape");
  NumShape shape(field->shape.begin(), field->shape.begin() + static_cast<ptrdiff_t>(*axis));
  shape.insert(shape.end(), index->shape.begin(), index->shape.end());
  shape.insert(shape.end(), field->shape.begin() + static_cast<ptrdiff_t>(*axis) + 1,
               field->shape.end());
  if (!IsShape(shape)) return call.Fail("fewer dimensions");
  if (field->kind == Field::Kind::kUniform) {
    Field result = *field;
    result.shape = std::move(shape);
    return result;
  }
  const std::optional<std::vector<int64_t>> indices = AsInts(call.Input(1));
  if (!indices || field->shape.size() != 1 || !Spend(indices->size()))
    return call.Fail("constant indices into a list");
  const auto size = static_cast<int64_t>(field->elements.size());
  std::vector<Num> elements;
  for (const int64_t i : *indices) {
    if (i < -size || i >= size) return call.Fail("indices within the list");
    elements.push_back(field->elements[static_cast<size_t>(i < 0 ? i + size : i)]);
  }
  return MakeField(field->type, std::move(shape), std::move(elements));
}

Value Trace::GatherElements(const Call& call) {
  const std::optional<Field> field = AsField(call.Input(0)), index = AsField(call.Input(1));
  if (!field || !index || field->kind != Field::Kind::kUniform || index->type != FieldType::kInt ||
      field->shape.size() != index->shape.size()) {
    return call.Fail("equal numbers, which are the same in any order");
  }
  Field result = *field;
  result.shape = index->shape;
  return result;
}

Value Trace::Concat(const Call& call) {
  std::vector<Num> elements;
  FieldType type = FieldType::kInt;
  if (const int64_t axis = call.Int("axis", 0); axis != 0 && axis != -1)
    return call.Fail("lists, joined along their only axis", "another axis");
  for (const Value* input : call.inputs) {
    const std::optional<Field> field = AsField(input);
    const auto count =
        field && IsNumbers(*field) && field->shape.size() == 1 ? Count(field->shape) : std::nullopt;
    if (!count || !Spend(*count)) return call.Fail("lists of known numbers");
    for (size_t i = 0; i < *count; ++i) elements.push_back(At(*field, i));
    type = field->type;
  }
  NumShape shape = {{static_cast<double>(elements.size()), 0}};
  return MakeField(type, std::move(shape), std::move(elements));
}

Value Trace::Range(const Call& call) {
  std::optional<Num> bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    const std::optional<Field> field = AsField(call.Input(i));
    if (field && field->kind == Field::Kind::kUniform) bounds[i] = field->elements[0];
  }
  const auto& [start, limit, delta] = bounds;
  if (!start || !limit || !delta || !delta->Is(1) || !start->IsConstant()) {
    return call.Fail("a range of steps of 1");
  }
  Field field;
  if (*limit == kSeq && start->Is(0)) {
    field.kind = Field::Kind::kPosition;
    field.shape = {kSeq};
    return field;
  }
  const double count = limit->c - start->c;
  if (!limit->IsConstant() || !(count >= 0 && count <= static_cast<double>(kMaxElements)) ||
      !Spend(static_cast<size_t>(count)))
    return call.Fail("a range of constants or of all tokens");
  std::vector<Num> elements;
  elements.reserve(static_cast<size_t>(count));
  for (size_t i = 0; static_cast<double>(i) < count; ++i) {
    elements.push_back({start->c + static_cast<double>(i), 0});
  }
  NumShape shape = {{static_cast<double>(elements.size()), 0}};
  return MakeField(FieldType::kInt, std::move(shape), std::move(elements));
}

Value Trace::ConstantOfShape(const Call& call) {
  const std::optional<Field> sizes = AsField(call.Input(0));
  const auto rank =
      sizes && IsNumbers(*sizes) && sizes->shape.size() == 1 ? Count(sizes->shape) : std::nullopt;
  if (!rank || *rank > kMaxRank) return call.Fail("a known shape");
  NumShape shape;
  for (size_t i = 0; i < *rank; ++i) shape.push_back(At(*sizes, i));
  if (!IsShape(shape)) return call.Fail("a known shape");
  Field value = Uniform(FieldType::kFloat, {}, {0, 0});
  const OnnxAttribute* attribute = call.node.FindAttribute("value");
  if (attribute != nullptr && attribute->tensors.size() == 1) {
    const Value given = FromTensor(attribute->tensors[0]);
    const std::optional<Field> field = AsField(&given);
    if (!field || field->kind != Field::Kind::kUniform) return call.Fail("a constant value");
    value = *field;
  }
  value.shape = std::move(shape);
  return value;
}

Value Trace::CumSum(const Call& call) {
  const std::optional<Field> field = AsField(call.Input(0));
  const auto axes = AsInts(call.Input(1));
  const auto axis =
      field && axes && axes->size() == 1 ? AxisOf(axes->at(0), field->shape.size()) : std::nullopt;
  if (!axis || field->type != FieldType::kInt || !field->IsUniform(1) ||
      field->shape[*axis] != kSeq || call.Int("reverse", 0) != 0) {
    return call.Fail("a running count of tokens");
  }
  Field result = *field;
  result.kind = Field::Kind::kPosition;
  result.elements.clear();
  result.axis = *axis;
  result.offset = call.Int("exclusive", 0) != 0 ? 0 : 1;
  return result;
}

Value Trace::NonZero(const Call& call) {
  const std::optional<Field> field = AsField(call.Input(0));
  if (!field || field->kind != Field::Kind::kUniform || field->elements[0].c == 0 ||
      field->shape != NumShape{kSeq}) {
    return call.Fail("ones, one a token");
  }
  Field result;
  result.kind = Field::Kind::kPosition;
  result.shape = {Num{1, 0}, kSeq};
  result.axis = 1;
  return result;
}

Value Trace::ReduceField(const Call& call, const Field& x, const std::vector<size_t>& axes,
                         bool keep) {
  NumShape reduced, shape;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    const bool is_reduced = std::find(axes.begin(), axes.end(), d) != axes.end();
    if (is_reduced) reduced.push_back(x.shape[d]);
    if (!is_reduced) shape.push_back(x.shape[d]);
    if (is_reduced && keep) shape.push_back({1, 0});
  }
  const std::string_view op = call.node.op_type;
  if (x.kind == Field::Kind::kUniform && op != "ReduceProd") {
    Field result = x;
    result.shape = std::move(shape);
    if (op == "ReduceSum") {
      result.elements[0] = *Apply("Mul", false, result.elements[0], Product(reduced));
    }
    return result;
  }
  if (op == "ReduceProd" && IsNumbers(x) && reduced.size() == x.shape.size()) {
    if (const std::optional<size_t> count = Count(x.shape)) {
      NumShape factors;
      for (size_t i = 0; i < *count && i <= kMaxRank; ++i) factors.push_back(At(x, i));
      if (*count <= kMaxRank) return Uniform(x.type, std::move(shape), Product(factors));
    }
  }
  return call.Fail("equal numbers, or the sizes of a shape");
}

}  // namespace tessera::bert_onnx
