#include "cli/search_report.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/progress.h"
#include "text/utf8.h"

namespace tessera::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kBold = "\033[1m";
constexpr const char* kDim = "\033[2m";
constexpr const char* kPathColour = "\033[36m";
constexpr const char* kReset = "\033[0m";

constexpr size_t kShownExamples = 3;

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Counted(uint64_t count, const char* one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

// A path may hold a line end, too.
std::string ShownPath(const std::string& path, const std::string& folder) {
  const bool below = !folder.empty() && folder != "/" && path.starts_with(folder + "/");
  std::string shown = Printable(below ? path.substr(folder.size() + 1) : path);
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  return shown;
}

std::string Lines(uint32_t first, uint32_t last) {
  return std::to_string(first) + (last > first ? "-" + std::to_string(last) : "");
}

std::string_view Remark(SearchHit::State state) {
  switch (state) {
    case SearchHit::State::kCurrent:
    case SearchHit::State::kMoved:
      return "";
    case SearchHit::State::kChanged:
      return "(changed since it was indexed; --update brings the index up to date)";
    case SearchHit::State::kMissing:
      return "(the file is gone or cannot be read; --update brings the index up to date)";
  }
  return "";
}

// The passage's lines, each indented; empty ones are left out.
std::string Body(const SearchHit& hit, bool full) {
  std::string body;
  int shown = 0;
  std::string_view rest = hit.text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (StripWhiteSpace(line).empty()) continue;
    if (!full && shown == kShownLines) {
      body += "      ...\n";
      break;
    }
    body += "      " + Printable(line) + "\n";
    ++shown;
  }
  return body;
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const DecodedCodePoint c = DecodeCodePoint(text);
    const bool control = (c.value < 0x20 && c.value != '\n' && c.value != '\t') ||
                         (c.value >= 0x7F && c.value < 0xA0);
    AppendUtf8(control ? kReplacementCharacter : c.value, &out);
    text.remove_prefix(static_cast<size_t>(c.length));
  }
  return out;
}

std::string AnswerText(const std::vector<SearchHit>& hits, const AnswerStyle& style) {
  const auto in = [&](const char* colour, const std::string& text) {
    return style.colour ? colour + text + kReset : text;
  };
  if (hits.empty()) return "nothing found: the index is empty\n";
  std::string out;
  for (const SearchHit& hit : hits) {
    if (!out.empty()) out += '\n';
    char score[32];
    std::snprintf(score, sizeof(score), "%.2f", static_cast<double>(hit.score));
    const std::string place =
        ShownPath(hit.path, style.current_folder) + ":" + Lines(hit.first_line, hit.last_line);
    out += in(kBold, score) + "  " + in(kPathColour, place);
    if (!hit.headings.empty()) out += "  " + in(kDim, Printable(hit.headings));
    out += '\n';
    if (const std::string_view remark = Remark(hit.state); !remark.empty())
      out += "      " + in(kDim, std::string(remark)) + "\n";
    out += Body(hit, style.full);
  }
  return out;
}

std::string AnswerJson(const std::string& question, const std::vector<SearchHit>& hits) {
  Json list = Json::array();
  for (const SearchHit& hit : hits) {
    list.push_back({{"score", hit.score},
                    {"path", hit.path},
                    {"first_line", hit.first_line},
                    {"last_line", hit.last_line},
                    {"headings", hit.headings},
                    {"text", hit.text},
                    {"state", SearchHitStateName(hit.state)}});
  }
  return Dump({{"type", "answer"}, {"question", question}, {"hits", std::move(list)}});
}

std::string UpdateLine(const SearchUpdateReport& r, double seconds) {
  std::string changes;
  const auto add = [&](uint64_t count, const char* what) {
    if (count == 0) return;
    changes += (changes.empty() ? Counted(count, "file") : ", " + std::to_string(count));
    changes += std::string(" ") + what;
  };
  add(r.added, "new");
  add(r.changed, "changed");
  add(r.moved, "moved");
  add(r.removed, "gone");
  std::string line = Counted(r.documents, "file") + ", " + Counted(r.passages, "passage") + ": " +
                     (changes.empty() ? "nothing new" : changes);
  if (r.embedded > 0) {
    char time[32];
    std::snprintf(time, sizeof(time), "%.1f s", seconds);
    line += "; " + Counted(r.embedded, "passage") + " embedded in " + time;
  }
  if (r.truncated > 0)
    line += "; of " + std::to_string(r.truncated) + " the model saw the beginning only";
  return line;
}

