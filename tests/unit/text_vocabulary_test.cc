#include "text/vocabulary.h"

#include <gtest/gtest.h>

#include "tests/unit/text_golden.h"
#include "text/utf8.h"
#include "text/vocabulary_list.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

// GPT-2's printable spelling of bytes, written anew: 33..126, 161..172, 174..255 stand for
// themselves.
std::string Printable(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    const int byte = static_cast<unsigned char>(c);
    const auto prints = [](int b) { return (b > 32 && b < 127) || (b > 160 && b != 173); };
    char32_t point = static_cast<char32_t>(byte);
    if (!prints(byte)) {
      point = 0x100;
      for (int b = 0; b < byte; ++b) point += !prints(b);
    }
    AppendUtf8(point, &out);
  }
  return out;
}

const std::vector<std::string> kSpecials = {"<|endoftext|>", "<|startoftranscript|>", "<|en|>",
                                            "<|translate|>"};

Json List(bool with_specials) {
  Json list = Json::array();
  for (const std::string& token : SmallTokens()) list.push_back(Printable(token));
  if (with_specials) {
    for (const std::string& special : kSpecials) list.push_back(special);
  }
  return list;
}

Json Object() {
  Json object = Json::object();
  int id = 0;
  for (const auto& token : List(false)) object[token.get<std::string>()] = id++;
  return object;
}

void ExpectSmall(const Result<Vocabulary>& vocabulary, bool with_specials) {
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status().ToString();
  EXPECT_EQ(vocabulary->tokens, SmallTokens());
  ASSERT_EQ(vocabulary->specials.size(), with_specials ? kSpecials.size() : 0u);
  if (with_specials) EXPECT_EQ(vocabulary->specials.find("<|translate|>")->second, 603);
}

TEST(VocabularyTest, ReadsEveryForm) {
  ExpectSmall(ParseVocabularyJson(List(true).dump()), true);
  ExpectSmall(ParseVocabularyJson(List(false).dump()), false);
  ExpectSmall(ParseVocabularyJson(Object().dump()), false);

  Json tokenizer = {
      {"version", "1.0"},
      {"model", {{"type", "BPE"}, {"vocab", Object()}, {"merges", {{"a", "b"}, {"c", "d"}}}}}};
  tokenizer["added_tokens"] = Json::array();
  for (size_t i = 0; i < kSpecials.size(); ++i) {
    tokenizer["added_tokens"].push_back(
        {{"id", 600 + i}, {"content", kSpecials[i]}, {"special", true}});
  }
  ExpectSmall(ParseVocabularyJson(tokenizer.dump()), true);

  std::string lines;
  for (const auto& token : List(true)) lines += token.get<std::string>() + "\n";
  ExpectSmall(ParseVocabularyText(lines), true);
  std::string windows;
  for (const auto& token : List(true)) windows += token.get<std::string>() + "\r\n";
  ExpectSmall(ParseVocabularyText(windows), true);
  lines.pop_back();
  ExpectSmall(ParseVocabularyText(lines), true);

  std::string tiktoken;
  int rank = 0;
  for (const auto& token : TextGolden()["small"]["tokens"]) {
    tiktoken += token.get<std::string>() + " " + std::to_string(rank++) + "\n";
  }
  ExpectSmall(ParseTiktoken(tiktoken), false);

  std::vector<std::string> bytes = SmallTokens();
  bytes.insert(bytes.end(), kSpecials.begin(), kSpecials.end());
  ExpectSmall(VocabularyFromBytes(bytes), true);
}

// The multilingual vocabulary ends with an empty token.
TEST(VocabularyTest, KeepsAnEmptyToken) {
  const Result<Vocabulary> json = ParseVocabularyJson(R"(["a", "", "<|endoftext|>"])");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->tokens, (std::vector<std::string>{"a", ""}));
  const Result<Vocabulary> text = ParseVocabularyText("a\n\n<|endoftext|>\n");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->tokens, (std::vector<std::string>{"a", ""}));
  const Result<Vocabulary> tiktoken = ParseTiktoken("YQ== 0\n= 1\n");
  ASSERT_TRUE(tiktoken.ok()) << tiktoken.status().ToString();
  EXPECT_EQ(tiktoken->tokens, (std::vector<std::string>{"a", ""}));
}

