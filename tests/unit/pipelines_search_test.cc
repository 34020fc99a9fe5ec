// Building, updating and asking a search index over a folder, with a model of word counts.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/file_lock.h"
#include "base/folder_walk.h"
#include "pipelines/search_query.h"
#include "tests/unit/pipelines_search_fakes.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class SearchUpdateTest : public SearchTest {
 protected:
  std::shared_ptr<const SearchIndex> Open() {
    auto index = SearchIndex::Open(options_.index_path, pool_);
    EXPECT_TRUE(index.ok()) << index.status().ToString();
    return *index;
  }
  std::vector<SearchHit> Ask(const std::string& question, int64_t k = 3) {
    const std::vector<std::string> questions = {question};
    auto answers = AskSearchIndex(*Open(), pool_, words_, questions, k);
    EXPECT_TRUE(answers.ok()) << answers.status().ToString();
    return (*answers)[0];
  }
  std::vector<std::string> Paths() {
    std::vector<std::string> paths;
    const auto index = Open();
    for (uint64_t i = 0; i < index->num_documents(); ++i)
      paths.push_back(std::string(index->document(i).path.substr(notes_.size() + 1)));
    return paths;
  }
};

TEST_F(SearchUpdateTest, FindsThePassageWithItsPlaceAndText) {
  Write("ferry.txt", "Nothing here.\n\nThe ferry leaves at nine from the old harbour.\n");
  Write("travel/passport.md", "# Travel\n\n## Papers\n\nThe passport office opens on Monday.\n");
  Write("work.txt", "The budget of the project is approved.\n");
  const auto report = Build();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->added, 3u);
  EXPECT_EQ(report->documents, 3u);
  EXPECT_EQ(report->passages, 3u);
  EXPECT_EQ(report->embedded, 3u);
  EXPECT_TRUE(report->written);
  EXPECT_FALSE(report->interrupted);

  const auto hits = Ask("passport office Monday");
  ASSERT_EQ(hits.size(), 3u);
  EXPECT_EQ(hits[0].path, JoinPath(notes_, "travel/passport.md"));
  EXPECT_EQ(hits[0].first_line, 3u);
  EXPECT_EQ(hits[0].last_line, 5u);
  EXPECT_EQ(hits[0].headings, "Travel");
  EXPECT_EQ(hits[0].text, "## Papers\n\nThe passport office opens on Monday.");
  EXPECT_EQ(hits[0].state, SearchHit::State::kCurrent);
  EXPECT_GT(hits[0].score, hits[1].score);
  EXPECT_EQ(Ask("when does the ferry leave the harbour", 1)[0].path, JoinPath(notes_, "ferry.txt"));
  EXPECT_TRUE(Ask("x", 0).empty());
  EXPECT_THAT(words_.asked,
              ElementsAre("passport office Monday", "when does the ferry leave the harbour"));

  const SearchIndexSettings settings = Open()->settings();
  EXPECT_EQ(settings.model.name, "words");
  EXPECT_EQ(settings.roots, std::vector<std::string>{notes_});
  EXPECT_TRUE(CheckSameModel(settings.model, *DescribeSearchModel("words", words_)).ok());
}

TEST_F(SearchUpdateTest, OnlyWhatChangedIsEmbeddedAgain) {
  std::string diary;
  for (int day = 1; day <= 40; ++day)
    diary += "Day " + std::to_string(day) + " was spent at the lake with " +
             std::to_string(day * 7) + " ducks and a long list of other animals.\n\n";
  Write("diary.txt", diary);
  Write("same.txt", "This one stays.\n");
  Write("gone.txt", "This one goes.\n");
  Write("old name.txt", "This one moves.\n");
  const uint64_t all = Build()->embedded;
  EXPECT_GT(all, 10u);

  Write("diary.txt", diary + "Day 41 was spent at home.\n");
  ASSERT_TRUE(RemoveFile(JoinPath(notes_, "gone.txt")).ok());
  Write("deeper/placeholder.txt", "A new one.\n");
  ASSERT_TRUE(
      RenameFile(JoinPath(notes_, "old name.txt"), JoinPath(notes_, "deeper/new name.txt")).ok());
  const auto report = Update();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->added, 1u);
  EXPECT_EQ(report->changed, 1u);
  EXPECT_EQ(report->removed, 1u);
  EXPECT_EQ(report->moved, 1u);
  EXPECT_EQ(report->unchanged, 1u);
  EXPECT_LE(report->embedded, 3u);
  EXPECT_GE(report->reused, 8u);
  EXPECT_THAT(Paths(), ElementsAre("deeper/new name.txt", "deeper/placeholder.txt", "diary.txt",
                                   "same.txt"));
  EXPECT_EQ(Ask("day 41 home", 1)[0].path, JoinPath(notes_, "diary.txt"));
  EXPECT_EQ(Ask("one moves", 1)[0].text, "This one moves.");

  // Vectors that were kept are those that a new index has.
  const auto updated = Open();
  options_.index_path = At("fresh.index");
  ASSERT_TRUE(Build().ok());
  const auto fresh = Open();
  ASSERT_EQ(updated->num_passages(), fresh->num_passages());
  const auto a = updated->vectors(), b = fresh->vectors();
  const auto bytes = static_cast<size_t>(a.num_rows * kernels::RowStride(a.d));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(a.levels), bytes),
            std::string(reinterpret_cast<const char*>(b.levels), bytes));
}

