// How a text encoder's hidden states become an embedding: what sentence-transformers' files beside
// the model say, and what holds where there are none.
//
//   modules.json                       Transformer, Pooling, Normalize?; the pooling's folder
//   1_Pooling/config.json              mean, cls or last token
//   sentence_bert_config.json          max_seq_length: the longest text (tokenizer.json's own
//                                      truncation does not count)
//   config_sentence_transformers.json  prompts, default_prompt_name
//
// Without modules.json: mean of the tokens (the first one where the model is called BGE), scaled to
// length 1; the longest text is what the position table has. A model called E5 that brings no
// prompts has "query: " and "passage: ", which all of that family were trained with; "is called"
// looks for the word in the folder's name and config.json's _name_or_path.
#ifndef TESSERA_MODELS_BERT_SETTINGS_H_
#define TESSERA_MODELS_BERT_SETTINGS_H_

#include <cstdint>
#include <string>

#include "base/check.h"
#include "tessera/embed.h"

namespace tessera {

struct TextEncoderSettings {
  int64_t max_tokens = 512;  // of a text, special tokens included
  EmbedPooling pooling = EmbedPooling::kMean;
  bool normalize = true;
  // Put before a text of each EmbedKind; empty: nothing.
  std::string plain_prompt, query_prompt, passage_prompt;
  bool operator==(const TextEncoderSettings&) const = default;
};

// `num_positions`: texts longer than the model's position table are cut whatever the files say.
// kDataLoss: a broken file; kUnimplemented, naming it: a module or pooling that Tessera does not
// have (Dense, max, weighted mean, several at once).
Result<TextEncoderSettings> ReadTextEncoderSettings(const std::string& folder,
                                                    int64_t num_positions);

}  // namespace tessera

#endif  // TESSERA_MODELS_BERT_SETTINGS_H_
