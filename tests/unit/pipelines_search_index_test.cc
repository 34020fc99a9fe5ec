// The index file: what is written is read back, and no damage goes unseen or is believed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "base/checksum.h"
#include "pipelines/search_index_layout.h"
#include "tests/unit/pipelines_search_fakes.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

class SearchIndexTest : public SearchTest {
 protected:
  void SetUp() override {
    SearchTest::SetUp();
    settings_.model = *DescribeSearchModel("words", words_);
    settings_.roots = {"/notes"};
    settings_.excluded = {"*.log"};
    for (int d = 0; d < 3; ++d) {
      NewDocument document;
      document.path = "/notes/" + std::string(1, static_cast<char>('a' + d)) + ".md";
      document.stamp = {.size = 1000u + d, .inode = 7, .modified_ns = -5, .changed_ns = 9};
      document.sha256 = std::string(64, static_cast<char>('0' + d));
      if (d == 1) document.state = DocumentState::kBinary;
      for (int p = 0; d != 1 && p < 2 + d; ++p) {
        NewPassage passage;
        passage.passage = {.begin = static_cast<uint64_t>(100 * p),
                           .length = 50,
                           .first_line = static_cast<uint32_t>(1 + 10 * p),
                           .last_line = static_cast<uint32_t>(5 + 10 * p),
                           .hash = static_cast<uint64_t>(d * 10 + p),
                           .headings = {}};
        passage.headings = p == 0 ? "" : "Title > " + std::to_string(p / 2);
        passage.vector = levels_.data() + p * 3;
        passage.inverse_length = 0.25f / static_cast<float>(1 + p);
        document.passages.push_back(passage);
      }
      documents_.push_back(std::move(document));
    }
  }

  Status Save(const SearchIndex* old = nullptr) {
    std::vector<const NewDocument*> list;
    for (const NewDocument& document : documents_) list.push_back(&document);
    return WriteSearchIndex(options_.index_path, settings_, list, old);
  }
  std::string Saved() {
    EXPECT_TRUE(Save().ok());
    return *ReadFile(options_.index_path, 1 << 24);
  }

  struct alignas(64) Block {
    uint8_t bytes[64];
  };
  StatusCode Open(std::string_view bytes) {
    std::vector<Block> copy(bytes.size() / 64 + 1);  // an index is aligned
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    const auto index = SearchIndex::Read({copy[0].bytes, bytes.size()}, one_);
    message_ = index.status().message();
    return index.status().code();
  }
  // Opens the bytes after their checksums were made right.
  StatusCode OpenResummed(std::string bytes) {
    search_layout::Header header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    const auto layout = search_layout::LayoutOf(header);
    if (layout && layout->file_bytes == bytes.size()) {
      const auto view = [&](uint64_t first, uint64_t count) {
        return Bytes(reinterpret_cast<const uint8_t*>(bytes.data()) + first, count);
      };
      for (uint64_t i = 0; i < layout->num_blocks; ++i) {
        const uint64_t first = layout->settings + i * search_layout::kChecksumBlock;
        const uint64_t count = std::min(search_layout::kChecksumBlock, layout->checksums - first);
        const uint64_t sum = Checksum64(view(first, count), i + 1);
        std::memcpy(bytes.data() + layout->checksums + i * 8, &sum, 8);
      }
      const uint64_t all = Checksum64(view(layout->checksums, layout->num_blocks * 8),
                                      Checksum64(view(0, sizeof(header))));
      std::memcpy(bytes.data() + layout->file_bytes - 8, &all, 8);
    }
    return Open(bytes);
  }

  SearchIndexSettings settings_;
  std::vector<int8_t> levels_ = [] {
    std::vector<int8_t> levels(static_cast<size_t>(kernels::RowStride(96)) + 16);
    for (size_t i = 0; i < levels.size(); ++i) levels[i] = static_cast<int8_t>(i * 37);
    return levels;
  }();
  std::vector<NewDocument> documents_;
  std::string message_;
  ThreadPool one_{1};
};

