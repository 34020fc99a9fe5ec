// Files of text encoders' tokenizers that are unusual, unsupported or broken, and the parts of the
// tokenizers by themselves.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/byte_trie.h"
#include "text/normalizer.h"
#include "text/precompiled_charsmap.h"
#include "text/text_tokenizer.h"
#include "text/tokenizer_json.h"
#include "text/unigram.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

Json SmallWordPiece() {
  return Json::parse(R"({
    "added_tokens": [{"id": 1, "content": "[CLS]", "special": true, "normalized": false}],
    "normalizer": {"type": "BertNormalizer"},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "two", "type_id": 0}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1]}, "two": {"ids": [2, 9]}}},
    "model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "ab": 3,
              "##c": 4, "a": 5, "##bcd": 6, "##": 7}}})");
}

std::vector<int32_t> Encode(const Json& json, std::string_view text, int64_t max_tokens = 100) {
  const auto tokenizer = ParseTextTokenizer(json.dump());
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  return tokenizer.ok() ? (*tokenizer)->Encode(text, max_tokens).ids : std::vector<int32_t>();
}

using Ids = std::vector<int32_t>;

TEST(TextTokenizerFilesTest, LongestPiecesFromTheLeft) {
  EXPECT_EQ(Encode(SmallWordPiece(), "abc"), (Ids{1, 3, 4, 2, 9}));
  EXPECT_EQ(Encode(SmallWordPiece(), "abcd"), (Ids{1, 0, 2, 9}));  // ab, ##c, nothing for d
  EXPECT_EQ(Encode(SmallWordPiece(), "A ab\u00e4"), (Ids{1, 5, 0, 2, 9}));
  EXPECT_EQ(Encode(SmallWordPiece(), ""), (Ids{1, 2, 9}));
}

TEST(TextTokenizerFilesTest, SpecialTokensStayWhenTruncated) {
  EXPECT_EQ(Encode(SmallWordPiece(), "a a a", 4), (Ids{1, 5, 2, 9}));
  EXPECT_EQ(Encode(SmallWordPiece(), "a a a", 3), (Ids{1, 2, 9}));
  const auto tokenizer = ParseTextTokenizer(SmallWordPiece().dump());
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ((*tokenizer)->num_special_tokens(), 3);
  EXPECT_EQ((*tokenizer)->vocab_size(), 10);
  EXPECT_FALSE((*tokenizer)->Encode("a a", 5).truncated);
  EXPECT_TRUE((*tokenizer)->Encode("a a", 4).truncated);
}

TEST(TextTokenizerFilesTest, LongTextsAreTheSumOfTheirParts) {
  std::string text;
  Ids expected{1};
  for (int i = 0; i < 20000; ++i) {
    text += i % 7 == 0 ? "a  \n" : "ab abc. ";
    for (const int32_t id : i % 7 == 0 ? Ids{5} : Ids{3, 3, 4, 0}) expected.push_back(id);
  }
  expected.insert(expected.end(), {2, 9});
  EXPECT_EQ(Encode(SmallWordPiece(), text, 1 << 30), expected);
  expected.erase(expected.begin() + 4998, expected.end() - 2);
  EXPECT_EQ(Encode(SmallWordPiece(), text, 5000), expected);
}

struct BrokenCase {
  const char* what;
  const char* pointer;  // where the JSON is changed
  const char* value;
  StatusCode code;
  const char* message;  // a part of it
};

void PrintTo(const BrokenCase& broken, std::ostream* out) { *out << broken.what; }

class BrokenTokenizer : public testing::TestWithParam<BrokenCase> {};

TEST_P(BrokenTokenizer, IsRefusedWithTheReason) {
  Json json = SmallWordPiece();
  json[Json::json_pointer(GetParam().pointer)] = Json::parse(GetParam().value);
  const auto tokenizer = ParseTextTokenizer(json.dump());
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.status().code(), GetParam().code) << tokenizer.status().ToString();
  EXPECT_NE(tokenizer.status().message().find(GetParam().message), std::string::npos)
      << tokenizer.status().ToString();
}