TEST_F(SearchUpdateTest, AnUnchangedFolderIsNeitherReadNorWritten) {
  Write("a.txt", "Some text.\n");
  Write("b.txt", std::string(1, '\0'));
  const std::string path = JoinPath(notes_, "a.txt");
  options_.now_ns = StampOfFile(path)->modified_ns + 1000000000;
  ASSERT_TRUE(Build().ok());
  // Its files were younger than two seconds: it looks once more.
  options_.now_ns += 2000000000;
  const auto second = Update();
  EXPECT_TRUE(second->written);
  EXPECT_EQ(second->unchanged, 2u);
  const FileStamp index = *StampOfFile(options_.index_path);
  const auto third = Update();
  EXPECT_FALSE(third->written);
  EXPECT_EQ(third->unchanged, 2u);
  EXPECT_EQ(third->passages, 1u);
  EXPECT_EQ(*StampOfFile(options_.index_path), index);
  // Other times, the same content.
  ASSERT_TRUE(WriteFileAtomically(path, "Some text.\n").ok());
  const auto touched = Update();
  EXPECT_EQ(touched->unchanged, 2u);
  EXPECT_EQ(touched->embedded, 0u);
  EXPECT_EQ(models_loaded_, 1) << "the model was needed for the new index only";
}

TEST_F(SearchUpdateTest, AChangeWithinTheSameTickIsSeen) {
  Write("a.txt", "apples");
  ASSERT_TRUE(Build().ok());
  // The same size, the same times: only the content tells.
  const std::string path = JoinPath(notes_, "a.txt");
  const FileStamp before = *StampOfFile(path);
  std::FILE* file = std::fopen(path.c_str(), "r+");
  std::fputs("pears!", file);
  std::fclose(file);
  const timespec times[2] = {{0, UTIME_OMIT},
                             {before.modified_ns / 1000000000, before.modified_ns % 1000000000}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_EQ(Update()->changed, 1u);
}

TEST_F(SearchUpdateTest, TellsWhichFilesHaveNoTextAndKeepsThatInMind) {
  Write("text.txt", "Readable.\n");
  Write("image.png", std::string("\x89PNG\r\n\x1a\n\0\0\0", 11));
  Write("empty.txt", "");
  Write("utf16.txt", std::string("\xFF\xFEh\0", 4));
  Write("large.txt", "x");
  ASSERT_EQ(truncate(JoinPath(notes_, "large.txt").c_str(), kMaxSearchedFile + 1), 0);
  Write(".hidden.txt", "secret");
  Write(".git/config", "secret");
  Write("node_modules/x.js", "noise");
  const auto report = Build();
  ASSERT_TRUE(report.ok());
  std::vector<std::string> notes;
  for (const auto& note : report->skipped)
    notes.push_back(BaseName(note.path) + ": " + note.reason);
  EXPECT_THAT(notes, UnorderedElementsAre("image.png: not a text file", "empty.txt: no text in it",
                                          HasSubstr("save it as UTF-8"), HasSubstr("64 MB")));
  EXPECT_EQ(report->documents, 1u);
  EXPECT_THAT(Paths(), ElementsAre("empty.txt", "image.png", "large.txt", "text.txt", "utf16.txt"));
  EXPECT_TRUE(Update()->skipped.empty()) << "said once";
}

TEST_F(SearchUpdateTest, FoldersAndPatternsDecideWhatIsInIt) {
  Write("a/one.txt", "one");
  Write("a/b/two.txt", "two");
  Write("a/b/two.log", "log");
  Write("c/three.txt", "three");
  options_.add = {JoinPath(notes_, "a/b"), JoinPath(notes_, "a/b/two.log")};
  options_.exclude = {"*.log"};
  ASSERT_TRUE(Update().ok());
  EXPECT_THAT(Paths(), ElementsAre("a/b/two.txt"));
  // The folder above takes the place of the one below.
  options_.add = {JoinPath(notes_, "a"), JoinPath(notes_, "c/../c/three.txt")};
  const auto more = Update();
  ASSERT_TRUE(more.ok()) << more.status().ToString();
  EXPECT_EQ(more->embedded, 2u);
  EXPECT_THAT(Open()->settings().roots,
              ElementsAre(JoinPath(notes_, "a"), JoinPath(notes_, "c/three.txt")));
  options_.remove = {JoinPath(notes_, "a")};
  EXPECT_EQ(Update()->removed, 2u);
  EXPECT_THAT(Paths(), ElementsAre("c/three.txt"));
  options_.remove = {"elsewhere"};
  EXPECT_EQ(Update().status().code(), StatusCode::kNotFound);
  options_.add = {At("nowhere")};
  EXPECT_EQ(Update().status().code(), StatusCode::kNotFound);
  options_.exclude = {"********"};
  EXPECT_EQ(Update().status().code(), StatusCode::kInvalidArgument);
  // What is not there now is not forgotten.
  ASSERT_TRUE(RenameFile(JoinPath(notes_, "c"), At("unmounted")).ok());
  const auto away = Update();
  ASSERT_TRUE(away.ok());
  ASSERT_EQ(away->skipped.size(), 1u);
  EXPECT_EQ(Ask("three", 1)[0].state, SearchHit::State::kMissing);
}

TEST_F(SearchUpdateTest, AnInterruptedUpdateKeepsWhatIsDoneAndGoesOn) {
  // A large file and small ones; the model is stopped at its third batch.
  std::string large;
  for (int i = 0; i < 1000; ++i)
    large += "Entry " + std::to_string(i) + " tells of something that takes quite a few words, " +
             std::to_string(i * i) + " of them to be exact. It has a second sentence, too.\n\n" +
             std::string(i % 7 == 0 ? 1 : 0, '\n');
  Write("large.txt", large + large.substr(100));
  for (int i = 0; i < 30; ++i) Write("z" + std::to_string(i), "Small " + std::to_string(i * 31));
  options_.now_ns = StampOfFile(JoinPath(notes_, "z29"))->modified_ns + 10000000000;
  std::stop_source stop;
  int batches = 0;
  words_.before_each = [&](std::span<const std::string_view> texts) {
    if (texts.size() > 2 && ++batches == 3) {
      stop.request_stop();
      return Cancelled("stopped");
    }
    return OkStatus();
  };
  const auto first = Build(stop.get_token());
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_TRUE(first->interrupted);
  EXPECT_EQ(first->embedded, 512u);
  EXPECT_EQ(first->passages, 512u);
  EXPECT_EQ(Open()->num_passages(), 512u);
  EXPECT_EQ(Open()->document(0).state, DocumentState::kPartial);
  EXPECT_FALSE(Ask("entry 3 words", 1)[0].text.empty()) << "can be asked meanwhile";
  const std::vector<std::string> done = words_.embedded;

  words_.before_each = nullptr;
  const auto second = Update();
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(second->interrupted);
  EXPECT_GE(second->reused, 512u);
  EXPECT_EQ(second->embedded + second->reused, second->passages);
  for (const std::string& text : done)
    EXPECT_THAT(words_.embedded, testing::Not(testing::Contains(text)));
  const auto interrupted = Open();
  options_.index_path = At("whole.index");
  ASSERT_TRUE(Build().ok());
  EXPECT_EQ(interrupted->num_passages(), Open()->num_passages());
}

TEST_F(SearchUpdateTest, LongWorkIsSavedOnTheWayAndMemoryGivenBack) {
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (int j = 0; j < 20; ++j)
      text +=
          "# Note " + std::to_string(i) + "\n\nabout item " + std::to_string(i * 100 + j) + "\n";
    Write("n" + std::to_string(i) + ".md", text);
  }
  options_.save_passages = 300;
  options_.save_seconds = 0;
  // A crash at the end: the error comes up, what was saved is a whole index.
  int batches = 0;
  words_.before_each = [&](std::span<const std::string_view> texts) {
    return texts.size() > 2 && ++batches == 4 ? Internal("crash") : OkStatus();
  };
  EXPECT_EQ(Build().status().code(), StatusCode::kInternal);
  const uint64_t saved = Open()->num_passages();
  EXPECT_GE(saved, 300u);
  words_.before_each = nullptr;
  const auto report = Update();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->passages, 1200u);
  EXPECT_EQ(report->embedded, 1200u - saved);
  EXPECT_EQ(Ask("note 59 about item 5919", 1)[0].path, JoinPath(notes_, "n59.md"));
}