void ExpectSame(const SearchIndex& index, const std::vector<NewDocument>& documents) {
  ASSERT_EQ(index.num_documents(), documents.size());
  uint64_t row = 0;
  for (uint64_t d = 0; d < documents.size(); ++d) {
    const IndexedDocument got = index.document(d);
    EXPECT_EQ(got.path, documents[d].path);
    EXPECT_EQ(got.state, documents[d].state);
    EXPECT_EQ(got.stamp, documents[d].stamp);
    EXPECT_EQ(got.sha256, documents[d].sha256);
    EXPECT_EQ(got.first_passage, row);
    ASSERT_EQ(got.num_passages, documents[d].passages.size());
    for (const NewPassage& want : documents[d].passages) {
      const IndexedPassage passage = index.passage(row);
      EXPECT_EQ(passage.begin, want.passage.begin);
      EXPECT_EQ(passage.length, want.passage.length);
      EXPECT_EQ(passage.first_line, want.passage.first_line);
      EXPECT_EQ(passage.last_line, want.passage.last_line);
      EXPECT_EQ(passage.hash, want.passage.hash);
      EXPECT_EQ(passage.headings, want.headings);
      EXPECT_EQ(index.DocumentOf(row), d);
      const kernels::RowsS8 rows = index.vectors();
      EXPECT_EQ(std::memcmp(rows.levels + static_cast<int64_t>(row) * kernels::RowStride(rows.d),
                            want.vector, static_cast<size_t>(kernels::RowStride(rows.d))),
                0);
      EXPECT_EQ(rows.inverse_length[row], want.inverse_length);
      ++row;
    }
  }
  EXPECT_EQ(index.num_passages(), row);
}

TEST_F(SearchIndexTest, WhatIsWrittenIsReadBack) {
  ASSERT_TRUE(Save().ok());
  const auto index = SearchIndex::Open(options_.index_path, pool_);
  ASSERT_TRUE(index.ok()) << index.status().ToString();
  ExpectSame(**index, documents_);
  const SearchIndexSettings& got = (*index)->settings();
  EXPECT_EQ(got.model.name, "words");
  EXPECT_EQ(got.model.info.dimensions, 96);
  EXPECT_EQ(got.model.info.max_tokens, 128);
  EXPECT_EQ(got.model.probes, settings_.model.probes);
  EXPECT_EQ(got.chunks, settings_.chunks);
  EXPECT_EQ(got.roots, settings_.roots);
  EXPECT_EQ(got.excluded, settings_.excluded);

  // Documents taken over from it, among new ones.
  const std::vector<NewDocument> before = documents_;
  documents_[0] = {.path = "/notes/0moved", .stamp = before[0].stamp, .old_document = 0};
  documents_[2].old_document = 2;
  documents_[2].passages.clear();
  ASSERT_TRUE(Save(index->get()).ok());
  const auto again = SearchIndex::Open(options_.index_path, pool_);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  documents_ = before;
  documents_[0].path = "/notes/0moved";
  ExpectSame(**again, documents_);

  documents_.clear();
  ASSERT_TRUE(Save().ok());
  EXPECT_EQ((*SearchIndex::Open(options_.index_path, pool_))->num_passages(), 0u);
}

TEST_F(SearchIndexTest, LargerThanABlockOfChecksums) {
  documents_.resize(1);
  const NewPassage passage = documents_[0].passages[0];
  documents_[0].passages.assign(20000, passage);
  const std::string bytes = Saved();
  EXPECT_GT(bytes.size(), 3 * search_layout::kChecksumBlock - (1 << 19));
  EXPECT_EQ(Open(bytes), StatusCode::kOk);
  std::string damaged = bytes;
  damaged[damaged.size() / 2] ^= 4;
  EXPECT_EQ(Open(damaged), StatusCode::kDataLoss);
}

