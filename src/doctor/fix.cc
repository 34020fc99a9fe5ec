#include "doctor/fix.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <set>

#include "doctor/inline.h"
#include "doctor/patterns.h"

namespace tessera::doctor {
namespace {

constexpr int64_t kGeluOpset = 20;

// What the changed model's views point to.
struct Additions {
  std::shared_ptr<const void> before;
  std::deque<std::string> texts;
  std::deque<std::vector<uint8_t>> data;

  std::string_view Text(std::string text) { return texts.emplace_back(std::move(text)); }
};

class Fixer {
 public:
  Fixer(OnnxModel& model, const FixOptions& options) : model_(model), options_(options) {
    additions_ = std::make_shared<Additions>();
    additions_->before = model.owner;
  }

  Result<FixSummary> Run() {
    TESSERA_RETURN_IF_ERROR(Infer());
    opset_ = model_.opsets.contains("") ? model_.opsets.find("")->second : 0;
    BindInputs();
    if (options_.fold) Fold();
    RemoveDead();
    if (options_.gelu) {
      TESSERA_RETURN_IF_ERROR(Infer());
      FuseGelus();
    }
    if (options_.int32_indices) {
      TESSERA_RETURN_IF_ERROR(Infer());
      NarrowIndices();
    }
    RemoveDead();
    model_.owner = additions_;
    return summary_;
  }

 private:
  OnnxGraph& graph() { return model_.graph; }

  Status Infer() {
    TESSERA_ASSIGN_OR_RETURN(inference_,
                             InferShapes(model_, {first_ ? options_.bind : Bindings()}));
    first_ = false;
    return OkStatus();
  }

  // Interfaces get the shapes that inference found; the values between are left to the reader.
  void BindInputs() {
    for (auto* infos : {&graph().inputs, &graph().outputs}) {
      const bool inputs = infos == &graph().inputs;
      for (OnnxValueInfo& info : *infos) {
        const ValueFacts& facts = inference_.Find(info.name);
        if (!facts.shape || (inputs && graph().FindInitializer(info.name) != nullptr)) continue;
        if (!info.dims) info.dims.emplace(facts.shape->size());
        if (info.dims->size() != facts.shape->size()) continue;
        for (size_t i = 0; i < info.dims->size(); ++i) {
          const Number& n = (*facts.shape)[i];
          OnnxDim& dim = (*info.dims)[i];
          if (!n.is_int() || dim.value == n.value()) continue;
          dim = {n.value(), {}};
          if (inputs) ++summary_.bound;
        }
        if (inputs && !facts.Static())
          summary_.still_open.push_back(QuotedName(info.name) + " " + facts.ToString());
      }
    }
    graph().value_info.clear();
  }

  static void Put(std::vector<uint8_t>& out, const auto& value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    out.insert(out.end(), bytes, bytes + sizeof(value));
  }

  // The tensor of known elements; nothing for types that have no plain form here.
  std::optional<OnnxTensor> TensorOf(std::string_view name, const ValueFacts& facts) {
    std::vector<uint8_t> bytes;
    for (const Number& n : *facts.elements) {
      if (!n.known()) return std::nullopt;
      if ((facts.type == 7 || facts.type == 6 || facts.type == kOnnxBool) && !n.is_int())
        return std::nullopt;
      if (facts.type == 7) {
        Put(bytes, n.value());
      } else if (facts.type == 6) {
        Put(bytes, static_cast<int32_t>(n.value()));
      } else if (facts.type == kOnnxBool) {
        Put(bytes, static_cast<uint8_t>(n.Is(0) ? 0 : 1));
      } else if (facts.type == 1) {
        Put(bytes, static_cast<float>(n.as_double()));
      } else {
        return std::nullopt;
      }
    }
    OnnxTensor tensor;
    tensor.name = name;
    tensor.type = facts.type;
    for (const Number& n : *facts.shape) tensor.shape.push_back(n.value());
    const std::vector<uint8_t>& kept = additions_->data.emplace_back(std::move(bytes));
    tensor.data = {kept.data(), kept.size()};
    return tensor;
  }

  // Integers and bools only: floats are folded by the runtime with the rounding of its own kernels.
  void Fold() {
    std::set<std::string_view> outputs;
    for (const OnnxValueInfo& output : graph().outputs) outputs.insert(output.name);
    std::vector<OnnxNode> kept;
    for (OnnxNode& node : graph().nodes) {
      if (node.outputs.size() != 1 || outputs.contains(node.outputs[0])) {
        kept.push_back(std::move(node));
        continue;
      }
      const ValueFacts& facts = inference_.Find(node.outputs[0]);
      const bool whole = facts.type == 6 || facts.type == 7 || facts.type == kOnnxBool;
      const bool foldable = whole && facts.elements != nullptr && facts.Static() &&
                            static_cast<int64_t>(facts.elements->size()) == facts.ElementCount();
      std::optional<OnnxTensor> tensor = foldable ? TensorOf(node.outputs[0], facts) : std::nullopt;
      if (!tensor) {
        kept.push_back(std::move(node));
        continue;
      }
      graph().initializers.emplace(node.outputs[0], *std::move(tensor));
      ++summary_.folded;
    }
    graph().nodes = std::move(kept);
  }

  static void Reads(const OnnxNode& node, std::set<std::string_view>& names) {
    names.insert(node.inputs.begin(), node.inputs.end());
    for (const OnnxAttribute& attribute : node.attributes) {
      for (const OnnxGraph& inner : attribute.graphs) {
        for (const OnnxNode& n : inner.nodes) Reads(n, names);
        for (const OnnxValueInfo& output : inner.outputs) names.insert(output.name);
      }
    }
  }

