// Text encoders' tokenizers beside the `tokenizers` library: the goldens of
// tools/golden/text_tokenizers.py.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/unit/text_golden.h"
#include "text/text_tokenizer.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

std::string GoldenFile(const std::string& name) {
  const std::string path = TESSERA_SOURCE_DIR "/tests/golden/" + name;
  std::string text;
  // Reads a plain file too.
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return text;
  char block[65536];
  for (int read; (read = gzread(file, block, sizeof(block))) > 0;)
    text.append(block, static_cast<size_t>(read));
  gzclose(file);
  return text;
}

const Json& Expected() {
  static const Json expected = Json::parse(GoldenFile("text_tokenizers/expected.json"));
  return expected;
}

uint32_t Fnv(std::string_view bytes, uint32_t hash = 0x811C9DC5) {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193u;
  return hash;
}

uint32_t HashIds(const std::vector<int32_t>& ids, uint32_t hash = 0x811C9DC5) {
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8)
      hash = (hash ^ (static_cast<uint32_t>(id) >> shift & 0xFF)) * 0x01000193u;
  }
  return hash;
}

// The shared texts, the adversarial ones, those with invalid UTF-8.
const std::vector<std::string>& Texts() {
  static const std::vector<std::string> texts = [] {
    std::vector<std::string> out = Json::parse(GoldenFile("embedding_texts.json"))["texts"];
    for (const std::string text : Expected()["adversarial"]) out.push_back(text);
    for (const std::string text : Expected()["invalid_base64"]) out.push_back(FromBase64(text));
    return out;
  }();
  return texts;
}

// Every code point of a block among others.
std::string CodePoints(char32_t block) {
  std::string text;
  for (char32_t c = block; c < block + 4096; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    text += 'a';
    AppendUtf8(c, &text);
    text += "\xCC\x81";
    AppendUtf8(c, &text);
    text += "b ";
    AppendUtf8(c, &text);
  }
  return text;
}

constexpr int64_t kNoLimit = int64_t{1} << 40;

void ExpectAgreement(const TextTokenizer& tokenizer, const Json& expected) {
  const std::vector<std::string>& texts = Texts();
  ASSERT_EQ(texts.size(), expected["hashes"].size());
  const int64_t limit = Expected()["limit"];
  uint32_t short_hash = 0x811C9DC5;
  for (size_t i = 0; i < texts.size(); ++i) {
    const TokenizedText whole = tokenizer.Encode(texts[i], kNoLimit);
    ASSERT_FALSE(whole.truncated);
    if (const auto ids = expected["ids"].find(std::to_string(i)); ids != expected["ids"].end()) {
      EXPECT_EQ(whole.ids, ids->get<std::vector<int32_t>>()) << "text " << i << ": " << texts[i];
    }
    ASSERT_EQ(HashIds(whole.ids), expected["hashes"][i].get<uint32_t>())
        << "text " << i << ": " << texts[i] << "\nids: " << Json(whole.ids).dump();
    for (const int32_t id : whole.ids) ASSERT_LT(id, tokenizer.vocab_size());

    const TokenizedText cut = tokenizer.Encode(texts[i], limit);
    EXPECT_EQ(cut.truncated, static_cast<int64_t>(whole.ids.size()) > limit) << texts[i];
    short_hash = HashIds(cut.ids, short_hash);
  }
  EXPECT_EQ(short_hash, expected["truncated_hash"].get<uint32_t>());
  for (size_t i = 0; i < Expected()["recipes"].size(); ++i) {
    const Json& recipe = Expected()["recipes"][i];
    const std::string unit = recipe[0];
    std::string text;
    for (int64_t n = recipe[1]; n > 0; --n) text += unit;
    const std::vector<int32_t> ids = tokenizer.Encode(text, kNoLimit).ids;
    EXPECT_EQ(HashIds(ids), expected["recipe_hashes"][i].get<uint32_t>())
        << recipe << ": " << ids.size() << " ids";
    // The same beginning when it stops early.
    const TokenizedText cut = tokenizer.Encode(text, 40);
    const size_t compared = std::min<size_t>(39, ids.size() - 1);
    EXPECT_TRUE(
        std::equal(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(compared), cut.ids.begin()))
        << recipe;
    EXPECT_EQ(cut.truncated, ids.size() > 40) << recipe;
  }
}

