// Texts into passages: where cuts lie, what each passage says of its place, and what holds for any
// bytes.
#include "pipelines/text_chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "text/utf8.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

const ChunkOptions kSmall{.max_size = 100, .overlap = 25};

std::vector<std::string> Texts(std::string_view text, const std::vector<TextChunk>& chunks) {
  std::vector<std::string> out;
  for (const TextChunk& c : chunks) out.emplace_back(text.substr(c.begin, c.length));
  return out;
}

std::vector<std::string> Cut(std::string_view text, bool markdown = false,
                             const ChunkOptions& options = kSmall) {
  return Texts(text, *ChunkText(text, markdown, options));
}

TEST(TextChunksTest, ParagraphsStayWholeAndFillAPassage) {
  const std::string text =
      "\n\nOne small paragraph.\n\nAnother one of two lines\nthat belong together.\n\n"
      "A third one that does not fit with those before it.\n";
  const auto chunks = *ChunkText(text, false, kSmall);
  EXPECT_THAT(Texts(text, chunks),
              ElementsAre("One small paragraph.\n\nAnother one of two lines\nthat belong together.",
                          "A third one that does not fit with those before it."));
  EXPECT_EQ(chunks[0].first_line, 3u);
  EXPECT_EQ(chunks[0].last_line, 6u);
  EXPECT_EQ(chunks[1].first_line, 8u);
  EXPECT_EQ(chunks[1].last_line, 8u);
}

TEST(TextChunksTest, AParagraphThatFitsStaysWholeBehindAShortOne) {
  const std::string remark = "Just a short remark";
  const std::string paragraph =
      "This one begins here. It fits into a passage if that is all that there is in it";
  EXPECT_THAT(Cut(remark + "\n\n" + paragraph), ElementsAre(remark, paragraph));
}

TEST(TextChunksTest, LongParagraphsAreCutAfterSentencesAndOverlap) {
  const std::string text =
      "The first sentence is about a ferry. It was late. The third one tells of Dr. smith and 3.14 "
      "things. He left! Nobody knows why. The end of it comes at last, with some more words.";
  EXPECT_THAT(Cut(text, false, {.max_size = 98, .overlap = 24}),
              ElementsAre("The first sentence is about a ferry. It was late.",
                          "It was late. The third one tells of Dr. smith and 3.14 things. He left!",
                          "He left! Nobody knows why. The end of it comes at last, with some more "
                          "words."));
}

TEST(TextChunksTest, LinesOfATranscriptOverlapToo) {
  std::string text;
  for (int i = 10; i < 30; ++i) text += "line " + std::to_string(i) + " of speech\n";
  const auto chunks = *ChunkText(text, false, kSmall);
  ASSERT_EQ(chunks.size(), 5u);
  EXPECT_EQ(
      Texts(text, chunks)[0],
      "line 10 of speech\nline 11 of speech\nline 12 of speech\nline 13 of speech\nline 14 of "
      "speech");
  for (size_t i = 1; i < chunks.size(); ++i)
    EXPECT_EQ(chunks[i].first_line, chunks[i - 1].last_line) << "one line is said twice";
  EXPECT_EQ(chunks.back().last_line, 20u);
}

TEST(TextChunksTest, MarkdownHeadingsBeginAPassageAndStandAboveIt) {
  const std::string text =
      "# Travel\n\n## Passport ##\nThe office opens at nine.\n\n```\n# no heading\n```\n"
      "## Visa\n\nTwo photos.\n# Home\n#hashtag\n";
  const auto chunks = *ChunkText(text, true, {.max_size = 140, .overlap = 0});
  EXPECT_THAT(Texts(text, chunks),
              ElementsAre("## Passport ##\nThe office opens at nine.\n\n```\n# no heading\n```",
                          "## Visa\n\nTwo photos.", "# Home\n#hashtag"));
  EXPECT_EQ(chunks[0].headings, "Travel");
  EXPECT_EQ(chunks[1].headings, "Travel");
  EXPECT_EQ(chunks[2].headings, "");
  EXPECT_EQ(PassageText(text, chunks[1]), "Travel\n## Visa\n\nTwo photos.");
  // The same in a file of another kind.
  EXPECT_EQ(Cut(text, false)[0].substr(0, 8), "# Travel");

  const std::string long_section = "# A\n## B\n" + std::string(60, 'x') + ". " +
                                   std::string(60, 'Y') + ". Z\n### C\n#### D\n##### E\nend";
  const auto parts = *ChunkText(long_section, true, {.max_size = 90, .overlap = 0});
  ASSERT_GE(parts.size(), 3u);
  EXPECT_EQ(parts[0].headings, "A");
  EXPECT_EQ(parts[1].headings, "A > B") << "a later part of the section";
  EXPECT_EQ(parts.back().headings, "B > C > D") << "the nearest three";
}

TEST(TextChunksTest, OtherScriptsAreCutAtTheirOwnSentencesAndCountMore) {
  std::string chinese;
  for (int i = 0; i < 6; ++i) chinese += "这是一个关于渡轮的句子。";
  const auto texts = Cut(chinese, false, {.max_size = 120, .overlap = 0});
  EXPECT_THAT(texts, ElementsAre("这是一个关于渡轮的句子。这是一个关于渡轮的句子。",
                                 "这是一个关于渡轮的句子。这是一个关于渡轮的句子。",
                                 "这是一个关于渡轮的句子。这是一个关于渡轮的句子。"));
}

TEST(TextChunksTest, AWordIsCutOnlyWhereItIsLongAndNeverInACharacter) {
  EXPECT_THAT(Cut(std::string(45, 'a') + " " + std::string(20, 'b') + " " + std::string(130, 'c')),
              ElementsAre(StartsWith("aaa"), StartsWith("ccc"), StartsWith("ccc")));
  std::string umlauts;
  for (int i = 0; i < 300; ++i) umlauts += "ü€😀";
  for (const std::string& part : Cut(umlauts)) EXPECT_TRUE(IsValidUtf8(part));
}