TEST_F(SearchIndexTest, NotOneBitChangesUnseen) {
  documents_.resize(1);
  std::string bytes = Saved();
  ASSERT_EQ(Open(bytes), StatusCode::kOk);
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; bit += i < 128 ? 1 : 5) {
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      const StatusCode code = Open(bytes);
      ASSERT_TRUE(code == StatusCode::kDataLoss || code == StatusCode::kUnimplemented)
          << "byte " << i << " bit " << bit;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
    }
  }
  EXPECT_EQ(Open(bytes), StatusCode::kOk);
}

TEST_F(SearchIndexTest, TruncatedFilesSayWhatToDo) {
  const std::string bytes = Saved();
  for (size_t size = 0; size < bytes.size(); ++size)
    ASSERT_EQ(Open(std::string_view(bytes).substr(0, size)), StatusCode::kDataLoss) << size;
  EXPECT_THAT(message_, HasSubstr("build it again"));
  EXPECT_EQ(Open(bytes + "x"), StatusCode::kDataLoss);
  EXPECT_EQ(Open("just a text that is a bit longer than sixty-four bytes, but not an index"),
            StatusCode::kDataLoss);
  EXPECT_THAT(message_, HasSubstr("another kind of file"));
}

TEST_F(SearchIndexTest, RightChecksumsMakeNoNonsenseBelieved) {
  const std::string bytes = Saved();
  search_layout::Header header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const search_layout::Layout layout = *search_layout::LayoutOf(header);
  ASSERT_EQ(OpenResummed(bytes), StatusCode::kOk);
  const auto with = [&](uint64_t at, auto value) {
    std::string changed = bytes;
    std::memcpy(changed.data() + at, &value, sizeof(value));
    return OpenResummed(changed);
  };
  using search_layout::Document;
  using search_layout::Passage;
  const uint64_t d = layout.documents, p = layout.passages;
  EXPECT_EQ(with(offsetof(search_layout::Header, version), 2u), StatusCode::kUnimplemented);
  EXPECT_EQ(with(offsetof(search_layout::Header, dimensions), 0u), StatusCode::kDataLoss);
  EXPECT_EQ(with(offsetof(search_layout::Header, num_passages), uint64_t{1} << 60),
            StatusCode::kDataLoss);
  EXPECT_EQ(with(d + offsetof(Document, path_offset), ~uint64_t{0}), StatusCode::kDataLoss);
  EXPECT_EQ(with(d + offsetof(Document, path_bytes), 1u << 30), StatusCode::kDataLoss);
  EXPECT_EQ(with(d + offsetof(Document, path_bytes), 0u), StatusCode::kDataLoss);
  EXPECT_EQ(with(d + offsetof(Document, state), 6u), StatusCode::kDataLoss);
  EXPECT_EQ(with(d + offsetof(Document, first_passage), uint64_t{1}), StatusCode::kDataLoss);
  EXPECT_EQ(with(d + offsetof(Document, num_passages), ~uint64_t{0}), StatusCode::kDataLoss);
  EXPECT_EQ(with(d + offsetof(Document, num_passages), uint64_t{1}), StatusCode::kDataLoss);
  EXPECT_EQ(with(p + offsetof(Passage, headings_offset), ~uint64_t{0}), StatusCode::kDataLoss);
  EXPECT_EQ(with(p + offsetof(Passage, first_line), 0u), StatusCode::kDataLoss);
  EXPECT_EQ(with(p + offsetof(Passage, begin), ~uint64_t{0}), StatusCode::kDataLoss);
  EXPECT_EQ(with(layout.lengths, std::nanf("")), StatusCode::kDataLoss);
  EXPECT_EQ(with(layout.lengths, 2.0f), StatusCode::kDataLoss);
  EXPECT_EQ(with(layout.strings, 'z'), StatusCode::kDataLoss) << "paths out of order";
  EXPECT_EQ(with(layout.settings, ~uint32_t{0}), StatusCode::kDataLoss);
  // Anything else: an error, or an index whose every part can be read.
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string changed = bytes;
    for (int i = 0; i < 3; ++i) changed[random() % layout.vectors] = static_cast<char>(random());
    (void)OpenResummed(changed);
  }
}

}  // namespace
}  // namespace tessera
