#include "formats/onnx.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "formats/onnx_fields.h"
#include "formats/onnx_tensor.h"

namespace tessera {
namespace {

using namespace onnx_fields;  // NOLINT: a list of names for this file

using onnx_reader::ExpectWire;
using onnx_reader::ForEachField;
using onnx_reader::ForEachNumber;

constexpr uint64_t kProtobufLimit = (uint64_t{1} << 31) - 1;
constexpr int kMaxDepth = 16;  // of graphs in attributes of nodes
constexpr int64_t kIrLimit = 1 << 20;

std::string_view PlainDomain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

Status TakeBytes(const WireField& field, const char* what, std::string_view& to) {
  TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, what));
  to = field.bytes;
  return OkStatus();
}

Status TakeInt(const WireField& field, const char* what, int64_t& to) {
  TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kVarint, what));
  to = field.AsInt();
  return OkStatus();
}

// The first name that is there twice; sorts `names`.
Status CheckUnique(std::vector<std::string_view>& names, const char* what) {
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return OkStatus();
  return DataLoss("expected one " + std::string(what) + " " + QuotedName(*twice) +
                  ", found two; the file is broken, export the model again");
}

class Parser {
 public:
  explicit Parser(onnx_reader::Storage& storage) : storage_(storage) {}

  Status Model(std::string_view message, OnnxModel& model);

 private:
  Status Graph(std::string_view message, OnnxGraph& graph, int depth);
  Status Node(std::string_view message, std::vector<OnnxNode>& nodes, int depth);
  Status Attribute(std::string_view message, OnnxNode& node, int depth);
  Status AttributeGraph(std::string_view message, OnnxAttribute& attribute, int depth);
  Status Function(std::string_view message, std::vector<OnnxFunction>& functions);
  Status ValueInfo(std::string_view message, std::vector<OnnxValueInfo>& values);
  Status TensorType(std::string_view message, OnnxValueInfo& value);
  Status Dim(std::string_view message, std::vector<OnnxDim>& dims);
  Status Tensor(std::string_view message, std::vector<OnnxTensor>& tensors);
  Status Initializer(std::string_view message, OnnxGraph& graph);
  Status Opset(std::string_view message, OnnxModel& model);
  Status Metadata(std::string_view message, OnnxModel& model);
  Status Name(const WireField& field, const char* what, std::vector<std::string_view>& names);

  // Appends an element within the bound on memory.
  template <typename T>
  Status Append(T element, std::vector<T>& to) {
    TESSERA_RETURN_IF_ERROR(storage_.Charge(sizeof(T)));
    to.push_back(std::move(element));
    return OkStatus();
  }

  onnx_reader::Storage& storage_;
};

Status Parser::Name(const WireField& field, const char* what,
                    std::vector<std::string_view>& names) {
  TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, what));
  return Append(field.bytes, names);
}

Status Parser::Model(std::string_view message, OnnxModel& model) {
  bool has_graph = false;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    using namespace model_field;
    switch (field.number) {
      case kIrVersion:
        return TakeInt(field, "the IR version", model.ir_version);
      case kProducerName:
        return TakeBytes(field, "the producer", model.producer_name);
      case kProducerVersion:
        return TakeBytes(field, "the producer's version", model.producer_version);
      case kOpset:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "an opset"));
        return Opset(field.bytes, model);
      case kMetadata:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "metadata"));
        return Metadata(field.bytes, model);
      case kFunctions:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "a function"));
        return Function(field.bytes, model.functions);
      case kGraph:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "the graph"));
        if (has_graph) {
          return DataLoss("expected one graph, found two; the file is broken, fetch it again");
        }
        has_graph = true;
        return Graph(field.bytes, model.graph, 0);
      default:
        return OkStatus();
    }
  }));
  if (!has_graph || model.ir_version < 1 || model.ir_version > kIrLimit) {
    return DataLoss("expected an ONNX model with an IR version and a graph, found " +
                    std::string(has_graph ? "no such version" : "no graph") +
                    "; this is not an ONNX file, or it is truncated");
  }
  return OkStatus();
}

