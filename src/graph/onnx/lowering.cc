#include "graph/onnx/lowering.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

namespace tessera::onnx {
namespace {

// TensorProto's element type FLOAT.
constexpr int64_t kOnnxFloat = 1;

Tensor Transposed(const Tensor& matrix) {
  const int64_t rows = matrix.shape()[0], cols = matrix.shape()[1];
  Tensor out(DType::kF32, {cols, rows});
  // Tiles keep both sides in cache: a vocabulary's matrix has tens of millions of elements.
  constexpr int64_t kTile = 64;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    for (int64_t c0 = 0; c0 < cols; c0 += kTile) {
      for (int64_t r = r0; r < std::min(rows, r0 + kTile); ++r) {
        for (int64_t c = c0; c < std::min(cols, c0 + kTile); ++c) {
          out.As<float>()[c * rows + r] = matrix.As<float>()[r * cols + c];
        }
      }
    }
  }
  return out;
}

}  // namespace

Lowering::Lowering(const Graph& graph, OnnxWeights weights, OnnxGelu gelu, const StepForm* step,
                   ModelWriter* writer)
    : graph_(graph), weights_(weights), gelu_(gelu), step_(step), writer_(writer) {}

Status Lowering::Run() {
  AddInterface();
  for (size_t i = 0; i < graph_.nodes().size(); ++i) {
    const Node& node = graph_.nodes()[i];
    if (step_ != nullptr && std::ranges::binary_search(step_->host_nodes, static_cast<int32_t>(i)))
      continue;
    scope_ = node.name;
    TESSERA_RETURN_IF_ERROR(LowerNode(node));
    TESSERA_RETURN_IF_ERROR(status_);
  }
  FinishOutputs();
  return status_;
}

// Names of the interface are taken first; inner values give way to them.
void Lowering::AddInterface() {
  if (step_ != nullptr) {
    AddStepInputs();
  } else {
    for (ValueId id : graph_.inputs()) {
      const Value& value = graph_.value(id);
      plain_[id] = Unique(value.name);
      writer_->AddInput(plain_[id], value.dtype, value.dims);
    }
    for (ValueId id : graph_.states()) {
      const Value& value = graph_.value(id);
      plain_[id] = Unique("past_" + value.name);
      writer_->AddInput(plain_[id], value.dtype, value.dims);
    }
  }
  for (const GraphOutput& output : graph_.outputs()) AddOutput(output.name, output.value);
  if (step_ != nullptr) {
    for (const StepForm::NewRows& rows : step_->new_rows) AddOutput(rows.name, rows.rows);
    return;
  }
  for (const StateUpdate& update : graph_.state_updates())
    AddOutput("present_" + graph_.value(update.state).name, update.value);
}

void Lowering::AddStepInputs() {
  const auto add = [&](const std::string& name, DType dtype, const Dims& dims) {
    if (!taken_.insert(name).second)
      status_ = InvalidArgument("ONNX export: two inputs or outputs are named '" + name + "'");
    writer_->AddInput(name, dtype, dims);
  };
  for (ValueId id : step_->inputs) {
    const Value& value = graph_.value(id);
    plain_[id] = value.name;
    add(value.name, value.dtype, value.dims);
  }
  for (const StepForm::Lookup& lookup : step_->lookups) {
    plain_[lookup.rows] = lookup.name;
    add(lookup.name, DType::kF32, graph_.value(lookup.rows).dims);
  }
  for (const StepForm::Mask& mask : step_->masks) add(mask.name, DType::kF32, {1, mask.size});
  for (const StepForm::Past& past : step_->pasts)
    add(past.name, DType::kF32, {past.rows, graph_.value(past.state).dims[2]});
}

void Lowering::AddOutput(const std::string& name, ValueId id) {
  const Value& value = graph_.value(id);
  if (!taken_.insert(name).second)
    status_ = InvalidArgument("ONNX export: two inputs or outputs are named '" + name + "'");
  writer_->AddOutput(name, value.dtype, value.dims);
  if (value.kind == ValueKind::kNode) result_names_.emplace(Original(id), name);
}

ValueId Lowering::Original(ValueId id) const {
  if (step_ == nullptr) return id;
  const auto it = step_->same.find(id);
  return it == step_->same.end() ? id : it->second;
}

