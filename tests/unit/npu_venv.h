// Vendors' libraries for tests: those of the Python environment that TESSERA_VENV names, else of
// .deps/venv-npu (tools/make_venv.sh npu).
#ifndef TESSERA_TESTS_UNIT_NPU_VENV_H_
#define TESSERA_TESTS_UNIT_NPU_VENV_H_

#include <stdlib.h>

namespace tessera {

// A sanitizer's runtime and libraries that were built without it do not get along.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

inline void UseNpuVenv() { setenv("TESSERA_VENV", TESSERA_SOURCE_DIR "/.deps/venv-npu", 0); }

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_NPU_VENV_H_
