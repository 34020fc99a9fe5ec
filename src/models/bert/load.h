// Reads a text encoder from the files people have: config.json and model.safetensors (or sharded
// with an index) of a Hugging Face folder.
//
// Names of weights may begin with the encoder's own ("bert.", "roberta.", ...), as folders of
// models with a head on top write them, or be without; a pooler and heads are ignored.
#ifndef TESSERA_MODELS_BERT_LOAD_H_
#define TESSERA_MODELS_BERT_LOAD_H_

#include <string>

#include "models/bert/config.h"
#include "models/bert/weights.h"

namespace tessera {

struct BertFiles {
  BertConfig config;
  BertWeights weights;
};

// kNotFound: no such folder or files; kDataLoss: broken, or weights that do not fit the
// configuration; kUnimplemented: see ReadBertConfig.
Result<BertFiles> LoadBertSafetensors(const std::string& folder);

}  // namespace tessera

#endif  // TESSERA_MODELS_BERT_LOAD_H_
