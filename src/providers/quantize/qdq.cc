#include "providers/quantize/qdq.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "base/check.h"
#include "providers/quantize/onnx_builder.h"
#include "providers/quantize/round.h"

namespace tessera {
namespace {

constexpr std::string_view kDomain = "com.microsoft";

struct OpForm {
  std::string_view op;
  bool moves = false;  // elements keep their scale
  int weight = -1;     // input that may be a weight
  int64_t axis = 0;    // of the weight's output channels
  int gamma = -1;  // input that Qualcomm\'s compiler takes as i16 beside u16, or u16 of zero 32768
  int bias = -1;   // input that may be a bias
};

constexpr OpForm kForms[] = {
    {.op = "Add"},
    {.op = "Concat"},
    {.op = "Conv", .weight = 1, .axis = 0, .bias = 2},
    {.op = "Gelu"},
    {.op = "Gemm", .weight = 1, .axis = 0, .bias = 2},
    {.op = "Identity", .moves = true},
    {.op = "LayerNormalization", .gamma = 1, .bias = 2},
    {.op = "MatMul", .weight = 1, .axis = 1},
    {.op = "Mul"},
    {.op = "ReduceSum"},
    {.op = "Reshape", .moves = true},
    {.op = "Slice", .moves = true},
    {.op = "Softmax"},
    {.op = "Squeeze", .moves = true},
    {.op = "Transpose", .moves = true},
    {.op = "Unsqueeze", .moves = true},
};

const OpForm* FindForm(std::string_view op) {
  for (const OpForm& form : kForms)
    if (form.op == op) return &form;
  return nullptr;
}

// A value as the graph's consumers read it.
struct Stored {
  AffineScale scale;
  std::string_view scale_name, zero_name;
  std::string_view dequantized;
};

class Quantizer {
 public:
  Quantizer(const StageStatistics& statistics, const QdqOptions& options, OnnxModel* model)
      : statistics_(statistics), options_(options), model_(*model), builder_(model) {
    for (const OnnxValueInfo& output : model->graph.outputs) outputs_.insert(output.name);
  }

  Status Run() {
    std::vector<OnnxNode> nodes = std::move(model_.graph.nodes);
    TESSERA_RETURN_IF_ERROR(SettleRanges(nodes));
    for (const OnnxNode& node : nodes)
      for (const std::string_view input : node.inputs) ++readers_[input];
    for (const OnnxValueInfo& input : model_.graph.inputs) {
      if (input.type != kOnnxF32)
        return Unimplemented("input " + QuotedName(input.name) + " is " + OnnxTypeName(input.type) +
                             ": expected float");
      TESSERA_RETURN_IF_ERROR(Store(input.name, input.name));
    }
    for (OnnxNode& node : nodes) TESSERA_RETURN_IF_ERROR(Rewrite(std::move(node)));
    for (const std::string_view name : replaced_) model_.graph.initializers.erase(name);
    model_.graph.nodes = std::move(nodes_);
    model_.graph.value_info.clear();
    model_.opsets[kDomain] = 1;
    return OkStatus();
  }

 private:
  const OnnxTensor* Constant(std::string_view name) const {
    return model_.graph.FindInitializer(name);
  }

  Result<ValueRange> RangeOf(std::string_view name) const {
    const auto it = statistics_.ranges.find(name);
    if (it == statistics_.ranges.end())
      return InvalidArgument("no range is known for " + QuotedName(name) +
                             ": it was not in the model that was observed");
    return it->second;
  }

