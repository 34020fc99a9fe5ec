#include "doctor/inline.h"

#include <deque>

namespace tessera::doctor {
namespace {

constexpr size_t kMaxNodes = size_t{1} << 20;
constexpr int kMaxDepth = 16;
constexpr size_t kMaxCopied = size_t{256} << 20;  // bytes of names and attributes

// Names that the bodies' values get; kept alive by the model.
struct Names {
  std::shared_ptr<const void> before;
  std::deque<std::string> texts;

  std::string_view Add(std::string text) { return texts.emplace_back(std::move(text)); }
};

class Inliner {
 public:
  Inliner(OnnxModel& model, Names& names) : model_(model), names_(names) {
    for (const OnnxFunction& f : model.functions) functions_[{f.domain, f.name}] = &f;
  }

  Status Run() {
    std::vector<OnnxNode> out;
    for (OnnxNode& node : model_.graph.nodes)
      TESSERA_RETURN_IF_ERROR(Append(std::move(node), out, 0));
    model_.graph.nodes = std::move(out);
    return OkStatus();
  }

 private:
  using Renames = std::map<std::string_view, std::string_view>;

  Status Append(OnnxNode node, std::vector<OnnxNode>& out, int depth) {
    const auto it = functions_.find({node.domain, node.op_type});
    if (it == functions_.end()) {
      if (out.size() >= kMaxNodes)
        return ResourceExhausted("expected at most " + std::to_string(kMaxNodes) +
                                 " nodes after putting functions in place, found more");
      out.push_back(std::move(node));
      return OkStatus();
    }
    if (depth >= kMaxDepth || ++calls_ > kMaxNodes) {
      return ResourceExhausted("expected functions at most " + std::to_string(kMaxDepth) +
                               " deep inside each other, found more; the file is broken");
    }
    const OnnxFunction& function = *it->second;
    Renames renames;
    for (size_t i = 0; i < function.inputs.size(); ++i)
      renames[function.inputs[i]] = i < node.inputs.size() ? node.inputs[i] : "";
    for (size_t i = 0; i < function.outputs.size(); ++i) {
      if (i < node.outputs.size() && !node.outputs[i].empty())
        renames[function.outputs[i]] = node.outputs[i];
    }
    const std::string prefix = std::string(node.name.empty() ? node.op_type : node.name) + "#" +
                               std::to_string(calls_) + "/";
    for (const OnnxNode& inner : function.nodes) {
      if (!Charge(inner, prefix.size())) {
        return ResourceExhausted(
            "functions that are called too often for their size; the file is broken");
      }
      OnnxNode copy = inner;
      copy.name = names_.Add(prefix + std::string(inner.name));
      Rename(copy, renames, prefix);
      Resolve(copy, node);
      TESSERA_RETURN_IF_ERROR(Append(std::move(copy), out, depth + 1));
    }
    return OkStatus();
  }

  // Takes what a copy of a node costs from the bound.
  bool Charge(const OnnxNode& node, size_t prefix) {
    const size_t names = node.inputs.size() + node.outputs.size() + 1;
    size_t bytes = sizeof(OnnxNode) + names * (prefix + 2 * sizeof(std::string));
    for (const std::string_view name : node.outputs) bytes += name.size();
    for (const OnnxAttribute& a : node.attributes) {
      bytes += sizeof(OnnxAttribute) + a.floats.size() * 4 + a.ints.size() * 8 +
               a.strings.size() * sizeof(std::string_view) + a.tensors.size() * sizeof(OnnxTensor);
      for (const OnnxGraph& graph : a.graphs) {
        bytes += sizeof(OnnxGraph) + graph.initializers.size() * (sizeof(OnnxTensor) + prefix);
        for (const OnnxNode& inner : graph.nodes) {
          if (!Charge(inner, prefix)) return false;
        }
      }
    }
    copied_ += bytes;
    return copied_ <= kMaxCopied;
  }

  std::string_view NewName(std::string_view name, Renames& renames, const std::string& prefix) {
    if (name.empty()) return name;
    const auto it = renames.find(name);
    if (it != renames.end()) return it->second;
    return renames[name] = names_.Add(prefix + std::string(name));
  }

  void Rename(OnnxNode& node, Renames& renames, const std::string& prefix) {
    for (std::string_view& name : node.inputs) name = NewName(name, renames, prefix);
    for (std::string_view& name : node.outputs) name = NewName(name, renames, prefix);
    for (OnnxAttribute& attribute : node.attributes) {
      for (OnnxGraph& graph : attribute.graphs) {
        for (OnnxNode& inner : graph.nodes) Rename(inner, renames, prefix);
        for (auto* infos : {&graph.inputs, &graph.outputs, &graph.value_info}) {
          for (OnnxValueInfo& info : *infos) info.name = NewName(info.name, renames, prefix);
        }
        std::map<std::string_view, OnnxTensor> initializers;
        for (auto& [name, tensor] : graph.initializers) {
          const std::string_view renamed = NewName(name, renames, prefix);
          tensor.name = renamed;
          initializers.emplace(renamed, std::move(tensor));
        }
        graph.initializers = std::move(initializers);
      }
    }
  }

  // Attributes that take the value of the call's.
  static void Resolve(OnnxNode& node, const OnnxNode& call) {
    std::vector<OnnxAttribute> kept;
    for (OnnxAttribute& attribute : node.attributes) {
      if (attribute.reference.empty()) {
        kept.push_back(std::move(attribute));
        continue;
      }
      const OnnxAttribute* given = call.FindAttribute(attribute.reference);
      if (given == nullptr) continue;  // absent there means absent here
      OnnxAttribute copy = *given;
      copy.name = attribute.name;
      kept.push_back(std::move(copy));
    }
    node.attributes = std::move(kept);
  }

  OnnxModel& model_;
  Names& names_;
  std::map<std::pair<std::string_view, std::string_view>, const OnnxFunction*> functions_;
  size_t calls_ = 0, copied_ = 0;
};

}  // namespace

Status InlineFunctions(OnnxModel& model) {
  if (model.functions.empty()) return OkStatus();
  auto names = std::make_shared<Names>();
  names->before = model.owner;
  const Status status = Inliner(model, *names).Run();
  model.owner = std::move(names);
  return status;
}

}  // namespace tessera::doctor