TEST(TextChunksTest, BlankTextsHaveNoPassagesAndBlankStretchesEndOne) {
  EXPECT_TRUE(Cut("").empty());
  EXPECT_TRUE(Cut(" \n\t\r\n\f ").empty());
  EXPECT_TRUE(Cut("\xEF\xBB\xBF").empty());
  EXPECT_THAT(Cut("\xEF\xBB\xBFtext\r\nmore\r\n"), ElementsAre("text\r\nmore"));
  EXPECT_THAT(Cut("a" + std::string(300, '\n') + "b"), ElementsAre("a", "b"));
}

// Whatever the bytes: passages are in order and in bounds, their size is bounded, only white space
// and bare headings lie in no passage, and lines are counted right.
TEST(TextChunksTest, AnyBytes) {
  std::mt19937 random(7);
  const std::string_view parts[] = {
      "a",    " ",    "\n",   ". ",   "# ",   "é",     "漢", "\xF0\x9F\x98\x80",
      "\xFF", "\xC3", "\r\n", "word", "\n\n", "```\n", "。"};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    const size_t kinds = 2 + random() % 13;
    for (size_t i = random() % 1500; i > 0; --i) text += parts[random() % kinds];
    const bool markdown = round % 2 == 0;
    const auto chunks = *ChunkText(text, markdown, kSmall);
    uint64_t begin = 0, covered = 0;
    for (const TextChunk& c : chunks) {
      ASSERT_GT(c.length, 0u);
      ASSERT_LE(c.begin + c.length, text.size());
      ASSERT_TRUE(covered == 0 || c.begin > begin);
      if (!markdown && c.begin > covered) {
        const std::string_view gap = std::string_view(text).substr(covered, c.begin - covered);
        ASSERT_TRUE(StripWhiteSpace(gap).empty()) << gap;
      }
      const auto line = [&](uint64_t at) {
        return 1u + static_cast<uint32_t>(
                        std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n'));
      };
      ASSERT_EQ(c.first_line, line(c.begin));
      ASSERT_EQ(c.last_line, line(c.begin + c.length - 1));
      // A byte of text counts at least 1, white space between pieces little.
      ASSERT_LE(c.length, 100u * 210u);
      begin = c.begin;
      covered = std::max(covered, c.begin + c.length);
    }
    if (!markdown) ASSERT_TRUE(StripWhiteSpace(std::string_view(text).substr(covered)).empty());
    ASSERT_EQ(chunks, *ChunkText(text, markdown, kSmall));
  }
}

TEST(TextChunksTest, LargeTextsTakeLinearTimeAndAreBounded) {
  // One line of 8 MB, with sentences and without a space.
  std::string line;
  while (line.size() < (8u << 20)) line += "A sentence of a very long line. ";
  EXPECT_GT(Cut(line, false, {}).size(), 10000u);
  EXPECT_GT(Cut(std::string(8u << 20, 'x'), false, {}).size(), 10000u);
  std::string headings;
  for (size_t i = 0; i <= kMaxChunksOfText; ++i) headings += "# h\n";
  EXPECT_EQ(ChunkText(headings, true, {}).status().code(), StatusCode::kResourceExhausted);
}

TEST(TextChunksTest, AnEditChangesThePassagesAroundItOnly) {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += "Paragraph " + std::to_string(i) + " says something.\n" + (i % 3 == 0 ? "\n" : "");
  const std::vector<std::string> before = Cut(text);
  std::string edited = text;
  edited.insert(edited.find("Paragraph 100"), "An inserted remark.\n\n");
  const std::vector<std::string> after = Cut(edited);
  const std::set<std::string> known(before.begin(), before.end());
  const auto changed = std::count_if(after.begin(), after.end(),
                                     [&](const std::string& t) { return !known.contains(t); });
  EXPECT_GE(changed, 1);
  EXPECT_LE(changed, 6);
}

TEST(TextChunksTest, KindsOfFiles) {
  EXPECT_EQ(SniffText(""), TextKind::kEmpty);
  EXPECT_EQ(SniffText(" \n"), TextKind::kEmpty);
  EXPECT_EQ(SniffText("h\xE9llo, mostly ASCII with one odd byte"), TextKind::kText);
  EXPECT_EQ(SniffText("\x1B[1mcolours\x1B[0m"), TextKind::kText);
  EXPECT_EQ(SniffText(std::string_view("a\0b", 3)), TextKind::kBinary);
  EXPECT_EQ(SniffText(std::string(500, 'a') + '\0'), TextKind::kBinary) << "one is enough";
  EXPECT_EQ(SniffText("%PDF-1.7\nwords"), TextKind::kBinary);
  EXPECT_EQ(SniffText("\x89\x90\x91\x92 abc"), TextKind::kBinary);
  EXPECT_EQ(SniffText(std::string_view("\xFF\xFEh\0", 4)), TextKind::kUtf16);
  EXPECT_TRUE(IsMarkdownPath("a/README.MD"));
  EXPECT_FALSE(IsMarkdownPath("a.md/notes"));
  EXPECT_FALSE(IsMarkdownPath("md"));
}

TEST(TextChunksTest, SizesFollowTheModel) {
  EXPECT_EQ(ChunkOptionsFor(512).max_size, 800);
  EXPECT_EQ(ChunkOptionsFor(128).max_size, 409);
  EXPECT_EQ(ChunkOptionsFor(1).max_size, 64);
}

}  // namespace
}  // namespace tessera