  // Ranges that are more than what was observed.
  Status SettleRanges(const std::vector<OnnxNode>& nodes) {
    for (const OnnxNode& node : nodes) {
      if (FindForm(node.op_type) == nullptr || node.outputs.size() != 1 ||
          (!node.domain.empty() && node.domain != kDomain))
        return Unimplemented("node " + QuotedName(node.name) + " of type " +
                             std::string(node.op_type) + " has no quantized form here");
      if (node.Is("Softmax")) {
        settled_[node.outputs[0]] = {0, 1};
      } else if (node.Is("Concat")) {
        TESSERA_RETURN_IF_ERROR(SettleConcat(node));
      } else if (node.Is("Add") && (IsMask(node.inputs[0]) || IsMask(node.inputs[1]))) {
        const size_t mask = IsMask(node.inputs[0]) ? 0 : 1;
        TESSERA_RETURN_IF_ERROR(SettleMasked(node, node.inputs[mask], node.inputs[1 - mask]));
      }
    }
    return OkStatus();
  }
  bool IsMask(std::string_view name) const { return options_.masks.contains(name); }

  // One scale for all parts: nothing is lost, since each is a part of the result.
  Status SettleConcat(const OnnxNode& node) {
    std::optional<ValueRange> all;
    for (const std::string_view input : node.inputs) {
      TESSERA_ASSIGN_OR_RETURN(const ValueRange range, Settled(input));
      all ? all->Include(range) : void(all = range);
    }
    for (const std::string_view input : node.inputs) settled_[input] = *all;
    settled_[node.outputs[0]] = *all;
    return OkStatus();
  }

  Status SettleMasked(const OnnxNode& node, std::string_view mask, std::string_view scores) {
    TESSERA_ASSIGN_OR_RETURN(ValueRange range, RangeOf(scores));
    const float distance = range.max - range.min + kHiddenDistance;
    settled_[node.outputs[0]] = {range.min - kHiddenDistance, range.max};
    settled_[mask].Include({-distance, 0});
    return OkStatus();
  }

  Result<ValueRange> Settled(std::string_view name) const {
    const auto it = settled_.find(name);
    if (it != settled_.end()) return it->second;
    return RangeOf(name);
  }

  void NameScale(const std::string& base, Stored* stored) {
    stored->scale_name =
        builder_.Constant<float>(base + "/scale", kOnnxF32, {}, {stored->scale.scale});
    const std::string zero = base + "/zero";
    const int64_t at = stored->scale.zero;
    stored->zero_name =
        options_.activation_bits == 16
            ? builder_.Constant<uint16_t>(zero, kOnnxU16, {}, {static_cast<uint16_t>(at)})
            : builder_.Constant<uint8_t>(zero, kOnnxU8, {}, {static_cast<uint8_t>(at)});
  }

  // i16 around 0, up to `most`.
  void NameSymmetricScale(const std::string& base, float most, Stored* stored) {
    stored->scale = SymmetricScaleOf(most, 16);
    stored->scale_name =
        builder_.Constant<float>(base + "/scale", kOnnxF32, {}, {stored->scale.scale});
    stored->zero_name = builder_.Constant<int16_t>(base + "/zero", kOnnxI16, {}, {int16_t{0}});
  }

  void Emit(std::string_view op, std::vector<std::string_view> inputs, std::string_view output,
            std::vector<OnnxAttribute> attributes = {}) {
    OnnxNode node = OnnxBuilder::NodeOf(op, kDomain, std::move(inputs), output);
    node.name = builder_.Text(std::string(output) + "/" + std::string(op));
    node.attributes = std::move(attributes);
    nodes_.push_back(std::move(node));
  }

  // `computed` is what gives the value `name`; with `like`, it has the scale of that one.
  Status Store(std::string_view name, std::string_view computed, const Stored* like = nullptr) {
    Stored stored;
    const std::string base(name);
    if (like != nullptr) {
      stored = *like;
    } else {
      TESSERA_ASSIGN_OR_RETURN(const ValueRange range, Settled(name));
      stored.scale = AffineScaleOf(range, options_.activation_bits);
      NameScale(base, &stored);
    }
    const std::string_view quantized = builder_.NewName(base + "/quantized");
    Emit("QuantizeLinear", {computed, stored.scale_name, stored.zero_name}, quantized);
    stored.dequantized = outputs_.contains(name) ? name : builder_.NewName(base + "/dequantized");
    Emit("DequantizeLinear", {quantized, stored.scale_name, stored.zero_name}, stored.dequantized);
    stored_[name] = stored;
    return OkStatus();
  }

