#include "text/utf8.h"

#include <gtest/gtest.h>

#include "tests/unit/text_golden.h"
#include "text/compression_ratio.h"
#include "text/unicode.h"

namespace tessera {
namespace {

TEST(Utf8Test, ReplacesInvalidBytesAsPythonDoes) {
  for (const auto& item : TextGolden()["bytes"]) {
    const std::string bytes = FromHex(item["hex"]);
    EXPECT_EQ(ReplaceInvalidUtf8(bytes), item["text"].get<std::string>()) << item["hex"];
    EXPECT_EQ(IsValidUtf8(bytes), bytes == item["text"].get<std::string>()) << item["hex"];
  }
}

TEST(Utf8Test, EveryCodePointRoundTrips) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    AppendUtf8(c, &text);
    const DecodedCodePoint point = DecodeCodePoint(text);
    ASSERT_TRUE(point.valid && point.value == c && point.length == static_cast<int>(text.size()))
        << static_cast<uint32_t>(c);
  }
  std::string surrogate;
  AppendUtf8(0xD800, &surrogate);
  AppendUtf8(0x110000, &surrogate);
  EXPECT_EQ(surrogate, "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Utf8Test, CountsAndListsCodePoints) {
  EXPECT_EQ(CountCodePoints(""), 0);
  EXPECT_EQ(CountCodePoints("aé世😀"), 4);
  EXPECT_EQ(CountCodePoints("\xF0\x9F\x98z\xFF"), 3);
  EXPECT_EQ(ToCodePoints("aé世😀\xFF"), U"aé世😀\xFFFD");
}

TEST(Utf8Test, StripsAsPythonDoes) {
  ASSERT_FALSE(TextGolden()["strip"].empty());
  for (const auto& pair : TextGolden()["strip"]) {
    EXPECT_EQ(StripWhiteSpace(pair[0].get_ref<const std::string&>()), pair[1].get<std::string>())
        << pair[0];
  }
  EXPECT_EQ(StripWhiteSpace(" \x1c\u00a0a b\u3000\n"), "a b");
  EXPECT_EQ(StripWhiteSpace(" \n"), "");
}

// Counts of the regular expression engine that made the tables, printed by the generating script.
TEST(UnicodeTest, ClassesHaveTheirSizesAndAreDisjoint) {
  int letters = 0;
  int numbers = 0;
  int spaces = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    letters += IsLetter(c);
    numbers += IsNumber(c);
    spaces += IsWhiteSpace(c);
    ASSERT_LE(IsLetter(c) + IsNumber(c) + IsWhiteSpace(c), 1) << static_cast<uint32_t>(c);
  }
  EXPECT_EQ(letters, 141028);
  EXPECT_EQ(numbers, 1911);
  EXPECT_EQ(spaces, 25);
}

TEST(CompressionRatioTest, EqualsPythonZlib) {
  for (const auto& pair : TextGolden()["compression_ratio"]) {
    EXPECT_EQ(CompressionRatio(pair[0].get_ref<const std::string&>()), pair[1].get<double>())
        << pair[0];
  }
  // Where the levels of compression differ: Python's 382 bytes are those of its default, 6; level 9
  // takes 383.
  static constexpr const char* kWords[] = {"alpha", "beta", "gamma", "delta"};
  std::string text;
  uint32_t state = 12345;
  for (int i = 0; i < 630; ++i) {
    state = (state * 1103515245u + 12345u) & 0x7FFFFFFFu;
    text += (i > 0 ? " " : "") + std::string(kWords[(state >> 16) % 4]);
  }
  EXPECT_EQ(CompressionRatio(text), 3635.0 / 382.0);
}

}  // namespace
}  // namespace tessera
