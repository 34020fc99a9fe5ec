#include "pipelines/search_query.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/check.h"
#include "base/file.h"
#include "base/folder_walk.h"
#include "pipelines/search_update.h"
#include "text/utf8.h"

namespace tessera {
namespace {

// Neighbours that overlap a better hit are dropped, so more than k are looked for.
int64_t RowsToFind(int64_t k) { return 3 * k + 8; }

// Content of files that is kept for further hits.
constexpr uint64_t kMaxHeldBytes = uint64_t{128} << 20;

// A document as its file is today.
struct FileToday {
  std::optional<std::string> content;  // nothing when it is gone or cannot be read
  bool unchanged = false;              // by its stamp
  std::optional<std::vector<TextChunk>> chunks;
};

FileToday ReadToday(const IndexedDocument& document) {
  FileToday today;
  const std::string path(document.path);
  const Result<FileStamp> stamp = StampOfFile(path);
  if (!stamp.ok()) return today;
  Result<std::string> content = ReadFile(path, kMaxSearchedFile);
  if (!content.ok()) return today;
  today.content = std::move(content).value();
  today.unchanged = *stamp == document.stamp;
  return today;
}

uint32_t LineAt(std::string_view text, uint64_t offset) {
  return 1 + static_cast<uint32_t>(
                 std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n'));
}

void TakeText(const TextChunk& chunk, SearchHit& hit, std::string_view text) {
  hit.text = ReplaceInvalidUtf8(text.substr(chunk.begin, chunk.length));
}

// Fills text, lines and state from the file.
void FindText(const IndexedPassage& passage, const IndexedDocument& document,
              const ChunkOptions& options, FileToday& today, SearchHit& hit) {
  if (!today.content) {
    hit.state = SearchHit::State::kMissing;
    return;
  }
  const std::string_view text = *today.content;
  const TextChunk indexed{.begin = passage.begin,
                          .length = passage.length,
                          .first_line = passage.first_line,
                          .last_line = passage.last_line,
                          .headings = std::string(passage.headings)};
  if (passage.begin <= text.size() && passage.length <= text.size() - passage.begin &&
      PassageHash(PassageText(text, indexed)) == passage.hash) {
    TakeText(indexed, hit, text);
    if (!today.unchanged) {
      hit.first_line = LineAt(text, passage.begin);
      hit.last_line = hit.first_line + (passage.last_line - passage.first_line);
    }
    return;
  }
  if (!today.chunks) {
    Result<std::vector<TextChunk>> chunks = ChunkText(text, IsMarkdownPath(document.path), options);
    today.chunks = chunks.ok() ? std::move(chunks).value() : std::vector<TextChunk>();
  }
  for (const TextChunk& chunk : *today.chunks) {
    if (PassageHash(PassageText(text, chunk)) != passage.hash) continue;
    hit.state = SearchHit::State::kMoved;
    hit.first_line = chunk.first_line;
    hit.last_line = chunk.last_line;
    TakeText(chunk, hit, text);
    return;
  }
  hit.state = SearchHit::State::kChanged;
}

}  // namespace

std::string_view SearchHitStateName(SearchHit::State state) {
  switch (state) {
    case SearchHit::State::kCurrent:
      return "current";
    case SearchHit::State::kMoved:
      return "moved";
    case SearchHit::State::kChanged:
      return "changed";
    case SearchHit::State::kMissing:
      return "missing";
  }
  return "";
}

Result<std::vector<std::vector<SearchHit>>> AskSearchIndex(const SearchIndex& index,
                                                           ThreadPool& pool,
                                                           const TextVectorizer& vectorizer,
                                                           std::span<const std::string> questions,
                                                           int64_t k, std::stop_token stop) {
  std::vector<std::vector<SearchHit>> answers(questions.size());
  if (questions.empty() || k <= 0) return answers;
  const std::vector<std::string_view> texts(questions.begin(), questions.end());
  const int64_t d = index.settings().model.info.dimensions;
  TESSERA_ASSIGN_OR_RETURN(const Embeddings made,
                           EmbedChecked(vectorizer, texts, EmbedKind::kQuery, d, stop));
  const auto rows = kernels::TopKRows(pool, index.vectors(), made.values.data(),
                                      static_cast<int64_t>(questions.size()), RowsToFind(k));
  std::map<uint64_t, FileToday> files;
  uint64_t held = 0;  // bytes in `files`
  for (size_t q = 0; q < questions.size(); ++q) {
    struct Taken {
      uint64_t document, begin, end;
    };
    std::vector<Taken> taken;
    for (const kernels::ScoredRow& row : rows[q]) {
      if (static_cast<int64_t>(taken.size()) == k) break;
      if (stop.stop_requested()) return Cancelled("the search was stopped");
      const auto number = static_cast<uint64_t>(row.row);
      const IndexedPassage passage = index.passage(number);
      const Taken place{index.DocumentOf(number), passage.begin, passage.begin + passage.length};
      const bool overlaps = std::any_of(taken.begin(), taken.end(), [&](const Taken& t) {
        return t.document == place.document && t.begin < place.end && place.begin < t.end;
      });
      if (overlaps) continue;
      taken.push_back(place);
      const IndexedDocument document = index.document(place.document);
      auto [file, is_new] = files.try_emplace(place.document);
      if (is_new) {
        file->second = ReadToday(document);
        held += file->second.content ? file->second.content->size() : 0;
      }
      SearchHit hit{.score = row.cosine,
                    .path = std::string(document.path),
                    .first_line = passage.first_line,
                    .last_line = passage.last_line,
                    .headings = std::string(passage.headings),
                    .text = "",
                    .state = SearchHit::State::kCurrent};
      FindText(passage, document, index.settings().chunks, file->second, hit);
      answers[q].push_back(std::move(hit));
      if (held > kMaxHeldBytes) {
        files.clear();
        held = 0;
      }
    }
  }
  return answers;
}

}  // namespace tessera
