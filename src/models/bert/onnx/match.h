// From the layers of a traced graph to the weights of a BERT.
#ifndef TESSERA_MODELS_BERT_ONNX_MATCH_H_
#define TESSERA_MODELS_BERT_ONNX_MATCH_H_

#include "models/bert/load.h"
#include "models/bert/onnx/trace.h"

namespace tessera::bert_onnx {

// Walks from the layer `output` back to the embeddings. Every layer on the way must be where a
// post-norm BERT has it: kUnimplemented with the node that is not. Matrices that are stored
// [in, out] and vectors that are not aligned are copied into `owners` of the result, no more than
// `copy_bytes` of them (kResourceExhausted); what else the views need, the caller adds.
Result<BertFiles> MatchBert(const Trace& trace, int output, uint64_t copy_bytes);

}  // namespace tessera::bert_onnx

#endif  // TESSERA_MODELS_BERT_ONNX_MATCH_H_
