#include "doctor/inference.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "doctor/infer_context.h"

namespace tessera::doctor {
namespace {

constexpr size_t kMaxTrackedInAll = size_t{1} << 20;
constexpr size_t kMaxConflicts = 100;
constexpr size_t kMaxRank = 64;
constexpr int kMaxDepth = 16;

// One element of a tensor's raw data; unknown for types that hold no plain number.
Number ReadElement(OnnxType type, const uint8_t* p) {
  const auto load = [p](auto value) {
    std::memcpy(&value, p, sizeof(value));
    return value;
  };
  switch (type) {
    case 1:
      return Number::Float(load(float{}));
    case 2:
    case kOnnxBool:
      return {*p};
    case 3:
      return {load(int8_t{})};
    case 4:
      return {load(uint16_t{})};
    case 5:
      return {load(int16_t{})};
    case 6:
      return {load(int32_t{})};
    case 7:
      return {load(int64_t{})};
    case 10:
      return Number::Float(ToF32(F16{load(uint16_t{})}));
    case 11:
      return Number::Float(load(double{}));
    case 12:
      return {load(uint32_t{})};
    default:
      return {};
  }
}

bool Trackable(OnnxType type) { return (type >= 1 && type <= 7) || (type >= 9 && type <= 12); }

}  // namespace

std::optional<int64_t> ValueFacts::ElementCount() const {
  if (!shape) return std::nullopt;
  int64_t count = 1;
  for (const Number& n : *shape) {
    if (!n.is_int() || n.value() < 0) return std::nullopt;
    if (__builtin_mul_overflow(count, n.value(), &count)) return std::nullopt;
  }
  return count > int64_t{1} << 58 ? std::nullopt : std::optional<int64_t>(count);
}

bool ValueFacts::KnownAtLoad() const {
  return constant || (elements != nullptr && Static() &&
                      std::all_of(elements->begin(), elements->end(),
                                  [](const Number& n) { return n.known(); }));
}

std::optional<int64_t> ValueFacts::Bytes() const {
  const std::optional<int64_t> count = ElementCount();
  const int bits = OnnxTypeBits(type);
  if (!count || bits == 0) return std::nullopt;
  return (*count * bits + 7) / 8;
}

std::string ValueFacts::ToString() const {
  return (type == 0 ? "unknown type" : OnnxTypeName(type)) + " " +
         (shape ? doctor::ToString(*shape) : "of unknown rank");
}

const ValueFacts& Inference::Find(std::string_view name) const {
  static const ValueFacts kNothing;
  const auto it = values.find(name);
  return it == values.end() ? kNothing : it->second;
}

namespace {

// Values by name; those of a subgraph see the ones around it.
struct Scope {
  std::map<std::string_view, ValueFacts>* values;
  const Scope* outer;

  const ValueFacts* Find(std::string_view name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer) {
      const auto it = scope->values->find(name);
      if (it != scope->values->end()) return &it->second;
    }
    return nullptr;
  }
};

class Engine {
 public:
  Engine(const OnnxModel& model, const InferenceOptions& options, Inference& result)
      : model_(model), options_(options), result_(result) {
    const auto it = model.opsets.find("");
    opset_ = it == model.opsets.end() ? 0 : it->second;
    AddRules(plain_, ElementwiseRules());
    AddRules(plain_, ShapeRules());
    AddRules(plain_, MakerRules());
    AddRules(plain_, IndexRules());
    AddRules(plain_, LayerRules());
    AddRules(contrib_, ContribRules());
  }

  Status Run() {
    TESSERA_RETURN_IF_ERROR(Graph(model_.graph, nullptr, result_.values, 0));
    return CheckBindings();
  }

 private:
  using Rules = std::map<std::string_view, InferRule>;
  static void AddRules(Rules& to, RuleTable table) {
    for (size_t i = 0; i < table.size; ++i) to[table.rules[i].op_type] = table.rules[i].rule;
  }

  Status CheckBindings() const {
    for (const auto& [name, value] : options_.bind) {
      if (used_.contains(name)) continue;
      std::string symbols;
      for (const std::string& symbol : symbols_) symbols += (symbols.empty() ? "" : ", ") + symbol;
      return InvalidArgument("--bind " + name + "=" + std::to_string(value) +
                             ": expected a dimension of the inputs (" +
                             (symbols.empty() ? "all are fixed" : symbols) + ")");
    }
    return OkStatus();
  }

  Number BoundDim(const OnnxDim& dim, const std::string& place, bool is_input) {
    if (dim.value >= 0) return {dim.value};
    const std::string name = dim.symbol.empty() ? place : std::string(dim.symbol);
    if (is_input) symbols_.insert(name);
    for (const std::string& key : {name, place}) {
      const auto it = options_.bind.find(key);
      if (key.empty() || it == options_.bind.end()) continue;
      if (is_input) used_.insert(key);
      return {it->second};
    }
    return Number::Symbol(name);
  }

