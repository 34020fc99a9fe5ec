#include "text/whisper_tokenizer.h"

#include <array>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "text/utf8.h"
#include "text/whisper_languages.h"

namespace tessera {
namespace {

// Special tokens that are neither languages nor timestamps.
constexpr int kNumNamedSpecials = 8;
constexpr int kDefaultLanguages = 99;

int MaxLanguages() { return static_cast<int>(WhisperLanguages().size()); }

// The file's own special tokens tell the number of languages best, then the model's size.
Result<int> NumLanguages(const Vocabulary& vocabulary, int64_t vocab_size) {
  const auto num_tokens = static_cast<int64_t>(vocabulary.tokens.size());
  int64_t num_languages = kDefaultLanguages;
  const auto sot = vocabulary.specials.find("<|startoftranscript|>");
  const auto translate = vocabulary.specials.find("<|translate|>");
  const int64_t fixed = num_tokens + kNumNamedSpecials + WhisperTokenizer::kNumTimestamps;
  if (sot != vocabulary.specials.end() && translate != vocabulary.specials.end()) {
    num_languages = translate->second - sot->second - 1;
  } else if (vocab_size != 0) {
    num_languages = vocab_size - fixed;
  }
  const bool fits = num_languages >= 0 && num_languages <= MaxLanguages() &&
                    (vocab_size == 0 || vocab_size >= fixed + num_languages);
  if (!fits) {
    return DataLoss(
        "a vocabulary of " + std::to_string(num_tokens) + " ordinary tokens and " +
        std::to_string(num_languages) + " languages does not fit a model of " +
        std::to_string(vocab_size) +
        " ids; expected Whisper's 51864, 51865 or 51866 and the vocabulary of the same model");
  }
  return static_cast<int>(num_languages);
}

// A file that orders its special tokens in another way would decode to nonsense, so it is refused.
Status CheckSpecials(const Vocabulary& vocabulary, const WhisperTokenizer& tokenizer) {
  const std::array<std::pair<std::string_view, int>, 9> expected = {{
      {"<|endoftext|>", tokenizer.eot()},
      {"<|startoftranscript|>", tokenizer.sot()},
      {"<|translate|>", tokenizer.translate()},
      {"<|transcribe|>", tokenizer.transcribe()},
      {"<|startoflm|>", tokenizer.sot_lm()},
      {"<|startofprev|>", tokenizer.sot_prev()},
      {"<|nospeech|>", tokenizer.no_speech()},
      {"<|nocaptions|>", tokenizer.no_speech()},
      {"<|notimestamps|>", tokenizer.no_timestamps()},
  }};
  for (const auto& [name, id] : expected) {
    const auto found = vocabulary.specials.find(name);
    if (found != vocabulary.specials.end() && found->second != id) {
      return DataLoss("the vocabulary gives " + std::string(name) + " the id " +
                      std::to_string(found->second) + ", expected " + std::to_string(id) +
                      " as in OpenAI's Whisper models");
    }
  }
  return OkStatus();
}

}  // namespace

WhisperTokenizer::WhisperTokenizer(BytePairEncoder bpe, int num_languages)
    : bpe_(std::move(bpe)),
      num_languages_(num_languages),
      non_speech_tokens_(FindNonSpeechTokens()) {}

Result<WhisperTokenizer> WhisperTokenizer::Load(const std::string& path, int64_t vocab_size) {
  TESSERA_ASSIGN_OR_RETURN(Vocabulary vocabulary, LoadVocabulary(path));
  Result<WhisperTokenizer> tokenizer = FromVocabulary(std::move(vocabulary), vocab_size);
  if (!tokenizer.ok()) return std::move(tokenizer).status().AddContext(path);
  return tokenizer;
}

Result<WhisperTokenizer> WhisperTokenizer::FromVocabulary(Vocabulary vocabulary,
                                                          int64_t vocab_size) {
  TESSERA_ASSIGN_OR_RETURN(const int num_languages, NumLanguages(vocabulary, vocab_size));
  TESSERA_ASSIGN_OR_RETURN(BytePairEncoder bpe,
                           BytePairEncoder::Create(std::move(vocabulary.tokens)));
  WhisperTokenizer tokenizer(std::move(bpe), num_languages);
  TESSERA_RETURN_IF_ERROR(CheckSpecials(vocabulary, tokenizer));
  return tokenizer;
}

std::string WhisperTokenizer::TokenBytes(int id) const {
  if (id < 0 || id >= vocab_size()) return {};
  if (id < eot()) return std::string(bpe_.token(id));
  if (id >= timestamp_begin()) {
    const int hundredths = 2 * (id - timestamp_begin());
    char name[32];
    std::snprintf(name, sizeof(name), "<|%d.%02d|>", hundredths / 100, hundredths % 100);
    return name;
  }
  if (const std::string_view code = LanguageCode(id); !code.empty())
    return "<|" + std::string(code) + "|>";
  if (id == eot()) return "<|endoftext|>";
  if (id == sot()) return "<|startoftranscript|>";
  static constexpr std::array kAfterLanguages = {"<|translate|>", "<|transcribe|>",
                                                 "<|startoflm|>", "<|startofprev|>",
                                                 "<|nospeech|>",  "<|notimestamps|>"};
  return kAfterLanguages[static_cast<size_t>(id - translate())];
}

std::string WhisperTokenizer::Decode(std::span<const int> ids) const {
  std::string bytes;
  for (const int id : ids) {
    if (id < timestamp_begin()) bytes += TokenBytes(id);
  }
  return ReplaceInvalidUtf8(bytes);
}

std::string WhisperTokenizer::DecodeWithTimestamps(std::span<const int> ids) const {
  std::string bytes;
  for (const int id : ids) bytes += TokenBytes(id);
  return ReplaceInvalidUtf8(bytes);
}

std::optional<int> WhisperTokenizer::LanguageToken(std::string_view code) const {
  const std::span<const WhisperLanguage> languages = WhisperLanguages();
  for (int i = 0; i < num_languages_; ++i) {
    if (languages[static_cast<size_t>(i)].code == code) return language_begin() + i;
  }
  return std::nullopt;
}

std::string_view WhisperTokenizer::LanguageCode(int id) const {
  if (id < language_begin() || id >= translate()) return {};
  return WhisperLanguages()[static_cast<size_t>(id - language_begin())].code;
}

Result<std::vector<int>> WhisperTokenizer::SotSequence(std::string_view language_code,
                                                       WhisperTask task, bool no_timestamps) const {
  std::vector<int> sequence = {sot()};
  if (is_multilingual()) {
    const std::optional<int> language = LanguageToken(language_code);
    if (!language) {
      return InvalidArgument("this model has no language \"" + std::string(language_code) +
                             "\", expected a code such as \"en\"");
    }
    sequence.push_back(*language);
    sequence.push_back(task == WhisperTask::kTranscribe ? transcribe() : translate());
  }
  if (no_timestamps) sequence.push_back(this->no_timestamps());
  return sequence;
}

}  // namespace tessera