TEST_F(SearchUpdateTest, AnotherModelIsRefused) {
  Write("a.txt", "text");
  ASSERT_TRUE(Build().ok());
  const SearchModel index = Open()->settings().model;
  const WordCounter other(99);
  const Status status = CheckSameModel(index, *DescribeSearchModel("others", other));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("\"words\""));
  EXPECT_THAT(status.message(), HasSubstr("cosine"));
  WordCounter changed;
  changed.info().query_prompt = "query: ";
  EXPECT_THAT(CheckSameModel(index, *DescribeSearchModel("words", changed)).message(),
              HasSubstr("query prompt"));
  const WordCounter wider(1, 100);
  EXPECT_THAT(CheckSameModel(index, *DescribeSearchModel("words", wider)).message(),
              HasSubstr("dimensions 96"));
  // An update that has something to embed finds it out before it writes.
  words_ = WordCounter(99);
  Write("b.txt", "more");
  EXPECT_EQ(Update().status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Open()->num_documents(), 1u);
}

TEST_F(SearchUpdateTest, ModelsThatFailAreReported) {
  Write("a.txt", "text");
  words_.info().dimensions = 96;
  words_.before_each = [](std::span<const std::string_view>) { return Unavailable("no device"); };
  EXPECT_EQ(Build().status().code(), StatusCode::kUnavailable);
  EXPECT_FALSE(FileExists(options_.index_path));
}

