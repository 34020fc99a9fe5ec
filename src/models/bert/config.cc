#include "models/bert/config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "formats/json.h"

namespace tessera {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> kModelTypes = {"bert", "roberta", "xlm-roberta",
                                                         "distilbert"};

// Reads one config.json; its errors name the file.
class Reader {
 public:
  Reader(const json& object, const std::string& path) : object_(object), path_(path) {}

  Result<int64_t> Integer(const char* key) const {
    const auto it = object_.find(key);
    if (it == object_.end() || !it->is_number_integer())
      return DataLoss(path_ + ": expected the integer \"" + key + "\" of a text encoder");
    return it->get<int64_t>();
  }
  Result<int64_t> IntegerOr(const char* key, int64_t absent) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? Result<int64_t>(absent) : Integer(key);
  }
  Result<float> FloatOr(const char* key, float absent) const {
    const auto it = object_.find(key);
    if (it == object_.end()) return absent;
    if (!it->is_number()) return DataLoss(path_ + ": expected a number as \"" + key + "\"");
    return it->get<float>();
  }
  // kUnimplemented unless the text at `key` is `known`, which an absent one means as well.
  Status Only(const char* key, std::string_view known) const {
    const auto it = object_.find(key);
    if (it == object_.end() || it->is_null() || *it == known) return OkStatus();
    return Unimplemented(path_ + ": expected \"" + key + "\": \"" + std::string(known) +
                         "\", found " + it->dump(-1, ' ', true, json::error_handler_t::replace) +
                         "; Tessera has no such layers");
  }

 private:
  const json& object_;
  const std::string& path_;
};

Status InRange(const char* what, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return OkStatus();
  return DataLoss(std::string(what) + ": expected " + std::to_string(low) + ".." +
                  std::to_string(high) + ", found " + std::to_string(value) +
                  "; this is not a text encoder that Tessera knows");
}

Status ReadSizes(const Reader& in, BertConfig& c) {
  TESSERA_ASSIGN_OR_RETURN(c.vocab_size, in.Integer("vocab_size"));
  TESSERA_ASSIGN_OR_RETURN(c.num_position_rows, in.Integer("max_position_embeddings"));
  if (c.model_type == "distilbert") {
    TESSERA_RETURN_IF_ERROR(in.Only("activation", "gelu"));
    TESSERA_ASSIGN_OR_RETURN(c.width, in.Integer("dim"));
    TESSERA_ASSIGN_OR_RETURN(c.num_layers, in.Integer("n_layers"));
    TESSERA_ASSIGN_OR_RETURN(c.num_heads, in.Integer("n_heads"));
    TESSERA_ASSIGN_OR_RETURN(c.mlp_width, in.Integer("hidden_dim"));
    c.num_token_types = 0;
    return OkStatus();
  }
  TESSERA_RETURN_IF_ERROR(in.Only("hidden_act", "gelu"));
  TESSERA_RETURN_IF_ERROR(in.Only("position_embedding_type", "absolute"));
  TESSERA_ASSIGN_OR_RETURN(c.width, in.Integer("hidden_size"));
  TESSERA_ASSIGN_OR_RETURN(c.num_layers, in.Integer("num_hidden_layers"));
  TESSERA_ASSIGN_OR_RETURN(c.num_heads, in.Integer("num_attention_heads"));
  TESSERA_ASSIGN_OR_RETURN(c.mlp_width, in.Integer("intermediate_size"));
  TESSERA_ASSIGN_OR_RETURN(c.num_token_types, in.IntegerOr("type_vocab_size", 2));
  TESSERA_ASSIGN_OR_RETURN(c.norm_epsilon, in.FloatOr("layer_norm_eps", 1e-12f));
  if (c.model_type != "bert") {
    TESSERA_ASSIGN_OR_RETURN(const int64_t padding, in.IntegerOr("pad_token_id", 1));
    TESSERA_RETURN_IF_ERROR(InRange("pad_token_id", padding, 0, 1 << 20));
    c.position_offset = padding + 1;
  }
  return OkStatus();
}

}  // namespace

bool IsBertModelType(std::string_view model_type) {
  return std::find(kModelTypes.begin(), kModelTypes.end(), model_type) != kModelTypes.end();
}

Result<BertConfig> ReadBertConfig(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(const json object, ParseJsonFile(path));
  const auto type = object.is_object() ? object.find("model_type") : object.end();
  if (!object.is_object() || type == object.end() || !type->is_string())
    return DataLoss(path + ": expected a JSON object with the text \"model_type\"");
  BertConfig c;
  c.model_type = type->get<std::string>();
  if (!IsBertModelType(c.model_type))
    return Unimplemented(path + ": expected \"model_type\" bert, roberta, xlm-roberta or " +
                         "distilbert, found \"" + c.model_type.substr(0, 60) + "\"");
  TESSERA_RETURN_IF_ERROR(ReadSizes(Reader(object, path), c));
  Status status = CheckConfig(c);
  if (!status.ok()) return std::move(status).AddContext(path);
  return c;
}

Status CheckConfig(const BertConfig& c) {
  TESSERA_RETURN_IF_ERROR(InRange("vocabulary", c.vocab_size, 8, 1 << 22));
  TESSERA_RETURN_IF_ERROR(InRange("width", c.width, 16, 8192));
  TESSERA_RETURN_IF_ERROR(InRange("layers", c.num_layers, 1, 128));
  TESSERA_RETURN_IF_ERROR(InRange("MLP width", c.mlp_width, 16, 65536));
  TESSERA_RETURN_IF_ERROR(InRange("token types", c.num_token_types, 0, 1024));
  TESSERA_RETURN_IF_ERROR(InRange("heads", c.num_heads, 1, c.width / 16));
  TESSERA_RETURN_IF_ERROR(
      InRange("positions", c.num_position_rows, c.position_offset + 4, 1 << 20));
  if (c.width % c.num_heads != 0)
    return DataLoss("the width " + std::to_string(c.width) + " is not a multiple of the " +
                    std::to_string(c.num_heads) + " heads");
  if (!(c.norm_epsilon > 0.0f && c.norm_epsilon < 1.0f))
    return DataLoss("layer_norm_eps: expected a number between 0 and 1, found " +
                    std::to_string(c.norm_epsilon));
  return OkStatus();
}

}  // namespace tessera
