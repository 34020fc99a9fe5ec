// Asking a search index: the passages nearest to a question, with their text out of the files.
#ifndef TESSERA_PIPELINES_SEARCH_QUERY_H_
#define TESSERA_PIPELINES_SEARCH_QUERY_H_

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "pipelines/search_index.h"
#include "pipelines/search_model.h"
#include "tessera/status.h"

namespace tessera {

struct SearchHit {
  float score = 0;   // cosine, at most 1
  std::string path;  // absolute
  uint32_t first_line = 1, last_line = 1;
  std::string headings;  // "Travel > Passport"
  std::string text;      // valid UTF-8; empty where the state is kChanged or kMissing
  enum class State {
    kCurrent,  // the file has the passage where it was indexed
    kMoved,    // it has it elsewhere: the lines are those of today
    kChanged,  // it does not have it any more
    kMissing,  // the file is gone or cannot be read
  } state = State::kCurrent;
};
// "current", "moved", "changed", "missing".
std::string_view SearchHitStateName(SearchHit::State state);

// For each question at most k hits, best first; a passage that overlaps a better one of the same
// file is left out. The model's query prompt is put before the questions. Uses all threads of the
// pool. The model must be the index's (CheckSameModel). kCancelled after a stop request.
Result<std::vector<std::vector<SearchHit>>> AskSearchIndex(const SearchIndex& index,
                                                           ThreadPool& pool,
                                                           const TextVectorizer& vectorizer,
                                                           std::span<const std::string> questions,
                                                           int64_t k, std::stop_token stop = {});

}  // namespace tessera

#endif  // TESSERA_PIPELINES_SEARCH_QUERY_H_