void Lowering::FinishOutputs() {
  scope_ = "outputs";
  const auto finish = [&](const std::string& name, ValueId id) {
    const Name source = Read(id);
    if (source != name) Emit("Identity", {source}, {}, name);
  };
  for (const GraphOutput& output : graph_.outputs()) finish(output.name, output.value);
  if (step_ != nullptr) {
    for (const StepForm::NewRows& rows : step_->new_rows) finish(rows.name, rows.rows);
    return;
  }
  for (const StateUpdate& update : graph_.state_updates()) {
    finish("present_" + graph_.value(update.state).name, update.value);
  }
}

Status Lowering::LowerNode(const Node& node) {
  switch (node.op) {
    case OpKind::kLinear:
      LowerLinear(node);
      return OkStatus();
    case OpKind::kConv1d:
      LowerConv1d(node);
      return OkStatus();
    case OpKind::kLayerNorm: {
      const float epsilon = std::get<LayerNormAttributes>(node.attributes).epsilon;
      EmitResult(node.outputs[0], "LayerNormalization",
                 {ReadF32(node.inputs[0]), ReadF32(node.inputs[1]), ReadF32(node.inputs[2])},
                 {{"axis", int64_t{-1}}, {"epsilon", epsilon}});
      return OkStatus();
    }
    case OpKind::kGelu:
      LowerGelu(node);
      return OkStatus();
    case OpKind::kAdd:
      EmitResult(node.outputs[0], "Add", {ReadF32(node.inputs[0]), ReadF32(node.inputs[1])});
      return OkStatus();
    case OpKind::kRelu:
      LowerElementwise(node, "Relu");
      return OkStatus();
    case OpKind::kSigmoid:
      LowerElementwise(node, "Sigmoid");
      return OkStatus();
    case OpKind::kMagnitude:
      LowerMagnitude(node);
      return OkStatus();
    case OpKind::kSlice:
      LowerSlice(node);
      return OkStatus();
    case OpKind::kLstm:
      return LowerLstm(node);
    case OpKind::kAttention:
      LowerAttention(node);
      return OkStatus();
    case OpKind::kGather:
      LowerGather(node);
      return OkStatus();
    case OpKind::kCacheWrite:
      LowerCacheWrite(node);
      return OkStatus();
    case OpKind::kCachedAttention:
      step_ != nullptr ? LowerStepAttention(node) : LowerCachedAttention(node);
      return OkStatus();
    case OpKind::kRaggedAttention:
      LowerRaggedAttention(node);
      return OkStatus();
  }
  return Unimplemented("ONNX export: no lowering for op " +
                       std::to_string(static_cast<int>(node.op)));
}

void Lowering::LowerLinear(const Node& node) {
  const ValueId output = node.outputs[0];
  const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  if (graph_.value(node.inputs[0]).dims.size() == 2) {
    // Gemm transposes on the fly: an embedding table shared with the logits stays one initialiser.
    std::vector<Name> inputs = {ReadF32(node.inputs[0]), ReadF32(node.inputs[1])};
    if (has_bias) inputs.push_back(ReadF32(node.inputs[2]));
    EmitResult(output, "Gemm", inputs, {{"transB", int64_t{1}}});
    return;
  }
  const std::vector<Name> product = {ReadF32(node.inputs[0]), ReadTransposed(node.inputs[1])};
  if (!has_bias) return EmitResult(output, "MatMul", product);
  EmitResult(output, "Add", {Emit("MatMul", product), ReadF32(node.inputs[2])});
}

void Lowering::LowerConv1d(const Node& node) {
  const auto& conv = std::get<Conv1dAttributes>(node.attributes);
  const int64_t kernel = graph_.value(node.inputs[1]).dims[2].add;
  std::vector<Name> inputs = {ReadChannelsFirst(node.inputs[0]), ReadF32(node.inputs[1])};
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
    inputs.push_back(ReadF32(node.inputs[2]));
  }
  channels_first_[node.outputs[0]] =
      Emit("Conv", inputs,
           {{"kernel_shape", std::vector<int64_t>{kernel}},
            {"pads", std::vector<int64_t>{conv.padding, conv.padding}},
            {"strides", std::vector<int64_t>{conv.stride}}});
}