std::vector<std::string> SkippedLines(const SearchUpdateReport& report) {
  struct Group {
    uint64_t count = 0;
    std::string examples;
  };
  std::map<std::string, Group> groups;
  for (const SearchUpdateReport::Note& note : report.skipped) {
    Group& group = groups[note.reason];
    if (group.count++ < kShownExamples)
      group.examples += (group.examples.empty() ? "" : ", ") + Printable(BaseName(note.path));
  }
  std::vector<std::string> lines;
  for (const auto& [reason, group] : groups) {
    lines.push_back(Counted(group.count, "file") + " left out: " + Printable(reason) + " (" +
                    group.examples + (group.count > kShownExamples ? ", ..." : "") + ")");
  }
  return lines;
}

std::string UpdateJson(const std::string& index_path, const SearchUpdateReport& r, double seconds) {
  Json skipped = Json::array();
  for (const SearchUpdateReport::Note& note : r.skipped)
    skipped.push_back({{"path", note.path}, {"reason", note.reason}});
  return Dump({{"type", "update"},
               {"index", index_path},
               {"files", r.documents},
               {"passages", r.passages},
               {"added", r.added},
               {"changed", r.changed},
               {"moved", r.moved},
               {"removed", r.removed},
               {"unchanged", r.unchanged},
               {"embedded", r.embedded},
               {"reused", r.reused},
               {"truncated", r.truncated},
               {"skipped", std::move(skipped)},
               {"interrupted", r.interrupted},
               {"seconds", seconds}});
}

std::string IndexingLine(const SearchProgress& p, double seconds) {
  if (p.path.empty()) return "looking for files";
  std::string line =
      "indexing " + std::to_string(p.files_done + 1) + " of " + Counted(p.files, "file");
  const double share =
      p.bytes > 0 ? std::min(1.0, static_cast<double>(p.bytes_done) / static_cast<double>(p.bytes))
                  : 0;
  line += ", " + std::to_string(static_cast<int>(share * 100)) + "%";
  if (p.passages > 0 && seconds > 0) {
    line += ", " + std::to_string(static_cast<int64_t>(static_cast<double>(p.passages) / seconds)) +
            " passages/s";
    if (share > 0) line += ", " + ClockText(seconds * (1 - share) / share) + " left";
  }
  return line + ", " + Printable(BaseName(p.path));
}

std::string InfoText(const std::string& index_path, const SearchIndex& index) {
  const SearchIndexSettings& settings = index.settings();
  uint64_t texts = 0;
  for (uint64_t i = 0; i < index.num_documents(); ++i) texts += index.document(i).num_passages > 0;
  char size[32];
  std::snprintf(size, sizeof(size), "%.1f MB", static_cast<double>(index.num_bytes()) / 1e6);
  std::string out = "index     " + Printable(index_path) + ", " + size + "\nmodel     " +
                    Printable(settings.model.name) + ", " +
                    std::to_string(settings.model.info.dimensions) + " dimensions\nholds     " +
                    Counted(texts, "file") + ", " + Counted(index.num_passages(), "passage") +
                    (texts < index.num_documents()
                         ? ", " + Counted(index.num_documents() - texts, "file") + " without text"
                         : "") +
                    "\n";
  for (const std::string& root : settings.roots) out += "of        " + Printable(root) + "\n";
  for (const std::string& pattern : settings.excluded)
    out += "without   " + Printable(pattern) + "\n";
  return out;
}

std::string InfoJson(const std::string& index_path, const SearchIndex& index) {
  const SearchIndexSettings& settings = index.settings();
  return Dump({{"type", "info"},
               {"index", index_path},
               {"bytes", index.num_bytes()},
               {"model", settings.model.name},
               {"dimensions", settings.model.info.dimensions},
               {"files", index.num_documents()},
               {"passages", index.num_passages()},
               {"folders", settings.roots},
               {"excluded", settings.excluded}});
}

}  // namespace tessera::cli
