// What `tessera search` prints: answers, summaries, what an index holds. Pure functions.
#ifndef TESSERA_CLI_SEARCH_REPORT_H_
#define TESSERA_CLI_SEARCH_REPORT_H_

#include <string>
#include <string_view>
#include <vector>

#include "pipelines/search_index.h"
#include "pipelines/search_query.h"
#include "pipelines/search_update.h"

namespace tessera::cli {

struct AnswerStyle {
  bool colour = false;
  bool full = false;           // else a passage's first kShownLines lines
  std::string current_folder;  // paths below it are shown relative to it
};
inline constexpr int kShownLines = 8;

// "0.63  notes/travel.md:12-18  Travel > Passport" and the passage, indented; hits are separated by
// an empty line. Texts may come from anywhere: control characters become U+FFFD.
std::string AnswerText(const std::vector<SearchHit>& hits, const AnswerStyle& style);
// One line of JSON, without line end: {"type":"answer","question":...,"hits":[...]}.
std::string AnswerJson(const std::string& question, const std::vector<SearchHit>& hits);

// "340 files, 5120 passages: 3 files new, 1 changed, 2 gone; 14 passages embedded in 0.3 s"
std::string UpdateLine(const SearchUpdateReport& report, double seconds);
// One line for each reason: "12 files left out: not a text file (photo.jpg, ...)".
std::vector<std::string> SkippedLines(const SearchUpdateReport& report);
std::string UpdateJson(const std::string& index_path, const SearchUpdateReport& report,
                       double seconds);
// "indexing 12 of 340 files, 45%, 310 passages/s, 0:41 left, talk.md"
std::string IndexingLine(const SearchProgress& progress, double seconds);

std::string InfoText(const std::string& index_path, const SearchIndex& index);
std::string InfoJson(const std::string& index_path, const SearchIndex& index);

// Without control characters that a terminal might obey, but for line ends and tabs.
std::string Printable(std::string_view text);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_SEARCH_REPORT_H_