constexpr StatusCode kLost = StatusCode::kDataLoss;
constexpr StatusCode kNone = StatusCode::kUnimplemented;
INSTANTIATE_TEST_SUITE_P(
    Cases, BrokenTokenizer,
    testing::Values(
        BrokenCase{"unknown model", "/model/type", "\"BPE\"", kNone, "model BPE"},
        BrokenCase{"no model", "/model", "null", kLost, "\"model\""},
        BrokenCase{"other normalizer", "/normalizer/type", "\"Nmt\"", kNone, "normalizer Nmt"},
        BrokenCase{"nested normalizer", "/normalizer",
                   R"({"type": "Sequence", "normalizers": [{"type": "Bogus"}]})", kNone,
                   "normalizer Bogus"},
        BrokenCase{"normalizer without type", "/normalizer", "{}", kLost, "\"type\""},
        BrokenCase{"normalizer is a number", "/normalizer", "3", kLost, "\"type\""},
        BrokenCase{"option of another type", "/normalizer/lowercase", "\"yes\"", kLost,
                   "lowercase"},
        BrokenCase{"regular expression", "/normalizer",
                   R"({"type": "Replace", "pattern": {"Regex": "(a|b)+"}, "content": ""})", kNone,
                   "(a|b)+"},
        BrokenCase{"empty pattern", "/normalizer",
                   R"({"type": "Replace", "pattern": {"String": ""}, "content": "x"})", kLost,
                   "empty"},
        BrokenCase{"charsmap not base64", "/normalizer",
                   R"({"type": "Precompiled", "precompiled_charsmap": "?"})", kLost, "base64"},
        BrokenCase{"charsmap too short", "/normalizer",
                   R"({"type": "Precompiled", "precompiled_charsmap": "/////w=="})", kLost,
                   "array of 4294967295"},
        BrokenCase{"text that explodes", "/normalizer",
                   R"({"type": "Sequence", "normalizers": [
                       {"type": "NFKC"}, {"type": "NFKC"}, {"type": "NFKC"}, {"type": "NFKC"}]})",
                   kLost, "16384"},
        BrokenCase{"other pre_tokenizer", "/pre_tokenizer/type", "\"Digits\"", kNone,
                   "pre_tokenizer Digits"},
        BrokenCase{"long replacement", "/pre_tokenizer",
                   R"({"type": "Metaspace", "replacement": "xy"})", kLost, "xy"},
        BrokenCase{"unknown scheme", "/pre_tokenizer",
                   R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "often"})", kLost,
                   "often"},
        BrokenCase{"other post_processor", "/post_processor/type", "\"Bogus\"", kNone, "Bogus"},
        BrokenCase{"template without text", "/post_processor/single", "[]", kNone, "0 times"},
        BrokenCase{"special token without ids", "/post_processor/special_tokens/two", "{}", kLost,
                   "two"},
        BrokenCase{"special id too large", "/post_processor/special_tokens/two/ids/0", "2147483648",
                   kLost, "2147483648"},
        BrokenCase{"added id of another token", "/added_tokens/0/id", "2", kLost, "[CLS]"},
        BrokenCase{"added without content", "/added_tokens/0", "{\"id\": 1}", kLost, "content"},
        BrokenCase{"added tokens no list", "/added_tokens", "\"x\"", kLost, "added_tokens"},
        BrokenCase{"negative id", "/model/vocab/ab", "-1", kLost, "ab"},
        BrokenCase{"large id", "/model/vocab/ab", "2147483648", kLost, "ab"},
        BrokenCase{"id with a fraction", "/model/vocab/ab", "1.5", kLost, "ab"},
        BrokenCase{"id is a string", "/model/vocab/ab", "\"1\"", kLost, "ab"},
        BrokenCase{"id is a list", "/model/vocab/ab", "[1]", kLost, "vocabulary"},
        BrokenCase{"vocabulary is a list", "/model/vocab", "[[\"[UNK]\", 0]]", kLost, "list"},
        BrokenCase{"no unknown token", "/model/unk_token", "\"<unk>\"", kLost, "<unk>"},
        BrokenCase{"unigram of an object", "/model/type", "\"Unigram\"", kLost, "expected a list"},
        BrokenCase{"unk_id outside", "/model",
                   R"({"type": "Unigram", "unk_id": 1, "vocab": [["a", 0]]})", kLost, "unk_id 1"},
        BrokenCase{"no unk_id", "/model", R"({"type": "Unigram", "vocab": [["a", 0]]})", kLost,
                   "unk_id"},
        BrokenCase{"token without score", "/model",
                   R"({"type": "Unigram", "unk_id": 0, "vocab": [["a"]]})", kLost,
                   "[token, score]"}));

