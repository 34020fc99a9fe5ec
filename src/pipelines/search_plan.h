// What an update has to do: the files that are there against the documents of the index.
#ifndef TESSERA_PIPELINES_SEARCH_PLAN_H_
#define TESSERA_PIPELINES_SEARCH_PLAN_H_

#include <cstdint>
#include <stop_token>
#include <vector>

#include "pipelines/search_index.h"
#include "pipelines/search_scan.h"

namespace tessera {

// A document of the index to be.
struct PlannedDocument {
  NewDocument document;
  enum class Work {
    kKeep,  // document.old_document has its passages
    kTodo,  // to be read; until then `previous` stands for it
    kOpen,  // read, some passages wait for their vectors
    kDone,  // its own passages
    kDrop,  // could not be read, or is gone
  } work = Work::kTodo;
  int64_t previous = -1;  // in the old index: the state before
};

struct SearchPlan {
  std::vector<PlannedDocument> documents;  // kKeep or kTodo, by path
  uint64_t unchanged = 0, removed = 0, moved = 0;
};

// Matches by path and stamp. Documents below a path that the scan could not look at are kept. A new
// file with the content of one that is gone takes its passages: for that, new files of the size of
// a gone one are read. `old` may be null. `now_ns`: when the scan began.
SearchPlan PlanUpdate(const SearchScan& scan, const SearchIndexSettings& settings,
                      const SearchIndex* old, int64_t now_ns, std::stop_token stop);

// Document i of an index as it is.
NewDocument OldDocument(const SearchIndex& old, int64_t i);

// The stamp to remember for a file that was read after `now_ns`: that of a file younger than two
// seconds is changed so that it fits none, since the file may change once more within one tick of
// the file system's clock.
FileStamp TrustedStamp(FileStamp stamp, int64_t now_ns);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SEARCH_PLAN_H_
