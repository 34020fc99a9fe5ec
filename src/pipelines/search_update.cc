#include "pipelines/search_update.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <unordered_map>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/file_lock.h"
#include "base/sha256.h"
#include "kernels/dot_top_k.h"
#include "pipelines/search_plan.h"
#include "pipelines/search_scan.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

// Texts of one call of the model: enough for packed batches on all threads.
constexpr size_t kBatchPassages = 256, kBatchPassagesOfThread = 64;
constexpr size_t kSniffedBytes = 1 << 16;

using Planned = PlannedDocument;

class Updater {
 public:
  Updater(const SearchUpdateOptions& options, ThreadPool& pool,
          const std::function<Result<const TextVectorizer*>()>& vectorizer,
          const std::function<void(const SearchProgress&)>& progress, std::stop_token stop)
      : options_(options),
        pool_(pool),
        make_vectorizer_(vectorizer),
        progress_(progress),
        stop_(std::move(stop)),
        batch_(std::max(kBatchPassages,
                        kBatchPassagesOfThread * static_cast<size_t>(pool.num_threads()))) {}

  Result<SearchUpdateReport> Run() {
    // The index may be named by a link or in a folder that is scanned.
    path_ = CanonicalPath(options_.index_path);
    TESSERA_ASSIGN_OR_RETURN(const FileLock lock, FileLock::Acquire(path_));
    TESSERA_RETURN_IF_ERROR(OpenOrCreate());
    TESSERA_RETURN_IF_ERROR(ChangeRoots());
    started_ns_ = options_.now_ns != 0 ? options_.now_ns : NowNs();
    Result<SearchScan> scan = ScanRoots(settings_, path_, stop_);
    if (!scan.ok()) {
      if (scan.status().code() != StatusCode::kCancelled) return std::move(scan).status();
      report_.interrupted = true;
      return Finished();
    }
    SearchPlan plan = PlanUpdate(*scan, settings_, old_.get(), started_ns_, stop_);
    plan_ = std::move(plan.documents);
    report_.unchanged = plan.unchanged;
    report_.removed = plan.removed;
    report_.moved = plan.moved;
    for (const FolderFiles::Failure& failure : scan->unknown)
      report_.skipped.push_back({failure.path, failure.status.message()});
    for (const Planned& planned : plan_) {
      if (planned.work != Planned::Work::kTodo) continue;
      ++state_.files;
      state_.bytes += planned.document.stamp.size;
    }
    changed_ = changed_ || report_.removed > 0 || report_.moved > 0;
    last_save_ = Clock::now();
    TESSERA_RETURN_IF_ERROR(Work());
    if (changed_) TESSERA_RETURN_IF_ERROR(Save());
    return Finished();
  }

 private:
  Status OpenOrCreate() {
    if (FileExists(path_)) {
      TESSERA_ASSIGN_OR_RETURN(old_, SearchIndex::Open(path_, pool_));
      settings_ = old_->settings();
      return OkStatus();
    }
    if (options_.add.empty()) {
      return NotFound("expected an index at \"" + options_.index_path +
                      "\", found none; build it with --add FOLDER");
    }
    TESSERA_RETURN_IF_ERROR(NeedModel());
    settings_.model = model_;
    settings_.chunks = ChunkOptionsFor(model_.info.max_tokens);
    changed_ = true;
    return OkStatus();
  }

  Status ChangeRoots() {
    std::vector<std::string>& roots = settings_.roots;
    const std::vector<std::string> before = roots;
    for (const std::string& path : options_.remove) {
      const std::string root = CanonicalPath(path);
      if (std::erase(roots, root) > 0) continue;
      std::string list;
      for (const std::string& r : roots) list += (list.empty() ? "" : ", ") + r;
      return NotFound("expected one of the index's folders to remove, found \"" + path +
                      "\"; it has " + list);
    }
    for (const std::string& path : options_.add) {
      const std::string root = CanonicalPath(path);
      if (!FileExists(root) && !FolderExists(root))
        return NotFound("expected a file or folder to add, found nothing at \"" + path + "\"");
      const auto covered = [&](const std::string& r) { return IsBelow(root, r); };
      if (std::any_of(roots.begin(), roots.end(), covered)) continue;
      std::erase_if(roots, [&](const std::string& r) { return IsBelow(r, root); });
      roots.push_back(root);
    }
    for (const std::string& pattern : options_.exclude) {
      TESSERA_RETURN_IF_ERROR(CheckPattern(pattern));
      auto& list = settings_.excluded;
      if (std::find(list.begin(), list.end(), pattern) != list.end()) continue;
      list.push_back(pattern);
      changed_ = true;
    }
    std::sort(roots.begin(), roots.end());
    changed_ = changed_ || roots != before;
    return OkStatus();
  }

