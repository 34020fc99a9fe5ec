// Paths for a test's files that no other test uses, also when tests run beside each other.
#ifndef TESSERA_TESTS_UNIT_TEMP_PATH_H_
#define TESSERA_TESTS_UNIT_TEMP_PATH_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace tessera {

// Each test of a suite is a process of its own (cmake/TesseraTargets.cmake).
inline std::string TempPath(const std::string& name) {
  return testing::TempDir() + "tessera-" + std::to_string(getpid()) + "-" + name;
}

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_TEMP_PATH_H_