TEST(TextTokenizerFilesTest, NotJson) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("3"),
        std::string("{\"a\": 1e999}"), std::string(200000, '['),
        "{\"a\": " + std::string(200000, '[')}) {
    const auto tokenizer = ParseTextTokenizer(text);
    ASSERT_FALSE(tokenizer.ok()) << text.substr(0, 20);
    EXPECT_EQ(tokenizer.status().code(), StatusCode::kDataLoss) << text.substr(0, 20);
  }
}

TEST(TextTokenizerFilesTest, DepthIsLimited) {
  std::string text = "{\"normalizer\": ";
  for (int i = 0; i < 100; ++i) text += "{\"type\": \"Sequence\", \"normalizers\": [";
  text += "{\"type\": \"NFC\"}";
  for (int i = 0; i < 100; ++i) text += "]}";
  const auto tokenizer = ParseTextTokenizer(text + "}");
  EXPECT_EQ(tokenizer.status().code(), StatusCode::kDataLoss);
  EXPECT_NE(tokenizer.status().message().find("nested deeper"), std::string::npos)
      << tokenizer.status().ToString();
}

TEST(TextTokenizerFilesTest, VocabTxtWithConfig) {
  const std::string vocabulary = "<p>\r\n<u>\n<c>\r<s>\nAb\n\u00c4\n";
  const std::string config = R"({"do_lower_case": false, "unk_token": {"content": "<u>"},
                                 "cls_token": "<c>", "sep_token": "<s>", "pad_token": "<p>"})";
  const auto tokenizer = ParseVocabTxt(vocabulary, config);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  EXPECT_EQ((*tokenizer)->Encode("Ab ab \u00c4 <p>", 100).ids, (Ids{2, 4, 1, 5, 0, 3}));
  // Without accents and cases.
  const auto lower = ParseVocabTxt("[UNK]\n[CLS]\n[SEP]\na\n", "");
  ASSERT_TRUE(lower.ok()) << lower.status().ToString();
  EXPECT_EQ((*lower)->Encode("\u00c4 A", 100).ids, (Ids{1, 3, 3, 2}));

  EXPECT_EQ(ParseVocabTxt("a\nb\n", "").status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(ParseVocabTxt("\xff\n", "").status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(ParseVocabTxt(vocabulary, "{").status().code(), StatusCode::kDataLoss);
}

TEST(TextTokenizerFilesTest, Folders) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "tessera_text_tokenizer_folder";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  EXPECT_EQ(LoadTextTokenizer(folder.string()).status().code(), StatusCode::kNotFound);

  std::ofstream(folder / "vocab.txt") << "[UNK]\n[CLS]\n[SEP]\na\n";
  auto tokenizer = LoadTextTokenizer(folder.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  EXPECT_EQ((*tokenizer)->vocab_size(), 4);

  // tokenizer.json comes first.
  std::ofstream(folder / "tokenizer.json") << SmallWordPiece().dump();
  tokenizer = LoadTextTokenizer(folder.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().ToString();
  EXPECT_EQ((*tokenizer)->vocab_size(), 10);

  std::ofstream(folder / "tokenizer.json") << "{";
  tokenizer = LoadTextTokenizer(folder.string());
  EXPECT_EQ(tokenizer.status().code(), StatusCode::kDataLoss);
  EXPECT_NE(tokenizer.status().message().find("tokenizer.json"), std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST(ByteTrieTest, PrefixesAndExactTexts) {
  const std::string zeros("a\0b", 3);
  const ByteTrie trie = ByteTrie::Build(
      {{"abc", 1}, {"a", 2}, {"abd", 3}, {"", 4}, {"b", 5}, {"b", 6}, {zeros, 7}, {"\xff", 8}});
  EXPECT_EQ(trie.Find("abc"), 1);
  EXPECT_EQ(trie.Find("ab"), ByteTrie::kNoValue);
  EXPECT_EQ(trie.Find("b"), 6);
  EXPECT_EQ(trie.Find(zeros), 7);
  EXPECT_EQ(trie.Find("\xff"), 8);
  EXPECT_EQ(trie.LongestPrefix("abdx").value, 3);
  EXPECT_EQ(trie.LongestPrefix("abx").length, 1u);
  EXPECT_EQ(trie.LongestPrefix("x").value, 4);
  EXPECT_EQ(ByteTrie().Find("a"), ByteTrie::kNoValue);
  EXPECT_EQ(ByteTrie::Build({}).LongestPrefix("a").length, 0u);
}

TEST(ParseScoreTest, RoundsAsSerdeJsonDoes) {
  EXPECT_EQ(ParseScore("-9.5"), -9.5);
  EXPECT_EQ(ParseScore("1e3"), 1000.0);
  EXPECT_EQ(ParseScore("12.5E-1"), 1.25);
  EXPECT_EQ(ParseScore("0.0"), 0.0);
  // Where the nearest double is another.
  EXPECT_EQ(ParseScore("-10.442292213439941"), -0x1.4e2741fffffffp+3);
  EXPECT_EQ(ParseScore("-10.442292213439941406"), -0x1.4e2742p+3);
  EXPECT_EQ(ParseScore("-5.555266786981984634"), -0x1.63897db4a920bp+2);
  EXPECT_EQ(ParseScore("123456789012345678901234567890.5"), 12345678901234567890.0 * 1e10);
  EXPECT_EQ(ParseScore("1e-400"), 0.0);
  EXPECT_EQ(ParseScore("1e-999999999999999999999"), 0.0);
}

// Two notations of one double, which the library reads as two: with them "a" and "b" are better
// than "ab", which counts where they are equal.
TEST(ParseScoreTest, DecidesTies) {
  const std::string empty = R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": []}})";
  const auto with = [&empty](const std::string& b) {
    const std::string vocab =
        "[[\"<unk>\",0],[\"a\",0],[\"b\"," + b + "],[\"ab\",-10.442292213439941406]]";
    std::string text = empty;
    text.replace(text.find("[]"), 2, vocab);
    const auto tokenizer = ParseTextTokenizer(text);
    return tokenizer.ok() ? (*tokenizer)->Encode("ab", 100).ids : Ids();
  };
  EXPECT_EQ(with("-10.442292213439941"), (Ids{1, 2}));
  EXPECT_EQ(with("-10.442292213439941406"), (Ids{3}));
}

// A window that is settled late: tokens of three letters have three ways that never meet.
TEST(UnigramTest, LongPiecesOverManyWindows) {
  const std::vector<VocabularyToken> tokens = {
      {"<unk>", 0, 0}, {"aaa", 1, -1}, {"a", 2, -9}, {"b", 3, -2}, {"ab", 4, -2.5}};
  const auto model = Unigram::Create(tokens, 0, false);
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  Ids ids;
  (*model)->Tokenize(std::string(100000, 'a') + "c" + std::string(50000, 'c') + "b", 1 << 30, &ids);
  // 100000 = 1 + 3 * 33333.
  ASSERT_EQ(ids.size(), 33334u + 2);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 2), 1);
  EXPECT_EQ(ids[33334], 0);  // all c in one
  EXPECT_EQ(ids[33335], 3);

  ids.clear();
  (*model)->Tokenize(std::string(99999, 'a'), 1 << 30, &ids);
  EXPECT_EQ(ids, Ids(33333, 1));

  std::string text;
  for (int i = 0; i < 30000; ++i) text += "ab";
  ids.clear();
  (*model)->Tokenize(text, 1 << 30, &ids);
  EXPECT_EQ(ids, Ids(30000, 4));
  // Early, but not before the limit.
  ids.clear();
  (*model)->Tokenize(text, 10, &ids);
  EXPECT_GT(ids.size(), 10u);
  EXPECT_LT(ids.size(), 10000u);
}

// The score of an unknown character is ten below the lowest.
TEST(UnigramTest, UnknownCharactersAgainstTokens) {
  const auto cut = [](double xa, double b) {
    const auto model =
        Unigram::Create({{"<unk>", 0, -15}, {"xa", 1, xa}, {"b", 2, b}, {"ab", 3, -1}}, 0, false);
    Ids ids;
    if (model.ok()) (*model)->Tokenize("xab", 100, &ids);
    return ids;
  };
  EXPECT_EQ(cut(-14, -14), (Ids{0, 3}));  // -26 against -28
  EXPECT_EQ(cut(-9, -9), (Ids{1, 2}));    // -26 against -18
}

TEST(BertNormalizerTest, MarksThatStayAreInCanonicalOrder) {
  const BertNormalizer normalizer({});
  std::string text = "A\U0001D16D\u302E\u0301\U0001D165b";
  normalizer.Normalize({}, &text);
  EXPECT_EQ(text, "a\U0001D165\u302E\U0001D16Db");
}

TEST(GraphemeTest, Clusters) {
  EXPECT_EQ(FirstGraphemeLength("ab"), 1u);
  EXPECT_EQ(FirstGraphemeLength("\r\nb"), 2u);
  EXPECT_EQ(FirstGraphemeLength("\n\u0301"), 1u);
  EXPECT_EQ(FirstGraphemeLength("e\u0301\u0323x"), 5u);
  EXPECT_EQ(FirstGraphemeLength("\u1100\u1161\u11a8\u1100"), 9u);
  EXPECT_EQ(FirstGraphemeLength("\u00a9\u200d\u263ax"), 8u);
  EXPECT_EQ(FirstGraphemeLength("a\u200d\u263a"), 4u);
  EXPECT_EQ(FirstGraphemeLength("\u0915\u094d\u0937x"), 9u);
  EXPECT_EQ(FirstGraphemeLength("\u0915\u0937"), 3u);
  EXPECT_EQ(FirstGraphemeLength("\u06001"), 3u);
}

std::string Parts(const AddedTokenFinder& finder, std::string_view text) {
  std::string out;
  finder.Split(text, [&out](std::string_view part, int32_t id) {
    out += "(" + std::string(part) + (id < 0 ? ")" : ":" + std::to_string(id) + ")");
    return true;
  });
  return out;
}

TEST(AddedTokensTest, FlagsDecideWhatIsTaken) {
  AddedToken plain{.content = "<a>", .id = 1};
  AddedToken longer{.content = "<a>>", .id = 2};
  AddedToken word{.content = "zz", .id = 3, .is_single_word = true};
  AddedToken left{.content = "<l>", .id = 4, .takes_space_left = true};
  AddedToken right{.content = "<r>", .id = 5, .takes_space_right = true};
  const AddedTokenFinder finder({plain, longer, word, left, right, {.content = "", .id = 6}});
  EXPECT_EQ(Parts(finder, "x<a>y"), "(x)(<a>:1)(y)");
  EXPECT_EQ(Parts(finder, "<a>><a>"), "(<a>>:2)(<a>:1)");
  EXPECT_EQ(Parts(finder, "zz azz zz1 (zz)"), "(zz:3)( azz zz1 ()(zz:3)())");
  EXPECT_EQ(Parts(finder, "a \u3000<l> b"), "(a)( \u3000<l>:4)( b)");
  EXPECT_EQ(Parts(finder, "<r>  <l>"), "(<r>  :5)(<l>:4)");
  EXPECT_EQ(Parts(finder, ""), "");
  EXPECT_EQ(Parts(AddedTokenFinder(), "<a>"), "(<a>)");
}

}  // namespace
}  // namespace tessera