Status Parser::Opset(std::string_view message, OnnxModel& model) {
  std::string_view domain;
  int64_t version = 0;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    if (field.number == opset_field::kDomain) return TakeBytes(field, "a domain", domain);
    if (field.number == opset_field::kVersion) return TakeInt(field, "an opset version", version);
    return OkStatus();
  }));
  TESSERA_RETURN_IF_ERROR(storage_.Charge(sizeof(decltype(model.opsets)::value_type) * 2));
  const auto [it, inserted] = model.opsets.emplace(PlainDomain(domain), version);
  if (inserted || it->second == version) return OkStatus();
  return DataLoss("expected one opset of domain " + QuotedName(domain) + ", found versions " +
                  std::to_string(it->second) + " and " + std::to_string(version) +
                  "; export the model again");
}

Status Parser::Metadata(std::string_view message, OnnxModel& model) {
  std::string_view key, value;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    if (field.number == entry_field::kKey) return TakeBytes(field, "a key", key);
    if (field.number == entry_field::kValue) return TakeBytes(field, "a value", value);
    return OkStatus();
  }));
  TESSERA_RETURN_IF_ERROR(storage_.Charge(sizeof(decltype(model.metadata)::value_type) * 2));
  model.metadata.insert_or_assign(key, value);
  return OkStatus();
}

Status Parser::Graph(std::string_view message, OnnxGraph& graph, int depth) {
  if (depth > kMaxDepth) {
    return ResourceExhausted("expected graphs at most " + std::to_string(kMaxDepth) +
                             " deep inside each other, found more; the file is broken");
  }
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    using namespace graph_field;
    if (field.number == kName) return TakeBytes(field, "the graph's name", graph.name);
    if (field.number != kNode && field.number != kInitializer && field.number != kInput &&
        field.number != kOutput && field.number != kValueInfo &&
        field.number != kSparseInitializer) {
      return OkStatus();
    }
    TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "a part of the graph"));
    switch (field.number) {
      case kNode:
        return Node(field.bytes, graph.nodes, depth);
      case kInitializer:
        return Initializer(field.bytes, graph);
      case kInput:
        return ValueInfo(field.bytes, graph.inputs);
      case kOutput:
        return ValueInfo(field.bytes, graph.outputs);
      case kValueInfo:
        return ValueInfo(field.bytes, graph.value_info);
      default:
        return Unimplemented(
            "expected dense initializers, found a sparse one; save the model with dense weights");
    }
  }));
  std::vector<std::string_view> defined, outputs;
  for (const OnnxValueInfo& input : graph.inputs) {
    if (graph.FindInitializer(input.name) == nullptr) defined.push_back(input.name);
  }
  for (const auto& [name, tensor] : graph.initializers) defined.push_back(name);
  for (const OnnxNode& node : graph.nodes) {
    for (const std::string_view name : node.outputs) {
      if (!name.empty()) defined.push_back(name);
    }
  }
  for (const OnnxValueInfo& output : graph.outputs) outputs.push_back(output.name);
  TESSERA_RETURN_IF_ERROR(CheckUnique(defined, "definition of value"));
  return CheckUnique(outputs, "output");
}

Status Parser::Tensor(std::string_view message, std::vector<OnnxTensor>& tensors) {
  TESSERA_ASSIGN_OR_RETURN(OnnxTensor tensor, storage_.ReadTensor(message));
  return Append(std::move(tensor), tensors);
}

Status Parser::Initializer(std::string_view message, OnnxGraph& graph) {
  TESSERA_ASSIGN_OR_RETURN(OnnxTensor tensor, storage_.ReadTensor(message));
  TESSERA_RETURN_IF_ERROR(storage_.Charge(sizeof(decltype(graph.initializers)::value_type) * 2));
  const std::string_view name = tensor.name;
  if (graph.initializers.emplace(name, std::move(tensor)).second) return OkStatus();
  return DataLoss("expected one initializer " + QuotedName(name) +
                  ", found two; the file is broken, export the model again");
}

