// `tessera embed`: texts of files through the library's Embedder into a file of vectors.
//
// One thread reads, checks off what an interrupted run has done, and writes, in the order of the
// source; a few chunks of texts are embedded at a time, so that the model never waits for the disk.
// Memory does not grow with the source.
#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/check.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/embed_options.h"
#include "cli/exit_code.h"
#include "cli/input_files.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/vector_output.h"

namespace tessera::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Chunks that are embedded at a time.
constexpr size_t kChunksInFlight = 3;
// A chunk ends at this much text.
constexpr size_t kChunkBytes = 1 << 20;
// Bad records of one file that are reported one by one.
constexpr int kShownErrors = 20;

// Says how texts become vectors; rows of an output file that were made otherwise are not continued.
uint64_t SettingsHash(const EmbedOptions& options, const Model& model) {
  const auto number = [](auto value) { return std::to_string(static_cast<int64_t>(value)) + ";"; };
  std::filesystem::path path = model.path();
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  std::string text = path.filename().string() + ";" + number(model.precision());
  text += number(options.kind) + (options.prompt ? "p" + *options.prompt : "") + '\0';
  text += options.pooling ? number(*options.pooling) : "-";
  text += options.normalize ? number(*options.normalize) : "-";
  text += number(options.dimensions) + number(options.max_tokens);
  return Checksum64({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

uint64_t TextHash(std::string_view text, uint64_t settings) {
  return Checksum64({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, settings);
}

// Where records come from: the texts of the command line, then the files.
struct Source {
  std::string path;  // empty: the texts
  RecordFormat format = RecordFormat::kLines;
};

struct Chunk {
  struct Item {
    TextRecord record;
    size_t source = 0;
    uint64_t hash = 0;
  };
  int64_t first_index = 0;
  std::vector<Item> items;
  size_t text_bytes = 0;
};

struct EmbeddedChunk {
  FormattedRows rows;
  int64_t tokens = 0, truncated = 0;
};

class EmbedRun {
 public:
  explicit EmbedRun(EmbedCommandOptions options)
      : options_(std::move(options)),
        progress_(!options_.quiet && IsTerminal(StandardStream::kError)) {}

  int Run() {
    if (!PlanSources() || !CheckOutputFolder() || !LoadModel() || !OpenOutput()) return code_;
    start_ = Clock::now();
    EmbedAll();
    return Finish();
  }

 private:
  bool PlanSources();
  bool CheckOutputFolder();
  bool LoadModel();
  bool OpenOutput();
  void EmbedAll();
  bool NextRecord(Chunk::Item* item);
  bool OpenSource();
  bool CheckOff(const Chunk::Item& item);
  Result<EmbeddedChunk> Embed(const Chunk& chunk) const;
  bool WriteFront();
  void ShowProgress();
  void Fail(const std::string& what, const Status& status, ExitCode code);
  int Finish();

  EmbedCommandOptions options_;
  Progress progress_;
  InterruptGuard interrupt_;
  std::stop_source stop_;  // an interrupt, or the output is gone
  ExitCode code_ = kExitOk;

  std::vector<Source> sources_;
  size_t source_ = 0;                     // that is read
  size_t next_text_ = 0;                  // of the command line's
  std::unique_ptr<RecordReader> reader_;  // of sources_[source_]
  int source_errors_ = 0;
  uint64_t bytes_total_ = 0, bytes_before_ = 0;  // of files; of those before this one
  bool bytes_known_ = true;

  std::optional<Model> model_;
  std::optional<Embedder> embedder_;
  uint64_t settings_hash_ = 0;
  std::optional<VectorOutput> output_;
  std::deque<std::future<Result<EmbeddedChunk>>> in_flight_;

  int64_t num_read_ = 0;
  int64_t num_kept_ = 0, num_embedded_ = 0, num_failed_ = 0, num_tokens_ = 0, num_truncated_ = 0;
  bool mismatch_ = false;  // the output belongs to other texts
  Clock::time_point start_;
  double load_seconds_ = 0;
};

// The first kind of failure decides the exit code.
void EmbedRun::Fail(const std::string& what, const Status& status, ExitCode code) {
  progress_.Clear();
  PrintError(what.empty() ? status.message() : what + ": " + status.message());
  if (code_ == kExitOk) code_ = code;
}

bool EmbedRun::PlanSources() {
  if (!options_.texts.empty()) sources_.emplace_back();
  const InputList inputs = ExpandInputs(options_.inputs, options_.recursive, InputKind::kText);
  for (const InputList::Failure& failure : inputs.failures) {
    ++num_failed_;
    Fail(failure.argument, failure.status, kExitBadInput);
  }
  for (const InputFile& file : inputs.files) {
    Source source{file.path, options_.input_format.value_or(RecordFormatOf(file.path))};
    const bool whole = options_.per == Per::kFile || (options_.per == Per::kAuto && file.found);
    if (source.format == RecordFormat::kLines && whole) source.format = RecordFormat::kWholeFile;
    const Result<uint64_t> size = FileSize(file.path);
    bytes_known_ &= size.ok();
    if (size.ok()) bytes_total_ += *size;
    // Where the output lies in the folder that is read.
    std::error_code error;
    if (options_.output != "-" && std::filesystem::equivalent(file.path, options_.output, error)) {
      Fail("", InvalidArgument("--output " + options_.output + " is an input too"), kExitUsage);
      return false;
    }
    sources_.push_back(std::move(source));
  }
  return !sources_.empty();
}

// Before the model is loaded.
bool EmbedRun::CheckOutputFolder() {
  if (options_.output == "-") return true;
  const std::string parent = std::filesystem::path(options_.output).parent_path().string();
  const std::string place = parent.empty() ? "." : parent;
  Status status = MakeFolders(place);
  if (status.ok() && FolderExists(options_.output)) {
    status = InvalidArgument("expected a file, found a folder: " + options_.output);
  } else if (status.ok() && !CanReadAndWrite(place)) {
    status = PermissionDenied("no permission to write in the folder " + place);
  }
  if (!status.ok()) Fail("--output", status, kExitBadInput);
  return status.ok();
}

bool EmbedRun::LoadModel() {
  progress_.Message("loading " + options_.model.model);
  const Clock::time_point start = Clock::now();
  Result<Model> model = Model::Load(options_.model);
  progress_.Clear();
  if (!model.ok()) {
    Fail("", model.status(), ExitCodeForModel(model.status()));
    return false;
  }
  model_.emplace(std::move(*model));
  Result<Embedder> embedder = Embedder::Create(*model_);
  if (!embedder.ok()) {
    Fail("", embedder.status(), ExitCodeForModel(embedder.status()));
    return false;
  }
  embedder_.emplace(std::move(*embedder));
  load_seconds_ = SecondsSince(start);
  // Options that the model cannot follow are found out on no text.
  if (const Result<Embeddings> none = embedder_->Embed({}, options_.embed); !none.ok()) {
    Fail("", none.status(), kExitUsage);
    return false;
  }
  settings_hash_ = SettingsHash(options_.embed, *model_);
  return true;
}

bool EmbedRun::OpenOutput() {
  const int64_t width = embedder_->info().dimensions;
  Result<VectorOutput> output = VectorOutput::Open(
      {.path = options_.output,
       .format = options_.output_format,
       .dimensions = options_.embed.dimensions > 0 ? options_.embed.dimensions : width,
       .with_text = options_.with_text,
       .resume = options_.resume});
  if (!output.ok()) {
    Fail("", output.status(), kExitBadInput);
    return false;
  }
  output_.emplace(std::move(*output));
  return true;
}

// Opens sources_[source_]; false after a failure, which is reported.
bool EmbedRun::OpenSource() {
  const Source& source = sources_[source_];
  source_errors_ = 0;
  Result<ReadBytes> read = OpenBytes(source.path);
  if (!read.ok()) {
    ++num_failed_;
    const bool is_text = source.path.find(' ') != std::string::npos;
    Fail(source.path, read.status(), kExitBadInput);
    if (is_text && read.status().code() == StatusCode::kNotFound)
      std::fputs("tessera: a text itself goes behind --text\n", stderr);
    return false;
  }
  reader_ = NewRecordReader(
      std::move(*read),
      {.format = source.format, .text_field = options_.text_field, .id_field = options_.id_field});
  return true;
}

// The next record of all sources; false at the end of the last.
bool EmbedRun::NextRecord(Chunk::Item* item) {
  while (source_ < sources_.size()) {
    item->source = source_;
    if (sources_[source_].path.empty()) {
      if (next_text_ < options_.texts.size()) {
        item->record = {};
        item->record.text = options_.texts[next_text_++];
        return true;
      }
      ++source_;
      continue;
    }
    if (reader_ == nullptr && !OpenSource()) {
      ++source_;
      continue;
    }
    const Result<bool> more = reader_->Next(&item->record);
    if (more.ok() && *more) return true;
    const std::string name = sources_[source_].path == "-" ? "stdin" : sources_[source_].path;
    if (!more.ok()) {
      ++num_failed_;
      if (++source_errors_ <= kShownErrors) Fail(name, more.status(), kExitBadInput);
      if (!stop_.stop_requested()) continue;
    }
    if (source_errors_ > kShownErrors) {
      progress_.Clear();
      PrintError(name + ": " + std::to_string(source_errors_ - kShownErrors) + " more such lines");
    }
    bytes_before_ += reader_->bytes_read();
    reader_ = nullptr;
    ++source_;
  }
  return false;
}

// Whether the output has this record's row already.
bool EmbedRun::CheckOff(const Chunk::Item& item) {
  const auto index = static_cast<size_t>(num_read_);
  if (index >= output_->finished().size()) return false;
  if (output_->finished()[index] == item.hash) return true;
  mismatch_ = true;
  Fail("",
       DataLoss("cannot resume \"" + options_.output + "\": its row " + std::to_string(index) +
                " was made from another text or with other options; run without --resume to begin "
                "anew, or give another --output"),
       kExitBadInput);
  return false;
}

Result<EmbeddedChunk> EmbedRun::Embed(const Chunk& chunk) const {
  std::vector<std::string_view> texts;
  texts.reserve(chunk.items.size());
  for (const Chunk::Item& item : chunk.items) texts.push_back(item.record.text);
  TESSERA_ASSIGN_OR_RETURN(const Embeddings embeddings,
                           embedder_->Embed(texts, options_.embed, stop_.get_token()));
  EmbeddedChunk result;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Chunk::Item& item = chunk.items[i];
    FormatRow(options_.output_format,
              {.index = chunk.first_index + static_cast<int64_t>(i),
               .hash = item.hash,
               .source = sources_[item.source].path,
               .record = &item.record,
               .with_text = options_.with_text,
               .num_tokens = embeddings.num_tokens[i],
               .truncated = embeddings.truncated[i],
               .vector = embeddings.vector(i)},
              &result.rows);
    result.tokens += embeddings.num_tokens[i];
    if (embeddings.truncated[i]) ++result.truncated;
  }
  return result;
}

// The oldest chunk, once it is embedded. False when the run is over.
bool EmbedRun::WriteFront() {
  Result<EmbeddedChunk> chunk = in_flight_.front().get();
  in_flight_.pop_front();
  Status status = chunk.ok() ? output_->Append(chunk->rows) : std::move(chunk).status();
  if (status.ok()) {
    num_embedded_ += chunk->rows.count;
    num_tokens_ += chunk->tokens;
    num_truncated_ += chunk->truncated;
    ShowProgress();
    return true;
  }
  stop_.request_stop();
  if (status.code() != StatusCode::kCancelled) Fail("", status, ExitCodeForFile(status));
  return false;
}

void EmbedRun::EmbedAll() {
  const std::stop_callback forward(interrupt_.token(), [this] { stop_.request_stop(); });
  auto chunk = std::make_shared<Chunk>();
  size_t num_chunks = 0;
  const auto submit = [&] {
    in_flight_.push_back(
        std::async(std::launch::async, [this, full = std::move(chunk)] { return Embed(*full); }));
    chunk = std::make_shared<Chunk>();
    ++num_chunks;
    return in_flight_.size() < kChunksInFlight || WriteFront();
  };
  Chunk::Item item;
  bool going = true;
  while (going && !stop_.stop_requested() && NextRecord(&item)) {
    item.hash = TextHash(item.record.text, settings_hash_);
    const bool have = CheckOff(item);
    if (mismatch_) break;
    ++num_read_;
    if (have) {
      ++num_kept_;
      continue;
    }
    if (chunk->items.empty()) chunk->first_index = num_read_ - 1;
    chunk->text_bytes += item.record.text.size();
    chunk->items.push_back(std::move(item));
    // The first chunks are smaller, so that chunks do not end at the same time later on.
    const size_t part = std::min(num_chunks + 1, kChunksInFlight);
    if (chunk->items.size() * kChunksInFlight >= options_.batch * part ||
        chunk->text_bytes >= kChunkBytes) {
      going = submit();
    }
  }
  if (going && !stop_.stop_requested() && !mismatch_ && !chunk->items.empty()) going = submit();
  while (!in_flight_.empty()) {
    if (going) {
      going = WriteFront();
    } else {
      in_flight_.front().wait();
      in_flight_.pop_front();
    }
  }
  if (!stop_.stop_requested() && !mismatch_ &&
      static_cast<size_t>(num_read_) < output_->finished().size()) {
    mismatch_ = true;
    Fail("",
         DataLoss("cannot resume \"" + options_.output + "\": it has " +
                  std::to_string(output_->finished().size()) + " rows, the inputs " +
                  std::to_string(num_read_) + " texts"),
         kExitBadInput);
  }
}

void EmbedRun::ShowProgress() {
  const double seconds = SecondsSince(start_);
  std::string line = std::to_string(num_kept_ + num_embedded_) + " texts";
  const uint64_t bytes = bytes_before_ + (reader_ != nullptr ? reader_->bytes_read() : 0);
  const double share = bytes_known_ && bytes_total_ > 0
                           ? static_cast<double>(bytes) / static_cast<double>(bytes_total_)
                           : 0;
  if (share > 0) line += ", " + std::to_string(static_cast<int>(share * 100)) + "%";
  line += ", " + std::to_string(static_cast<int64_t>(num_embedded_ / std::max(seconds, 1e-3))) +
          " texts/s";
  if (share > 0) line += ", " + ClockText(seconds * (1 - share) / share) + " left";
  progress_.Message(line);
}

int EmbedRun::Finish() {
  progress_.Clear();
  const bool interrupted = interrupt_.interrupted();
  if (!mismatch_) {
    if (const Status status = output_->Finish(); !status.ok() && code_ == kExitOk)
      Fail("", status, ExitCodeForFile(status));
  }
  if (const Status status = WritePlacement(*model_, options_.placement); !status.ok())
    Fail("--placement", status, kExitBadInput);
  const double seconds = SecondsSince(start_);
  const double speed = seconds > 0 ? static_cast<double>(num_embedded_) / seconds : 0;
  if (options_.json) {
    const nlohmann::ordered_json summary = {{"type", "summary"},
                                            {"embedded", num_embedded_},
                                            {"kept", num_kept_},
                                            {"failed", num_failed_},
                                            {"truncated", num_truncated_},
                                            {"tokens", num_tokens_},
                                            {"interrupted", interrupted},
                                            {"seconds", seconds},
                                            {"texts_per_second", speed},
                                            {"load_seconds", load_seconds_},
                                            {"model", model_->path()},
                                            {"device", model_->device()},
                                            {"precision", PrecisionText(*model_)}};
    std::fprintf(options_.output == "-" ? stderr : stdout, "%s\n", summary.dump().c_str());
  }
  if (!options_.quiet) {
    std::fprintf(stderr, "tessera: placement: %s\n", model_->placement().c_str());
    std::string line = std::to_string(num_embedded_) + (num_embedded_ == 1 ? " text" : " texts");
    char text[96];
    std::snprintf(text, sizeof(text), ", %lld tokens in %.1f s (%.0f texts/s)",
                  static_cast<long long>(num_tokens_), seconds, speed);
    line += text;
    line += " on " + model_->device() + ", " + PrecisionText(*model_);
    if (num_kept_ > 0) line += "; " + std::to_string(num_kept_) + " were there";
    if (num_truncated_ > 0) line += "; " + std::to_string(num_truncated_) + " cut at the end";
    if (num_failed_ > 0) line += "; " + std::to_string(num_failed_) + " failed";
    if (interrupted) {
      line += options_.output == "-" ? "; interrupted" : "; interrupted, --resume goes on";
    }
    std::fprintf(stderr, "tessera: %s\n", line.c_str());
  }
  return interrupted ? kExitInterrupted : ExitCodeOfRun(*model_, code_);
}

}  // namespace

int RunEmbedCommand(const std::vector<std::string>& arguments) {
  EmbedCommandOptions options;
  if (const std::optional<int> code = ParseEmbed(arguments, &options)) return *code;
  return EmbedRun(std::move(options)).Run();
}

}  // namespace tessera::cli