  Status Work() {
    Tell("");
    for (Planned& planned : plan_) {
      if (planned.work != Planned::Work::kTodo) continue;
      if (stop_.stop_requested()) break;
      Tell(planned.document.path);
      const uint64_t bytes_before = state_.bytes_done;
      TESSERA_RETURN_IF_ERROR(Read(planned));
      if (report_.interrupted) break;
      state_.bytes_done = bytes_before + planned.document.stamp.size;
      ++state_.files_done;
      if (held_ < options_.save_passages) continue;
      TESSERA_RETURN_IF_ERROR(Flush());
      if (report_.interrupted) break;
      TESSERA_RETURN_IF_ERROR(Save());
      TESSERA_RETURN_IF_ERROR(Reopen());
    }
    if (!report_.interrupted) TESSERA_RETURN_IF_ERROR(Flush());
    report_.interrupted = std::any_of(plan_.begin(), plan_.end(), [](const Planned& planned) {
      return planned.work == Planned::Work::kTodo || planned.work == Planned::Work::kOpen;
    });
    return OkStatus();
  }

  // Cuts a file into passages, takes vectors that are known, queues the others.
  Status Read(Planned& planned) {
    NewDocument& document = planned.document;
    document.state = DocumentState::kComplete;
    Result<std::string> content = std::string();
    if (document.stamp.size > kMaxSearchedFile) {
      document.state = DocumentState::kTooLarge;
    } else {
      content = ReadFile(document.path, kMaxSearchedFile);
      if (!content.ok()) return Unreadable(planned, content.status());
      document.sha256 = Sha256Hex(AsBytes(*content));
    }
    document.stamp = TrustedStamp(document.stamp, started_ns_);
    changed_ = true;
    const bool known = planned.previous >= 0;
    const IndexedDocument before =
        known ? old_->document(static_cast<uint64_t>(planned.previous)) : IndexedDocument{};
    const bool same = document.state == DocumentState::kTooLarge ? before.state == document.state
                                                                 : before.sha256 == document.sha256;
    if (known && same && before.state != DocumentState::kPartial) {
      document.old_document = planned.previous;
      planned.work = Planned::Work::kKeep;
      ++report_.unchanged;
      return OkStatus();
    }
    ++(known ? report_.changed : report_.added);
    const bool markdown = IsMarkdownPath(document.path);
    std::vector<TextChunk> chunks;
    if (document.state == DocumentState::kComplete) {
      const TextKind kind = SniffText(std::string_view(*content).substr(0, kSniffedBytes));
      if (kind == TextKind::kBinary) document.state = DocumentState::kBinary;
      if (kind == TextKind::kUtf16) document.state = DocumentState::kUtf16;
    }
    if (document.state == DocumentState::kComplete) {
      Result<std::vector<TextChunk>> cut = ChunkText(*content, markdown, settings_.chunks);
      if (!cut.ok()) {
        document.state = DocumentState::kTooLarge;
      } else if (cut->empty()) {
        document.state = DocumentState::kEmpty;
      } else {
        chunks = std::move(cut).value();
      }
    }
    if (const std::string_view reason = SkippedBecause(document.state); !reason.empty()) {
      planned.work = Planned::Work::kDone;
      report_.skipped.push_back({document.path, std::string(reason)});
      return OkStatus();
    }
    return Enqueue(planned, before, *content, chunks);
  }

