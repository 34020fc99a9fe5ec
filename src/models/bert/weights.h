// The weights of a BERT-family encoder under Tessera's own names.
#ifndef TESSERA_MODELS_BERT_WEIGHTS_H_
#define TESSERA_MODELS_BERT_WEIGHTS_H_

#include <vector>

#include "models/bert/config.h"
#include "models/weights.h"

namespace tessera {

struct BertLayer {
  AttentionWeights attention;
  NormWeights attention_norm;  // after the residual: BERT is post-norm
  LinearWeights mlp_up, mlp_down;
  NormWeights mlp_norm;
};

struct BertWeights : ModelWeights {
  View token_embedding;     // [vocab, width]
  View position_embedding;  // [num_position_rows, width]
  View type_embedding;      // [num_token_types, width]; no data where the family has none
  NormWeights embedding_norm;
  std::vector<BertLayer> layers;
};

// Every view against the sizes of `config`: DataLoss naming the first weight whose shape is wrong.
Status CheckWeights(const BertConfig& config, const BertWeights& weights);

}  // namespace tessera

#endif  // TESSERA_MODELS_BERT_WEIGHTS_H_
