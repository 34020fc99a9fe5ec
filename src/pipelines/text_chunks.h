// A text cut into passages that fit into an embedding model: what a search finds and shows.
//
// A cut lies where the text itself pauses: before a Markdown heading, else between paragraphs, else
// after a sentence, else at a line end, else between words, and inside a word only where that is
// longer than most of a passage; never inside a UTF-8 character. Where a paragraph has to be cut,
// the next passage begins with the last sentences of the one before. The same text gives the same
// passages, and an edit changes those around it only.
//
// Pure functions for any bytes: invalid UTF-8 counts as U+FFFD, time and memory are linear.
// Thread-safe.
#ifndef TESSERA_PIPELINES_TEXT_CHUNKS_H_
#define TESSERA_PIPELINES_TEXT_CHUNKS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera {

// Sizes are quarters of a token, estimated without a tokenizer: a letter or space of ASCII counts
// 1, a digit or another Latin letter 2, a letter of another alphabet 3, anything else (punctuation,
// a CJK character, an emoji) 4.
inline constexpr int64_t kMaxChunkSize = 1024;
struct ChunkOptions {
  int64_t max_size = 800;  // of a passage with its headings; 64..kMaxChunkSize
  int64_t overlap = 120;   // at most max_size / 4
  bool operator==(const ChunkOptions&) const = default;
};

// For a model that takes `max_tokens` tokens: passages that rarely exceed it and are short enough
// to be about one thing.
ChunkOptions ChunkOptionsFor(int64_t max_tokens);

struct TextChunk {
  uint64_t begin = 0;  // bytes of the text; no white space at either end
  uint64_t length = 0;
  uint32_t first_line = 1, last_line = 1;
  // Markdown: the headings above the passage, "Travel > Passport", without one that the passage
  // itself begins with. At most three, each of at most 80 bytes.
  std::string headings;
  bool operator==(const TextChunk&) const = default;
};

// In order of the text. A text of white space has none. `markdown`: lines beginning with # outside
// of fenced code are headings. kResourceExhausted for more than kMaxChunksOfText passages, which
// 64 MB of ordinary text do not have.
inline constexpr size_t kMaxChunksOfText = 250000;
Result<std::vector<TextChunk>> ChunkText(std::string_view text, bool markdown,
                                         const ChunkOptions& options);

// What is embedded for a passage: its headings, a line end, its bytes with invalid ones replaced.
std::string PassageText(std::string_view text, const TextChunk& chunk);

// By the extension: .md .markdown .mdx .mkd, in any case.
bool IsMarkdownPath(std::string_view path);

enum class TextKind {
  kText,
  kEmpty,   // nothing, or white space only
  kBinary,  // NUL bytes, or many that are neither UTF-8 nor printable
  kUtf16,   // begins with its byte order mark
};
// From the beginning of a file; 64 KB are enough.
TextKind SniffText(std::string_view head);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_TEXT_CHUNKS_H_