  ValueFacts Declared(const OnnxValueInfo& info, bool is_input) {
    ValueFacts facts;
    facts.type = info.type;
    if (!info.dims || info.dims->size() > kMaxRank) return facts;
    facts.shape.emplace();
    for (size_t i = 0; i < info.dims->size(); ++i) {
      const std::string place =
          is_input ? std::string(info.name) + ":" + std::to_string(i) : std::string();
      facts.shape->push_back(BoundDim((*info.dims)[i], place, is_input));
    }
    return facts;
  }

  ValueFacts FromTensor(const OnnxTensor& tensor) {
    ValueFacts facts;
    facts.type = tensor.type;
    facts.shape.emplace(tensor.shape.begin(), tensor.shape.end());
    facts.constant = true;
    facts.tensor = &tensor;
    const int64_t count = NumElements(tensor.shape);
    const size_t width = static_cast<size_t>(OnnxTypeBits(tensor.type)) / 8;
    if (Trackable(tensor.type) && count <= kMaxTracked &&
        tensor.data.size() == static_cast<size_t>(count) * width && Charge(count)) {
      Numbers elements;
      elements.reserve(static_cast<size_t>(count));
      for (int64_t i = 0; i < count; ++i) {
        elements.push_back(
            ReadElement(tensor.type, tensor.data.data() + static_cast<size_t>(i) * width));
      }
      facts.elements = std::make_shared<const Numbers>(std::move(elements));
    }
    return facts;
  }

  bool Charge(int64_t elements) {
    if (static_cast<size_t>(elements) > tracked_left_) return false;
    tracked_left_ -= static_cast<size_t>(elements);
    return true;
  }

  void AddConflict(const OnnxNode& node, const std::string& what) {
    if (result_.conflicts.size() < kMaxConflicts) {
      result_.conflicts.push_back("node " + QuotedName(node.name) + " (" +
                                  std::string(node.op_type.substr(0, 60)) + "): " + what);
    }
  }

  // What the file says of a value, put into what the rules gave.
  void Join(const OnnxNode& node, const ValueFacts& declared, ValueFacts& facts) {
    if (facts.type == 0) facts.type = declared.type;
    if (!declared.shape) return;
    if (!facts.shape) {
      facts.shape = declared.shape;
      return;
    }
    if (facts.shape->size() != declared.shape->size()) {
      AddConflict(
          node, "the file says " + declared.ToString() + ", its inputs imply " + facts.ToString());
      return;
    }
    for (size_t i = 0; i < facts.shape->size(); ++i) {
      const Number &said = (*declared.shape)[i], &found = (*facts.shape)[i];
      if (said.is_int() && found.is_int() && !said.Same(found)) {
        AddConflict(node, "the file says " + declared.ToString() + ", its inputs imply " +
                              facts.ToString());
        return;
      }
    }
    for (size_t i = 0; i < facts.shape->size(); ++i)
      (*facts.shape)[i] = JoinDims((*facts.shape)[i], (*declared.shape)[i]);
  }

