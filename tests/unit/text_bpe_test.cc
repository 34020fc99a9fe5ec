#include "text/bpe.h"

#include <gtest/gtest.h>

#include "tests/unit/text_golden.h"

namespace tessera {
namespace {

BytePairEncoder SmallEncoder() {
  Result<BytePairEncoder> encoder = BytePairEncoder::Create(SmallTokens());
  EXPECT_TRUE(encoder.ok()) << encoder.status().ToString();
  return std::move(encoder).value();
}

std::vector<std::string> Pieces(std::string_view text) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const size_t length = NextBpePiece(text);
    pieces.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return pieces;
}

TEST(BpeTest, SplitsByGpt2Pattern) {
  using Strings = std::vector<std::string>;
  EXPECT_EQ(Pieces("Hello world's  end 42!"),
            (Strings{"Hello", " world", "'s", " ", " end", " 42", "!"}));
  EXPECT_EQ(Pieces("a \n b"), (Strings{"a", " \n", " b"}));
  EXPECT_EQ(Pieces("a\n\nb"), (Strings{"a", "\n", "\n", "b"}));
  EXPECT_EQ(Pieces("a \n"), (Strings{"a", " \n"}));
  EXPECT_EQ(Pieces(" 's '"), (Strings{" '", "s", " '"}));
  EXPECT_EQ(Pieces("'S'll"), (Strings{"'", "S", "'ll"}));
  EXPECT_EQ(Pieces("e\u0301٣"), (Strings{"e", "\u0301", "٣"}));
  EXPECT_EQ(Pieces("a\u00a0b"), (Strings{"a", "\u00a0", "b"}));
}

TEST(BpeTest, EncodesAsTiktoken) {
  const BytePairEncoder encoder = SmallEncoder();
  const auto& texts = TextGolden()["texts"];
  const auto& ids = TextGolden()["small"]["ids"];
  ASSERT_GE(texts.size(), 500u);
  ASSERT_EQ(texts.size(), ids.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(encoder.Encode(texts[i].get_ref<const std::string&>()),
              ids[i].get<std::vector<int>>())
        << texts[i];
  }
}

TEST(BpeTest, ReplacesInvalidUtf8BeforeEncoding) {
  const BytePairEncoder encoder = SmallEncoder();
  for (const auto& item : TextGolden()["bytes"]) {
    EXPECT_EQ(encoder.Encode(FromHex(item["hex"])), item["ids"].get<std::vector<int>>())
        << item["hex"];
  }
}

// A quadratic merge would need minutes here.
TEST(BpeTest, ALongWordLosesNothing) {
  const BytePairEncoder encoder = SmallEncoder();
  std::string text;
  while (text.size() < (1u << 20)) text += "theinthe";
  std::string joined;
  for (const int id : encoder.Encode(text)) joined += encoder.token(id);
  EXPECT_EQ(joined, text);
}

TEST(BpeTest, RefusesBrokenVocabularies) {
  std::vector<std::string> tokens = SmallTokens();
  tokens.emplace_back(BytePairEncoder::kMaxTokenBytes + 1, 'x');
  EXPECT_EQ(BytePairEncoder::Create(tokens).status().code(), StatusCode::kDataLoss);
  tokens = SmallTokens();
  tokens[0] = "xyz";
  const Result<BytePairEncoder> without_byte = BytePairEncoder::Create(tokens);
  EXPECT_EQ(without_byte.status().code(), StatusCode::kDataLoss);
  EXPECT_NE(without_byte.status().message().find("byte 33"), std::string::npos)
      << without_byte.status().message();
}

}  // namespace
}  // namespace tessera
