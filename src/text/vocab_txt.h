// vocab.txt of BERT with tokenizer_config.json, as the tokenizer.json that the `transformers`
// library makes of them.
#ifndef TESSERA_TEXT_VOCAB_TXT_H_
#define TESSERA_TEXT_VOCAB_TXT_H_

#include <string_view>

#include "tessera/status.h"
#include "text/tokenizer_json.h"

namespace tessera {

// A token a line, its id the number of the line; of equal tokens the last counts. `config` may be
// empty. From it are taken do_lower_case, strip_accents, tokenize_chinese_chars and the names of
// the five special tokens. data_loss when it is not valid UTF-8 or lacks one of [CLS], [SEP],
// [UNK]. Pure function; thread-safe.
Result<TokenizerJson> TokenizerJsonFromVocabTxt(std::string_view vocab_txt,
                                                std::string_view config);

}  // namespace tessera

#endif  // TESSERA_TEXT_VOCAB_TXT_H_
