// `tessera search`: brings an index up to date where that is asked for, then asks it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/check.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/progress.h"
#include "cli/search_options.h"
#include "cli/search_report.h"
#include "pipelines/search_query.h"
#include "pipelines/search_update.h"
#include "tessera/embed.h"

namespace tessera::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostQuestionBytes = 1 << 16;

// The index of a folder that was given in place of one: NAME-HASH.index in the cache.
Result<std::string> IndexOfFolder(const std::string& folder, const std::string& model) {
  TESSERA_ASSIGN_OR_RETURN(const std::string cache, CacheFolder());
  const std::string path = CanonicalPath(folder);
  const std::string key = path + '\n' + model;
  std::string name = BaseName(path).substr(0, 100);
  return JoinPath(JoinPath(cache, "search"), name + "-" + Hex(Checksum64(AsBytes(key))) + ".index");
}

class SearchRun {
 public:
  explicit SearchRun(SearchCommandOptions options)
      : options_(std::move(options)),
        pool_(options_.model.threads),
        progress_(!options_.quiet && IsTerminal(StandardStream::kError)) {}

  int Run() {
    of_folder_ = FolderExists(options_.index);
    if (!FindIndex()) return code_;
    const bool update = options_.update || !options_.add.empty() || !options_.remove.empty() ||
                        !options_.exclude.empty() || (of_folder_ && !options_.no_update);
    if (update && !Update()) return code_;
    if (options_.info && !Info()) return code_;
    if (options_.questions.empty() || !Open()) return Finish();
    for (const std::string& question : options_.questions) {
      if (!(question == "-" ? AskLines() : Ask(question))) break;
    }
    return Finish();
  }

 private:
  bool Fail(const Status& status, ExitCode code) {
    progress_.Clear();
    PrintError(status.message());
    code_ = code;
    return false;
  }

  bool FindIndex() {
    std::string& model = options_.model.model;
    // A path keeps its meaning when the index is used from another folder.
    if (!model.empty() && (FolderExists(model) || FileExists(model))) model = CanonicalPath(model);
    path_ = options_.index;
    if (!of_folder_) return true;
    if (model.empty()) model = kDefaultTextModel;
    Result<std::string> path = IndexOfFolder(options_.index, model);
    if (!path.ok()) return Fail(path.status(), kExitBadInput);
    path_ = std::move(*path);
    const size_t slash = path_.rfind('/');
    if (const Status status = MakeFolders(path_.substr(0, slash)); !status.ok())
      return Fail(status, kExitBadInput);
    if (FileExists(path_)) return true;
    if (options_.no_update) {
      return Fail(NotFound("\"" + options_.index +
                           "\" has no index yet; ask without --no-update to build it"),
                  kExitBadInput);
    }
    options_.add = {options_.index};
    return true;
  }

  void Note(const std::string& text) {
    if (options_.quiet) return;
    progress_.Clear();
    std::fprintf(stderr, "tessera: %s\n", text.c_str());
  }

  // The model, loaded when it is first needed.
  Result<const TextVectorizer*> Vectorizer() {
    if (vectorizer_) return static_cast<const TextVectorizer*>(vectorizer_.get());
    if (options_.model.model.empty())
      options_.model.model = index_ ? index_->settings().model.name : kDefaultTextModel;
    progress_.Message("loading " + options_.model.model);
    Result<Embedder> embedder = Embedder::Create(options_.model);
    progress_.Clear();
    model_failed_ = !embedder.ok();
    if (!embedder.ok()) return std::move(embedder).status();
    model_.emplace(embedder->model());
    vectorizer_ = std::make_unique<EmbedderVectorizer>(std::move(*embedder));
    return static_cast<const TextVectorizer*>(vectorizer_.get());
  }

  bool Update() {
    // An index's own model is known before it is updated.
    if (options_.model.model.empty()) {
      if (FileExists(path_)) {
        if (!Open()) return false;
        options_.model.model = index_->settings().model.name;
        index_.reset();
      } else {
        options_.model.model = kDefaultTextModel;
      }
    }
    InterruptGuard interrupt;
    const Clock::time_point start = Clock::now();
    SearchUpdateOptions update;
    update.index_path = path_;
    update.add = options_.add;
    update.remove = options_.remove;
    update.exclude = options_.exclude;
    update.model = options_.model.model;
    std::optional<Clock::time_point> embedding;  // since when, for the speed that is shown
    const auto show = [&](const SearchProgress& p) {
      if (!embedding && !p.path.empty()) embedding = Clock::now();
      progress_.Message(IndexingLine(p, embedding ? SecondsSince(*embedding) : 0));
    };
    Result<SearchUpdateReport> report =
        UpdateSearchIndex(update, pool_, [&] { return Vectorizer(); }, show, interrupt.token());
    progress_.Clear();
    if (!report.ok()) {
      const Status& status = report.status();
      if (model_failed_) return Fail(status, ExitCodeForModel(status));
      if (of_folder_ && RemoveBroken()) return Update();
      // Somebody else brings it up to date just now.
      if (of_folder_ && status.code() == StatusCode::kUnavailable && FileExists(path_)) {
        Note(status.message() + "; asked as it is");
        return true;
      }
      return Fail(status, ExitCodeForFile(status));
    }
    const double seconds = SecondsSince(start);
    if (options_.json) {
      std::puts(UpdateJson(path_, *report, seconds).c_str());
    } else if (report->added + report->changed + report->moved + report->removed > 0 ||
               !of_folder_) {
      Note(UpdateLine(*report, seconds));
      summed_up_ = true;
    }
    if (!options_.json)
      for (const std::string& line : SkippedLines(*report)) Note(line);
    if (report->interrupted) {
      Note("interrupted; what is done is kept, the same command goes on");
      code_ = kExitInterrupted;
      return false;
    }
    return true;
  }

