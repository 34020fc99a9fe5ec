#include "doctor/number.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace tessera::doctor {
namespace {

constexpr size_t kMaxSymbol = 96;

bool AddTo(int64_t a, int64_t b, int64_t& sum) { return !__builtin_add_overflow(a, b, &sum); }
bool MulTo(int64_t a, int64_t b, int64_t& product) {
  return !__builtin_mul_overflow(a, b, &product);
}

int64_t FloorDivide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return quotient * b != a && ((a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

}  // namespace

Number Number::Float(double value) {
  Number n;
  n.kind_ = Kind::kFloat;
  n.float_ = value;
  return n;
}

Number Number::Symbol(std::string_view name) {
  Number n;
  if (name.empty() || name.size() > kMaxSymbol) return n;
  n.kind_ = Kind::kSymbol;
  n.scale_ = 1;
  n.symbol_ = name;
  for (char& ch : n.symbol_) {
    if (ch < 0x20 || ch > 0x7E) ch = '?';  // names come from files and go into reports
  }
  return n;
}

Number Number::Linear(int64_t scale, const std::string& symbol, int64_t offset) {
  if (scale == 0) return {offset};
  Number n = Symbol(symbol);
  n.scale_ = scale;
  n.offset_ = offset;
  return n;
}

Number Number::Compound(const Number& a, const char* op, const Number& b, bool commutes) {
  if (a.unknown() || b.unknown()) return {};
  std::string left = a.ToString(), right = b.ToString();
  if (commutes && right < left) std::swap(left, right);
  const auto quoted = [](const std::string& text) {
    return text.find(' ') == std::string::npos ? text : "(" + text + ")";
  };
  return Symbol(quoted(left) + " " + op + " " + quoted(right));
}

bool Number::Same(const Number& other) const {
  if (kind_ != other.kind_ || unknown()) return false;
  if (is_float()) return float_ == other.float_;
  return offset_ == other.offset_ && scale_ == other.scale_ && symbol_ == other.symbol_;
}

std::string Number::ToString() const {
  switch (kind_) {
    case Kind::kUnknown:
      return "?";
    case Kind::kInt:
      return std::to_string(offset_);
    case Kind::kFloat: {
      char text[32];
      std::snprintf(text, sizeof(text), "%g", float_);
      return text;
    }
    case Kind::kSymbol:
      break;
  }
  std::string text = symbol_;
  const bool compound = text.find(' ') != std::string::npos;
  if (scale_ != 1) text = std::to_string(scale_) + "*" + (compound ? "(" + text + ")" : text);
  if (offset_ > 0) text += " + " + std::to_string(offset_);
  if (offset_ < 0 && offset_ != std::numeric_limits<int64_t>::min())
    text += " - " + std::to_string(-offset_);
  return text;
}

Number Add(const Number& a, const Number& b) {
  if (a.known() && b.known() && (a.is_float() || b.is_float()))
    return Number::Float(a.as_double() + b.as_double());
  if (a.unknown() || b.unknown() || a.is_float() || b.is_float()) return {};
  int64_t offset = 0, scale = 0;
  if (!AddTo(a.offset_, b.offset_, offset) || !AddTo(a.scale_, b.scale_, scale)) return {};
  if (a.symbolic() && b.symbolic() && a.symbol_ != b.symbol_)
    return Number::Compound(a, "+", b, true);
  return Number::Linear(scale, a.symbolic() ? a.symbol_ : b.symbol_, offset);
}

Number Mul(const Number& a, const Number& b) {
  if (a.Is(0) || b.Is(0)) return {0};
  if (a.known() && b.known() && (a.is_float() || b.is_float()))
    return Number::Float(a.as_double() * b.as_double());
  if (a.unknown() || b.unknown() || a.is_float() || b.is_float()) return {};
  if (a.symbolic() && b.symbolic()) return Number::Compound(a, "*", b, true);
  const Number& form = a.symbolic() ? a : b;
  const int64_t factor = a.symbolic() ? b.offset_ : a.offset_;
  int64_t scale = 0, offset = 0;
  if (!MulTo(form.scale_, factor, scale) || !MulTo(form.offset_, factor, offset)) return {};
  return Number::Linear(scale, form.symbol_, offset);
}

Number Sub(const Number& a, const Number& b) {
  if (b.is_int() && b.offset_ == std::numeric_limits<int64_t>::min()) return {};
  if (a.symbolic() && b.symbolic() && a.symbol_ != b.symbol_)
    return Number::Compound(a, "-", b, false);
  return Add(a, Mul(b, {-1}));
}

Number FloorDiv(const Number& a, const Number& b) {
  if (a.known() && b.known() && (a.is_float() || b.is_float())) {
    return b.as_double() == 0 ? Number() : Number::Float(a.as_double() / b.as_double());
  }
  if (a.unknown() || b.unknown() || b.Is(0) || a.is_float() || b.is_float()) return {};
  if (a.Same(b)) return {1};
  if (b.symbolic()) {
    // (k * s) / s
    if (a.symbolic() && a.symbol_ == b.symbol_ && a.offset_ == 0 && b.offset_ == 0 &&
        a.scale_ % b.scale_ == 0) {
      return {a.scale_ / b.scale_};
    }
    return Number::Compound(a, "/", b, false);
  }
  const int64_t divisor = b.offset_;
  if (a.is_int()) {
    if (divisor == -1 && a.offset_ == std::numeric_limits<int64_t>::min()) return {};
    return {FloorDivide(a.offset_, divisor)};
  }
  if (divisor > 0 && a.scale_ % divisor == 0)
    return Number::Linear(a.scale_ / divisor, a.symbol_, FloorDivide(a.offset_, divisor));
  return Number::Compound(a, "/", b, false);
}

Number CeilDiv(const Number& a, const Number& b) { return Mul(FloorDiv(Mul(a, {-1}), b), {-1}); }

Number Min(const Number& a, const Number& b) {
  if (a.known() && b.known()) return a.as_double() <= b.as_double() ? a : b;
  return a.Same(b) ? a : Number();
}

Number Max(const Number& a, const Number& b) {
  if (a.known() && b.known()) return a.as_double() >= b.as_double() ? a : b;
  return a.Same(b) ? a : Number();
}

std::string ToString(const Numbers& shape) {
  std::string text = "[";
  for (const Number& n : shape) text += (text.size() == 1 ? "" : ", ") + n.ToString();
  return text + "]";
}

Number Product(const Numbers& numbers) {
  Number product = 1;
  for (const Number& n : numbers) product = Mul(product, n);
  return product;
}

bool AllKnown(const Numbers& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](const Number& n) { return n.is_int(); });
}

}  // namespace tessera::doctor
