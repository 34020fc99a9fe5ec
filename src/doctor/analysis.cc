#include "doctor/analysis.h"

#include <algorithm>
#include <set>

#include "doctor/cost.h"
#include "doctor/inline.h"
#include "doctor/op_database.h"
#include "doctor/patterns.h"
#include "doctor/quantized.h"
#include "text/utf8.h"

namespace tessera::doctor {
namespace {

// Text of the file for reports: valid UTF-8 without control characters, and not endless.
std::string Clean(std::string_view text, size_t limit = 200) {
  std::string out;
  for (const char ch : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(ch);
    out += byte < 0x20 || byte == 0x7F ? '?' : ch;
  }
  if (IsValidUtf8(out)) return out;
  for (char& ch : out) {
    if (static_cast<unsigned char>(ch) >= 0x80) ch = '?';
  }
  return out;
}

std::string Interface(const OnnxValueInfo& info, const Inference& inference) {
  return Clean(info.name) + " " + inference.Find(info.name).ToString();
}

class Analyzer {
 public:
  Analyzer(const OnnxModel& model, const Inference& inference, const AnalysisOptions& options)
      : model_(model), inference_(inference), options_(options), units_(model.graph) {
    const auto opset = model.opsets.find("");
    opset_ = opset == model.opsets.end() ? 0 : opset->second;
    Wire();
    gelu_ = FindGeluNodes(model.graph, inference);
  }

  TargetReport Examine(const Target& target, const ModelFacts& facts) const {
    TargetReport report;
    report.target = target;
    report.findings = JudgeModel(facts, target);
    for (size_t i = 0; i < model_.graph.nodes.size(); ++i) {
      const OnnxNode& node = model_.graph.nodes[i];
      NodeReport entry;
      entry.name = node.name.empty() ? "node_" + std::to_string(i) : Clean(node.name);
      entry.op =
          (node.domain.empty() ? "" : Clean(node.domain, 60) + ".") + Clean(node.op_type, 60);
      entry.verdict = JudgeNode(View(i), target);
      entry.verdict.reason = Clean(entry.verdict.reason, 500);
      entry.verdict.remedy = Clean(entry.verdict.remedy, 500);
      if (!node.outputs.empty()) entry.result = Clean(inference_.Find(node.outputs[0]).ToString());
      const NodeCost cost = CostOf(node, inference_);
      entry.flops = cost.flops;
      entry.sized = cost.known;
      entry.weight_bytes = cost.weight_bytes;
      entry.value_bytes = cost.value_bytes;
      entry.producers = producers_[i];
      report.nodes.push_back(std::move(entry));
    }
    Summarize(wiring_, report);
    return report;
  }

  const Wiring& wiring() const { return wiring_; }

 private:
  // Who makes and who reads each value; which nodes nobody needs.
  void Wire() {
    const OnnxGraph& graph = model_.graph;
    std::map<std::string_view, size_t> index;  // into wiring_.values
    const auto add = [&](std::string_view name, int producer) {
      const auto [it, inserted] = index.emplace(name, wiring_.values.size());
      if (!inserted) return;
      const ValueFacts& facts = inference_.Find(name);
      wiring_.values.push_back(
          {Clean(name), producer, {}, static_cast<double>(facts.Bytes().value_or(0)), false});
    };
    for (const OnnxValueInfo& input : graph.inputs) {
      if (graph.FindInitializer(input.name) == nullptr) add(input.name, -1);
    }
    producers_.resize(graph.nodes.size());
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      std::set<std::string_view> read;
      Reads(graph.nodes[i], read);
      std::set<int> from;
      for (const std::string_view name : read) {
        const auto it = index.find(name);
        if (it == index.end()) continue;
        Wiring::Value& value = wiring_.values[it->second];
        value.consumers.push_back(static_cast<int>(i));
        if (value.producer >= 0) from.insert(value.producer);
      }
      producers_[i].assign(from.begin(), from.end());
      for (const std::string_view name : graph.nodes[i].outputs) {
        if (!name.empty()) add(name, static_cast<int>(i));
      }
    }
    dead_.assign(graph.nodes.size(), true);
    for (const OnnxValueInfo& output : graph.outputs) {
      const auto it = index.find(output.name);
      if (it == index.end()) continue;
      Wiring::Value& value = wiring_.values[it->second];
      value.model_output = true;
      if (value.producer >= 0) dead_[static_cast<size_t>(value.producer)] = false;
    }
    for (size_t i = graph.nodes.size(); i-- > 0;) {
      if (dead_[i]) continue;
      for (const int p : producers_[i]) dead_[static_cast<size_t>(p)] = false;
    }
  }

