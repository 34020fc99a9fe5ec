// Where a vendor's library is on this machine, and what was looked at when it is not.
//
// Order: the caller's option, the environment, Python's site-packages (active environment first,
// then the user's, then the system's), the system's loader. An option or a variable that is set is
// the user's word: nothing else is looked at. Only file names are looked at; nothing is opened.
#ifndef TESSERA_PROVIDERS_LIBRARY_SEARCH_H_
#define TESSERA_PROVIDERS_LIBRARY_SEARCH_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/status.h"

namespace tessera {

// What is looked for. File names are matched whole; one that ends in '*' also matches any ending,
// the highest version first ("libonnxruntime.so*").
struct LibraryQuery {
  std::string name;                   // for messages: "ONNX Runtime"
  std::string option;                 // file, or folder that holds it; "" when the user gave none
  std::string variable;               // environment variable with the same meaning; "" for none
  std::vector<std::string> files;     // in order of preference
  std::vector<std::string> packages;  // folders of site-packages: "onnxruntime/capi"
  std::vector<std::string>
      loader_names;          // bare names for the system's loader: "libonnxruntime.so.1"
  std::string install_hint;  // "pip install onnxruntime"
};

struct LibraryCandidate {
  std::string path;    // file, or a bare name that only the loader can find
  std::string source;  // "option", "TESSERA_QNN", "python", "system"
  // Of the Python package that holds it, from its dist-info folder; "" elsewhere.
  std::string package_version;
};

struct LibrarySearch {
  std::vector<LibraryCandidate> candidates;  // the best first
  std::vector<std::string> tried;            // one line a place, for people
  // kNotFound with what was tried and the remedy, for when no candidate could be opened; `why` are
  // the loader's words about the candidates, "" when there was none.
  Status NotFoundStatus(const LibraryQuery& query, const std::string& why = "") const;
};

// The environment and folders of this process, or of a test.
struct SearchPlaces {
  std::function<std::optional<std::string>(const char* variable)> environment;
  std::vector<std::string> site_packages;  // existing folders, in order
  bool loader = true;

  // Python environments: those that TESSERA_VENV names (':' between folders, ';' on Windows), the
  // active one (VIRTUAL_ENV, CONDA_PREFIX), the user's own packages, the system's.
  static SearchPlaces OfThisProcess();
};

LibrarySearch FindLibrary(const LibraryQuery& query,
                          const SearchPlaces& places = SearchPlaces::OfThisProcess());

// Folders of packages below a Python environment's or installation's folder:
// FOLDER/lib/python3*/{site,dist}-packages and, as Windows has it, FOLDER/Lib/site-packages.
std::vector<std::string> SitePackagesOf(const std::string& folder);

// Less-than of versions in file names and packages, number by number: "1.9.0" < "1.31.1".
bool VersionLess(std::string_view a, std::string_view b);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_LIBRARY_SEARCH_H_
