// A number that shape arithmetic handles: known, a linear form of one symbol ("2*seq + 1"), or
// unknown.
//
// Dimensions and the elements of small integer tensors are Numbers. What a form of one symbol
// cannot hold becomes a symbol of its own whose name says how it came about ("past + seq"); names
// stay below a bound, beyond it the number is unknown. Overflow gives unknown. Plain values.
#ifndef TESSERA_DOCTOR_NUMBER_H_
#define TESSERA_DOCTOR_NUMBER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::doctor {

class Number {
 public:
  Number() = default;                                           // unknown
  Number(int64_t value) : kind_(Kind::kInt), offset_(value) {}  // NOLINT: a number is a Number
  static Number Float(double value);
  // Unknown for an empty name or one that is too long.
  static Number Symbol(std::string_view name);

  bool is_int() const { return kind_ == Kind::kInt; }
  bool is_float() const { return kind_ == Kind::kFloat; }
  bool known() const { return is_int() || is_float(); }
  bool symbolic() const { return kind_ == Kind::kSymbol; }
  bool unknown() const { return kind_ == Kind::kUnknown; }
  bool Is(int64_t value) const { return is_int() && offset_ == value; }
  int64_t value() const { return offset_; }  // only when is_int()
  double as_double() const {                 // only when known()
    return is_int() ? static_cast<double>(offset_) : float_;
  }
  // The same whatever the symbols are; never of unknown numbers.
  bool Same(const Number& other) const;
  // "12", "0.5", "seq", "2*seq + 1", "?"
  std::string ToString() const;

  friend Number Add(const Number& a, const Number& b);
  friend Number Sub(const Number& a, const Number& b);
  friend Number Mul(const Number& a, const Number& b);
  // Rounded towards minus infinity, as shape formulas want; unknown for a divisor of 0.
  friend Number FloorDiv(const Number& a, const Number& b);
  friend Number Min(const Number& a, const Number& b);
  friend Number Max(const Number& a, const Number& b);

 private:
  enum class Kind : uint8_t { kUnknown, kInt, kFloat, kSymbol };
  static Number Linear(int64_t scale, const std::string& symbol, int64_t offset);
  static Number Compound(const Number& a, const char* op, const Number& b, bool commutes);

  Kind kind_ = Kind::kUnknown;
  int64_t scale_ = 0, offset_ = 0;  // kSymbol: scale_ * symbol_ + offset_
  double float_ = 0;
  std::string symbol_;
};

Number Add(const Number& a, const Number& b);
Number Sub(const Number& a, const Number& b);
Number Mul(const Number& a, const Number& b);
Number FloorDiv(const Number& a, const Number& b);
Number Min(const Number& a, const Number& b);
Number Max(const Number& a, const Number& b);
// a / b rounded towards plus infinity.
Number CeilDiv(const Number& a, const Number& b);
using Numbers = std::vector<Number>;
// "[1, seq, 384]"
std::string ToString(const Numbers& shape);
Number Product(const Numbers& numbers);
bool AllKnown(const Numbers& numbers);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_NUMBER_H_