  // A folder's index lies in the cache: one that cannot be used is thrown away. False: it is not
  // that, or it cannot be removed.
  bool RemoveBroken() {
    if (!FileExists(path_)) return false;
    const Status status = SearchIndex::Open(path_, pool_).status();
    if (status.code() != StatusCode::kDataLoss && status.code() != StatusCode::kUnimplemented)
      return false;
    if (!RemoveFile(path_).ok()) return false;
    Note("the folder's index cannot be used and is made anew: " + status.message());
    options_.add = {options_.index};
    return true;
  }

  bool Open() {
    if (index_) return true;
    if (!FileExists(path_)) {
      return Fail(NotFound("expected a folder or an index file at \"" + options_.index +
                           "\", found nothing; --add FOLDER builds an index there"),
                  kExitBadInput);
    }
    Result<std::shared_ptr<const SearchIndex>> index = SearchIndex::Open(path_, pool_);
    if (!index.ok()) return Fail(index.status(), ExitCodeForFile(index.status()));
    index_ = std::move(*index);
    return true;
  }

  bool Info() {
    if (!Open()) return false;
    const std::string path = CanonicalPath(path_);
    if (options_.json) {
      std::puts(InfoJson(path, *index_).c_str());
    } else {
      std::fputs(InfoText(path, *index_).c_str(), stdout);
    }
    return true;
  }

  // The model that the index was built with, or none.
  bool PrepareModel() {
    if (model_checked_) return true;
    const Result<const TextVectorizer*> model = Vectorizer();
    if (!model.ok()) return Fail(model.status(), ExitCodeForModel(model.status()));
    const Result<SearchModel> now = DescribeSearchModel(options_.model.model, **model);
    if (!now.ok()) return Fail(now.status(), ExitCodeForModel(now.status()));
    if (const Status same = CheckSameModel(index_->settings().model, *now); !same.ok())
      return Fail(same, kExitUsage);
    model_checked_ = true;
    return true;
  }

  bool Ask(const std::string& question) {
    if (!PrepareModel()) return false;
    InterruptGuard interrupt;
    const auto answers = AskSearchIndex(*index_, pool_, *vectorizer_, std::span(&question, 1),
                                        options_.top, interrupt.token());
    if (!answers.ok()) return Fail(answers.status(), ExitCodeForFile(answers.status()));
    const std::vector<SearchHit>& hits = answers->front();
    if (options_.json) {
      std::puts(AnswerJson(question, hits).c_str());
    } else {
      if (asked_++ > 0) std::puts("");
      const bool terminal = IsTerminal(StandardStream::kOutput);
      if (options_.questions.size() > 1 || options_.questions[0] == "-")
        std::printf("# %s\n", Printable(question).c_str());
      const AnswerStyle style{.colour = terminal && WantsColour(),
                              .full = options_.full,
                              .current_folder = CanonicalPath(".")};
      std::fputs(AnswerText(hits, style).c_str(), stdout);
    }
    std::fflush(stdout);
    return !std::ferror(stdout);
  }

  // Answers each line as it comes.
  bool AskLines() {
    if (!PrepareModel()) return false;
    Result<ReadBytes> read = OpenBytes("-");
    if (!read.ok()) return Fail(read.status(), kExitBadInput);
    LineReader lines(std::move(*read), kMostQuestionBytes);
    const bool prompt = IsTerminal(StandardStream::kInput) && !options_.quiet;
    std::string line;
    for (;;) {
      if (prompt) std::fputs("? ", stderr);
      const Result<bool> more = lines.Next(&line);
      if (!more.ok()) return Fail(more.status(), kExitBadInput);
      if (!*more) return true;
      if (line.find_first_not_of(" \t") == std::string::npos) continue;
      if (!Ask(line)) return false;
    }
  }

  static bool WantsColour() {
    const char* no_colour = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return (no_colour == nullptr || *no_colour == '\0') &&
           (terminal == nullptr || std::string_view(terminal) != "dumb");
  }

  int Finish() {
    progress_.Clear();
    if (model_) {
      // A question is answered without a word about the CPU, unless another device was asked for.
      if (summed_up_ || model_->device() != "cpu" || options_.model.device != "auto")
        Note("placement: " + model_->placement());
      if (const Status status = WritePlacement(*model_, options_.placement); !status.ok())
        Fail(status, kExitBadInput);
      code_ = ExitCodeOfRun(*model_, code_);
    }
    if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && code_ == kExitOk) {
      PrintError("cannot write to stdout");
      return kExitBadInput;
    }
    return code_;
  }

  SearchCommandOptions options_;
  ThreadPool pool_;
  Progress progress_;
  ExitCode code_ = kExitOk;
  bool of_folder_ = false;
  bool summed_up_ = false;  // the update's line was printed
  std::string path_;        // of the index
  std::unique_ptr<EmbedderVectorizer> vectorizer_;
  std::optional<Model> model_;  // once it was needed
  bool model_failed_ = false, model_checked_ = false;
  std::shared_ptr<const SearchIndex> index_;
  int asked_ = 0;
};

}  // namespace

int RunSearchCommand(const std::vector<std::string>& arguments) {
  SearchCommandOptions options;
  if (const std::optional<int> code = ParseSearch(arguments, &options)) return *code;
  return SearchRun(std::move(options)).Run();
}

}  // namespace tessera::cli
