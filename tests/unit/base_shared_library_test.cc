#include "base/shared_library.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/stdout_guard.h"
#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

TEST(SharedLibrary, FindsFunctionsOfALibraryTheLoaderKnows) {
  auto library = SharedLibrary::Open("libm.so.6");
  if (!library.ok()) GTEST_SKIP() << library.status().ToString();
  EXPECT_TRUE(library->path().starts_with("/")) << library->path();
  auto cosine = library->Function<double(double)>("cos");
  ASSERT_TRUE(cosine.ok()) << cosine.status().ToString();
  EXPECT_EQ((*cosine)(0.0), 1.0);
  const auto none = library->Function<void()>("tessera_has_no_such_function");
  EXPECT_EQ(none.status().code(), StatusCode::kUnimplemented);
  EXPECT_NE(none.status().message().find("tessera_has_no_such_function"), std::string::npos);
}

TEST(SharedLibrary, SaysWhatTheLoaderSays) {
  EXPECT_EQ(SharedLibrary::Open("/no/such/library.so").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(SharedLibrary::Open("libtessera-no-such-library.so.1").status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(SharedLibrary::Open("").status().code(), StatusCode::kInvalidArgument);
  const std::string path = TempPath("text.so");
  std::ofstream(path) << "this is no library, though long enough for the header of one ........";
  const Status status = SharedLibrary::Open(path).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
  EXPECT_NE(status.message().find(path), std::string::npos);
  std::filesystem::remove(path);
}

TEST(StdoutGuard, KeepsPrintedLinesOutOfStandardOutput) {
  const std::string out = TempPath("out"), err = TempPath("err");
  const int saved_out = dup(1), saved_err = dup(2);
  fflush(stdout);
  FILE* out_file = fopen(out.c_str(), "w");
  FILE* err_file = fopen(err.c_str(), "w");
  dup2(fileno(out_file), 1);
  dup2(fileno(err_file), 2);
  printf("ours\n");
  {
    const StdoutGuard guard;
    printf("theirs\n");
  }
  printf("ours again\n");
  fflush(stdout);
  dup2(saved_out, 1);
  dup2(saved_err, 2);
  close(saved_out);
  close(saved_err);
  fclose(out_file);
  fclose(err_file);
  const auto text_of = [](const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_EQ(text_of(out), "ours\nours again\n");
  EXPECT_EQ(text_of(err), "theirs\n");
  std::filesystem::remove(out);
  std::filesystem::remove(err);
}

}  // namespace
}  // namespace tessera
