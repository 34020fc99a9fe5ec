#include "text/vocabulary.h"

#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/mapped_file.h"
#include "text/base64.h"
#include "text/utf8.h"
#include "text/vocabulary_entries.h"

namespace tessera {
namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 20;

// Calls `line_function(line, number)` for every line of `text` that is not empty; stops at the
// first error.
template <typename LineFunction>
Status ForEachLine(std::string_view text, const LineFunction& line_function) {
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() && text.empty()) break;  // a last line break, doubled
    TESSERA_RETURN_IF_ERROR(line_function(line, number));
  }
  return OkStatus();
}

}  // namespace

Result<Vocabulary> ParseVocabularyText(std::string_view text) {
  VocabularyEntries entries;
  TESSERA_RETURN_IF_ERROR(ForEachLine(text, [&](std::string_view line, int64_t number) {
    return entries.Add(number - 1, std::string(line));
  }));
  return std::move(entries).FromPrintable();
}

Result<Vocabulary> ParseTiktoken(std::string_view text) {
  VocabularyEntries entries;
  TESSERA_RETURN_IF_ERROR(ForEachLine(text, [&](std::string_view line, int64_t number) -> Status {
    if (line.empty()) return OkStatus();
    const size_t space = line.find(' ');
    std::string bytes;
    int64_t rank = 0;
    const std::string_view digits =
        space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    if (error != std::errc() || end != digits.data() + digits.size() ||
        !DecodeBase64(line.substr(0, space), &bytes)) {
      return DataLoss("line " + std::to_string(number) +
                      " of the tiktoken file is not \"BASE64 RANK\"");
    }
    return entries.Add(rank, std::move(bytes));
  }));
  return std::move(entries).FromBytes();
}

Vocabulary VocabularyFromBytes(std::vector<std::string> tokens) {
  Vocabulary vocabulary;
  vocabulary.tokens = std::move(tokens);
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.tokens[id] != kEndOfText) continue;
    for (size_t special = id; special < vocabulary.tokens.size(); ++special) {
      vocabulary.specials.emplace(std::move(vocabulary.tokens[special]), static_cast<int>(special));
    }
    vocabulary.tokens.resize(id);
  }
  return vocabulary;
}

Result<Vocabulary> LoadVocabulary(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path file(path);
  if (fs::is_directory(file, error)) {
    static constexpr std::array kNames = {"vocabulary.json",       "vocabulary.txt",
                                          "tokenizer.json",        "vocab.json",
                                          "multilingual.tiktoken", "gpt2.tiktoken"};
    for (const char* name : kNames) {
      if (fs::exists(file / name, error)) {
        file /= name;
        break;
      }
    }
    if (file == fs::path(path)) {
      return NotFound("no vocabulary in " + path +
                      ", expected vocabulary.json, vocabulary.txt, tokenizer.json, vocab.json or a "
                      ".tiktoken file");
    }
  }
  TESSERA_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> mapped,
                           MappedFile::Open(file.string()));
  const Bytes bytes = mapped->bytes();
  if (bytes.size() > kMaxFileBytes) {
    return DataLoss(file.string() + " has " + std::to_string(bytes.size()) +
                    " bytes, expected a vocabulary of at most " + std::to_string(kMaxFileBytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string ending = file.extension().string();
  Result<Vocabulary> vocabulary = ending == ".tiktoken" ? ParseTiktoken(text)
                                  : ending == ".txt"    ? ParseVocabularyText(text)
                                                        : ParseVocabularyJson(text);
  if (!vocabulary.ok()) return std::move(vocabulary).status().AddContext(file.string());
  return vocabulary;
}

}  // namespace tessera