  Status Rewrite(OnnxNode node) {
    const OpForm& form = *FindForm(node.op_type);
    const std::vector<std::string_view> inputs = node.inputs;
    for (int i = 0; i < static_cast<int>(inputs.size()); ++i) {
      const std::string_view input = inputs[static_cast<size_t>(i)];
      if (input.empty()) continue;
      std::string_view& target = node.inputs[static_cast<size_t>(i)];
      const OnnxTensor* constant = Constant(input);
      if (constant == nullptr) {
        const auto it = stored_.find(input);
        if (it == stored_.end())
          return InvalidArgument("node " + QuotedName(node.name) + " reads " + QuotedName(input) +
                                 " before it is computed");
        const bool right = i == 1 && form.weight == 1;
        target = right && options_.activation_bits == 16 ? Symmetric(input, it->second)
                                                         : it->second.dequantized;
        continue;
      }
      if (constant->type != kOnnxF32) continue;  // shapes and axes
      if (i == form.weight) {
        TESSERA_ASSIGN_OR_RETURN(target, Weight(*constant, WeightAxis(node, form)));
        FindDrift(node, inputs[0], *constant, WeightAxis(node, form));
      } else if (i == form.bias) {
        TESSERA_ASSIGN_OR_RETURN(target, Bias(node, inputs, *constant));
      } else {
        const bool is_bias = node.op_type == "Add" && readers_[input] == 1 &&
                             readers_[inputs[static_cast<size_t>(1 - i)]] == 1;
        TESSERA_ASSIGN_OR_RETURN(
            target, Value(*constant, i == form.gamma,
                          is_bias ? DriftOf(inputs[static_cast<size_t>(1 - i)]) : nullptr));
      }
      replaced_.insert(input);
    }
    const std::string_view output = node.outputs[0];
    const std::string_view computed = builder_.NewName(std::string(output) + "/computed");
    node.outputs[0] = computed;
    const Stored* like = nullptr;
    if (form.moves) {
      const auto it = stored_.find(inputs[0]);
      if (it != stored_.end()) like = &it->second;
    }
    nodes_.push_back(std::move(node));
    return Store(output, computed, like);
  }

  // The value once more, as i16 around 0: the right factor of a product of two values. As u16,
  // Qualcomm's kernels keep 8 bits of it (docs/npu-snapdragon.md).
  std::string_view Symmetric(std::string_view name, const Stored& value) {
    std::string_view& made = symmetric_[name];
    if (!made.empty()) return made;
    const std::string base = std::string(name) + "/symmetric";
    const AffineScale& from = value.scale;
    Stored to;
    NameSymmetricScale(
        base, from.scale * static_cast<float>(std::max(from.zero, from.largest - from.zero)), &to);
    const std::string_view quantized = builder_.NewName(base + "/quantized");
    Emit("QuantizeLinear", {value.dequantized, to.scale_name, to.zero_name}, quantized);
    made = builder_.NewName(base + "/dequantized");
    Emit("DequantizeLinear", {quantized, to.scale_name, to.zero_name}, made);
    return made;
  }

  static int64_t WeightAxis(const OnnxNode& node, const OpForm& form) {
    if (node.op_type != "Gemm") return form.axis;
    const OnnxAttribute* transposed = node.FindAttribute("transB");
    return transposed != nullptr && transposed->i != 0 ? 0 : 1;
  }

