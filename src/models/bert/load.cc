#include "models/bert/load.h"

#include "base/file.h"
#include "formats/safetensors.h"
#include "models/layer_builder.h"
#include "models/weight_collector.h"

namespace tessera {
namespace {

// How a family names its weights; every name stands after the encoder's own prefix.
struct Names {
  const char* layer;  // before the layer's number
  const char *query, *key, *value, *out, *attention_norm, *up, *down, *mlp_norm;
};
constexpr Names kBertNames = {
    "encoder.layer.",       "attention.self.query",   "attention.self.key",
    "attention.self.value", "attention.output.dense", "attention.output.LayerNorm",
    "intermediate.dense",   "output.dense",           "output.LayerNorm"};
constexpr Names kDistilBertNames = {"transformer.layer.", "attention.q_lin",   "attention.k_lin",
                                    "attention.v_lin",    "attention.out_lin", "sa_layer_norm",
                                    "ffn.lin1",           "ffn.lin2",          "output_layer_norm"};

// NAME.weight and NAME.bias, which old exports call gamma and beta.
NormWeights Norm(const WeightFile& file, WeightCollector& c, const std::string& name) {
  const bool old = file.Find(name + ".gamma") != nullptr;
  return old ? c.Norm(name + ".gamma", name + ".beta") : c.Norm(name + ".weight", name + ".bias");
}

// What stands before "embeddings.": nothing, or the name of the encoder in a model with a head.
std::string FindPrefix(const WeightFile& file) {
  for (const char* prefix : {"", "bert.", "roberta.", "distilbert.", "model.", "encoder."}) {
    if (file.Find(std::string(prefix) + "embeddings.word_embeddings.weight") != nullptr)
      return prefix;
  }
  return "";
}

}  // namespace

Result<BertFiles> LoadBertSafetensors(const std::string& folder) {
  BertFiles files;
  TESSERA_ASSIGN_OR_RETURN(files.config, ReadBertConfig(JoinPath(folder, "config.json")));
  TESSERA_ASSIGN_OR_RETURN(const WeightFile file, OpenSafetensors(folder));
  const Names& names = files.config.model_type == "distilbert" ? kDistilBertNames : kBertNames;
  const std::string root = FindPrefix(file), e = root + "embeddings.";
  BertWeights& w = files.weights;
  WeightCollector c(file, w, "BERT");
  w.token_embedding = c.Get(e + "word_embeddings.weight");
  w.position_embedding = c.Get(e + "position_embeddings.weight");
  if (files.config.num_token_types > 0)
    w.type_embedding = c.Get(e + "token_type_embeddings.weight");
  w.embedding_norm = Norm(file, c, e + "LayerNorm");
  for (int64_t i = 0; i < files.config.num_layers; ++i) {
    const std::string p = root + names.layer + std::to_string(i) + ".";
    BertLayer l;
    l.attention = {c.Linear(p + names.query), c.Linear(p + names.key), c.Linear(p + names.value),
                   c.Linear(p + names.out)};
    l.attention_norm = Norm(file, c, p + names.attention_norm);
    l.mlp_up = c.Linear(p + names.up);
    l.mlp_down = c.Linear(p + names.down);
    l.mlp_norm = Norm(file, c, p + names.mlp_norm);
    w.layers.push_back(l);
  }
  Status status = c.status();
  if (status.ok()) status = CheckWeights(files.config, w);
  if (!status.ok()) return std::move(status).AddContext(folder);
  return files;
}

}  // namespace tessera
