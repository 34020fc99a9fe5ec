// Whole files in and out of memory, folders, and where Tessera keeps its models.
//
// Every function is thread-safe. Paths are UTF-8; relative ones start at the current folder. The
// error texts name the path.
#ifndef TESSERA_BASE_FILE_H_
#define TESSERA_BASE_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "tessera/status.h"

namespace tessera {

// The whole file. kResourceExhausted when it has more than `limit` bytes, however it grows
// meanwhile; also reads pipes and /proc, whose length is not known beforehand. kInvalidArgument for
// a folder.
Result<std::string> ReadFile(const std::string& path, uint64_t limit);

bool FileExists(const std::string& path);    // a regular file, links followed
bool FolderExists(const std::string& path);  // a folder, links followed
// Bytes of a regular file.
Result<uint64_t> FileSize(const std::string& path);
// Names (not paths) in a folder, without "." and "..", sorted. kResourceExhausted above `limit`
// names.
Result<std::vector<std::string>> ListFolder(const std::string& path, size_t limit = 100000);
// The folder and its parents, where they do not exist.
Status MakeFolders(const std::string& path);
// A file, or nothing when there is none.
Status RemoveFile(const std::string& path);
// A folder and all it holds; links inside are removed, not followed. Nothing when there is none.
Status RemoveFolder(const std::string& path);
// `from` takes the place of `to`, in one step, on the same file system.
Status RenameFile(const std::string& from, const std::string& to);
// Bytes that an ordinary user may still write to the file system that holds `path` (an existing
// folder).
Result<uint64_t> FreeDiskSpace(const std::string& path);

// "a/b" from "a" and "b"; `name` alone when `folder` is empty.
std::string JoinPath(std::string_view folder, std::string_view name);
// The last component; "" after a final '/'.
std::string BaseName(std::string_view path);

// $XDG_CACHE_HOME/tessera, else ~/.cache/tessera; kNotFound when neither XDG_CACHE_HOME nor HOME is
// set to an absolute path. The folder need not exist.
Result<std::string> CacheFolder();
// $TESSERA_MODELS, else CacheFolder()/models. The folder need not exist.
Result<std::string> ModelsFolder();

}  // namespace tessera

#endif  // TESSERA_BASE_FILE_H_
