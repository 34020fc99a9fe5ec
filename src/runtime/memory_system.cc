#include "runtime/memory_system.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/check.h"
#include "base/file.h"

namespace tessera {
namespace {

constexpr int kMaxCaches = 16;

// "32768K", "33554432", "12 kB": decimal digits with K, M or G behind them. 0 when it is neither.
uint64_t ParseSize(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return 0;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  int shift = 0;
  if (!text.empty()) {
    const char unit = text.front();
    shift = unit == 'K' || unit == 'k' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
  }
  return value > (UINT64_MAX >> shift) ? 0 : value << shift;
}

}  // namespace

uint64_t LastLevelCacheBytes(const std::string& sys) {
  uint64_t largest = 0;
  for (int i = 0; i < kMaxCaches; ++i) {
    const Result<std::string> size =
        ReadFile(sys + "/devices/system/cpu/cpu0/cache/index" + std::to_string(i) + "/size", 64);
    if (!size.ok()) break;
    largest = std::max(largest, ParseSize(*size));
  }
  return largest;
}

uint64_t AvailableMemoryBytes(const std::string& proc) {
  const Result<std::string> text = ReadFile(proc + "/meminfo", 1 << 20);
  if (!text.ok()) return 0;
  constexpr std::string_view kKey = "MemAvailable:";
  const size_t at = text->find(kKey);
  return at == std::string::npos ? 0 : ParseSize(std::string_view(*text).substr(at + kKey.size()));
}

}  // namespace tessera
