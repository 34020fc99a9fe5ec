#include "providers/library_search.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/file.h"

namespace tessera {
namespace {

#if defined(_WIN32)
constexpr char kListSeparator = ';';
#else
constexpr char kListSeparator = ':';
#endif

bool IsDigit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

bool Matches(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return name == pattern;
  pattern.remove_suffix(1);
  return name.starts_with(pattern);
}

// Files of `folder` that match, in the order of the patterns and the newest first.
std::vector<std::string> MatchesIn(const std::string& folder,
                                   const std::vector<std::string>& patterns) {
  const Result<std::vector<std::string>> names = ListFolder(folder);
  std::vector<std::string> paths;
  if (!names.ok()) return paths;
  for (const std::string& pattern : patterns) {
    std::vector<std::string> found;
    for (const std::string& name : *names) {
      const std::string path = JoinPath(folder, name);
      if (Matches(pattern, name) && FileExists(path)) found.push_back(path);
    }
    std::sort(found.begin(), found.end(),
              [](const std::string& a, const std::string& b) { return VersionLess(b, a); });
    for (std::string& path : found) {
      if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
        paths.push_back(std::move(path));
      }
    }
  }
  return paths;
}

// "onnxruntime_qnn-2.7.0.dist-info" -> "2.7.0", for the package that owns `package`.
std::string PackageVersion(const std::string& site_packages, std::string_view package) {
  const std::string_view top = package.substr(0, package.find('/'));
  const Result<std::vector<std::string>> names = ListFolder(site_packages);
  if (!names.ok()) return "";
  constexpr std::string_view kEnding = ".dist-info";
  std::string version;
  for (std::string_view name : *names) {
    if (!name.ends_with(kEnding)) continue;
    name.remove_suffix(kEnding.size());
    const size_t dash = name.find('-');
    // Packages of other names may put their files into the same folder (onnxruntime-gpu).
    if (dash == std::string_view::npos || !name.starts_with(top)) continue;
    const bool exact = name.substr(0, dash) == top;
    if (exact || version.empty()) version = name.substr(dash + 1);
    if (exact) break;
  }
  return version;
}

void AddNamed(const LibraryQuery& query, const std::string& named, const std::string& source,
              LibrarySearch& search) {
  if (FileExists(named)) {
    search.tried.push_back(source + ": " + named);
    search.candidates.push_back({named, source, ""});
    return;
  }
  for (const std::string& path : MatchesIn(named, query.files)) {
    search.candidates.push_back({path, source, ""});
  }
  search.tried.push_back(source + ": " + named +
                         (search.candidates.empty()
                              ? (FolderExists(named) ? " (holds no " + query.files.front() + ")"
                                                     : " (no such file or folder)")
                              : ""));
}

void AddFolder(const std::string& folder, std::vector<std::string>& folders) {
  if (!FolderExists(folder)) return;
  if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
    folders.push_back(folder);
  }
}

void AddSitePackages(const std::string& folder, std::vector<std::string>& folders) {
  for (const std::string& found : SitePackagesOf(folder)) AddFolder(found, folders);
}

}  // namespace

bool VersionLess(std::string_view a, std::string_view b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (IsDigit(a[i]) && IsDigit(b[j])) {
      const size_t a_end = std::min(a.find_first_not_of("0123456789", i), a.size());
      const size_t b_end = std::min(b.find_first_not_of("0123456789", j), b.size());
      std::string_view x = a.substr(i, a_end - i);
      std::string_view y = b.substr(j, b_end - j);
      while (x.size() > 1 && x.front() == '0') x.remove_prefix(1);
      while (y.size() > 1 && y.front() == '0') y.remove_prefix(1);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      i = a_end;
      j = b_end;
      continue;
    }
    if (a[i] != b[j]) return a[i] < b[j];
    ++i;
    ++j;
  }
  return a.size() - i < b.size() - j;
}

