#include "pipelines/text_chunks.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace tessera {
namespace {

constexpr size_t kMaxHeadingBytes = 80;
constexpr int kMaxHeadings = 3;  // in front of a passage
// White space in a row that ends a passage, so that none is mostly blank.
constexpr uint64_t kLargeGap = 200;
// Bounds of what is held at a time: bytes of a line, pieces.
constexpr size_t kLongLine = 1 << 16;
constexpr size_t kManyPieces = 4096;

// What separates a piece from the one before it; a stronger one is a better place to cut.
enum class Break : uint8_t { kNone, kWord, kLine, kSentence, kParagraph, kForced };

// The smallest part: a sentence or the part of one on a line.
struct Piece {
  uint64_t begin, end;
  uint32_t line;
  int32_t size;
  uint32_t headings;  // index of the list of headings above it
  uint8_t level;      // of a heading line, else 0
  Break before;
};

// In quarters of a token. Fitted to WordPiece on prose, Markdown and code, where nine of ten texts
// have at most as many tokens as this says: a word is a token for every four letters, each
// punctuation mark is one.
int SizeOf(char32_t c) {
  if (c < 0x80) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter || c <= ' ') return 1;
    return c >= '0' && c <= '9' ? 2 : 4;
  }
  if (c < 0x250) return 2;
  return c < 0x2000 ? 3 : 4;
}