  // The node's inputs and what its subgraphs take from outside.
  static void Reads(const OnnxNode& node, std::set<std::string_view>& names) {
    for (const std::string_view name : node.inputs) {
      if (!name.empty()) names.insert(name);
    }
    for (const OnnxAttribute& attribute : node.attributes) {
      for (const OnnxGraph& graph : attribute.graphs) {
        for (const OnnxNode& inner : graph.nodes) Reads(inner, names);
        for (const OnnxValueInfo& output : graph.outputs) names.insert(output.name);
      }
    }
  }

  NodeView View(size_t i) const {
    const OnnxNode& node = model_.graph.nodes[i];
    NodeView view;
    view.node = &node;
    for (const std::string_view name : node.inputs)
      view.inputs.push_back(name.empty() ? nullptr : &inference_.Find(name));
    for (const std::string_view name : node.outputs)
      view.outputs.push_back(name.empty() ? nullptr : &inference_.Find(name));
    view.opset = opset_;
    view.has_rule = i < inference_.has_rule.size() && inference_.has_rule[i];
    view.dead = dead_[i];
    view.in_gelu = i < gelu_.size() && gelu_[i];
    view.database = options_.database;
    view.inference = &inference_;
    if (IsQuantize(node) || IsDequantize(node)) return view;
    for (const std::string_view name : node.inputs)
      view.dequantize.push_back(name.empty() ? nullptr : units_.Dequantize(name));
    if (!node.outputs.empty()) view.quantize = units_.Quantize(node.outputs[0]);
    return view;
  }

  const OnnxModel& model_;
  const Inference& inference_;
  const AnalysisOptions& options_;
  const QuantizedUnits units_;
  int64_t opset_ = 0;
  Wiring wiring_;
  std::vector<std::vector<int>> producers_;
  std::vector<bool> dead_, gelu_;
};

}  // namespace

Result<ModelReport> Analyze(OnnxModel model, const std::string& path,
                            const std::vector<Target>& targets, const AnalysisOptions& options) {
  TESSERA_RETURN_IF_ERROR(InlineFunctions(model));
  TESSERA_ASSIGN_OR_RETURN(const Inference inference, InferShapes(model, {options.bind}));
  ModelReport report;
  report.path = path;
  report.producer = Clean(model.producer_name) +
                    (model.producer_version.empty() ? "" : " " + Clean(model.producer_version));
  const auto opset = model.opsets.find("");
  report.opset = opset == model.opsets.end() ? 0 : opset->second;
  report.ir_version = model.ir_version;
  for (size_t i = 0; i < model.files.size(); ++i) {
    (i == 0 ? report.file_bytes : report.data_bytes) += model.files[i]->bytes().size();
  }
  report.data_files = model.files.empty() ? 0 : model.files.size() - 1;
  for (const OnnxValueInfo& input : model.graph.inputs) {
    if (model.graph.FindInitializer(input.name) == nullptr)
      report.inputs.push_back(Interface(input, inference));
  }
  for (const OnnxValueInfo& output : model.graph.outputs)
    report.outputs.push_back(Interface(output, inference));
  for (const std::string& conflict : inference.conflicts)
    report.conflicts.push_back(Clean(conflict, 400));
  ModelFacts facts;
  facts.model = &model;
  facts.inference = &inference;
  facts.file_bytes = report.file_bytes;
  facts.data_bytes = report.data_bytes;
  facts.data_files = report.data_files;
  const Analyzer analyzer(model, inference, options);
  report.wiring = analyzer.wiring();
  for (const Target& target : targets) report.targets.push_back(analyzer.Examine(target, facts));
  return report;
}

}  // namespace tessera::doctor