  // What rounding the weight adds to each channel of the node's output, on average: the error of
  // each weight times the mean of its column.
  void FindDrift(const OnnxNode& node, std::string_view input, const OnnxTensor& constant,
                 int64_t axis) {
    const auto means = statistics_.means.find(input);
    if (means == statistics_.means.end() || constant.shape.size() != 2) return;
    const Weights& made = weights_.find({constant.name, axis})->second;
    const int64_t rows = constant.shape[0], columns = constant.shape[1];
    const std::vector<float>& mean = means->second;
    if (static_cast<int64_t>(mean.size()) != (axis == 0 ? columns : rows)) return;
    const auto* const elements =
        reinterpret_cast<const int8_t*>(Constant(made.quantized)->data.data());
    std::vector<double> drift(made.scales.size(), 0.0);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        const auto channel = static_cast<size_t>(axis == 0 ? r : c);
        const auto column = static_cast<size_t>(axis == 0 ? c : r);
        const int64_t i = r * columns + c;
        float exact;
        std::memcpy(&exact, constant.data.data() + static_cast<size_t>(i) * sizeof(float),
                    sizeof(exact));
        // Of two floats, so that the product is exact and a fused addition changes no bit of it.
        const auto error =
            static_cast<float>(double{made.scales[channel]} * elements[i] - double{exact});
        drift[channel] += double{error} * double{mean[column]};
      }
    }
    drifts_[node.outputs[0]] = std::move(drift);
  }
  // Of the value that a node computes; null where it is not known.
  const std::vector<double>* DriftOf(std::string_view value) const {
    const auto it = drifts_.find(value);
    return it == drifts_.end() ? nullptr : &it->second;
  }
  static void TakeOff(const std::vector<double>* drift, std::vector<float>* values) {
    if (drift == nullptr || drift->size() != values->size()) return;
    for (size_t i = 0; i < values->size(); ++i)
      (*values)[i] = static_cast<float>((*values)[i] - (*drift)[i]);
  }

