#include "models/whisper/load.h"

#include <filesystem>
#include <system_error>

#include "formats/json.h"

namespace tessera {

void WeightCollector::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

View WeightCollector::GetOptional(const std::string& name) {
  return file_.Find(name) == nullptr ? View{} : Get(name);
}

View WeightCollector::Get(const std::string& name) {
  if (!status_.ok()) return {};
  Result<const Weight*> found = file_.Get(name);
  if (!found.ok()) {
    Fail(DataLoss(found.status().message() + "; is this a Whisper model?"));
    return {};
  }
  const Weight& weight = **found;
  const bool is_float = weight.view.dtype == DType::kF32 || weight.view.dtype == DType::kF16 ||
                        weight.view.dtype == DType::kBF16;
  if (weight.encoding == WeightEncoding::kPlain && is_float) return weight.view;
  Result<Tensor> widened = ToF32(weight);
  if (!widened.ok()) {
    Fail(DataLoss(name + ": " + widened.status().message()));
    return {};
  }
  auto kept = std::make_shared<Tensor>(std::move(widened).value());
  const View view = kept->ViewOf();
  weights_.owners.push_back(std::move(kept));
  return view;
}

LinearWeights WeightCollector::Linear(const std::string& name, const std::string& separator) {
  return {Get(name + separator + "weight"), GetOptional(name + separator + "bias")};
}

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
