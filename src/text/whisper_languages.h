// The languages of Whisper: codes, English names and aliases, in the order of the language tokens.
#ifndef TESSERA_TEXT_WHISPER_LANGUAGES_H_
#define TESSERA_TEXT_WHISPER_LANGUAGES_H_

#include <optional>
#include <span>
#include <string_view>

namespace tessera {

struct WhisperLanguage {
  std::string_view code;  // "en"
  std::string_view name;  // "english", lower case
};

// All 100 in token order; a model with 99 language tokens lacks the last, "yue". Source: LANGUAGES
// of openai-whisper.
std::span<const WhisperLanguage> WhisperLanguages();

// The code for a code, a name or an alias ("flemish" is "nl"), whatever the case of its letters;
// nothing when unknown.
std::optional<std::string_view> WhisperLanguageCode(std::string_view code_or_name);

// "english" for "en"; empty when `code` is not one of the 100 codes.
std::string_view WhisperLanguageName(std::string_view code);

}  // namespace tessera

#endif  // TESSERA_TEXT_WHISPER_LANGUAGES_H_
