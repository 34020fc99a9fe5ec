// Reads a text encoder from an ONNX file: the same BertFiles as load.h gives for safetensors, so
// that one graph (stages.h) serves both.
//
// The file's graph is not compared with a list of known exports; it is run on symbols
// (onnx/symbolic.h): one text of `seq` tokens in a batch of one, its mask all ones, its tokens of
// type 0. Masks, shapes and position ids become constants or symbols, so that the ways in which
// exporters write them do not matter; what is left must be exactly the layers of a post-norm BERT:
// embeddings, LayerNorm (one op or its parts), self-attention, Linear, Gelu with erf. Every node
// between the ids and the output is accounted for; scales, epsilons and head counts are the file's
// and are checked against each other. Known to pass: torch.onnx.export and optimum (opset 11 to 18,
// transformers 4 and 5, eager and SDPA attention, weights in f32, f16 or bf16) of BERT, RoBERTa,
// XLM-R, DistilBERT and ELECTRA models, and what ONNX Runtime's optimizer makes of them.
//
// The encoder computes in f32 whatever the file's types: casts between float types are no
// operations. Of a file with pooling inside, the tokens before the pooling are taken.
#ifndef TESSERA_MODELS_BERT_IMPORT_ONNX_H_
#define TESSERA_MODELS_BERT_IMPORT_ONNX_H_

#include <string>

#include "formats/onnx.h"
#include "models/bert/load.h"

namespace tessera {

// kUnimplemented: not such an encoder; the message names the first node that is none of the above
// and what was expected. Quantised files, tanh Gelu, relative positions, a fixed sequence length,
// `position_ids` as an input: refused with what to use instead. kDataLoss: a value that no node
// gives, shapes that contradict each other. The weights stay views into the file where its layout
// is ours; matrices that are stored [in, out] are copied. They keep the file alive.
Result<BertFiles> ImportBertOnnx(const OnnxModel& model);

// `path`: an .onnx file, or a folder that holds model.onnx or onnx/model.onnx (see FindBertOnnx).
// A config.json beside it is not needed and not read.
Result<BertFiles> LoadBertOnnx(const std::string& path);

// The ONNX file of a folder: model.onnx, else onnx/model.onnx; "" when it has neither.
std::string FindBertOnnx(const std::string& folder);

}  // namespace tessera

#endif  // TESSERA_MODELS_BERT_IMPORT_ONNX_H_
