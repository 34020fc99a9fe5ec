#include "providers/onnxruntime/targets.h"

namespace tessera {
namespace {

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= 4 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Result<QnnTarget> ParseQnnTarget(std::string_view text) {
  if (text == kDefaultQnnTarget) return QnnTarget{"60", "73"};
  constexpr std::string_view kPrefix = "qnn:";
  if (text.starts_with(kPrefix)) {
    const std::string_view numbers = text.substr(kPrefix.size());
    const size_t comma = numbers.find(',');
    const std::string_view soc = numbers.substr(0, comma);
    const std::string_view arch =
        comma == std::string_view::npos ? std::string_view() : numbers.substr(comma + 1);
    if (IsNumber(soc) && (comma == std::string_view::npos || IsNumber(arch))) {
      return QnnTarget{std::string(soc), std::string(arch)};
    }
  }
  return InvalidArgument("\"" + std::string(text) +
                         "\" is no target: snapdragon-x, or qnn:SOC[,ARCH] with QNN's numbers of "
                         "the chip and its Hexagon architecture (qnn:60,73)");
}

}  // namespace tessera
