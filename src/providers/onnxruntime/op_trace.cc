#include "providers/onnxruntime/op_trace.h"

#include <algorithm>

#include "base/check.h"
#include "base/file.h"
#include "formats/json.h"

namespace tessera {
namespace {

constexpr const char* kTraceFile = "qnn_op_trace.json";

std::string TextOf(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

Result<std::vector<RefusedNode>> ParseOpTrace(const std::string& text) {
  TESSERA_ASSIGN_OR_RETURN(const nlohmann::json trace, ParseJson(text));
  if (!trace.is_object()) return DataLoss("an op trace is an object");
  std::vector<RefusedNode> nodes;
  const auto list = trace.find("unsupported_nodes");
  if (list == trace.end()) return nodes;
  if (!list->is_array()) return DataLoss("an op trace's unsupported_nodes is an array");
  for (const nlohmann::json& entry : *list) {
    if (!entry.is_object()) return DataLoss("an op trace's unsupported node is an object");
    RefusedNode node{TextOf(entry, "node_name"), TextOf(entry, "op_type"), TextOf(entry, "reason")};
    const bool known = std::any_of(nodes.begin(), nodes.end(), [&](const RefusedNode& other) {
      return other.name == node.name && other.op == node.op;
    });
    if (!known) nodes.push_back(std::move(node));
  }
  return nodes;
}

std::vector<RefusedNode> ReadOpTrace(const std::string& folder) {
  const Result<std::string> text = ReadFile(JoinPath(folder, kTraceFile), kMaxJsonBytes);
  if (!text.ok()) return {};
  Result<std::vector<RefusedNode>> nodes = ParseOpTrace(*text);
  return nodes.ok() ? std::move(nodes).value() : std::vector<RefusedNode>();
}

}  // namespace tessera
