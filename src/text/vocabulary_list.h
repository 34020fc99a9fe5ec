// The common form of vocabulary.json read fast: it is on the way of every start.
#ifndef TESSERA_TEXT_VOCABULARY_LIST_H_
#define TESSERA_TEXT_VOCABULARY_LIST_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// The strings of a JSON list of strings in ASCII, where escapes are \" \\ \/ and \uXXXX for U+0020
// to U+07FF. Nothing for any other text, valid JSON or not: the general reader decides what that
// is. At most kMaxVocabularyTokens strings.
std::optional<std::vector<std::string>> ReadPlainTokenList(std::string_view json);

}  // namespace tessera

#endif  // TESSERA_TEXT_VOCABULARY_LIST_H_
