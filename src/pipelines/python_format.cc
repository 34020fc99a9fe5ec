#include "pipelines/python_format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "text/utf8.h"

namespace tessera {

std::string PythonFloat(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  // "d[.ddd]e+XX": the digits are right, the layout is made anew.
  std::array<char, 40> buffer;
  const std::to_chars_result written = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                                     value, std::chars_format::scientific);
  const std::string_view scientific(buffer.data(),
                                    static_cast<size_t>(written.ptr - buffer.data()));
  const size_t e = scientific.find('e');
  const int exponent = std::atoi(std::string(scientific.substr(e + 1)).c_str());
  std::string sign;
  std::string digits;
  for (const char c : scientific.substr(0, e)) {
    if (c == '-') sign = "-";
    if (c >= '0' && c <= '9') digits += c;
  }
  const int num_digits = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    std::array<char, 8> power;
    std::snprintf(power.data(), power.size(), "e%c%02d", exponent < 0 ? '-' : '+',
                  std::abs(exponent));
    return sign + digits[0] + (num_digits > 1 ? "." + digits.substr(1) : "") + power.data();
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent + 1);
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

int64_t PythonRound(double value) {
  constexpr double kLimit = 9007199254740992.0;
  if (!std::isfinite(value)) return 0;
  return static_cast<int64_t>(std::nearbyint(std::clamp(value, -kLimit, kLimit)));
}

std::string PythonJsonString(std::string_view text) {
  std::string out = "\"";
  const auto escape = [&](char32_t unit) {
    std::array<char, 8> buffer;
    std::snprintf(buffer.data(), buffer.size(), "\\u%04x", static_cast<unsigned>(unit));
    out += buffer.data();
  };
  while (!text.empty()) {
    const DecodedCodePoint point = DecodeCodePoint(text);
    const char32_t c = point.value;
    text.remove_prefix(static_cast<size_t>(point.length));
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (c >= 0x20 && c < 0x7F) {
          out += static_cast<char>(c);
        } else if (c < 0x10000) {
          escape(c);
        } else {
          escape(0xD800 + ((c - 0x10000) >> 10));
          escape(0xDC00 + ((c - 0x10000) & 0x3FF));
        }
    }
  }
  out += '"';
  return out;
}

std::string FormatTimestamp(double seconds, bool always_include_hours, char decimal_marker) {
  int64_t rest = std::max<int64_t>(PythonRound(seconds * 1000.0), 0);
  const int64_t hours = rest / 3'600'000;
  rest %= 3'600'000;
  std::array<char, 64> buffer;
  int used = 0;
  if (always_include_hours || hours > 0)
    used = std::snprintf(buffer.data(), buffer.size(), "%02" PRId64 ":", hours);
  std::snprintf(buffer.data() + used, buffer.size() - static_cast<size_t>(used), "%02d:%02d%c%03d",
                static_cast<int>(rest / 60'000), static_cast<int>(rest / 1000 % 60), decimal_marker,
                static_cast<int>(rest % 1000));
  return buffer.data();
}

}  // namespace tessera