std::vector<std::string> SitePackagesOf(const std::string& folder) {
  std::vector<std::string> found;
  const std::string lib = JoinPath(folder, "lib");
  Result<std::vector<std::string>> names = ListFolder(lib);
  if (names.ok()) {
    std::sort(names->begin(), names->end(),
              [](const std::string& a, const std::string& b) { return VersionLess(b, a); });
    for (const std::string& name : *names) {
      if (!name.starts_with("python3")) continue;
      for (const char* kind : {"site-packages", "dist-packages"}) {
        AddFolder(JoinPath(JoinPath(lib, name), kind), found);
      }
    }
  }
  AddFolder(JoinPath(JoinPath(folder, "Lib"), "site-packages"), found);
  return found;
}

SearchPlaces SearchPlaces::OfThisProcess() {
  SearchPlaces places;
  places.environment = [](const char* variable) -> std::optional<std::string> {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
  std::vector<std::string>& folders = places.site_packages;
  if (const auto list = places.environment("TESSERA_VENV")) {
    for (size_t begin = 0; begin <= list->size();) {
      const size_t end = std::min(list->find(kListSeparator, begin), list->size());
      if (end > begin) AddSitePackages(list->substr(begin, end - begin), folders);
      begin = end + 1;
    }
  }
  for (const char* variable : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const auto folder = places.environment(variable)) AddSitePackages(*folder, folders);
  }
#if defined(_WIN32)
  if (const auto data = places.environment("APPDATA")) {
    const std::string python = JoinPath(*data, "Python");
    if (const auto names = ListFolder(python); names.ok()) {
      for (const std::string& name : *names) {
        AddFolder(JoinPath(JoinPath(python, name), "site-packages"), folders);
      }
    }
  }
  if (const auto data = places.environment("LOCALAPPDATA")) {
    const std::string python = JoinPath(JoinPath(*data, "Programs"), "Python");
    if (const auto names = ListFolder(python); names.ok()) {
      for (const std::string& name : *names) AddSitePackages(JoinPath(python, name), folders);
    }
  }
#else
  if (const auto home = places.environment("HOME")) {
    AddSitePackages(JoinPath(*home, ".local"), folders);
    const std::string python = JoinPath(*home, "Library/Python");
    if (const auto names = ListFolder(python); names.ok()) {
      for (const std::string& name : *names) {
        AddFolder(JoinPath(JoinPath(python, name), "lib/python/site-packages"), folders);
      }
    }
  }
  AddSitePackages("/usr/local", folders);
  AddFolder("/usr/lib/python3/dist-packages", folders);
#endif
  return places;
}

LibrarySearch FindLibrary(const LibraryQuery& query, const SearchPlaces& places) {
  LibrarySearch search;
  if (!query.option.empty()) {
    AddNamed(query, query.option, "option", search);
    return search;
  }
  if (!query.variable.empty()) {
    if (const auto named = places.environment(query.variable.c_str())) {
      AddNamed(query, *named, query.variable, search);
      return search;
    }
    search.tried.push_back("environment: " + query.variable + " is not set");
  }
  for (const std::string& package : query.packages) {
    for (const std::string& site_packages : places.site_packages) {
      const std::string folder = JoinPath(site_packages, package);
      search.tried.push_back("python: " + folder);
      for (const std::string& path : MatchesIn(folder, query.files)) {
        search.candidates.push_back({path, "python", PackageVersion(site_packages, package)});
      }
    }
  }
  if (!query.packages.empty() && places.site_packages.empty()) {
    search.tried.push_back("python: no folder of packages (no active environment)");
  }
  if (places.loader) {
    for (const std::string& name : query.loader_names) {
      search.tried.push_back("system: " + name);
      search.candidates.push_back({name, "system", ""});
    }
  }
  return search;
}

Status LibrarySearch::NotFoundStatus(const LibraryQuery& query, const std::string& why) const {
  std::string message = query.name + " was not found";
  if (!why.empty()) message += ": " + why;
  if (!query.install_hint.empty()) message += "; " + query.install_hint;
  if (!query.variable.empty()) {
    message += ", or set " + query.variable + " to its file or folder";
  }
  message += " (looked at";
  const char* separator = " ";
  for (const std::string& place : tried) {
    message += separator + place;
    separator = "; ";
  }
  return NotFound(message + ")");
}

}  // namespace tessera