void Lowering::LowerGelu(const Node& node) {
  if (gelu_ == OnnxGelu::kOp) return LowerElementwise(node, "Gelu");
  const ValueId input = node.inputs[0], output = node.outputs[0];
  const bool channels_first = OnlyChannelsFirst(input);
  const Name x = channels_first ? channels_first_.at(input) : ReadF32(input);
  // The spelling that compilers fuse back to one Gelu: x * (1 + erf(x / sqrt 2)) * 0.5.
  const Name scaled = Emit("Div", {x, F32Scalar(std::numbers::sqrt2_v<float>)});
  const Name tail = Emit("Add", {Emit("Erf", {scaled}), F32Scalar(1.0f)});
  const std::vector<Name> halves = {Emit("Mul", {x, tail}), F32Scalar(0.5f)};
  if (channels_first) {
    channels_first_[output] = Emit("Mul", halves);
  } else {
    EmitResult(output, "Mul", halves);
  }
}

void Lowering::LowerElementwise(const Node& node, std::string_view op_type) {
  const ValueId input = node.inputs[0], output = node.outputs[0];
  if (OnlyChannelsFirst(input)) {
    channels_first_[output] = Emit(op_type, {channels_first_.at(input)});
  } else {
    EmitResult(output, op_type, {ReadF32(input)});
  }
}

void Lowering::LowerSlice(const Node& node) {
  const auto& slice = std::get<SliceAttributes>(node.attributes);
  // A negative end counts from the back; the largest one means the end.
  const int64_t end = slice.back > 0 ? -slice.back : std::numeric_limits<int64_t>::max();
  EmitResult(node.outputs[0], "Slice",
             {ReadF32(node.inputs[0]), Int64s({slice.front}), Int64s({end}), Int64s({0})});
}

void Lowering::LowerGather(const Node& node) {
  const ValueId output = node.outputs[0];
  const Value& table = graph_.value(node.inputs[0]);
  const std::vector<Attribute> axis = {{"axis", int64_t{0}}};
  if (table.kind == ValueKind::kConstant || table.dtype == graph_.value(output).dtype) {
    const Name source = table.dtype == DType::kI32 ? Read(node.inputs[0]) : ReadF32(node.inputs[0]);
    return EmitResult(output, "Gather", {source, Read(node.inputs[1])}, axis);
  }
  // Widen the rows that are picked, not the table.
  const Name picked = Emit("Gather", {Read(node.inputs[0]), Read(node.inputs[1])}, axis);
  EmitResult(output, "Cast", {picked}, {{"to", kOnnxFloat}});
}

void Lowering::LowerCacheWrite(const Node& node) {
  const Name axis = Int64s({1});
  const Name slot = Emit("Unsqueeze", {ReadInt64(node.inputs[2]), axis});
  const Name position = Emit("Unsqueeze", {ReadInt64(node.inputs[3]), axis});
  const Name places = Emit("Concat", {slot, position}, {{"axis", int64_t{1}}});
  const DType cache = graph_.value(node.inputs[0]).dtype;
  Name rows = ReadF32(node.inputs[1]);
  if (cache != DType::kF32) rows = Cast(rows, cache);
  EmitResult(node.outputs[0], "ScatterND", {Read(node.inputs[0]), places, rows});
}

bool Lowering::OnlyChannelsFirst(ValueId id) const {
  return channels_first_.contains(id) && !plain_.contains(id);
}

