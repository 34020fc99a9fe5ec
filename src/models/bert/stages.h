// A text encoder as a graph; MODEL.md beside this file draws it. Encoders imported from ONNX have
// the same interface, and everything behind it takes either:
//
//   encoder  ids[tokens] i32, positions[tokens] i32, offsets[sequences + 1] i32
//            -> hidden[tokens, width] f32
//
// The tokens of any number of texts lie one after another without padding; text s has those of
// [offsets[s], offsets[s + 1]). positions are rows of the position table. All tokens are of type 0,
// whose embedding is a constant row.
#ifndef TESSERA_MODELS_BERT_STAGES_H_
#define TESSERA_MODELS_BERT_STAGES_H_

#include <string_view>

#include "graph/graph.h"
#include "kernels/linear.h"
#include "models/bert/weights.h"

namespace tessera {

Result<Graph> BuildBertEncoder(const BertConfig& config, const BertWeights& weights);

// The precision that a linear layer of an encoder gets when the model is asked for `precision`:
// lower ones keep what costs little and matters much in more bits. docs/accuracy.md has the
// figures.
kernels::Precision BertLinearPrecision(std::string_view node, kernels::Precision precision);
// The same for attention itself.
kernels::Precision BertAttentionPrecision(kernels::Precision precision);

}  // namespace tessera

#endif  // TESSERA_MODELS_BERT_STAGES_H_
