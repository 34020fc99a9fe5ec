// Checks for programmer errors and the two macros that pass a Status up. Input from outside must
// never trip TESSERA_CHECK.
#ifndef TESSERA_BASE_CHECK_H_
#define TESSERA_BASE_CHECK_H_

#include "tessera/status.h"

namespace tessera {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}

#define TESSERA_CHECK(condition) \
  ((condition) ? (void)0 : ::tessera::CheckFailed(#condition, __FILE__, __LINE__))

#if defined(TESSERA_ENABLE_DCHECK)
#define TESSERA_DCHECK(condition) TESSERA_CHECK(condition)
#else
#define TESSERA_DCHECK(condition) ((void)sizeof(!(condition)))
#endif

#define TESSERA_RETURN_IF_ERROR(expr)                  \
  do {                                                 \
    ::tessera::Status tessera_status_ = (expr);        \
    if (!tessera_status_.ok()) return tessera_status_; \
  } while (false)

#define TESSERA_CONCAT_INNER_(a, b) a##b
#define TESSERA_CONCAT_(a, b) TESSERA_CONCAT_INNER_(a, b)
// TESSERA_ASSIGN_OR_RETURN(auto x, MakeX()); on error returns the Status from the enclosing
// function.
#define TESSERA_ASSIGN_OR_RETURN(lhs, expr) \
  TESSERA_ASSIGN_OR_RETURN_IMPL_(TESSERA_CONCAT_(tessera_result_, __LINE__), lhs, expr)
#define TESSERA_ASSIGN_OR_RETURN_IMPL_(result, lhs, expr) \
  auto result = (expr);                                   \
  if (!result.ok()) return std::move(result).status();    \
  lhs = std::move(result).value()

#endif  // TESSERA_BASE_CHECK_H_
