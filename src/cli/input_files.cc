#include "cli/input_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <set>
#include <system_error>

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 28> kMediaExtensions = {
    "wav", "flac", "mp3",  "mp4", "mpeg", "mpga", "mpg",  "m4a",  "m4b", "ogg",
    "oga", "opus", "webm", "aac", "wma",  "aif",  "aiff", "aifc", "caf", "amr",
    "mkv", "mov",  "avi",  "w64", "au",   "3gp",  "ac3",  "sph"};

// A folder of more entries than this is a mistake (a whole disk), not a batch.
constexpr size_t kMaxEntries = 1000000;

bool IsHidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.size() > 1 && name[0] == '.';
}

// The character class that begins at pattern[0] == '[': whether it takes `c`, and where it ends (0:
// it is no class).
bool ClassMatches(std::string_view pattern, char c, size_t* length) {
  size_t i = 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool matches = false;
  for (const size_t first = i; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i > first) {
      *length = i + 1;
      return matches != negated;
    }
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      matches |= pattern[i] <= c && c <= pattern[i + 2];
      i += 2;
    } else {
      matches |= pattern[i] == c;
    }
  }
  *length = 0;
  return false;
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

bool HasMediaExtension(std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos || path.find('/', dot) != std::string_view::npos) return false;
  std::string extension(path.substr(dot + 1));
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(kMediaExtensions.begin(), kMediaExtensions.end(), extension) !=
         kMediaExtensions.end();
}

bool GlobMatches(std::string_view pattern, std::string_view path) {
  while (!pattern.empty()) {
    if (pattern.starts_with("**/")) {
      // Zero or more whole folders.
      const std::string_view rest = pattern.substr(3);
      for (size_t at = 0;;) {
        if (GlobMatches(rest, path.substr(at))) return true;
        const size_t slash = path.find('/', at);
        if (slash == std::string_view::npos) return false;
        at = slash + 1;
      }
    }
    if (pattern[0] == '*') {
      const bool across = pattern.starts_with("**");
      const std::string_view rest = pattern.substr(across ? 2 : 1);
      for (size_t at = 0;; ++at) {
        if (GlobMatches(rest, path.substr(at))) return true;
        if (at == path.size() || (!across && path[at] == '/')) return false;
      }
    }
    if (path.empty()) return false;
    size_t length = 1;
    if (pattern[0] == '?') {
      if (path[0] == '/') return false;
    } else if (pattern[0] == '[') {
      const bool matches = ClassMatches(pattern, path[0], &length);
      if (length == 0) {
        if (path[0] != '[') return false;  // an unclosed '[' stands for itself
        length = 1;
      } else if (!matches || path[0] == '/') {
        return false;
      }
    } else if (pattern[0] != path[0]) {
      return false;
    }
    pattern.remove_prefix(length);
    path.remove_prefix(1);
  }
  return path.empty();
}

InputList ExpandInputs(const std::vector<std::string>& arguments, bool recursive) {
  InputList list;
  std::set<std::string> seen;
  const auto add = [&](const std::string& path, std::string folder) {
    if (seen.insert(path).second) list.files.push_back({path, std::move(folder)});
  };
  for (const std::string& argument : arguments) {
    std::error_code error;
    const fs::file_status status = fs::status(argument, error);
    if (argument != "-" && fs::is_directory(status)) {
      const Found found = ListFiles(argument, recursive);
      const size_t before = list.files.size();
      bool any = false;
      for (const std::string& path : found.paths) {
        if (IsHidden(path) || !HasMediaExtension(path)) continue;
        any = true;
        add(path, FolderBelow(argument, path));
      }
      if (!found.status.ok()) {
        list.failures.push_back({argument, found.status});
      } else if (!any && before == list.files.size()) {
        list.failures.push_back(
            {argument, NotFound(std::string("the folder holds no audio or video file") +
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
        add(name, FolderBelow(root, name));
      }
      if (!any) list.failures.push_back({argument, NotFound("no file matches the pattern")});
    } else {
      add(argument, "");
    }
  }
  return list;
}

}  // namespace tessera::cli