  Status Enqueue(Planned& planned, const IndexedDocument& before, std::string_view text,
                 const std::vector<TextChunk>& chunks) {
    std::unordered_map<uint64_t, uint64_t> known;  // passages of the state before, by hash
    for (uint64_t i = 0; i < before.num_passages; ++i)
      known.emplace(old_->passage(before.first_passage + i).hash, before.first_passage + i);
    planned.work = Planned::Work::kOpen;
    open_.push_back(&planned);
    std::vector<NewPassage>& passages = planned.document.passages;
    passages.resize(chunks.size());
    held_ += chunks.size();
    const uint64_t bytes_before = state_.bytes_done;
    // First what is known, so that an interruption does not lose it.
    for (size_t i = 0; i < chunks.size(); ++i) {
      const TextChunk& chunk = chunks[i];
      NewPassage& passage = passages[i];
      passage.headings = chunk.headings;
      passage.passage = {.begin = chunk.begin,
                         .length = static_cast<uint32_t>(chunk.length),
                         .first_line = chunk.first_line,
                         .last_line = chunk.last_line,
                         .hash = PassageHash(PassageText(text, chunk)),
                         .headings = {}};
      const auto it = known.find(passage.passage.hash);
      if (it == known.end()) continue;
      const kernels::RowsS8 rows = old_->vectors();
      const auto row = static_cast<int64_t>(it->second);
      passage.vector = rows.levels + row * kernels::RowStride(rows.d);
      passage.inverse_length = rows.inverse_length[row];
      ++report_.reused;
    }
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (passages[i].vector != nullptr) continue;
      queue_.push_back({&planned, i, PassageText(text, chunks[i])});
      if (queue_.size() < batch_) continue;
      state_.bytes_done = bytes_before + chunks[i].begin;
      TESSERA_RETURN_IF_ERROR(Flush());
      if (report_.interrupted) return OkStatus();
    }
    if (queue_.empty()) CloseOpen();
    return OkStatus();
  }

  // Vectors for all that wait.
  Status Flush() {
    if (queue_.empty()) {
      CloseOpen();
      return OkStatus();
    }
    TESSERA_RETURN_IF_ERROR(NeedModel());
    std::vector<std::string_view> texts;
    for (const Waiting& waiting : queue_) texts.emplace_back(waiting.text);
    const int64_t d = settings_.model.info.dimensions;
    Result<Embeddings> made = EmbedChecked(*vectorizer_, texts, EmbedKind::kPassage, d, stop_);
    if (!made.ok()) {
      if (made.status().code() != StatusCode::kCancelled) return std::move(made).status();
      report_.interrupted = true;
      return OkStatus();
    }
    const auto count = static_cast<int64_t>(texts.size());
    const auto stride = static_cast<size_t>(kernels::RowStride(d));
    vectors_.emplace_back(texts.size() * stride);
    std::vector<float> inverse_length(texts.size());
    kernels::QuantizeRowsS8(made->values.data(), d, count, d, vectors_.back().data(),
                            inverse_length.data());
    for (size_t i = 0; i < queue_.size(); ++i) {
      NewPassage& passage = queue_[i].planned->document.passages[queue_[i].passage];
      passage.vector = vectors_.back().data() + i * stride;
      passage.inverse_length = inverse_length[i];
    }
    report_.truncated +=
        static_cast<uint64_t>(std::count(made->truncated.begin(), made->truncated.end(), true));
    report_.embedded += texts.size();
    state_.passages = report_.embedded;
    queue_.clear();
    CloseOpen();
    Tell(state_.path);
    if (SecondsSince(last_save_) < std::max(options_.save_seconds, 20 * save_took_))
      return OkStatus();
    return Save();
  }

  // Documents whose passages all have vectors. The last one may still be queueing.
  void CloseOpen() {
    std::erase_if(open_, [](Planned* planned) {
      const auto ready = [](const NewPassage& p) { return p.vector != nullptr; };
      const auto& passages = planned->document.passages;
      if (!std::all_of(passages.begin(), passages.end(), ready)) return false;
      planned->work = Planned::Work::kDone;
      return true;
    });
  }

  Status Save() {
    const Clock::time_point start = Clock::now();
    // Stand-ins for documents that are not ready.
    std::vector<std::unique_ptr<NewDocument>> partly;
    std::vector<const NewDocument*> documents;
    for (const Planned& planned : plan_) {
      switch (planned.work) {
        case Planned::Work::kKeep:
        case Planned::Work::kDone:
          documents.push_back(&planned.document);
          break;
        case Planned::Work::kTodo:
          if (planned.previous < 0) break;
          partly.push_back(std::make_unique<NewDocument>(OldDocument(*old_, planned.previous)));
          documents.push_back(partly.back().get());
          break;
        case Planned::Work::kOpen:
          partly.push_back(std::make_unique<NewDocument>(PartOf(planned.document)));
          documents.push_back(partly.back().get());
          break;
        case Planned::Work::kDrop:
          break;
      }
    }
    TESSERA_RETURN_IF_ERROR(WriteSearchIndex(path_, settings_, documents, old_.get()));
    report_.written = true;
    save_took_ = SecondsSince(start);
    last_save_ = Clock::now();
    return OkStatus();
  }

  // After a Save with nothing open: its file takes the place of what is in memory.
  Status Reopen() {
    TESSERA_ASSIGN_OR_RETURN(std::shared_ptr<const SearchIndex> saved,
                             SearchIndex::Open(path_, pool_));
    int64_t next = 0;
    for (Planned& planned : plan_) {
      if (planned.work == Planned::Work::kDrop) continue;
      if (planned.work == Planned::Work::kTodo) {
        if (planned.previous >= 0) planned.previous = next++;
        continue;
      }
      planned.document.old_document = next++;
      planned.document.passages = {};
      planned.work = Planned::Work::kKeep;
    }
    TESSERA_CHECK(static_cast<uint64_t>(next) == saved->num_documents());
    old_ = std::move(saved);
    vectors_.clear();
    held_ = 0;
    return OkStatus();
  }

  // The report, with what the index holds now.
  SearchUpdateReport Finished() {
    const auto count = [&](uint64_t passages) {
      report_.documents += passages > 0;
      report_.passages += passages;
    };
    for (const Planned& planned : plan_) {
      const bool old = planned.work == Planned::Work::kKeep ||
                       (planned.work == Planned::Work::kTodo && planned.previous >= 0);
      if (old) {
        const int64_t i =
            planned.work == Planned::Work::kKeep ? planned.document.old_document : planned.previous;
        count(old_->document(static_cast<uint64_t>(i)).num_passages);
      } else if (planned.work != Planned::Work::kDrop) {
        count(PartOf(planned.document).passages.size());
      }
    }
    return std::move(report_);
  }

  Status NeedModel() {
    if (vectorizer_ != nullptr) return OkStatus();
    TESSERA_ASSIGN_OR_RETURN(const TextVectorizer* made, make_vectorizer_());
    TESSERA_ASSIGN_OR_RETURN(model_, DescribeSearchModel(options_.model, *made, {}));
    if (old_) TESSERA_RETURN_IF_ERROR(CheckSameModel(settings_.model, model_));
    vectorizer_ = made;
    return OkStatus();
  }

  Status Unreadable(Planned& planned, const Status& status) {
    if (status.code() == StatusCode::kNotFound) {  // removed since the folder was listed
      planned.work = Planned::Work::kDrop;
      if (planned.previous >= 0) ++report_.removed;
      changed_ = true;
      return OkStatus();
    }
    report_.skipped.push_back({planned.document.path, status.message()});
    if (planned.previous >= 0) {
      planned.document = OldDocument(*old_, planned.previous);
      planned.work = Planned::Work::kKeep;
    } else {
      planned.work = Planned::Work::kDrop;
    }
    return OkStatus();
  }

  static NewDocument PartOf(const NewDocument& document) {
    NewDocument part{
        .path = document.path, .stamp = document.stamp, .state = DocumentState::kPartial};
    std::copy_if(document.passages.begin(), document.passages.end(),
                 std::back_inserter(part.passages),
                 [](const NewPassage& p) { return p.vector != nullptr; });
    return part;
  }

  void Tell(std::string_view path) {
    state_.path = path;
    if (progress_) progress_(state_);
  }

  struct Waiting {
    Planned* planned;
    size_t passage;
    std::string text;
  };

  const SearchUpdateOptions& options_;
  ThreadPool& pool_;
  const std::function<Result<const TextVectorizer*>()>& make_vectorizer_;
  const std::function<void(const SearchProgress&)>& progress_;
  const std::stop_token stop_;
  const size_t batch_;

  std::string path_;
  std::shared_ptr<const SearchIndex> old_;  // null for a new index
  SearchIndexSettings settings_;
  SearchModel model_;
  const TextVectorizer* vectorizer_ = nullptr;
  bool changed_ = false;  // the file on the disk is not what it should become
  int64_t started_ns_ = 0;

  std::vector<Planned> plan_;   // by path; not resized while it is worked on
  std::vector<Planned*> open_;  // kOpen
  std::vector<Waiting> queue_;
  std::vector<std::vector<int8_t>> vectors_;  // of passages in plan_
  uint64_t held_ = 0;                         // passages in plan_

  SearchProgress state_;
  SearchUpdateReport report_;
  Clock::time_point last_save_;
  double save_took_ = 0;
};

}  // namespace

std::string CanonicalPath(const std::string& path) {
  std::error_code error;
  std::filesystem::path canonical = std::filesystem::weakly_canonical(path, error);
  if (error) return path;
  if (!canonical.is_absolute()) {
    canonical = std::filesystem::absolute(canonical, error).lexically_normal();
    if (error) return path;
  }
  std::string text = canonical.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

Result<SearchUpdateReport> UpdateSearchIndex(
    const SearchUpdateOptions& options, ThreadPool& pool,
    const std::function<Result<const TextVectorizer*>()>& vectorizer,
    const std::function<void(const SearchProgress&)>& progress, std::stop_token stop) {
  return Updater(options, pool, vectorizer, progress, std::move(stop)).Run();
}

}  // namespace tessera