Status Parser::Node(std::string_view message, std::vector<OnnxNode>& nodes, int depth) {
  OnnxNode node;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    using namespace node_field;
    switch (field.number) {
      case kInput:
        return Name(field, "a node's input", node.inputs);
      case kOutput:
        return Name(field, "a node's output", node.outputs);
      case kName:
        return TakeBytes(field, "a node's name", node.name);
      case kOpType:
        return TakeBytes(field, "a node's type", node.op_type);
      case kDomain:
        TESSERA_RETURN_IF_ERROR(TakeBytes(field, "a node's domain", node.domain));
        node.domain = PlainDomain(node.domain);
        return OkStatus();
      case kAttribute:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "an attribute"));
        return Attribute(field.bytes, node, depth);
      default:
        return OkStatus();
    }
  }));
  if (node.op_type.empty()) {
    return DataLoss(
        "node " + QuotedName(node.name) +
        ": expected an op type, found none; the file is broken, export the model again");
  }
  return Append(std::move(node), nodes);
}

Status Parser::AttributeGraph(std::string_view message, OnnxAttribute& attribute, int depth) {
  TESSERA_RETURN_IF_ERROR(storage_.Charge(sizeof(OnnxGraph)));
  attribute.graphs.emplace_back();
  return Graph(message, attribute.graphs.back(), depth + 1);
}

Status Parser::Attribute(std::string_view message, OnnxNode& node, int depth) {
  OnnxAttribute attribute;
  auto status = ForEachField(message, [&](const WireField& field) {
    using namespace attribute_field;
    switch (field.number) {
      case kName:
        return TakeBytes(field, "an attribute's name", attribute.name);
      case kReference:
        return TakeBytes(field, "an attribute's reference", attribute.reference);
      case kType: {
        int64_t type = 0;
        TESSERA_RETURN_IF_ERROR(TakeInt(field, "an attribute's type", type));
        attribute.type = static_cast<int32_t>(std::clamp<int64_t>(type, 0, 1 << 20));
        return OkStatus();
      }
      case kFloat:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kFixed32, "a float attribute"));
        attribute.f = field.AsFloat();
        return OkStatus();
      case kInt:
        return TakeInt(field, "an int attribute", attribute.i);
      case kString:
        return TakeBytes(field, "a string attribute", attribute.s);
      case kFloats:
        return ForEachNumber(field, WireType::kFixed32, "a floats attribute", [&](uint64_t bits) {
          return Append(WireField{.value = bits}.AsFloat(), attribute.floats);
        });
      case kInts:
        return ForEachNumber(field, WireType::kVarint, "an ints attribute", [&](uint64_t number) {
          return Append(static_cast<int64_t>(number), attribute.ints);
        });
      case kStrings:
        return Name(field, "a strings attribute", attribute.strings);
      case kTensor:
      case kTensors:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "a tensor attribute"));
        return Tensor(field.bytes, attribute.tensors);
      case kGraph:
      case kGraphs:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "a graph attribute"));
        return AttributeGraph(field.bytes, attribute, depth);
      default:
        return OkStatus();
    }
  });
  if (!status.ok()) {
    return std::move(status).AddContext("node " + QuotedName(node.name) + ", attribute " +
                                        QuotedName(attribute.name));
  }
  return Append(std::move(attribute), node.attributes);
}

Status Parser::Function(std::string_view message, std::vector<OnnxFunction>& functions) {
  OnnxFunction function;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    using namespace function_field;
    switch (field.number) {
      case kName:
        return TakeBytes(field, "a function's name", function.name);
      case kDomain:
        return TakeBytes(field, "a function's domain", function.domain);
      case kInput:
        return Name(field, "a function's input", function.inputs);
      case kOutput:
        return Name(field, "a function's output", function.outputs);
      case kAttribute:
        return Name(field, "a function's attribute", function.attributes);
      case kNode:
        TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "a function's node"));
        return Node(field.bytes, function.nodes, 0);
      default:
        return OkStatus();
    }
  }));
  return Append(std::move(function), functions);
}

