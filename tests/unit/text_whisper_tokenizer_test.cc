#include "text/whisper_tokenizer.h"

#include <gtest/gtest.h>

#include "tests/unit/text_golden.h"
#include "text/whisper_languages.h"

namespace tessera {
namespace {

using Ids = std::vector<int>;

// 600 small tokens filled up to the size of a real vocabulary: special ids without a model on the
// machine.
WhisperTokenizer Padded(int num_tokens, int vocab_size) {
  Vocabulary vocabulary{SmallTokens(), {}};
  while (static_cast<int>(vocabulary.tokens.size()) < num_tokens) vocabulary.tokens.emplace_back();
  Result<WhisperTokenizer> tokenizer =
      WhisperTokenizer::FromVocabulary(std::move(vocabulary), vocab_size);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return std::move(tokenizer).value();
}

void ExpectSpecials(const WhisperTokenizer& tokenizer, const nlohmann::json& golden) {
  const auto& specials = golden["specials"];
  EXPECT_EQ(tokenizer.eot(), specials["eot"]);
  EXPECT_EQ(tokenizer.sot(), specials["sot"]);
  EXPECT_EQ(tokenizer.translate(), specials["translate"]);
  EXPECT_EQ(tokenizer.transcribe(), specials["transcribe"]);
  EXPECT_EQ(tokenizer.sot_lm(), specials["sot_lm"]);
  EXPECT_EQ(tokenizer.sot_prev(), specials["sot_prev"]);
  EXPECT_EQ(tokenizer.no_speech(), specials["no_speech"]);
  EXPECT_EQ(tokenizer.no_timestamps(), specials["no_timestamps"]);
  EXPECT_EQ(tokenizer.timestamp_begin(), specials["timestamp_begin"]);
  EXPECT_EQ(tokenizer.vocab_size(), golden["vocab_size"]);
  Ids languages;
  for (const WhisperLanguage& language : WhisperLanguages()) {
    if (const std::optional<int> id = tokenizer.LanguageToken(language.code)) {
      languages.push_back(*id);
      EXPECT_EQ(tokenizer.LanguageCode(*id), language.code);
    }
  }
  EXPECT_EQ(languages, golden["language_tokens"].get<Ids>());
  EXPECT_EQ(tokenizer.SotSequence("en", WhisperTask::kTranscribe, false).value(),
            golden["sot_sequence"].get<Ids>());
  EXPECT_EQ(tokenizer.SotSequence("en", WhisperTask::kTranscribe, true).value(),
            golden["sot_sequence_including_notimestamps"].get<Ids>());
}

TEST(WhisperTokenizerTest, SpecialTokensFollowTheVocabularySize) {
  ExpectSpecials(Padded(50257, 51865), TextGolden()["multilingual"]);
  ExpectSpecials(Padded(50257, 51866), TextGolden()["multilingual100"]);
  ExpectSpecials(Padded(50256, 51864), TextGolden()["gpt2"]);
}

TEST(WhisperTokenizerTest, SotSequenceOfTaskAndLanguage) {
  const WhisperTokenizer tokenizer = Padded(50257, 51865);
  EXPECT_EQ(tokenizer.SotSequence("de", WhisperTask::kTranslate, true).value(),
            (Ids{50258, 50261, 50358, 50363}));
  EXPECT_EQ(tokenizer.SotSequence("yue", WhisperTask::kTranscribe, false).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Padded(50256, 51864).SotSequence("de", WhisperTask::kTranslate, true).value(),
            (Ids{50257, 50362}));
}

TEST(WhisperTokenizerTest, NamesOfSpecialTokens) {
  const WhisperTokenizer tokenizer = Padded(50257, 51865);
  EXPECT_EQ(tokenizer.Decode(Ids{50257, 50258, 50259, 50358, 50359, 50360, 50361, 50362, 50363}),
            "<|endoftext|><|startoftranscript|><|en|><|translate|><|transcribe|><|startoflm|><|"
            "startofprev|><|nospeech|>"
            "<|notimestamps|>");
  EXPECT_EQ(tokenizer.Decode(Ids{50364, 51864, -1, 51865, INT32_MAX, INT32_MIN}), "");
  EXPECT_EQ(tokenizer.DecodeWithTimestamps(Ids{50364, 50365, 50418, 51864, 51865}),
            "<|0.00|><|0.02|><|1.08|><|30.00|>");
}

TEST(WhisperTokenizerTest, RefusesVocabulariesThatDoNotFit) {
  const auto code = [](std::vector<std::string> tokens,
                       std::map<std::string, int, std::less<>> specials, int64_t size) {
    return WhisperTokenizer::FromVocabulary({std::move(tokens), std::move(specials)}, size)
        .status()
        .code();
  };
  EXPECT_EQ(code(SmallTokens(), {}, 51865), StatusCode::kDataLoss);
  EXPECT_EQ(code(SmallTokens(), {}, -5), StatusCode::kDataLoss);
  EXPECT_EQ(code({"a"}, {}, 0), StatusCode::kDataLoss);
  EXPECT_EQ(code(SmallTokens(), {{"<|startoftranscript|>", 601}, {"<|translate|>", 900}}, 0),
            StatusCode::kDataLoss);
  EXPECT_EQ(code(SmallTokens(), {{"<|notimestamps|>", 650}}, 0), StatusCode::kDataLoss);
  EXPECT_EQ(code(SmallTokens(), {{"<|startoftranscript|>", 601}, {"<|translate|>", 603}}, 0),
            StatusCode::kOk);
}

TEST(WhisperLanguagesTest, AreThoseOfOpenAiWhisper) {
  const auto& golden = TextGolden()["languages"];
  ASSERT_EQ(WhisperLanguages().size(), golden.size());
  for (size_t i = 0; i < golden.size(); ++i) {
    EXPECT_EQ(WhisperLanguages()[i].code, golden[i][0].get<std::string>());
    EXPECT_EQ(WhisperLanguages()[i].name, golden[i][1].get<std::string>());
    EXPECT_EQ(WhisperLanguageName(WhisperLanguages()[i].code), golden[i][1].get<std::string>());
  }
  for (const auto& [name, code] : TextGolden()["to_language_code"].items()) {
    EXPECT_EQ(WhisperLanguageCode(name), code.get<std::string>()) << name;
  }
  EXPECT_EQ(WhisperLanguageCode("English"), "en");
  EXPECT_EQ(WhisperLanguageCode("DE"), "de");
  EXPECT_EQ(WhisperLanguageCode("klingon"), std::nullopt);
  EXPECT_EQ(WhisperLanguageCode(""), std::nullopt);
  EXPECT_EQ(WhisperLanguageName("klingon"), "");
}

// The whole vocabularies, from the models' own files.
struct ModelCase {
  const char* model;
  const char* file;  // in the model's folder; "" for the folder itself
  const char* golden;
};

class WhisperTokenizerModelTest : public ::testing::TestWithParam<ModelCase> {
 protected:
  void SetUp() override {
    const std::string folder = ModelFolder(GetParam().model);
    if (folder.empty()) GTEST_SKIP() << "no model " << GetParam().model << " on this machine";
    Result<WhisperTokenizer> loaded =
        WhisperTokenizer::Load((std::filesystem::path(folder) / GetParam().file).string());
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    tokenizer_.emplace(std::move(loaded).value());
  }
  const nlohmann::json& golden() const { return TextGolden()[GetParam().golden]; }

