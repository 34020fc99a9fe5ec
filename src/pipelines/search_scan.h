// Which files belong to a search index.
#ifndef TESSERA_PIPELINES_SEARCH_SCAN_H_
#define TESSERA_PIPELINES_SEARCH_SCAN_H_

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/folder_walk.h"
#include "pipelines/search_index.h"
#include "tessera/status.h"

namespace tessera {

struct SearchScan {
  std::vector<WalkedFile> files;  // strictly ascending by path
  // Paths that could not be looked at; documents there, or below, are neither seen nor gone.
  std::vector<FolderFiles::Failure> unknown;
  // True when `path` is one of `unknown` or below it.
  bool IsUnknown(std::string_view path) const;
};

// The files below the roots that SearchUpdateOptions describes; `index_path` itself is left out.
Result<SearchScan> ScanRoots(const SearchIndexSettings& settings, const std::string& index_path,
                             std::stop_token stop);

// True when `path` is `root` or below it; both absolute, without a '/' at the end.
bool IsBelow(std::string_view path, std::string_view root);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SEARCH_SCAN_H_