Lowering::Name Lowering::Read(ValueId id) {
  id = Original(id);
  if (const auto it = plain_.find(id); it != plain_.end()) return it->second;
  const Value& value = graph_.value(id);
  if (OnlyChannelsFirst(id)) {
    const Name source = channels_first_.at(id);
    EmitResult(id, "Transpose", {source}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
    return plain_.at(id);
  }
  // A constant in its own type; float operands come through ReadF32.
  const Name name = Unique(value.name);
  writer_->AddInitializer(name, value.data);
  return plain_[id] = name;
}

Lowering::Name Lowering::ReadF32(ValueId id) {
  if (const auto it = f32_.find(id); it != f32_.end()) return it->second;
  const Value& value = graph_.value(id);
  if (value.kind != ValueKind::kConstant) {
    if (value.dtype == DType::kF32) return Read(id);
    return f32_[id] = Cast(Read(id), DType::kF32);
  }
  auto tensor = ToF32Tensor(value.data);
  if (!tensor.ok()) {
    status_ = std::move(tensor).status();
    return "";
  }
  return f32_[id] = FloatConstant(value.name, *tensor);
}

Lowering::Name Lowering::ReadTransposed(ValueId id) {
  if (const auto it = transposed_.find(id); it != transposed_.end()) return it->second;
  const Value& value = graph_.value(id);
  if (value.kind != ValueKind::kConstant) {
    return transposed_[id] =
               Emit("Transpose", {ReadF32(id)}, {{"perm", std::vector<int64_t>{1, 0}}});
  }
  auto tensor = ToF32Tensor(value.data);
  if (!tensor.ok()) {
    status_ = std::move(tensor).status();
    return "";
  }
  return transposed_[id] = FloatConstant(value.name + "/transposed", Transposed(*tensor));
}

Lowering::Name Lowering::ReadChannelsFirst(ValueId id) {
  if (const auto it = channels_first_.find(id); it != channels_first_.end()) return it->second;
  const Name name = Emit("Transpose", {ReadF32(id)}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  return channels_first_[id] = name;
}

Lowering::Name Lowering::ReadInt64(ValueId id) {
  const auto it = int64_.find(id);
  return it != int64_.end() ? it->second : int64_[id] = Cast(Read(id), DType::kI64);
}

Lowering::Name Lowering::FloatConstant(const std::string& name, const Tensor& tensor) {
  const Name f32_name = Unique(name);
  if (weights_ == OnnxWeights::kF16 && tensor.shape().size() >= 2) {
    Tensor half(DType::kF16, tensor.shape());
    bool fits = true;
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const float x = tensor.As<float>()[i];
      half.As<F16>()[i] = ToF16(x);
      fits = fits && (std::isfinite(ToF32(half.As<F16>()[i])) || !std::isfinite(x));
    }
    if (fits) {
      const Name stored = Unique(name + "/f16");
      writer_->AddInitializer(stored, half.ViewOf());
      return Emit("Cast", {stored}, {{"to", kOnnxFloat}}, f32_name);
    }
  }
  writer_->AddInitializer(f32_name, tensor.ViewOf());
  return f32_name;
}

Lowering::Name Lowering::Emit(std::string_view op_type, const std::vector<Name>& inputs,
                              const std::vector<Attribute>& attributes, Name output) {
  if (output.empty()) output = Unique(scope_ + "/" + std::string(op_type));
  const Name first = scope_ + "/" + std::string(op_type);
  Name name = first;
  for (int i = 2; !node_names_.insert(name).second; ++i) name = first + "_" + std::to_string(i);
  writer_->AddNode(op_type, name, inputs, {output}, attributes);
  return output;
}

void Lowering::EmitResult(ValueId id, std::string_view op_type, const std::vector<Name>& inputs,
                          const std::vector<Attribute>& attributes) {
  plain_[id] = Emit(op_type, inputs, attributes, ResultName(id));
}

Lowering::Name Lowering::Cast(const Name& input, DType to) {
  const int64_t type = to == DType::kF32 ? 1 : to == DType::kI64 ? 7 : to == DType::kF16 ? 10 : 16;
  return Emit("Cast", {input}, {{"to", type}});
}

Lowering::Name Lowering::Int64s(const std::vector<int64_t>& values) {
  Name& name = shared_["int64" + ShapeToString(values)];
  if (name.empty()) {
    name = Unique("constants/int64");
    writer_->AddInitializer(name,
                            {values.data(), DType::kI64, {static_cast<int64_t>(values.size())}});
  }
  return name;
}

Lowering::Name Lowering::F32Scalar(float value) {
  Name& name = shared_["f32 " + std::to_string(std::bit_cast<uint32_t>(value))];
  if (name.empty()) {
    name = Unique("constants/f32");
    writer_->AddInitializer(name, {&value, DType::kF32, {}});
  }
  return name;
}

Lowering::Name Lowering::Unique(const std::string& wanted) {
  Name name = wanted;
  for (int i = 2; !taken_.insert(name).second; ++i) name = wanted + "_" + std::to_string(i);
  return name;
}

Lowering::Name Lowering::ResultName(ValueId id) {
  const auto it = result_names_.find(id);
  return it != result_names_.end() ? it->second : Unique(graph_.value(id).name);
}

}  // namespace tessera::onnx
