// Vendors' libraries for tests: those of the Python environment that TESSERA_VENV names, else of
// .deps/venv-npu (tools/make_venv.sh npu).
#ifndef TESSERA_TESTS_UNIT_NPU_VENV_H_
#define TESSERA_TESTS_UNIT_NPU_VENV_H_

#include <stdlib.h>

namespace tessera {

inline void UseNpuVenv() { setenv("TESSERA_VENV", TESSERA_SOURCE_DIR "/.deps/venv-npu", 0); }

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_NPU_VENV_H_