Status Parser::ValueInfo(std::string_view message, std::vector<OnnxValueInfo>& values) {
  OnnxValueInfo value;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    if (field.number == value_field::kName) return TakeBytes(field, "a value's name", value.name);
    if (field.number != value_field::kType) return OkStatus();
    TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "a value's type"));
    return ForEachField(field.bytes, [&](const WireField& part) {
      if (part.number != type_field::kTensor) return OkStatus();  // a sequence, a map, ...
      TESSERA_RETURN_IF_ERROR(ExpectWire(part, WireType::kBytes, "a tensor type"));
      return TensorType(part.bytes, value);
    });
  }));
  return Append(std::move(value), values);
}

Status Parser::TensorType(std::string_view message, OnnxValueInfo& value) {
  return ForEachField(message, [&](const WireField& field) {
    if (field.number == tensor_type_field::kElement) {
      int64_t type = 0;
      TESSERA_RETURN_IF_ERROR(TakeInt(field, "an element type", type));
      value.type = static_cast<OnnxType>(std::clamp<int64_t>(type, 0, 1 << 20));
      return OkStatus();
    }
    if (field.number != tensor_type_field::kShape) return OkStatus();
    TESSERA_RETURN_IF_ERROR(ExpectWire(field, WireType::kBytes, "a shape"));
    if (!value.dims) value.dims.emplace();
    return ForEachField(field.bytes, [&](const WireField& part) {
      if (part.number != shape_field::kDim) return OkStatus();
      TESSERA_RETURN_IF_ERROR(ExpectWire(part, WireType::kBytes, "a dimension"));
      return Dim(part.bytes, *value.dims);
    });
  });
}

Status Parser::Dim(std::string_view message, std::vector<OnnxDim>& dims) {
  OnnxDim dim;
  TESSERA_RETURN_IF_ERROR(ForEachField(message, [&](const WireField& field) {
    if (field.number == dim_field::kSymbol) return TakeBytes(field, "a dimension", dim.symbol);
    if (field.number != dim_field::kValue) return OkStatus();
    TESSERA_RETURN_IF_ERROR(TakeInt(field, "a dimension", dim.value));
    dim.value = std::max<int64_t>(dim.value, -1);  // exporters write -1 for "any"
    return OkStatus();
  }));
  return Append(dim, dims);
}

}  // namespace

const OnnxAttribute* OnnxNode::FindAttribute(std::string_view attribute_name) const {
  for (const OnnxAttribute& attribute : attributes) {
    if (attribute.name == attribute_name) return &attribute;
  }
  return nullptr;
}

const OnnxTensor* OnnxGraph::FindInitializer(std::string_view tensor_name) const {
  const auto it = initializers.find(tensor_name);
  return it == initializers.end() ? nullptr : &it->second;
}

Result<OnnxModel> ParseOnnx(Bytes bytes, std::shared_ptr<const void> owner,
                            const OnnxReadOptions& options) {
  if (bytes.size() > kProtobufLimit) {
    return ResourceExhausted("expected an ONNX file of at most 2 GB, where protobuf ends, found " +
                             std::to_string(bytes.size()) +
                             " bytes; save the model with external data (onnx.save_model with "
                             "save_as_external_data=True)");
  }
  onnx_reader::Storage storage(std::move(owner), options.folder);
  OnnxModel model;
  TESSERA_RETURN_IF_ERROR(
      Parser(storage).Model({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, model));
  model.owner = storage.owner();
  model.files = storage.files();
  return model;
}

Result<OnnxModel> ReadOnnx(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  const std::string parent = path.substr(0, path.size() - BaseName(path).size());
  auto model = ParseOnnx(file->bytes(), file, {.folder = parent.empty() ? "." : parent});
  if (!model.ok()) return std::move(model).status().AddContext("\"" + path + "\"");
  model->files.insert(model->files.begin(), file);
  return model;
}

}  // namespace tessera
