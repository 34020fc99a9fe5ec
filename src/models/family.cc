#include "models/family.h"

#include "base/file.h"
#include "formats/json.h"
#include "models/bert/config.h"
#include "models/bert/import_onnx.h"

namespace tessera {

Result<ModelFamily> FindModelFamily(const std::string& path) {
  if (!FolderExists(path))
    return path.ends_with(".onnx") ? ModelFamily::kTextEncoder : ModelFamily::kWhisper;
  const std::string config_path = JoinPath(path, "config.json");
  if (FileExists(config_path)) {
    TESSERA_ASSIGN_OR_RETURN(const nlohmann::json config, ParseJsonFile(config_path));
    const auto type = config.is_object() ? config.find("model_type") : config.end();
    // CTranslate2's config.json has none.
    if (type != config.end() && type->is_string()) {
      const auto name = type->get<std::string>();
      if (name == "whisper") return ModelFamily::kWhisper;
      if (IsBertModelType(name)) return ModelFamily::kTextEncoder;
      return Unimplemented(config_path +
                           ": expected \"model_type\" whisper, bert, roberta, xlm-roberta or "
                           "distilbert, found \"" +
                           name.substr(0, 60) + "\"");
    }
  }
  return FindBertOnnx(path).empty() ? ModelFamily::kWhisper : ModelFamily::kTextEncoder;
}

}  // namespace tessera