  std::optional<WhisperTokenizer> tokenizer_;
};

TEST_P(WhisperTokenizerModelTest, SpecialTokens) {
  ExpectSpecials(*tokenizer_, golden());
  EXPECT_EQ(tokenizer_->non_speech_tokens(), golden()["non_speech_tokens"].get<Ids>());
}

TEST_P(WhisperTokenizerModelTest, Encodes) {
  const auto& texts = TextGolden()["texts"];
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer_->Encode(texts[i].get_ref<const std::string&>()),
              golden()["ids"][i].get<Ids>())
        << texts[i];
  }
}

TEST_P(WhisperTokenizerModelTest, Decodes) {
  const auto& texts = TextGolden()["texts"];
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(tokenizer_->Decode(golden()["ids"][i].get<Ids>()), texts[i].get<std::string>());
  }
  for (const auto& item : golden()["decode"]) {
    EXPECT_EQ(tokenizer_->Decode(item["ids"].get<Ids>()), item["text"].get<std::string>())
        << item["ids"];
    EXPECT_EQ(tokenizer_->DecodeWithTimestamps(item["ids"].get<Ids>()),
              item["timestamps"].get<std::string>())
        << item["ids"];
  }
}

TEST_P(WhisperTokenizerModelTest, SplitsIntoWords) {
  for (const auto& item : golden()["split"]) {
    const Ids ids = item["ids"];
    std::vector<WhisperWord> expected;
    size_t used = 0;
    for (size_t i = 0; i < item["words"].size(); ++i) {
      const size_t count = item["counts"][i];
      const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(used);
      expected.push_back(
          {item["words"][i], Ids(begin, begin + static_cast<std::ptrdiff_t>(count))});
      used += count;
    }
    EXPECT_EQ(tokenizer_->SplitToWordTokens(ids, item["language"].get<std::string>()), expected)
        << item;
  }
}

// The languages that openai-whisper splits at every character.
TEST_P(WhisperTokenizerModelTest, LanguagesWithoutSpaces) {
  const Ids ids = tokenizer_->Encode(" one twothree");
  const size_t spaced = tokenizer_->SplitToWordTokens(ids, "en").size();
  ASSERT_LT(spaced, ids.size());
  for (const char* language : {"zh", "ja", "th", "lo", "my", "yue"}) {
    EXPECT_EQ(tokenizer_->SplitToWordTokens(ids, language).size(),
              tokenizer_->is_multilingual() ? ids.size() : spaced)
        << language;
  }
}

// Where openai-whisper's own split fails with an index error: bytes after the last character, and
// only those.
TEST_P(WhisperTokenizerModelTest, SplitOfCutCharactersEndsWell) {
  const Ids ids = tokenizer_->Encode("世界");
  for (size_t begin = 0; begin <= ids.size(); ++begin) {
    for (size_t end = begin; end <= ids.size(); ++end) {
      size_t kept = 0;
      for (const WhisperWord& word :
           tokenizer_->SplitToWordTokens(std::span(ids).subspan(begin, end - begin), "zh")) {
        kept += word.tokens.size();
      }
      EXPECT_LE(kept, end - begin);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, WhisperTokenizerModelTest,
                         ::testing::Values(ModelCase{"whisper-base", "", "multilingual"},
                                           ModelCase{"whisper-base", "tokenizer.json",
                                                     "multilingual"},
                                           ModelCase{"whisper-tiny.en", "", "gpt2"},
                                           ModelCase{"whisper-tiny.en", "tokenizer.json", "gpt2"}),
                         [](const auto& case_info) {
                           std::string name =
                               std::string(case_info.param.golden) +
                               (*case_info.param.file == '\0' ? "_folder" : "_tokenizer_json");
                           return name;
                         });

}  // namespace
}  // namespace tessera