class TextTokenizerGolden : public testing::TestWithParam<const char*> {};

TEST_P(TextTokenizerGolden, IdsAreThoseOfTheLibrary) {
  const auto tokenizer =
      ParseTextTokenizer(GoldenFile(std::string("text_tokenizers/") + GetParam()));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  EXPECT_EQ((*tokenizer)->num_special_tokens(), 2);
  ExpectAgreement(**tokenizer, Expected()["tokenizers"][GetParam()]);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TextTokenizerGolden,
                         testing::Values("wordpiece.json", "wordpiece_added.json",
                                         "unigram.json.gz", "unigram_bytes.json"));

TEST(TextTokenizerGoldenTest, VocabTxtIsTheSameTokenizer) {
  const auto tokenizer = ParseVocabTxt(GoldenFile("text_tokenizers/vocab.txt"), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  ExpectAgreement(**tokenizer, Expected()["tokenizers"]["wordpiece.json"]);
}

TEST(TextTokenizerGoldenTest, MiniLm) {
  const std::string folder = ModelFolder("all-minilm-l6-v2");
  if (folder.empty()) GTEST_SKIP() << "model all-minilm-l6-v2 is not installed";
  const auto tokenizer = LoadTextTokenizer(folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  EXPECT_EQ((*tokenizer)->vocab_size(), 30522);
  ExpectAgreement(**tokenizer, Expected()["tokenizers"]["all-minilm-l6-v2"]);
}

Json CharsmapOfUnigram() {
  const auto file = ParseTokenizerJson(GoldenFile("text_tokenizers/unigram.json.gz"));
  return file.ok() ? file->root["normalizer"]["normalizers"][0] : Json();
}

TEST(TextTokenizerGoldenTest, NormalizersAgreeOnEveryCodePoint) {
  const std::vector<uint32_t> blocks = Expected()["blocks"];
  for (const Json& golden : Expected()["normalizers"]) {
    const Json spec = golden["json"].is_string() ? CharsmapOfUnigram() : golden["json"];
    const auto normalizer = MakeNormalizer(spec);
    ASSERT_TRUE(normalizer.ok()) << normalizer.status().ToString();
    for (size_t i = 0; i < blocks.size(); ++i) {
      std::string text = CodePoints(blocks[i]);
      (*normalizer)->Normalize({}, &text);
      ASSERT_EQ(Fnv(text), golden["hashes"][i].get<uint32_t>())
          << golden["json"] << " block " << blocks[i];
    }
  }
}

class Joiner : public PieceSink {
 public:
  bool Take(TextPiece piece) override {
    if (!joined_.empty()) joined_ += '\n';
    joined_ += piece.text;
    return true;
  }
  const std::string& joined() const { return joined_; }

 private:
  std::string joined_;
};

TEST(TextTokenizerGoldenTest, PreTokenizersAgreeOnEveryCodePoint) {
  const std::vector<uint32_t> blocks = Expected()["blocks"];
  for (const Json& golden : Expected()["pre_tokenizers"]) {
    const auto pre_tokenizer = MakePreTokenizer(golden["json"]);
    ASSERT_TRUE(pre_tokenizer.ok()) << pre_tokenizer.status().ToString();
    for (size_t i = 0; i < blocks.size(); ++i) {
      const std::string text = CodePoints(blocks[i]);
      Joiner joiner;
      EXPECT_TRUE((*pre_tokenizer)->Split({text, true}, &joiner));
      ASSERT_EQ(Fnv(joiner.joined()), golden["hashes"][i].get<uint32_t>())
          << golden["json"] << " block " << blocks[i];
    }
  }
}

}  // namespace
}  // namespace tessera
