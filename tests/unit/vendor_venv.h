// Vendors' libraries for tests: those of the environment of tools/make_venv.sh, unless the caller
// named another one.
#ifndef TESSERA_TESTS_UNIT_VENDOR_VENV_H_
#define TESSERA_TESTS_UNIT_VENDOR_VENV_H_

#include <cstdlib>

namespace tessera {

// Before the first search for a library. A machine without the environment has nothing there.
inline void UseVendorVenv() {
  setenv("TESSERA_VENV", TESSERA_SOURCE_DIR "/.deps/venv-npu", 0);
}

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_VENDOR_VENV_H_
