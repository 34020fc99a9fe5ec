#include "providers/openvino/query.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/check.h"
#include "formats/onnx.h"
#include "providers/openvino/device.h"
#include "providers/openvino/errors.h"
#include "providers/openvino/onnx_names.h"

namespace tessera {
namespace openvino {
namespace {

// The next name of an operator: letters, digits, '.' and '_', with "-17" (its opset) cut off.
std::string_view TakeOp(std::string_view& words) {
  size_t end = 0;
  while (end < words.size() && (std::isalnum(static_cast<unsigned char>(words[end])) ||
                                words[end] == '.' || words[end] == '_')) {
    ++end;
  }
  const std::string_view op = words.substr(0, end);
  words.remove_prefix(end);
  if (words.starts_with("-")) {
    words.remove_prefix(1);
    while (!words.empty() && std::isdigit(static_cast<unsigned char>(words.front()))) {
      words.remove_prefix(1);
    }
  }
  return op;
}

void TakeList(std::string_view words, std::vector<std::string>& ops) {
  while (true) {
    while (words.starts_with(" ") || words.starts_with(",")) words.remove_prefix(1);
    const std::string_view op = TakeOp(words);
    if (op.empty()) return;
    if (std::find(ops.begin(), ops.end(), op) == ops.end()) ops.emplace_back(op);
    if (!words.starts_with(",")) return;
  }
}

// Names of nodes and tensors to the kernel that was chosen for them.
Result<std::map<std::string, std::string>> Kernels(const Core& core,
                                                   const OvCompiledModel& compiled) {
  const OpenVinoApi& api = core.api();
  std::map<std::string, std::string> kernels;
  OvInferRequest* request = nullptr;
  OvStatus status = api.compiled_create_request(&compiled, &request);
  const Handle<OvInferRequest> handle(request, api.request_free);
  OvProfilingInfoList list{};
  if (status == 0) status = api.request_get_profiling(request, &list);
  if (status != 0) return VendorError(api, status, "kernels of a model", StatusCode::kInternal);
  for (size_t i = 0; i < list.size; ++i) {
    const OvProfilingInfo& info = list.infos[i];
    if (info.node_name == nullptr || info.exec_type == nullptr) continue;
    const std::string_view kernel = info.exec_type;
    if (kernel != "undef") kernels.emplace(info.node_name, kernel);
  }
  api.profiling_free(&list);
  return kernels;
}

void JudgeRefused(const Status& refusal, std::vector<OpenVinoNode>& nodes) {
  const std::vector<std::string> ops = RefusedOps(refusal.message());
  for (OpenVinoNode& node : nodes) {
    const bool named = std::find(ops.begin(), ops.end(), node.op) != ops.end();
    node.verdict = named ? OpenVinoVerdict::kRefused : OpenVinoVerdict::kNotJudged;
    node.reason = refusal.message();
  }
}

}  // namespace

std::vector<std::string> RefusedOps(std::string_view words) {
  std::vector<std::string> ops;
  for (const std::string_view mark :
       {"No conversion rule found for operations: ", "Conversion is failed for: ",
        "Unsupported operation of type: "}) {
    for (size_t at = words.find(mark); at != std::string_view::npos;
         at = words.find(mark, at + mark.size())) {
      TakeList(words.substr(at + mark.size()), ops);
    }
  }
  return ops;
}

}  // namespace openvino

Result<std::vector<OpenVinoNode>> QueryOpenVino(const std::string& path, std::string_view device,
                                                const OpenVinoOptions& options) {
  using openvino::Handle;
  TESSERA_ASSIGN_OR_RETURN(const OnnxModel file, ReadOnnx(path));
  std::vector<OpenVinoNode> nodes;
  for (const OnnxNode& node : file.graph.nodes) {
    nodes.push_back(OpenVinoNode{.name = openvino::NodeName(node), .op = openvino::OpName(node)});
  }
  // Only the CPU device tells its kernels without having run.
  const bool profile = device == "openvino:cpu";
  TESSERA_ASSIGN_OR_RETURN(const openvino::OpenDevice opened,
                           openvino::Open(device, options, profile));
  const auto judge = [&](const Status& refusal) -> Result<std::vector<OpenVinoNode>> {
    if (refusal.code() != StatusCode::kUnimplemented) return refusal;
    openvino::JudgeRefused(refusal, nodes);
    return nodes;
  };
  auto model = opened.core->ReadModel(path);
  if (!model.ok()) return judge(model.status());
  auto compiled = opened.core->Compile(**model, opened.device.name, path);
  if (!compiled.ok()) return judge(compiled.status());
  std::map<std::string, std::string> kernels;
  if (profile) {
    TESSERA_ASSIGN_OR_RETURN(kernels, openvino::Kernels(*opened.core, **compiled));
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    nodes[i].verdict = OpenVinoVerdict::kCompiled;
    auto kernel = kernels.find(nodes[i].name);
    // OpenVINO calls a node whose output leaves the model by that output's name.
    for (const std::string_view output : file.graph.nodes[i].outputs) {
      if (kernel == kernels.end()) kernel = kernels.find(std::string(output));
    }
    if (kernel != kernels.end()) nodes[i].kernel = kernel->second;
  }
  return nodes;
}

}  // namespace tessera
