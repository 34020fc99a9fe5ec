// The time, as tests, caches and reports ask for it. Thread-safe.
#ifndef TESSERA_BASE_CLOCK_H_
#define TESSERA_BASE_CLOCK_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace tessera {

inline double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Nanoseconds since 1970, by the system's clock; as files' times are.
inline int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// "2026-01-31", in UTC.
inline std::string DateOf(int64_t ns_since_1970) {
  const std::chrono::sys_time<std::chrono::nanoseconds> time{
      std::chrono::nanoseconds(ns_since_1970)};
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(time)};
  char text[40];
  std::snprintf(text, sizeof(text), "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text;
}

}  // namespace tessera

#endif  // TESSERA_BASE_CLOCK_H_
