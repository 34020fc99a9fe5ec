// Building and updating a search index: looks through its folders, embeds what is new or changed,
// writes the file anew.
//
// A file is read again only when its size, inode or one of its times has changed, and embedded
// again only where its passages have: those that stay keep their vectors, and a file that was moved
// keeps all of them. What is gone from the folders is gone from the index; but a folder that cannot
// be read at all (a drive that is not mounted) keeps what is indexed of it.
#ifndef TESSERA_PIPELINES_SEARCH_UPDATE_H_
#define TESSERA_PIPELINES_SEARCH_UPDATE_H_

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/search_index.h"
#include "pipelines/search_model.h"
#include "tessera/status.h"

namespace tessera {

// Files above it are left out, with a note.
inline constexpr uint64_t kMaxSearchedFile = uint64_t{64} << 20;
// What the index will hold is decided by `roots`, absolute paths of files and folders: a document
// is below one of them, no name on the way to it is hidden (begins with a dot) or node_modules or
// __pycache__, and no pattern takes it. A pattern without '/' is for names of files and folders,
// one with it for paths below the root (base/glob.h).
struct SearchUpdateOptions {
  std::string index_path;                // is made where it does not exist
  std::vector<std::string> add, remove;  // roots, as the user wrote them
  std::vector<std::string> exclude;      // more patterns; they stay
  std::string model;                     // its name, for a new index
  double save_seconds = 30;              // longest work that a killed process loses, about
  uint64_t save_passages = 50000;        // held in memory at most
  // Since 1970; files changed in the two seconds before may change again unseen, so they are read
  // again next time. 0: now.
  int64_t now_ns = 0;
};

struct SearchProgress {
  uint64_t files_done = 0, files = 0;  // that had to be read
  uint64_t bytes_done = 0, bytes = 0;
  uint64_t passages = 0;  // embedded
  std::string_view path;  // being read; "" while folders are looked through
};

struct SearchUpdateReport {
  uint64_t documents = 0, passages = 0;  // in the index now
  uint64_t added = 0, changed = 0, removed = 0, moved = 0, unchanged = 0;
  uint64_t embedded = 0, reused = 0, truncated = 0;  // passages; truncated: longer than the model's
  struct Note {
    std::string path, reason;
  };
  std::vector<Note> skipped;  // new or changed files without passages, and what could not be read
  bool written = false;       // false: nothing had changed
  bool interrupted = false;   // a stop request: what was done is in the index
};

// `vectorizer` is asked for the model when it is needed: for a new index, or when there is
// something to embed; it must live until the call returns. `progress` is called from this thread.
//
// kUnavailable: another process writes this index. kInvalidArgument: an update of an index that
// does not exist without `add`, a bad pattern, or another model than the index's. kNotFound: a root
// to add or to remove is none. kDataLoss: a damaged index. Whatever fails, the file at index_path
// is whole: the old one, or a newer state.
Result<SearchUpdateReport> UpdateSearchIndex(
    const SearchUpdateOptions& options, ThreadPool& pool,
    const std::function<Result<const TextVectorizer*>()>& vectorizer,
    const std::function<void(const SearchProgress&)>& progress = {}, std::stop_token stop = {});

// The absolute path without "..", "." and links, as far as it exists.
std::string CanonicalPath(const std::string& path);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SEARCH_UPDATE_H_
