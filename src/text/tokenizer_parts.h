// The parts of a tokenizer as tokenizer.json describes them. A part that no text encoder uses is
// unimplemented, by name; a broken one is a data_loss. Pure functions; thread-safe.
#ifndef TESSERA_TEXT_TOKENIZER_PARTS_H_
#define TESSERA_TEXT_TOKENIZER_PARTS_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "tessera/status.h"
#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_model.h"
#include "text/tokenizer_json.h"

namespace tessera {

// Null for a null.
Result<std::unique_ptr<const Normalizer>> MakeNormalizer(const nlohmann::json& json);
Result<std::unique_ptr<const PreTokenizer>> MakePreTokenizer(const nlohmann::json& json);

// The ids around those of the text.
struct SpecialTokens {
  std::vector<int32_t> before;
  std::vector<int32_t> after;
};
Result<SpecialTokens> MakeSpecialTokens(const nlohmann::json& post_processor);

// .model with its vocabulary.
Result<std::unique_ptr<const TokenModel>> MakeTokenModel(const TokenizerJson& json);

// .added_tokens. data_loss also where an id is not the one that the library gives the token: that
// of the vocabulary, else the next free one.
Result<std::vector<AddedToken>> MakeAddedTokens(const nlohmann::json& list,
                                                const TokenModel& model);

}  // namespace tessera

#endif  // TESSERA_TEXT_TOKENIZER_PARTS_H_