// What the fast reader of lists takes, it must take as the general one does; what it leaves alone,
// that one decides.
TEST(VocabularyTest, FastListsAreThoseOfJson) {
  const std::vector<std::string> taken = {
      R"(["a"])", " [ \"a\" ,\r\n\t\"b\" ] \n", R"(["\"", "\\", "\/", ""])",
      R"(["\u0120the", "\u07ff\u0080", "\u007E\u0020"])", R"(["\u00E9", "\u00e9"])"};
  for (const std::string& text : taken) {
    const auto tokens = ReadPlainTokenList(text);
    ASSERT_TRUE(tokens) << text;
    EXPECT_EQ(*tokens, Json::parse(text).get<std::vector<std::string>>()) << text;
  }
  for (const std::string text : {"",
                                 "[",
                                 "[]",
                                 "[\"a\"",
                                 "[\"a\",]",
                                 "[\"a\"] x",
                                 "[\"a\" \"b\"]",
                                 "[\"a",
                                 "[\"a\\",
                                 "[1]",
                                 "{}",
                                 "[\"\xc4\xa0\"]",
                                 "[\"\n\"]",
                                 "[\"\x7f\"]",
                                 "[\"\\n\"]",
                                 "[\"\\u012\"]",
                                 "[\"\\u012g\"]",
                                 "[\"\\u0010\"]",
                                 "[\"\\u0800\"]",
                                 "[\"\\ud83d\\ude00\"]",
                                 "[[\"a\"]]",
                                 "[\"\\x\"]"})
    EXPECT_FALSE(ReadPlainTokenList(text)) << text;
  EXPECT_FALSE(ReadPlainTokenList(std::string("[\"\0\"]", 5)));
}

TEST(VocabularyTest, RefusesDamage) {
  for (const std::string json :
       {"", "[", "{", "7", "\"a\"", "null", "[]", "{}", "[\"a\",", "[\"\u4e16\"]", "{\"a\": -1}",
        "{\"a\": 1}", "{\"a\": 18446744073709551615}", "{\"a\": 2000000}", "{\"a\": 0, \"b\": 0}",
        "{\"a\": 1e300}", "[\"\xff\"]", "{\"added_tokens\": [{\"content\": \"x\"}]}",
        "{\"model\": {\"vocab\": {\"a\": 5}}}"}) {
    EXPECT_EQ(ParseVocabularyJson(json).status().code(), StatusCode::kDataLoss) << json;
  }
  EXPECT_EQ(ParseVocabularyJson(std::string(100000, '[')).status().code(), StatusCode::kDataLoss);
  for (const std::string text : {"YQ==", "YQ== x", "YQ== 1x", "YQ== 99999999999999999999", "Y 0",
                                 "Y?== 0", " 0 0", "YQ== -1", "YQ== 1"}) {
    EXPECT_EQ(ParseTiktoken(text).status().code(), StatusCode::kDataLoss) << text;
  }
  EXPECT_EQ(ParseVocabularyText("").status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(ParseVocabularyText("two words\n").status().code(), StatusCode::kDataLoss);
}

TEST(VocabularyTest, RefusesAFileThatIsNoVocabularyBySize) {
  const std::string path = ::testing::TempDir() + "tessera_large_vocabulary.txt";
  std::ofstream(path) << "a\n";
  std::filesystem::resize_file(path, uintmax_t{1} << 30);  // sparse
  const Result<Vocabulary> vocabulary = LoadVocabulary(path);
  std::filesystem::remove(path);
  EXPECT_EQ(vocabulary.status().code(), StatusCode::kDataLoss);
  EXPECT_NE(vocabulary.status().message().find("1073741824 bytes, expected"), std::string::npos)
      << vocabulary.status().message();
}

TEST(VocabularyTest, LoadNamesWhatIsMissing) {
  const std::string folder = ::testing::TempDir() + "tessera_empty_vocabulary_folder";
  std::filesystem::create_directories(folder);
  const Result<Vocabulary> vocabulary = LoadVocabulary(folder);
  EXPECT_EQ(vocabulary.status().code(), StatusCode::kNotFound);
  EXPECT_NE(vocabulary.status().message().find("vocabulary.json"), std::string::npos);
  EXPECT_EQ(LoadVocabulary(folder + "/absent.json").status().code(), StatusCode::kNotFound);
  std::ofstream(folder + "/vocabulary.txt") << "a\nb\n";
  const Result<Vocabulary> found = LoadVocabulary(folder);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(found->tokens, (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace tessera