  Status Graph(const OnnxGraph& graph, const Scope* outer,
               std::map<std::string_view, ValueFacts>& values, int depth) {
    const Scope scope{&values, outer};
    for (const auto& [name, tensor] : graph.initializers) values[name] = FromTensor(tensor);
    for (const OnnxValueInfo& input : graph.inputs) {
      // An initializer that is an input too is its default value; compilers take it as constant.
      if (!values.contains(input.name)) values[input.name] = Declared(input, depth == 0);
    }
    std::map<std::string_view, ValueFacts> declared;
    for (const auto* infos : {&graph.value_info, &graph.outputs}) {
      for (const OnnxValueInfo& info : *infos) declared[info.name] = Declared(info, false);
    }
    for (const OnnxNode& node : graph.nodes) {
      std::vector<const ValueFacts*> inputs;
      static const ValueFacts kNothing;
      for (const std::string_view name : node.inputs) {
        const ValueFacts* found = name.empty() ? nullptr : scope.Find(name);
        inputs.push_back(name.empty() ? nullptr : found != nullptr ? found : &kNothing);
      }
      bool constant = node.op_type != "Constant" || node.domain.empty();
      for (const ValueFacts* input : inputs)
        constant = constant && (input == nullptr || input->constant);
      constant = constant && !node.op_type.starts_with("Random") && !HasGraphs(node);
      InferContext context(node, opset_, std::move(inputs));
      const bool has_rule = Apply(context, scope, depth);
      if (depth == 0) result_.has_rule.push_back(has_rule);
      for (const std::string& conflict : context.conflicts) AddConflict(node, conflict);
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i].empty()) continue;
        ValueFacts& facts = context.outputs()[i];
        facts.constant = constant;
        if (facts.shape && facts.shape->size() > kMaxRank) facts.shape.reset();
        if (facts.elements != nullptr &&
            (facts.tensor == nullptr && !Charge(static_cast<int64_t>(facts.elements->size())))) {
          facts.elements.reset();
        }
        const auto said = declared.find(node.outputs[i]);
        if (said != declared.end()) Join(node, said->second, facts);
        values[node.outputs[i]] = std::move(facts);
      }
    }
    return OkStatus();
  }

  static bool HasGraphs(const OnnxNode& node) {
    return std::any_of(node.attributes.begin(), node.attributes.end(),
                       [](const OnnxAttribute& a) { return !a.graphs.empty(); });
  }

  bool Apply(InferContext& context, const Scope& scope, int depth) {
    const OnnxNode& node = context.node;
    if (node.domain.empty() && node.op_type == "Constant") {
      ApplyConstant(context);
      return true;
    }
    if (node.domain.empty() && HasGraphs(node)) {
      ApplyControlFlow(context, scope, depth);
      return true;
    }
    const Rules* rules = node.domain.empty() ? &plain_
                         : node.domain == "com.microsoft" || node.domain == "ai.onnx.contrib"
                             ? &contrib_
                             : nullptr;
    const auto it = rules == nullptr ? Rules::const_iterator() : rules->find(node.op_type);
    // ONNX Runtime's own spelling of operators that ONNX has taken over or that it had first.
    if (rules == &contrib_ && it == rules->end()) {
      const auto plain = plain_.find(node.op_type);
      if (plain == plain_.end()) return false;
      plain->second(context);
      return true;
    }
    if (rules == nullptr || it == rules->end()) return false;
    it->second(context);
    return true;
  }

  void ApplyConstant(InferContext& context) {
    const OnnxNode& node = context.node;
    if (const OnnxAttribute* value = node.FindAttribute("value");
        value != nullptr && !value->tensors.empty()) {
      context.Out(0) = FromTensor(value->tensors[0]);
      return;
    }
    const auto set = [&](OnnxType type, Numbers elements, bool scalar) {
      context.Set(0, type, scalar ? Numbers() : Numbers{static_cast<int64_t>(elements.size())});
      context.SetElements(0, std::move(elements));
    };
    for (const OnnxAttribute& a : node.attributes) {
      if (a.name == "value_int") set(7, {a.i}, true);
      if (a.name == "value_float") set(1, {Number::Float(a.f)}, true);
      if (a.name == "value_ints") set(7, Numbers(a.ints.begin(), a.ints.end()), false);
      if (a.name == "value_floats") {
        Numbers floats;
        for (const float f : a.floats) floats.push_back(Number::Float(f));
        set(1, std::move(floats), false);
      }
      if (a.name == "value_string") context.Set(0, kOnnxString, Numbers());
      if (a.name == "value_strings")
        context.Set(0, kOnnxString, Numbers{static_cast<int64_t>(a.strings.size())});
    }
  }

  void ApplyControlFlow(InferContext& context, const Scope& scope, int depth) {
    if (depth >= kMaxDepth) return;
    const bool is_if = context.node.op_type == "If";
    bool first = true;
    for (const OnnxAttribute& attribute : context.node.attributes) {
      for (const OnnxGraph& graph : attribute.graphs) {
        std::map<std::string_view, ValueFacts> values;
        if (!Graph(graph, &scope, values, depth + 1).ok()) return;
        // Loop's and Scan's outputs are in other places and grow; only If's are those of the body.
        if (!is_if) continue;
        for (size_t i = 0; i < context.output_count() && i < graph.outputs.size(); ++i) {
          const Scope inner{&values, &scope};
          const ValueFacts* found = inner.Find(graph.outputs[i].name);
          JoinBranch(found != nullptr ? *found : ValueFacts(), first, context.Out(i));
        }
        first = false;
      }
    }
  }

  static void JoinBranch(const ValueFacts& branch, bool first, ValueFacts& to) {
    if (first) {
      to.type = branch.type;
      to.shape = branch.shape;
      return;
    }
    if (to.type != branch.type) to.type = 0;
    if (!to.shape || !branch.shape || to.shape->size() != branch.shape->size()) {
      to.shape.reset();
      return;
    }
    for (size_t i = 0; i < to.shape->size(); ++i) {
      if (!(*to.shape)[i].Same((*branch.shape)[i])) (*to.shape)[i] = Number();
    }
  }

  const OnnxModel& model_;
  const InferenceOptions& options_;
  Inference& result_;
  int64_t opset_ = 0;
  Rules plain_, contrib_;
  std::set<std::string> symbols_, used_;
  size_t tracked_left_ = kMaxTrackedInAll;
};

}  // namespace

Result<Inference> InferShapes(const OnnxModel& model, const InferenceOptions& options) {
  for (const auto& [name, value] : options.bind) {
    if (value < 1 || value > int64_t{1} << 31) {
      return InvalidArgument("--bind " + name + "=" + std::to_string(value) +
                             ": expected a size from 1 to 2^31");
    }
  }
  Inference result;
  TESSERA_RETURN_IF_ERROR(Engine(model, options, result).Run());
  return result;
}

}  // namespace tessera::doctor
