#include "cli/input_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/glob.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 28> kMediaExtensions = {
    "wav", "flac", "mp3",  "mp4", "mpeg", "mpga", "mpg",  "m4a",  "m4b", "ogg",
    "oga", "opus", "webm", "aac", "wma",  "aif",  "aiff", "aifc", "caf", "amr",
    "mkv", "mov",  "avi",  "w64", "au",   "3gp",  "ac3",  "sph"};
constexpr std::array<std::string_view, 10> kTextExtensions = {
    "txt", "text", "md", "markdown", "mdx", "rst", "org", "tex", "adoc", "asciidoc"};

// A folder of more entries than this is a mistake (a whole disk), not a batch.
constexpr size_t kMaxEntries = 1000000;

bool IsHidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.size() > 1 && name[0] == '.';
}

bool IsGlob(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

struct Found {
  std::vector<std::string> paths;
  Status status;
};

// Regular files under `folder`, sorted; `deep` goes into sub-folders. Links to folders are not
// followed, so there is no loop.
Found ListFiles(const fs::path& folder, bool deep) {
  Found found;
  std::error_code error;
  size_t entries = 0;
  const auto take = [&](const fs::directory_entry& entry) {
    std::error_code ignored;
    if (entry.is_regular_file(ignored)) found.paths.push_back(entry.path().string());
    return ++entries <= kMaxEntries;
  };
  const auto options = fs::directory_options::skip_permission_denied;
  bool room = true;
  if (deep) {
    for (fs::recursive_directory_iterator it(folder, options, error), end;
         room && !error && it != end; it.increment(error)) {
      if (IsHidden(it->path()) && it->is_directory(error)) it.disable_recursion_pending();
      room = take(*it);
    }
  } else {
    for (fs::directory_iterator it(folder, options, error), end; room && !error && it != end;
         it.increment(error)) {
      room = take(*it);
    }
  }
  if (error)
    found.status =
        PermissionDenied("could not read the folder " + folder.string() + ": " + error.message());
  if (!room) {
    found.status = ResourceExhausted("the folder " + folder.string() + " holds more than " +
                                     std::to_string(kMaxEntries) + " entries; name a smaller one");
  }
  std::sort(found.paths.begin(), found.paths.end());
  return found;
}

std::string FolderBelow(const fs::path& root, const fs::path& file) {
  const fs::path relative = file.parent_path().lexically_relative(root);
  return relative == "." ? "" : relative.string();
}

// The part of a glob before its first component with a wildcard.
fs::path GlobRoot(const std::string& pattern) {
  const size_t wildcard = pattern.find_first_of("*?[");
  const size_t slash = pattern.rfind('/', wildcard);
  if (slash == std::string::npos) return {};
  return slash == 0 ? fs::path("/") : fs::path(pattern.substr(0, slash));
}

}  // namespace

bool HasExtensionOf(InputKind kind, std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos || path.find('/', dot) != std::string_view::npos) return false;
  std::string extension(path.substr(dot + 1));
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto among = [&](const auto& extensions) {
    return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
  };
  return kind == InputKind::kMedia ? among(kMediaExtensions) : among(kTextExtensions);
}

InputList ExpandInputs(const std::vector<std::string>& arguments, bool recursive, InputKind kind) {
  InputList list;
  std::set<std::string> seen;
  const auto add = [&](const std::string& path, std::string folder, bool in_folder) {
    if (seen.insert(path).second) list.files.push_back({path, std::move(folder), in_folder});
  };
  const std::string noun = kind == InputKind::kMedia ? "audio or video file" : "text file";
  for (const std::string& argument : arguments) {
    std::error_code error;
    const fs::file_status status = fs::status(argument, error);
    if (argument != "-" && fs::is_directory(status)) {
      const Found found = ListFiles(argument, recursive);
      const size_t before = list.files.size();
      bool any = false;
      for (const std::string& path : found.paths) {
        if (IsHidden(path) || !HasExtensionOf(kind, path)) continue;
        any = true;
        add(path, FolderBelow(argument, path), true);
      }
      if (!found.status.ok()) {
        list.failures.push_back({argument, found.status});
      } else if (!any && before == list.files.size()) {
        list.failures.push_back(
            {argument, NotFound("the folder holds no " + noun +
                                (recursive ? "" : " (sub-folders are read with --recursive)"))});
      }
    } else if (argument != "-" && !fs::exists(status) && IsGlob(argument)) {
      const fs::path root = GlobRoot(argument);
      const bool deep = argument.find("**") != std::string::npos ||
                        argument.find('/', argument.find_first_of("*?[")) != std::string::npos;
      const Found found = ListFiles(root.empty() ? fs::path(".") : root, deep);
      bool any = false;
      for (const std::string& path : found.paths) {
        // Without a root the listing says "./a"; the pattern does not.
        const std::string name = root.empty() && path.starts_with("./") ? path.substr(2) : path;
        if (IsHidden(name) || !GlobMatches(argument, name)) continue;
        any = true;
        add(name, FolderBelow(root, name), false);
      }
      if (!any) list.failures.push_back({argument, NotFound("no file matches the pattern")});
    } else {
      add(argument, "", false);
    }
  }
  return list;
}

}  // namespace tessera::cli
