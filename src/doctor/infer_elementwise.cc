// Operators that give one element for one element, with numpy's broadcasting.
#include <cmath>

#include "doctor/infer_context.h"

namespace tessera::doctor {
namespace {

using BinaryOp = Number (*)(const Number&, const Number&);

void SameAsInput(InferContext& c) {
  if (c.In(0) == nullptr) return;
  c.Set(0, c.Type(0), c.In(0)->shape);
}

// The first input's type and shape, and its contents.
void Identity(InferContext& c) {
  if (c.In(0) == nullptr) return;
  c.Out(0) = *c.In(0);
}

void Predicate(InferContext& c) {
  if (c.In(0) == nullptr) return;
  c.Set(0, kOnnxBool, c.In(0)->shape);
}

// The common shape of the inputs [first, last).
std::optional<Numbers> CommonShape(InferContext& c, size_t first, size_t last) {
  std::optional<Numbers> shape;
  for (size_t i = first; i < last; ++i) {
    if (c.In(i) == nullptr) continue;
    if (c.Shape(i) == nullptr) return std::nullopt;
    if (!shape) {
      shape = *c.Shape(i);
      continue;
    }
    std::optional<Numbers> both = BroadcastShapes(*shape, *c.Shape(i));
    if (!both) {
      c.Conflict("shapes " + ToString(*shape) + " and " + ToString(*c.Shape(i)) +
                 " do not broadcast");
      return std::nullopt;
    }
    shape = std::move(both);
  }
  return shape;
}

// Element `index` of an input that broadcasts to `shape`.
const Number& BroadcastElement(const Numbers& elements, const Numbers& own, const Numbers& shape,
                               int64_t index) {
  int64_t offset = 0, stride = 1;
  for (size_t k = 0; k < own.size(); ++k) {
    const int64_t size = shape[shape.size() - 1 - k].value();
    const int64_t own_size = own[own.size() - 1 - k].value();
    if (own_size != 1) offset += (index % size) * stride;
    stride *= own_size;
    index /= size;
  }
  return elements[static_cast<size_t>(offset)];
}

template <typename F>
void FillElements(InferContext& c, std::initializer_list<size_t> inputs, const F& f) {
  const std::optional<int64_t> count = c.Out(0).ElementCount();
  if (!count || *count > kMaxTracked) return;
  for (const size_t i : inputs) {
    if (c.Elements(i) == nullptr || c.Shape(i) == nullptr || !AllKnown(*c.Shape(i))) return;
  }
  Numbers out;
  out.reserve(static_cast<size_t>(*count));
  const Numbers& shape = *c.Out(0).shape;
  for (int64_t index = 0; index < *count; ++index) {
    std::vector<Number> arguments;
    for (const size_t i : inputs)
      arguments.push_back(BroadcastElement(*c.Elements(i), *c.Shape(i), shape, index));
    out.push_back(f(arguments));
  }
  c.SetElements(0, std::move(out));
}

void Arithmetic(InferContext& c, BinaryOp op) {
  c.Set(0, c.Type(0) != 0 ? c.Type(0) : c.Type(1), CommonShape(c, 0, 2));
  FillElements(c, {0, 1}, [op](const Numbers& a) { return op(a[0], a[1]); });
}

Number Truncated(const Number& a, const Number& b) {  // C's division, which ONNX wants
  if (a.is_int() && b.is_int() && !b.Is(0) && !b.Is(-1)) return {a.value() / b.value()};
  return FloorDiv(a, b);
}
Number Modulo(const Number& a, const Number& b) {
  if (b.Is(0)) return {};
  return Sub(a, Mul(FloorDiv(a, b), b));
}
Number Power(const Number& a, const Number& b) {
  if (!a.known() || !b.known()) return b.Is(1) ? a : Number();
  const double power = std::pow(a.as_double(), b.as_double());
  if (!a.is_int()) return Number::Float(power);
  if (!(std::fabs(power) < 9e15)) return {};
  return {static_cast<int64_t>(power)};
}

void AddRule(InferContext& c) { Arithmetic(c, Add); }
void SubRule(InferContext& c) { Arithmetic(c, Sub); }
void MulRule(InferContext& c) { Arithmetic(c, Mul); }
void DivRule(InferContext& c) { Arithmetic(c, Truncated); }
void ModRule(InferContext& c) { Arithmetic(c, Modulo); }
void PowRule(InferContext& c) { Arithmetic(c, Power); }
void BinaryNoContent(InferContext& c) {
  c.Set(0, c.Type(0) != 0 ? c.Type(0) : c.Type(1), CommonShape(c, 0, 2));
}

void Variadic(InferContext& c) {  // Sum, Mean
  c.Set(0, c.Type(0), CommonShape(c, 0, c.input_count()));
}
void MinRule(InferContext& c) {
  Variadic(c);
  if (c.input_count() == 2)
    FillElements(c, {0, 1}, [](const Numbers& a) { return Min(a[0], a[1]); });
}
void MaxRule(InferContext& c) {
  Variadic(c);
  if (c.input_count() == 2)
    FillElements(c, {0, 1}, [](const Numbers& a) { return Max(a[0], a[1]); });
}

Number FromBool(bool b) { return {b ? 1 : 0}; }

template <typename F>
void Compare(InferContext& c, const F& f) {
  c.Set(0, kOnnxBool, CommonShape(c, 0, 2));
  FillElements(c, {0, 1}, f);
}
void EqualRule(InferContext& c) {
  Compare(c, [](const Numbers& a) {
    if (a[0].Same(a[1])) return FromBool(true);
    // A size is never negative: "is this dimension -1" is asked by every exporter of Expand.
    for (const size_t i : {0, 1}) {
      if (a[i].symbolic() && a[1 - i].is_int() && a[1 - i].value() < 0) return FromBool(false);
    }
    return a[0].known() && a[1].known() ? FromBool(a[0].as_double() == a[1].as_double()) : Number();
  });
}
template <bool kLess, bool kOrEqual>
void OrderRule(InferContext& c) {
  Compare(c, [](const Numbers& a) {
    if (!a[0].known() || !a[1].known()) return Number();
    const double x = a[0].as_double(), y = a[1].as_double();
    return FromBool((kLess ? x < y : x > y) || (kOrEqual && x == y));
  });
}
void AndRule(InferContext& c) {
  Compare(c, [](const Numbers& a) {
    if (a[0].Is(0) || a[1].Is(0)) return FromBool(false);
    return a[0].known() && a[1].known() ? FromBool(true) : Number();
  });
}
void OrRule(InferContext& c) {
  Compare(c, [](const Numbers& a) {
    if (a[0].Is(1) || a[1].Is(1)) return FromBool(true);
    return a[0].known() && a[1].known() ? FromBool(false) : Number();
  });
}
void LogicalNoContent(InferContext& c) { c.Set(0, kOnnxBool, CommonShape(c, 0, 2)); }

template <typename F>
void Unary(InferContext& c, const F& f) {
  SameAsInput(c);
  FillElements(c, {0}, f);
}
void NotRule(InferContext& c) {
  Unary(c, [](const Numbers& a) { return a[0].is_int() ? FromBool(a[0].Is(0)) : Number(); });
}
void NegRule(InferContext& c) {
  Unary(c, [](const Numbers& a) { return Mul(a[0], -1); });
}
void AbsRule(InferContext& c) {
  Unary(c, [](const Numbers& a) {
    if (!a[0].known()) return Number();
    return a[0].as_double() < 0 ? Mul(a[0], -1) : a[0];
  });
}
template <double (*kFunction)(double)>
void FloatFunction(InferContext& c) {
  Unary(c, [](const Numbers& a) {
    return a[0].is_float() ? Number::Float(kFunction(a[0].as_double())) : Number();
  });
}
double Sqrt(double x) { return std::sqrt(x); }
double Floor(double x) { return std::floor(x); }
double Ceil(double x) { return std::ceil(x); }
double Reciprocal(double x) { return 1 / x; }

bool IsFloat(OnnxType type) { return type == 1 || type == 10 || type == 11 || type == 16; }

void CastTo(InferContext& c, OnnxType to) {
  if (c.In(0) == nullptr) return;
  c.Set(0, to, c.In(0)->shape);
  FillElements(c, {0}, [to](const Numbers& a) {
    const Number& n = a[0];
    if (IsFloat(to)) return n.known() ? Number::Float(n.as_double()) : Number();
    if (to == kOnnxBool) return n.known() ? FromBool(n.as_double() != 0) : Number();
    if (!n.is_float()) return n;
    if (!(std::fabs(n.as_double()) < 9e15)) return Number();
    return Number(static_cast<int64_t>(n.as_double()));
  });
}
void CastRule(InferContext& c) { CastTo(c, static_cast<OnnxType>(c.Int("to", 0))); }
void CastLikeRule(InferContext& c) { CastTo(c, c.Type(1)); }

void WhereRule(InferContext& c) {
  c.Set(0, c.Type(1) != 0 ? c.Type(1) : c.Type(2), CommonShape(c, 0, 3));
  FillElements(c, {0, 1, 2}, [](const Numbers& a) {
    if (!a[0].is_int()) return a[1].Same(a[2]) ? a[1] : Number();
    return a[0].Is(0) ? a[2] : a[1];
  });
}

void ClipRule(InferContext& c) {
  SameAsInput(c);
  if (c.Elements(1) != nullptr && c.Elements(2) != nullptr && c.Elements(1)->size() == 1 &&
      c.Elements(2)->size() == 1) {
    const Number low = (*c.Elements(1))[0], high = (*c.Elements(2))[0];
    FillElements(c, {0}, [&](const Numbers& a) { return Min(Max(a[0], low), high); });
  }
}

// Output 1 is a mask.
void DropoutRule(InferContext& c) {
  SameAsInput(c);
  c.Set(1, kOnnxBool, c.In(0) != nullptr ? c.In(0)->shape : std::nullopt);
}

void QuantizeRule(InferContext& c) {
  if (c.In(0) == nullptr) return;
  const OnnxType from_attribute = static_cast<OnnxType>(c.Int("output_dtype", 0));
  const OnnxType type = c.Type(2) != 0 ? c.Type(2) : from_attribute != 0 ? from_attribute : 2;
  c.Set(0, type, c.In(0)->shape);
}
void DequantizeRule(InferContext& c) {
  if (c.In(0) == nullptr) return;
  const OnnxType from_attribute = static_cast<OnnxType>(c.Int("output_dtype", 0));
  c.Set(0, from_attribute != 0 ? from_attribute : c.Type(1) != 0 ? c.Type(1) : 1, c.In(0)->shape);
}
void DynamicQuantizeRule(InferContext& c) {
  if (c.In(0) == nullptr) return;
  c.Set(0, 2, c.In(0)->shape);
  c.Set(1, 1, Numbers());
  c.Set(2, 2, Numbers());
}
void BitcastLikeRandom(InferContext& c) {  // RandomNormalLike, RandomUniformLike, Bernoulli
  if (c.In(0) == nullptr) return;
  const auto type = static_cast<OnnxType>(c.Int("dtype", 0));
  c.Set(0, type != 0 ? type : c.Type(0), c.In(0)->shape);
}

constexpr NamedRule kRules[] = {
    {"Abs", AbsRule},
    {"Acos", SameAsInput},
    {"Acosh", SameAsInput},
    {"Add", AddRule},
    {"And", AndRule},
    {"Asin", SameAsInput},
    {"Asinh", SameAsInput},
    {"Atan", SameAsInput},
    {"Atanh", SameAsInput},
    {"Bernoulli", BitcastLikeRandom},
    {"BitShift", BinaryNoContent},
    {"BitwiseAnd", BinaryNoContent},
    {"BitwiseNot", SameAsInput},
    {"BitwiseOr", BinaryNoContent},
    {"BitwiseXor", BinaryNoContent},
    {"Cast", CastRule},
    {"CastLike", CastLikeRule},
    {"Ceil", FloatFunction<Ceil>},
    {"Celu", SameAsInput},
    {"Clip", ClipRule},
    {"Cos", SameAsInput},
    {"Cosh", SameAsInput},
    {"CumSum", SameAsInput},
    {"DequantizeLinear", DequantizeRule},
    {"Div", DivRule},
    {"Dropout", DropoutRule},
    {"DynamicQuantizeLinear", DynamicQuantizeRule},
    {"Elu", SameAsInput},
    {"Equal", EqualRule},
    {"Erf", SameAsInput},
    {"Exp", SameAsInput},
    {"Floor", FloatFunction<Floor>},
    {"Gelu", SameAsInput},
    {"Greater", OrderRule<false, false>},
    {"GreaterOrEqual", OrderRule<false, true>},
    {"HardSigmoid", SameAsInput},
    {"HardSwish", SameAsInput},
    {"Identity", Identity},
    {"IsInf", Predicate},
    {"IsNaN", Predicate},
    {"LeakyRelu", SameAsInput},
    {"Less", OrderRule<true, false>},
    {"LessOrEqual", OrderRule<true, true>},
    {"Log", SameAsInput},
    {"Max", MaxRule},
    {"Mean", Variadic},
    {"Min", MinRule},
    {"Mish", SameAsInput},
    {"Mod", ModRule},
    {"Mul", MulRule},
    {"Neg", NegRule},
    {"Not", NotRule},
    {"Or", OrRule},
    {"PRelu", SameAsInput},
    {"Pow", PowRule},
    {"QuantizeLinear", QuantizeRule},
    {"RandomNormalLike", BitcastLikeRandom},
    {"RandomUniformLike", BitcastLikeRandom},
    {"Reciprocal", FloatFunction<Reciprocal>},
    {"Relu", SameAsInput},
    {"Round", SameAsInput},
    {"Selu", SameAsInput},
    {"Shrink", SameAsInput},
    {"Sigmoid", SameAsInput},
    {"Sign", SameAsInput},
    {"Sin", SameAsInput},
    {"Sinh", SameAsInput},
    {"Softplus", SameAsInput},
    {"Softsign", SameAsInput},
    {"Sqrt", FloatFunction<Sqrt>},
    {"Sub", SubRule},
    {"Sum", Variadic},
    {"Swish", SameAsInput},
    {"Tan", SameAsInput},
    {"Tanh", SameAsInput},
    {"ThresholdedRelu", SameAsInput},
    {"Trilu", SameAsInput},
    {"Where", WhereRule},
    {"Xor", LogicalNoContent},
};

}  // namespace

RuleTable ElementwiseRules() { return {kRules, std::size(kRules)}; }

}  // namespace tessera::doctor
