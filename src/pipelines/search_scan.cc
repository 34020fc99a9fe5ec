#include "pipelines/search_scan.h"

#include <algorithm>

#include "base/check.h"
#include "base/file.h"
#include "base/glob.h"

namespace tessera {
namespace {

constexpr size_t kMaxFiles = 2000000;

bool IsExcluded(const SearchIndexSettings& settings, std::string_view path, std::string_view root) {
  const std::string name = BaseName(path);
  if (name.starts_with('.') || name == "node_modules" || name == "__pycache__") return true;
  const std::string_view below = path.substr(std::min(path.size(), root.size() + 1));
  return std::any_of(settings.excluded.begin(), settings.excluded.end(),
                     [&](const std::string& pattern) {
                       return pattern.find('/') == std::string::npos ? GlobMatches(pattern, name)
                                                                     : GlobMatches(pattern, below);
                     });
}

}  // namespace

bool IsBelow(std::string_view path, std::string_view root) {
  if (root == "/") return path.starts_with('/');
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

bool SearchScan::IsUnknown(std::string_view path) const {
  return std::any_of(unknown.begin(), unknown.end(), [&](const FolderFiles::Failure& failure) {
    return IsBelow(path, failure.path);
  });
}

Result<SearchScan> ScanRoots(const SearchIndexSettings& settings, const std::string& index_path,
                             std::stop_token stop) {
  SearchScan scan;
  for (const std::string& root : settings.roots) {
    if (FileExists(root)) {
      // A file that was asked for by name is not left out for its name.
      Result<FileStamp> stamp = StampOfFile(root);
      if (stamp.ok()) {
        scan.files.push_back({root, *stamp});
      } else {
        scan.unknown.push_back({root, std::move(stamp).status()});
      }
      continue;
    }
    Result<FolderFiles> found = WalkFolder(
        root,
        [&](const std::string& path, bool) {
          return path != index_path && !IsExcluded(settings, path, root);
        },
        kMaxFiles, stop);
    if (!found.ok()) {
      const StatusCode code = found.status().code();
      if (code == StatusCode::kCancelled || code == StatusCode::kResourceExhausted)
        return std::move(found).status();
      scan.unknown.push_back({root, std::move(found).status()});
      continue;
    }
    scan.files.insert(scan.files.end(), std::make_move_iterator(found->files.begin()),
                      std::make_move_iterator(found->files.end()));
    scan.unknown.insert(scan.unknown.end(), found->failures.begin(), found->failures.end());
  }
  const auto by_path = [](const WalkedFile& a, const WalkedFile& b) { return a.path < b.path; };
  std::sort(scan.files.begin(), scan.files.end(), by_path);
  const auto same = [](const WalkedFile& a, const WalkedFile& b) { return a.path == b.path; };
  scan.files.erase(std::unique(scan.files.begin(), scan.files.end(), same), scan.files.end());
  return scan;
}

}  // namespace tessera