  void RemoveDead() {
    std::set<std::string_view> needed;
    for (const OnnxValueInfo& output : graph().outputs) needed.insert(output.name);
    std::vector<bool> keep(graph().nodes.size(), false);
    for (size_t i = graph().nodes.size(); i-- > 0;) {
      const OnnxNode& node = graph().nodes[i];
      for (const std::string_view name : node.outputs) keep[i] = keep[i] || needed.contains(name);
      if (keep[i]) Reads(node, needed);
    }
    std::vector<OnnxNode> kept;
    for (size_t i = 0; i < keep.size(); ++i) {
      if (keep[i]) kept.push_back(std::move(graph().nodes[i]));
    }
    summary_.removed += static_cast<int64_t>(keep.size() - kept.size());
    graph().nodes = std::move(kept);
    for (const OnnxValueInfo& input : graph().inputs) needed.insert(input.name);
    std::erase_if(graph().initializers,
                  [&](const auto& entry) { return !needed.contains(entry.first); });
  }

  void FuseGelus() {
    const bool standard = opset_ >= kGeluOpset;
    const std::vector<GeluMatch> matches = FindGelus(graph(), inference_);
    if (matches.empty()) return;
    std::vector<bool> gone(graph().nodes.size(), false);
    for (const GeluMatch& match : matches) {
      for (const size_t i : {match.scale, match.erf, match.add, match.first_mul, match.second_mul})
        gone[i] = true;
    }
    std::vector<OnnxNode> kept;
    for (size_t i = 0; i < graph().nodes.size(); ++i) {
      const auto match = std::find_if(matches.begin(), matches.end(), [i](const GeluMatch& m) {
        return std::max(m.first_mul, m.second_mul) == i;
      });
      if (match != matches.end()) {
        OnnxNode gelu;
        gelu.name = additions_->Text(std::string(graph().nodes[match->erf].name) + "_gelu");
        gelu.op_type = "Gelu";
        gelu.domain = standard ? "" : "com.microsoft";
        gelu.inputs = {match->input};
        gelu.outputs = {match->output};
        kept.push_back(std::move(gelu));
        ++summary_.gelus;
      } else if (!gone[i]) {
        kept.push_back(std::move(graph().nodes[i]));
      }
    }
    graph().nodes = std::move(kept);
    if (!standard) model_.opsets.emplace("com.microsoft", 1);
  }

  // The name under which the indices `name` are int32.
  std::optional<std::string_view> Narrow(std::string_view name, std::vector<OnnxNode>& nodes) {
    const auto known = narrowed_.find(name);
    if (known != narrowed_.end()) return known->second;
    const ValueFacts& facts = inference_.Find(name);
    if (facts.type != 7) return std::nullopt;
    const std::string_view as_int32 = additions_->Text(std::string(name) + "_int32");
    if (facts.constant && facts.elements != nullptr && facts.Static()) {
      for (const Number& n : *facts.elements) {
        if (!n.is_int() || n.value() > std::numeric_limits<int32_t>::max() ||
            n.value() < std::numeric_limits<int32_t>::min()) {
          return std::nullopt;
        }
      }
      ValueFacts changed = facts;
      changed.type = 6;
      std::optional<OnnxTensor> tensor = TensorOf(as_int32, changed);
      if (!tensor) return std::nullopt;
      graph().initializers.emplace(as_int32, *std::move(tensor));
    } else {
      OnnxNode cast;
      cast.name = as_int32;
      cast.op_type = "Cast";
      cast.inputs = {name};
      cast.outputs = {as_int32};
      OnnxAttribute to;
      to.name = "to";
      to.type = 2;
      to.i = 6;
      cast.attributes.push_back(std::move(to));
      nodes.push_back(std::move(cast));
    }
    narrowed_.emplace(name, as_int32);
    return as_int32;
  }

  // Safe: an index into a dimension below 2^31 fits into 32 bits, or was out of range before.
  void NarrowIndices() {
    std::vector<OnnxNode> nodes;
    for (OnnxNode& node : graph().nodes) {
      if ((node.Is("Gather") || node.Is("GatherElements")) && node.inputs.size() == 2) {
        const ValueFacts& data = inference_.Find(node.inputs[0]);
        const std::optional<int64_t> count = data.ElementCount();
        if (count && *count <= std::numeric_limits<int32_t>::max()) {
          if (const auto name = Narrow(node.inputs[1], nodes)) {
            node.inputs[1] = *name;
            ++summary_.indices;
          }
        }
      }
      nodes.push_back(std::move(node));
    }
    graph().nodes = std::move(nodes);
  }

  OnnxModel& model_;
  const FixOptions& options_;
  std::shared_ptr<Additions> additions_;
  Inference inference_;
  FixSummary summary_;
  std::map<std::string_view, std::string_view> narrowed_;
  int64_t opset_ = 0;
  bool first_ = true;
};

}  // namespace

std::string FixSummary::ToString() const {
  std::string text = std::to_string(bound) + " dimensions fixed, " + std::to_string(folded) +
                     " nodes folded into constants, " + std::to_string(removed) +
                     " unneeded nodes removed, " + std::to_string(gelus) + " Gelus written, " +
                     std::to_string(indices) + " indices made int32";
  for (const std::string& input : still_open) text += "; still open: " + input;
  return text;
}

Result<FixSummary> FixModel(OnnxModel& model, const FixOptions& options) {
  TESSERA_RETURN_IF_ERROR(InlineFunctions(model));
  model.functions.clear();
  return Fixer(model, options).Run();
}

}  // namespace tessera::doctor
