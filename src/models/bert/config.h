// Sizes of a BERT-family text encoder, read from the config.json of a Hugging Face folder.
#ifndef TESSERA_MODELS_BERT_CONFIG_H_
#define TESSERA_MODELS_BERT_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

namespace tessera {

struct BertConfig {
  // "bert" (MiniLM, BGE, E5, GTE), "roberta", "xlm-roberta" or "distilbert": which names the
  // weights have.
  std::string model_type = "bert";
  int64_t vocab_size = 30522;
  int64_t width = 384;
  int64_t num_layers = 6;
  int64_t num_heads = 12;
  int64_t mlp_width = 1536;
  // Rows of the position table. Token i of a text has row i + position_offset; RoBERTa's tables
  // begin with rows for padding, so its offset is padding_idx + 1.
  int64_t num_position_rows = 512;
  int64_t position_offset = 0;
  int64_t num_token_types = 2;  // 0: the family has none
  float norm_epsilon = 1e-12f;

  // The longest text that has positions.
  int64_t num_positions() const { return num_position_rows - position_offset; }
  bool operator==(const BertConfig&) const = default;
};

// Whether Tessera reads encoders of this "model_type" from safetensors.
bool IsBertModelType(std::string_view model_type);

// `path`: of a config.json. kDataLoss: broken, sizes missing or out of range; kUnimplemented,
// naming it: another model_type, an activation other than exact gelu, relative positions.
Result<BertConfig> ReadBertConfig(const std::string& path);

// Sizes within what a text encoder can have; bounds every later allocation.
Status CheckConfig(const BertConfig& config);

}  // namespace tessera

#endif  // TESSERA_MODELS_BERT_CONFIG_H_
