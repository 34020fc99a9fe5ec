#include "models/bert/import_onnx.h"

#include <algorithm>

#include "base/file.h"
#include "models/bert/onnx/match.h"
#include "models/bert/onnx/trace.h"

namespace tessera {
namespace {

using bert_onnx::Failed;
using bert_onnx::Rows;
using bert_onnx::Trace;
using bert_onnx::Value;

// Of a model that was parsed in memory, where weights cannot overlap; and zeros for absent biases.
constexpr uint64_t kMinCopyBytes = uint64_t{256} << 20;

bool IsHiddenName(std::string_view name) {
  return name == "last_hidden_state" || name == "token_embeddings";
}

// The outputs, those first whose names say that they are the tokens' hidden states.
std::vector<std::string_view> OutputsByName(const OnnxGraph& graph) {
  std::vector<std::string_view> names;
  for (const bool first : {true, false}) {
    for (const OnnxValueInfo& output : graph.outputs) {
      if (IsHiddenName(output.name) == first) names.push_back(output.name);
    }
  }
  return names;
}

// Ops that only files with integer weights have.
bool IsQuantized(std::string_view op) {
  return op.find("Quantize") != op.npos || op.starts_with("QLinear") ||
         op.starts_with("QAttention") || op.starts_with("QGemm") || op.starts_with("QEmbed") ||
         op.starts_with("QOrdered") || op.starts_with("MatMulInteger") || op == "MatMulNBits" ||
         op == "MatMulBnb4" || op == "GatherBlockQuantized";
}

// The layer whose rows are the hidden states: an output of the file, else what its pooling takes.
Result<int> FindHidden(const OnnxGraph& graph, const Trace& trace) {
  std::optional<Status> reason;
  int deepest = -1, pooled = -1;
  for (const std::string_view name : OutputsByName(graph)) {
    const Value value = trace.Find(name);
    if (const Failed* failed = std::get_if<Failed>(&value)) {
      if (failed->pooled && pooled < 0) pooled = failed->pooled->layer;
      if (!reason) reason = failed->status;
      continue;
    }
    if (bert_onnx::IsPlainRows(&value)) {
      const int layer = std::get<Rows>(value).layer;
      if (IsHiddenName(name)) return layer;
      deepest = std::max(deepest, layer);  // of several layers' states, the last
    } else if (!reason) {
      reason = Unimplemented("output " + QuotedName(name) +
                             ": expected hidden states [batch, sequence, width], found " +
                             bert_onnx::Describe(&value));
    }
  }
  if (deepest >= 0) return deepest;
  if (pooled >= 0) return pooled;
  return reason.value_or(Unimplemented("expected a graph with outputs, found none"));
}

Result<BertFiles> ImportFloats(const OnnxModel& model) {
  Trace trace(model);
  TESSERA_RETURN_IF_ERROR(trace.Run());
  TESSERA_ASSIGN_OR_RETURN(const int hidden, FindHidden(model.graph, trace));
  // A sound file copies each weight once at most. Tensors of external data may overlap.
  uint64_t copy_bytes = kMinCopyBytes;
  for (const auto& file : model.files) copy_bytes += file->bytes().size();
  TESSERA_ASSIGN_OR_RETURN(BertFiles files, bert_onnx::MatchBert(trace, hidden, copy_bytes));
  files.weights.owners.push_back(model.owner);
  files.weights.files = model.files;
  files.weights.release_pages = [mapped = model.files] {
    for (const auto& file : mapped) file->DontNeed(0, file->bytes().size());
  };
  return files;
}

}  // namespace

Result<BertFiles> ImportBertOnnx(const OnnxModel& model) {
  auto files = ImportFloats(model);
  if (files.ok()) return files;
  for (const OnnxNode& node : model.graph.nodes) {
    if (!IsQuantized(node.op_type)) continue;
    return Unimplemented("node " + QuotedName(node.name) + " (" +
                         std::string(node.op_type.substr(0, 60)) +
                         "): expected a model in float32 or float16, found a quantised one; use "
                         "the model.onnx that it was made from (Tessera quantises by itself)");
  }
  return files;
}

std::string FindBertOnnx(const std::string& folder) {
  for (const char* name : {"model.onnx", "onnx/model.onnx"}) {
    if (std::string path = JoinPath(folder, name); FileExists(path)) return path;
  }
  return "";
}

Result<BertFiles> LoadBertOnnx(const std::string& path) {
  std::string file = path;
  if (FolderExists(path)) {
    file = FindBertOnnx(path);
    if (file.empty()) {
      return NotFound("expected model.onnx or onnx/model.onnx in \"" + path + "\", found neither");
    }
  }
  TESSERA_ASSIGN_OR_RETURN(const OnnxModel model, ReadOnnx(file));
  auto files = ImportBertOnnx(model);
  if (!files.ok()) return std::move(files).status().AddContext("\"" + file + "\"");
  return files;
}

}  // namespace tessera
