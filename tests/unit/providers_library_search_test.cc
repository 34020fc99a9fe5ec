#include "providers/library_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tests/unit/temp_path.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class LibrarySearchTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = TempPath("search");
    places_.environment = [this](const char* name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      return found != variables_.end() ? std::optional(found->second) : std::nullopt;
    };
    query_ = {.name = "Vendor",
              .variable = "TESSERA_VENDOR",
              .files = {"libvendor.so*"},
              .packages = {"vendor/capi", "vendor_other"},
              .loader_names = {"libvendor.so.1"},
              .install_hint = "pip install vendor"};
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string Touch(const std::string& path) {
    const fs::path file = root_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << "x";
    return file.string();
  }
  std::string Folder(const std::string& path) {
    fs::create_directories(root_ / path);
    return (root_ / path).string();
  }
  static std::vector<std::string> Paths(const LibrarySearch& search) {
    std::vector<std::string> paths;
    for (const auto& candidate : search.candidates) paths.push_back(candidate.path);
    return paths;
  }

  fs::path root_;
  std::map<std::string, std::string> variables_;
  SearchPlaces places_;
  LibraryQuery query_;
};

TEST_F(LibrarySearchTest, AnOptionIsTheOnlyPlace) {
  const std::string file = Touch("mine/libvendor.so.2");
  places_.site_packages = {Folder("site")};
  Touch("site/vendor/capi/libvendor.so");
  query_.option = (root_ / "mine").string();
  EXPECT_THAT(Paths(FindLibrary(query_, places_)), ElementsAre(file));
  query_.option = file;
  EXPECT_THAT(Paths(FindLibrary(query_, places_)), ElementsAre(file));
  query_.option = (root_ / "nothing").string();
  const LibrarySearch search = FindLibrary(query_, places_);
  EXPECT_THAT(Paths(search), ElementsAre());
  EXPECT_THAT(search.NotFoundStatus(query_).message(), HasSubstr("nothing (no such file"));
}

TEST_F(LibrarySearchTest, TheVariableComesBeforePythonAndReplacesIt) {
  const std::string file = Touch("env/libvendor.so");
  Touch("site/vendor/capi/libvendor.so");
  places_.site_packages = {Folder("site")};
  variables_["TESSERA_VENDOR"] = (root_ / "env").string();
  const LibrarySearch search = FindLibrary(query_, places_);
  EXPECT_THAT(Paths(search), ElementsAre(file));
  EXPECT_EQ(search.candidates[0].source, "TESSERA_VENDOR");
}

TEST_F(LibrarySearchTest, PythonComesInOrderWithItsVersionThenTheLoader) {
  places_.site_packages = {Folder("a"), Folder("b")};
  const std::string second = Touch("b/vendor/capi/libvendor.so.1.9.0");
  const std::string first = Touch("b/vendor/capi/libvendor.so.1.31.1");
  const std::string other = Touch("a/vendor_other/libvendor.so");
  Touch("a/vendor_other/libvendor_other.so");
  Folder("b/vendor-1.31.1.dist-info");
  Folder("b/vendor_gpu-7.0.dist-info");
  const LibrarySearch search = FindLibrary(query_, places_);
  EXPECT_THAT(Paths(search), ElementsAre(first, second, other, "libvendor.so.1"));
  EXPECT_EQ(search.candidates[0].package_version, "1.31.1");
  EXPECT_EQ(search.candidates[0].source, "python");
  EXPECT_EQ(search.candidates[3].source, "system");
}

TEST_F(LibrarySearchTest, NothingFoundSaysWhereAndWhatToDo) {
  places_.site_packages = {Folder("site")};
  places_.loader = false;
  const LibrarySearch search = FindLibrary(query_, places_);
  EXPECT_TRUE(search.candidates.empty());
  const Status status = search.NotFoundStatus(query_);
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("Vendor was not found"));
  EXPECT_THAT(status.message(), HasSubstr("pip install vendor"));
  EXPECT_THAT(status.message(), HasSubstr("TESSERA_VENDOR"));
  EXPECT_THAT(status.message(), HasSubstr("site/vendor/capi"));
}

TEST_F(LibrarySearchTest, FindsPackagesOfEnvironmentsNewestPythonFirst) {
  const std::string old_python = Folder("env/lib/python3.9/site-packages");
  const std::string new_python = Folder("env/lib/python3.13/site-packages");
  Folder("env/lib/perl5/site-packages");
  EXPECT_THAT(SitePackagesOf((root_ / "env").string()), ElementsAre(new_python, old_python));
  EXPECT_THAT(SitePackagesOf((root_ / "none").string()), ElementsAre());
}

TEST(VersionLess, ComparesNumberByNumber) {
  EXPECT_TRUE(VersionLess("libx.so.1.9.0", "libx.so.1.31.1"));
  EXPECT_FALSE(VersionLess("libx.so.1.31.1", "libx.so.1.9.0"));
  EXPECT_TRUE(VersionLess("1.2", "1.2.1"));
  EXPECT_FALSE(VersionLess("1.2", "1.2"));
  EXPECT_FALSE(VersionLess("1.02", "1.2"));
  EXPECT_TRUE(VersionLess("a9", "b1"));
}

}  // namespace
}  // namespace tessera