TEST_F(SearchUpdateTest, OneWriterAtATime) {
  Write("a.txt", "text");
  {
    const auto lock = FileLock::Acquire(options_.index_path);
    ASSERT_TRUE(lock.ok());
    const auto report = Build();
    EXPECT_EQ(report.status().code(), StatusCode::kUnavailable);
    EXPECT_THAT(report.status().message(), HasSubstr("another process"));
  }
  EXPECT_TRUE(Build().ok());
  EXPECT_THAT(*ListFolder(root_), ElementsAre("my.index", "notes")) << "no lock is left";
}

TEST_F(SearchUpdateTest, AFileThatChangedSinceIsSaidToHave) {
  Write("a.md", "# One\n\nApples and pears.\n\n# Two\n\nPlums and cherries.\n");
  ASSERT_TRUE(Build().ok());
  Write("a.md",
        "# Zero\n\nSome new lines\nbefore.\n\n# One\n\nApples and pears.\n\n# Two\n\nGone.\n");
  SearchHit hit = Ask("apples pears", 1)[0];
  EXPECT_EQ(hit.state, SearchHit::State::kMoved);
  EXPECT_EQ(hit.first_line, 6u);
  EXPECT_EQ(hit.text, "# One\n\nApples and pears.");
  hit = Ask("plums cherries", 1)[0];
  EXPECT_EQ(hit.state, SearchHit::State::kChanged);
  EXPECT_EQ(hit.text, "");
  ASSERT_TRUE(RemoveFile(JoinPath(notes_, "a.md")).ok());
  EXPECT_EQ(Ask("plums cherries", 1)[0].state, SearchHit::State::kMissing);
}

TEST_F(SearchUpdateTest, OverlappingPassagesAreOneHit) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "The ferry number " + std::to_string(i) + " is late. ";
  Write("a.txt", text);
  ASSERT_TRUE(Build().ok());
  const auto hits = Ask("ferry late", 10);
  ASSERT_GE(hits.size(), 2u);
  ASSERT_LT(hits.size(), Open()->num_passages());
}

TEST_F(SearchUpdateTest, ScoresAreThoseOfPlainCosines) {
  for (int i = 0; i < 50; ++i) {
    std::string text;
    for (int j = 0; j < 12; ++j) text += "w" + std::to_string((i * 7 + j * j * 3) % 80) + " ";
    Write("n" + std::to_string(i), text);
  }
  ASSERT_TRUE(Build().ok());
  const std::string question = "w3 w12 w27 w40 w41";
  const std::string_view view = question;
  const Embeddings q = *words_.Embed({&view, 1}, EmbedKind::kQuery, {});
  for (const SearchHit& hit : Ask(question, 50)) {
    const std::string_view text = hit.text;
    const Embeddings p = *words_.Embed({&text, 1}, EmbedKind::kPlain, {});
    double qp = 0, qq = 0, pp = 0;
    for (int64_t i = 0; i < q.dimensions; ++i) {
      qp += q.values[i] * p.values[i], qq += q.values[i] * q.values[i];
      pp += p.values[i] * p.values[i];
    }
    EXPECT_NEAR(hit.score, qp / std::sqrt(qq * pp), 5e-3);
  }
}

}  // namespace
}  // namespace tessera
