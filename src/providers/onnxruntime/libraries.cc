#include "providers/onnxruntime/libraries.h"

#include "base/file.h"

namespace tessera {
namespace {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.find_last_of("/\\");
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Qualcomm's package writes "qnn_version = '2.51.0'" into a small file beside the libraries.
std::string QnnSdkVersion(const std::string& folder) {
  const Result<std::string> text =
      ReadFile(JoinPath(folder, "build_and_package_info.py"), size_t{64} << 10);
  if (!text.ok()) return "";
  constexpr std::string_view kKey = "qnn_version = '";
  const size_t begin = text->find(kKey);
  if (begin == std::string::npos) return "";
  const size_t end = text->find('\'', begin + kKey.size());
  if (end == std::string::npos) return "";
  return text->substr(begin + kKey.size(), end - begin - kKey.size());
}

}  // namespace

Result<std::shared_ptr<const OrtEngine>> FindOrtEngine(const std::string& option) {
  const LibraryQuery query = OnnxRuntimeQuery(option);
  const LibrarySearch search = FindLibrary(query);
  Status first;
  for (const LibraryCandidate& candidate : search.candidates) {
    Result<std::shared_ptr<const OrtEngine>> engine = OpenOrtEngine(candidate.path);
    if (engine.ok()) return engine;
    if (first.ok() && engine.status().code() != StatusCode::kNotFound) first = engine.status();
  }
  if (!first.ok()) return first;
  return search.NotFoundStatus(query);
}

Result<OrtPlugin> FindOrtPlugin(const OrtProfile& profile, const std::string& option) {
  if (!profile.has_plugin) return OrtPlugin{};
  const LibraryQuery query = OrtPluginQuery(profile, option);
  const LibrarySearch search = FindLibrary(query);
  if (search.candidates.empty()) return search.NotFoundStatus(query);
  const LibraryCandidate& best = search.candidates.front();
  OrtPlugin plugin{best.path, best.package_version, ""};
  if (profile.name == "qnn") plugin.sdk_version = QnnSdkVersion(FolderOf(best.path));
  return plugin;
}

}  // namespace tessera