bool IsSpaceByte(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Enders of scripts that write no space between sentences.
bool EndsSentenceAlone(char32_t c) {
  return c == U'。' || c == U'！' || c == U'？' || c == U'｡' || c == U'।';
}
bool EndsSentence(char32_t c) {
  return c == U'.' || c == U'!' || c == U'?' || c == U'…' || c == U'؟' || c == U'۔';
}
bool ClosesSentence(char32_t c) {
  return c == U')' || c == U']' || c == U'"' || c == U'\'' || c == U'»' || c == U'”' || c == U'’' ||
         c == U'」' || c == U'』' || c == U'）';
}

// At most `limit` bytes, whole characters.
std::string_view Shortened(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// 1..6 for "## Title", with the title in *title; else 0.
int HeadingLevel(std::string_view line, std::string_view* title) {
  size_t at = 0;
  while (at < line.size() && line[at] == ' ' && at < 4) ++at;
  size_t marks = at;
  while (marks < line.size() && line[marks] == '#') ++marks;
  const size_t level = marks - at;
  if (at > 3 || level < 1 || level > 6) return 0;
  if (marks < line.size() && !IsSpaceByte(line[marks])) return 0;
  std::string_view rest = StripWhiteSpace(line.substr(marks));
  const size_t last = rest.find_last_not_of('#');  // "## Title ##"
  *title = last == std::string_view::npos ? rest.substr(0, 0)
                                          : StripWhiteSpace(rest.substr(0, last + 1));
  return static_cast<int>(level);
}

class Splitter {
 public:
  Splitter(std::string_view text, bool markdown, int64_t max_piece)
      : text_(text), markdown_(markdown), max_piece_(max_piece), headings_{""} {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  bool done() const { return at_ >= text_.size(); }
  // Adds the pieces of a line, or of the next part of a very long one.
  void ReadLine() {
    const size_t newline = text_.find('\n', at_);
    const uint64_t end = newline == std::string_view::npos ? text_.size() : newline;
    if (end - at_ > kLongLine) {
      const uint64_t part = Shortened(text_.substr(at_, end - at_), kLongLine).size();
      Line(at_, at_ + part);
      at_ += part;
      next_ = std::min(next_, Break::kWord);
      return;
    }
    Line(at_, end);
    at_ = end + 1;
    if (line_ != UINT32_MAX) ++line_;
  }

  // The first `count` pieces are not needed any more.
  void Forget(size_t count) {
    pieces.erase(pieces.begin(), pieces.begin() + static_cast<ptrdiff_t>(count));
    const uint32_t unused =
        pieces.empty() ? static_cast<uint32_t>(headings_.size() - 1) : pieces.front().headings;
    headings_.erase(headings_.begin(), headings_.begin() + unused);
    for (Piece& piece : pieces) piece.headings -= unused;
  }

  std::vector<Piece> pieces;
  const std::string& headings(uint32_t index) const { return headings_[index]; }

 private:
  void Line(uint64_t begin, uint64_t end) {
    const std::string_view whole = text_.substr(begin, end - begin);
    const std::string_view content = StripWhiteSpace(whole);
    if (content.empty()) {
      next_ = std::max(next_, Break::kParagraph);
      return;
    }
    const uint64_t first = begin + static_cast<uint64_t>(content.data() - whole.data());
    if (markdown_) {
      if (content.starts_with("```") || content.starts_with("~~~")) fenced_ = !fenced_;
      std::string_view title;
      const int level = fenced_ ? 0 : HeadingLevel(whole, &title);
      if (level > 0) {
        Heading(first, first + content.size(), level, title);
        return;
      }
    }
    Sentences(first, first + content.size());
    next_ = std::max(next_, ended_ ? Break::kSentence : Break::kLine);
  }

  void Heading(uint64_t begin, uint64_t end, int level, std::string_view title) {
    for (size_t i = static_cast<size_t>(level - 1); i < open_.size(); ++i) open_[i].clear();
    PushHeadings();
    next_ = Break::kForced;
    const size_t first = pieces.size();
    Sentences(begin, end);
    for (size_t i = first; i < pieces.size(); ++i) pieces[i].level = static_cast<uint8_t>(level);
    open_[static_cast<size_t>(level - 1)] = ReplaceInvalidUtf8(Shortened(title, kMaxHeadingBytes));
    PushHeadings();
    next_ = Break::kParagraph;
  }

  void PushHeadings() {
    std::string joined;
    int count = 0;
    for (size_t i = open_.size(); i-- > 0 && count < kMaxHeadings;) {
      if (open_[i].empty()) continue;
      joined = joined.empty() ? open_[i] : open_[i] + " > " + joined;
      ++count;
    }
    if (joined != headings_.back()) headings_.push_back(std::move(joined));
  }

  void Sentences(uint64_t begin, uint64_t end) {
    uint64_t start = begin;
    ended_ = false;
    for (uint64_t at = begin; at < end;) {
      const DecodedCodePoint c = DecodeCodePoint(text_.substr(at, end - at));
      at += static_cast<uint64_t>(c.length);
      const bool alone = EndsSentenceAlone(c.value);
      if (!alone && !EndsSentence(c.value)) continue;
      uint64_t after = at;
      while (after < end) {
        const DecodedCodePoint next = DecodeCodePoint(text_.substr(after, end - after));
        if (!ClosesSentence(next.value) && !EndsSentence(next.value) &&
            !EndsSentenceAlone(next.value))
          break;
        after += static_cast<uint64_t>(next.length);
      }
      uint64_t next = after;
      while (next < end && IsSpaceByte(text_[next])) ++next;
      at = after;
      // "3.14", "e.g. this": the sentence goes on.
      if (!alone && next == after && next < end) continue;
      if (!alone && next < end && text_[next] >= 'a' && text_[next] <= 'z') continue;
      Add(start, after);
      start = at = next;
      next_ = Break::kSentence;
      ended_ = start == end;
    }
    if (start < end) Add(start, end);
  }

  // One piece, or several where it is too long: words, or parts of a word.
  void Add(uint64_t begin, uint64_t end) {
    int64_t size = 0, size_at_space = 0;
    uint64_t start = begin, space = 0;  // the last one: [start, space) is a piece of whole words
    for (uint64_t at = begin; at < end;) {
      const DecodedCodePoint c = DecodeCodePoint(text_.substr(at, end - at));
      if (c.length == 1 && IsSpaceByte(text_[at]) && at > start) {
        space = at;
        size_at_space = size;
      }
      const int of_this = SizeOf(c.value);
      if (size + of_this > max_piece_) {
        const bool words = space > start && 2 * size_at_space >= size;
        const uint64_t cut = words ? space : at;
        Push(start, cut, words ? size_at_space : size);
        next_ = words ? Break::kWord : Break::kNone;
        start = cut;
        while (start < end && IsSpaceByte(text_[start])) ++start;
        at = start;
        size = 0;
        continue;
      }
      size += of_this;
      at += static_cast<uint64_t>(c.length);
    }
    if (start < end) Push(start, end, size);
  }

  void Push(uint64_t begin, uint64_t end, int64_t size) {
    while (end > begin && IsSpaceByte(text_[end - 1])) --end;
    if (end == begin) return;
    Break before = next_;
    if (pieces.empty() || begin - pieces.back().end > kLargeGap) before = Break::kForced;
    // One more for the space or line end that joins it to the next.
    pieces.push_back({begin, end, line_, static_cast<int32_t>(size + 1),
                      static_cast<uint32_t>(headings_.size() - 1), 0, before});
    next_ = Break::kNone;
  }

  const std::string_view text_;
  const bool markdown_;
  const int64_t max_piece_;
  std::vector<std::string> headings_;
  std::array<std::string, 6> open_;  // the heading of each level that holds here
  Break next_ = Break::kForced;
  uint64_t at_ = 0;  // what is before has become pieces
  uint32_t line_ = 1;
  bool fenced_ = false;
  bool ended_ = false;  // the line's last sentence is complete
};

int64_t SizeOfText(std::string_view text) {
  int64_t size = 0;
  while (!text.empty()) {
    const DecodedCodePoint c = DecodeCodePoint(text);
    size += SizeOf(c.value);
    text.remove_prefix(static_cast<size_t>(c.length));
  }
  return size;
}

// Where the passage that begins at piece `first` ends, if pieces [first, full) fit into its `room`.
size_t BestCut(const std::vector<Piece>& pieces, size_t first, size_t full, int64_t room) {
  int64_t total = 0;
  for (size_t i = first; i < full; ++i) total += pieces[i].size;
  // The last place in (first, full] of that kind, behind at least so much text.
  const auto last_with = [&](Break least, int64_t least_size) {
    int64_t size = total;
    for (size_t cut = full; cut > first && size >= least_size; size -= pieces[--cut].size)
      if (pieces[cut].before >= least) return cut;
    return size_t{0};
  };
  // A paragraph that fits into a passage stays whole, even if this one is short then; so passages
  // behind an edit soon begin where they did before it. A better place is worth some of the room.
  if (const size_t cut = last_with(Break::kParagraph, room / 8); cut > first) {
    int64_t paragraph = pieces[cut].size;
    for (size_t i = cut + 1;
         i < pieces.size() && pieces[i].before < Break::kParagraph && paragraph <= room; ++i)
      paragraph += pieces[i].size;
    if (paragraph <= room) return cut;
  }
  if (const size_t cut = last_with(Break::kParagraph, total / 2); cut > first) return cut;
  if (const size_t cut = last_with(Break::kSentence, total * 2 / 3); cut > first) return cut;
  if (const size_t cut = last_with(Break::kLine, total * 3 / 4); cut > first) return cut;
  return full;
}

}  // namespace

ChunkOptions ChunkOptionsFor(int64_t max_tokens) {
  ChunkOptions options;
  options.max_size = std::clamp<int64_t>(max_tokens * 16 / 5, 64, 800);
  options.overlap = options.max_size * 3 / 20;
  return options;
}

Result<std::vector<TextChunk>> ChunkText(std::string_view text, bool markdown,
                                         const ChunkOptions& options) {
  TESSERA_CHECK(options.max_size >= 64 && options.max_size <= kMaxChunkSize &&
                options.overlap >= 0 && options.overlap <= options.max_size / 4);
  const int64_t max_piece = options.max_size * 3 / 4;
  Splitter split(text, markdown, max_piece);
  const std::vector<Piece>& pieces = split.pieces;
  std::vector<TextChunk> chunks;
  size_t first = 0;
  while (!split.done() || first < pieces.size()) {
    // A passage, and the paragraph behind it that may fit, have at most max_size pieces each: with
    // more than that at hand it is the same as if all were.
    if (!split.done() && pieces.size() - first <= 2 * static_cast<size_t>(options.max_size)) {
      split.Forget(first);
      first = 0;
      while (!split.done() && pieces.size() < kManyPieces) split.ReadLine();
      continue;
    }
    // Headings never take more than what leaves room for one piece.
    const std::string& headings = split.headings(pieces[first].headings);
    const int64_t room =
        options.max_size - std::min(SizeOfText(headings), options.max_size - max_piece - 1);
    int64_t size = pieces[first].size;
    size_t full = first + 1;
    while (full < pieces.size() && pieces[full].before != Break::kForced &&
           size + pieces[full].size <= room)
      size += pieces[full++].size;
    const bool whole = full == pieces.size() || pieces[full].before == Break::kForced;
    const size_t cut = whole ? full : BestCut(pieces, first, full, room);

    // A heading right above a deeper one says nothing by itself; it stands before what follows.
    const bool bare = pieces[cut - 1].level > 0 && cut < pieces.size() &&
                      pieces[cut].level > pieces[cut - 1].level;
    if (!bare) {
      if (chunks.size() == kMaxChunksOfText) {
        return ResourceExhausted("expected a text of at most " + std::to_string(kMaxChunksOfText) +
                                 " passages, found more; split it into smaller ones");
      }
      const Piece& last = pieces[cut - 1];
      chunks.push_back({.begin = pieces[first].begin,
                        .length = last.end - pieces[first].begin,
                        .first_line = pieces[first].line,
                        .last_line = last.line,
                        .headings = headings});
    }
    size_t next = cut;
    if (cut < pieces.size() && pieces[cut].before < Break::kParagraph) {
      int64_t repeated = 0;
      while (next > first + 1 && repeated + pieces[next - 1].size <= options.overlap &&
             repeated + pieces[next - 1].size + pieces[cut].size <= room) {
        repeated += pieces[--next].size;
        if (pieces[next].before >= Break::kParagraph) break;
      }
    }
    first = next;
  }
  return chunks;
}

std::string PassageText(std::string_view text, const TextChunk& chunk) {
  std::string passage = chunk.headings;
  if (!passage.empty()) passage += '\n';
  return passage + ReplaceInvalidUtf8(text.substr(chunk.begin, chunk.length));
}

bool IsMarkdownPath(std::string_view path) {
  const size_t dot = path.find_last_of("./");
  if (dot == std::string_view::npos || path[dot] == '/') return false;
  std::string extension(path.substr(dot + 1));
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return extension == "md" || extension == "markdown" || extension == "mdx" || extension == "mkd";
}

TextKind SniffText(std::string_view head) {
  if (head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF")) return TextKind::kUtf16;
  if (head.starts_with("%PDF-") || head.find('\0') != std::string_view::npos)
    return TextKind::kBinary;
  size_t odd = 0;
  bool blank = true;
  for (std::string_view rest = head; !rest.empty();) {
    const DecodedCodePoint c = DecodeCodePoint(rest);
    const bool control = c.value < 0x20 && !IsPythonSpace(c.value) && c.value != 0x1B;
    if (!c.valid || control) odd += static_cast<size_t>(c.length);
    if (!IsPythonSpace(c.value)) blank = false;
    rest.remove_prefix(static_cast<size_t>(c.length));
  }
  if (odd * 10 > head.size()) return TextKind::kBinary;
  return blank ? TextKind::kEmpty : TextKind::kText;
}

}  // namespace tessera
