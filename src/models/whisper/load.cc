#include "models/whisper/load.h"

#include <filesystem>
#include <system_error>

#include "formats/json.h"

namespace tessera {

std::vector<std::pair<int, int>> ReadAlignmentHeads(const std::string& path) {
  Result<nlohmann::json> json = ParseJsonFile(path);
  if (!json.ok() || !json->is_object()) return {};
  const auto heads = json->find("alignment_heads");
  if (heads == json->end() || !heads->is_array()) return {};
  std::vector<std::pair<int, int>> pairs;
  for (const auto& pair : *heads) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_integer() ||
        !pair[1].is_number_integer())
      return {};
    pairs.emplace_back(pair[0].get<int>(), pair[1].get<int>());
  }
  return pairs;
}

Result<WhisperFiles> LoadWhisperFiles(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status type = fs::status(path, error);
  if (type.type() == fs::file_type::not_found)
    return NotFound(path + ": no such model file or folder");
  if (fs::is_directory(type)) {
    const fs::path folder(path);
    if (fs::exists(folder / "model.bin", error)) return LoadWhisperCtranslate2(path);
    if (fs::exists(folder / "model.safetensors", error) ||
        fs::exists(folder / "model.safetensors.index.json", error))
      return LoadWhisperSafetensors(path);
    return NotFound(
        path +
        ": expected model.bin (CTranslate2) or model.safetensors (Hugging Face) in this "
        "folder, found neither; give the folder that holds the model's weights");
  }
  if (error) return NotFound(path + ": " + error.message());
  const fs::path file(path);
  if (file.filename() == "model.bin" || file.extension() == ".safetensors")
    return LoadWhisperFiles(file.has_parent_path() ? file.parent_path().string() : ".");
  return LoadWhisperGgml(path);
}

}  // namespace tessera