  // The elements of a float constant, which may lie unaligned in the file.
  static Result<std::vector<float>> Floats(const OnnxTensor& constant) {
    std::vector<float> values(constant.data.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), constant.data.data(), constant.data.size());
    if (!std::ranges::all_of(values, [](float x) { return std::isfinite(x); }))
      return InvalidArgument("constant " + QuotedName(constant.name) + " is not finite");
    return values;
  }

  Result<std::string_view> Weight(const OnnxTensor& constant, int64_t axis) {
    Weights& made = weights_[{constant.name, axis}];
    if (!made.dequantized.empty()) return made.dequantized;
    if (axis >= static_cast<int64_t>(constant.shape.size()))
      return Unimplemented("weight " + QuotedName(constant.name) + " has no dimension " +
                           std::to_string(axis));
    TESSERA_ASSIGN_OR_RETURN(const std::vector<float> values, Floats(constant));
    ChannelWeights weights = QuantizeChannels(values, constant.shape, axis);
    const std::string base(constant.name);
    const Shape channels = {static_cast<int64_t>(weights.scales.size())};
    const std::vector<int8_t> zeros(weights.scales.size(), 0);
    made.dequantized = builder_.NewName(base + "/dequantized");
    made.quantized =
        builder_.Constant(base + "/quantized", kOnnxI8, constant.shape, weights.elements);
    Emit("DequantizeLinear",
         {made.quantized, builder_.Constant(base + "/scale", kOnnxF32, channels, weights.scales),
          builder_.Constant(base + "/zero", kOnnxI8, channels, zeros)},
         made.dequantized, {OnnxBuilder::Int("axis", axis)});
    made.scales = std::move(weights.scales);
    return made.dequantized;
  }

  // With the scale of the node's input times that of its weight, so that it is added to their
  // product as it is.
  Result<std::string_view> Bias(const OnnxNode& node, const std::vector<std::string_view>& inputs,
                                const OnnxTensor& constant) {
    std::vector<float> scales = WeightScales(node, inputs[1]);
    const auto x = stored_.find(inputs[0]);
    const bool one = scales.size() == 1;
    if (x == stored_.end() || scales.empty() ||
        (!one && constant.shape != Shape{static_cast<int64_t>(scales.size())}))
      return Unimplemented("bias " + QuotedName(constant.name) + " of node " +
                           QuotedName(node.name) + " does not fit the channels of its weight");
    for (float& scale : scales) scale *= x->second.scale.scale;
    TESSERA_ASSIGN_OR_RETURN(std::vector<float> values, Floats(constant));
    TakeOff(DriftOf(node.outputs[0]), &values);
    const std::string base(constant.name);
    const Shape shape = one ? Shape{} : constant.shape;
    const std::vector<int32_t> zeros(scales.size(), 0);
    const std::string_view dequantized = builder_.NewName(base + "/dequantized");
    std::vector<OnnxAttribute> attributes;
    if (!one) attributes.push_back(OnnxBuilder::Int("axis", 0));
    Emit("DequantizeLinear",
         {builder_.Constant(base + "/quantized", kOnnxI32, constant.shape,
                            QuantizeBias(values, scales)),
          builder_.Constant(base + "/scale", kOnnxF32, shape, scales),
          builder_.Constant(base + "/zero", kOnnxI32, shape, zeros)},
         dequantized, std::move(attributes));
    return dequantized;
  }

  // Of what a bias belongs to: one for each channel of a weight, or one of a value.
  std::vector<float> WeightScales(const OnnxNode& node, std::string_view weight) const {
    const OpForm& form = *FindForm(node.op_type);
    if (form.weight == 1)
      if (const auto it = weights_.find({weight, WeightAxis(node, form)}); it != weights_.end())
        return it->second.scales;
    if (const auto it = constants_.find(weight); it != constants_.end())
      return {it->second.scale.scale};
    if (const auto it = stored_.find(weight); it != stored_.end()) return {it->second.scale.scale};
    return {};
  }

  // A constant that is read like a value: one scale, of its own range. With `symmetric` it is i16
  // around 0 where values are u16. A bias has the drift of what it is added to taken off.
  Result<std::string_view> Value(const OnnxTensor& constant, bool symmetric,
                                 const std::vector<double>* drift) {
    Stored& made = constants_[constant.name];
    if (!made.dequantized.empty()) return made.dequantized;
    TESSERA_ASSIGN_OR_RETURN(std::vector<float> values, Floats(constant));
    TakeOff(drift, &values);
    ValueRange range;
    for (const float x : values) range.Include({x, x});
    const std::string base(constant.name);
    const std::string wanted = base + "/quantized";
    std::string_view quantized;
    if (options_.activation_bits == 8) {
      made.scale = AffineScaleOf(range, 8);
      NameScale(base, &made);
      quantized = builder_.Constant(wanted, kOnnxU8, constant.shape,
                                    QuantizeValues<uint8_t>(values, made.scale));
    } else if (!symmetric) {
      made.scale = AffineScaleOf(range, 16);
      NameScale(base, &made);
      quantized = builder_.Constant(wanted, kOnnxU16, constant.shape,
                                    QuantizeValues<uint16_t>(values, made.scale));
    } else {
      NameSymmetricScale(base, std::max(range.max, -range.min), &made);
      quantized = builder_.Constant(wanted, kOnnxI16, constant.shape,
                                    QuantizeValues<int16_t>(values, made.scale));
    }
    made.dequantized = builder_.NewName(base + "/dequantized");
    Emit("DequantizeLinear", {quantized, made.scale_name, made.zero_name}, made.dequantized);
    return made.dequantized;
  }

  struct Weights {
    std::vector<float> scales;
    std::string_view quantized, dequantized;
  };

  const StageStatistics& statistics_;
  const QdqOptions& options_;
  OnnxModel& model_;
  OnnxBuilder builder_;
  std::vector<OnnxNode> nodes_;
  std::set<std::string_view> outputs_, replaced_;
  std::map<std::string_view, ValueRange> settled_;
  std::map<std::string_view, Stored> stored_, constants_;
  std::map<std::string_view, std::string_view> symmetric_;
  std::map<std::string_view, int> readers_;
  std::map<std::string_view, std::vector<double>> drifts_;
  std::map<std::pair<std::string_view, int64_t>, Weights> weights_;
};

}  // namespace

Status QuantizeOnnx(const StageStatistics& statistics, const QdqOptions& options,
                    OnnxModel* model) {
  return Quantizer(statistics, options, model).Run();
}

}  // namespace tessera
