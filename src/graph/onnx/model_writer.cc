#include "graph/onnx/model_writer.h"

#include <bit>

#include "base/file.h"

namespace tessera::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "initialisers are little-endian");

// IR version 8 came with opset 15, 9 with opset 19.
constexpr int64_t kOpsetOfIr9 = 19;
constexpr uint64_t kProtobufLimit = (uint64_t{1} << 31) - 1;
constexpr uint64_t kExternalThreshold = uint64_t{1} << 20;
constexpr uint64_t kPage = 4096;  // lets a reader map each tensor on its own

// onnx.proto's field numbers.
enum ModelField : uint32_t { kModelIr = 1, kModelProducer = 2, kModelGraph = 7, kModelOpset = 8 };
enum OpsetField : uint32_t { kOpsetDomain = 1, kOpsetVersion = 2 };
enum GraphField : uint32_t {
  kGraphNode = 1,
  kGraphName = 2,
  kGraphInitializer = 5,
  kGraphInput = 11,
  kGraphOutput = 12
};
enum NodeField : uint32_t {
  kNodeInput = 1,
  kNodeOutput = 2,
  kNodeName = 3,
  kNodeOpType = 4,
  kNodeAttribute = 5
};
enum AttributeField : uint32_t {
  kAttributeName = 1,
  kAttributeFloat = 2,
  kAttributeInt = 3,
  kAttributeInts = 8,
  kAttributeType = 20
};
enum AttributeType : int64_t { kTypeFloat = 1, kTypeInt = 2, kTypeInts = 7 };
enum TensorField : uint32_t {
  kTensorDims = 1,
  kTensorType = 2,
  kTensorName = 8,
  kTensorRaw = 9,
  kTensorExternal = 13,
  kTensorLocation = 14
};
constexpr int64_t kLocationExternal = 1;

int64_t ElementType(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 1;
    case DType::kU8:
      return 2;
    case DType::kI8:
      return 3;
    case DType::kI32:
      return 6;
    case DType::kI64:
      return 7;
    case DType::kBool:
      return 9;
    case DType::kF16:
      return 10;
    case DType::kBF16:
      return 16;
  }
  return 0;
}

std::string ValueInfo(std::string_view name, DType dtype, const Dims& dims) {
  WireWriter shape;
  for (const Dim& dim : dims) {
    WireWriter message;
    if (dim.IsConstant()) {
      message.Int(1, dim.add);
    } else {
      message.Bytes(2, DimToString(dim));
    }
    shape.Bytes(1, message.data());
  }
  WireWriter tensor, type, info;
  tensor.Int(1, ElementType(dtype));
  tensor.Bytes(2, shape.data());
  type.Bytes(1, tensor.data());
  info.Bytes(1, name);
  info.Bytes(2, type.data());
  return info.data();
}

std::string EncodeAttribute(const Attribute& attribute) {
  WireWriter message;
  message.Bytes(kAttributeName, attribute.name);
  if (const auto* integer = std::get_if<int64_t>(&attribute.value)) {
    message.Int(kAttributeInt, *integer);
    message.Int(kAttributeType, kTypeInt);
  } else if (const auto* number = std::get_if<float>(&attribute.value)) {
    message.Float(kAttributeFloat, *number);
    message.Int(kAttributeType, kTypeFloat);
  } else {
    for (int64_t item : std::get<std::vector<int64_t>>(attribute.value)) {
      message.Int(kAttributeInts, item);
    }
    message.Int(kAttributeType, kTypeInts);
  }
  return message.data();
}

void AddExternalEntry(std::string_view key, std::string_view value, WireWriter* tensor) {
  WireWriter entry;
  entry.Bytes(1, key);
  entry.Bytes(2, value);
  tensor->Bytes(kTensorExternal, entry.data());
}

}  // namespace

ModelWriter::ModelWriter(std::string path, int64_t opset, bool external_data,
                         AtomicFileWriter::Durability durability)
    : path_(std::move(path)),
      data_path_(path_ + ".data"),
      opset_(opset),
      external_data_(external_data),
      durability_(durability) {}

void ModelWriter::AddNode(std::string_view op_type, std::string_view name,
                          const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs,
                          const std::vector<Attribute>& attributes) {
  WireWriter node;
  for (const std::string& input : inputs) node.Bytes(kNodeInput, input);
  for (const std::string& output : outputs) node.Bytes(kNodeOutput, output);
  node.Bytes(kNodeName, name);
  node.Bytes(kNodeOpType, op_type);
  for (const Attribute& attribute : attributes) {
    node.Bytes(kNodeAttribute, EncodeAttribute(attribute));
  }
  nodes_.Bytes(kGraphNode, node.data());
}

void ModelWriter::AddInitializer(std::string_view name, const View& data) {
  if (!status_.ok()) return;
  WireWriter tensor;
  for (int64_t size : data.shape) tensor.Int(kTensorDims, size);
  tensor.Int(kTensorType, ElementType(data.dtype));
  tensor.Bytes(kTensorName, name);
  const uint64_t bytes = data.bytes();
  if (external_data_ && bytes > kExternalThreshold) {
    AppendExternal(data, &tensor);
    initializers_.Bytes(kGraphInitializer, tensor.data());
    return;
  }
  // Refuse before the copy, not after.
  if (initializers_.data().size() + bytes > kProtobufLimit) {
    status_ = ResourceExhausted(
        "'" + path_ + "': the weights pass 2 GB, the limit of one ONNX file; set external_data" +
        (external_data_ ? " (it is set, but the small tensors alone are too many)" : ""));
    return;
  }
  tensor.BytesHead(kTensorRaw, bytes);
  initializers_.BytesHead(kGraphInitializer, tensor.data().size() + bytes);
  initializers_.Raw(tensor.data());
  initializers_.Raw({static_cast<const char*>(data.data), bytes});
}

void ModelWriter::AppendExternal(const View& data, WireWriter* tensor) {
  if (!data_file_) {
    auto file = AtomicFileWriter::Create(data_path_);
    if (!file.ok()) {
      status_ = std::move(file).status();
      return;
    }
    data_file_ = std::move(file).value();
  }
  const std::string padding((kPage - data_size_ % kPage) % kPage, '\0');
  status_ = data_file_->Append(AsBytes(padding));
  const uint64_t offset = data_size_ + padding.size();
  if (status_.ok()) {
    status_ = data_file_->Append({static_cast<const uint8_t*>(data.data), data.bytes()});
  }
  data_size_ = offset + data.bytes();
  AddExternalEntry("location", BaseName(data_path_), tensor);
  AddExternalEntry("offset", std::to_string(offset), tensor);
  AddExternalEntry("length", std::to_string(data.bytes()), tensor);
  tensor->Int(kTensorLocation, kLocationExternal);
}

void ModelWriter::AddInput(std::string_view name, DType dtype, const Dims& dims) {
  interface_.Bytes(kGraphInput, ValueInfo(name, dtype, dims));
}

void ModelWriter::AddOutput(std::string_view name, DType dtype, const Dims& dims) {
  interface_.Bytes(kGraphOutput, ValueInfo(name, dtype, dims));
}

Status ModelWriter::Finish(std::string_view graph_name) {
  TESSERA_RETURN_IF_ERROR(status_);
  WireWriter name;
  name.Bytes(kGraphName, graph_name);
  const uint64_t graph_size = nodes_.data().size() + name.data().size() +
                              initializers_.data().size() + interface_.data().size();
  WireWriter opset, head;
  opset.Bytes(kOpsetDomain, "");
  opset.Int(kOpsetVersion, opset_);
  head.Int(kModelIr, opset_ < kOpsetOfIr9 ? 8 : 9);
  head.Bytes(kModelProducer, "tessera");
  head.Bytes(kModelOpset, opset.data());
  head.BytesHead(kModelGraph, graph_size);
  if (head.data().size() + graph_size > kProtobufLimit) {
    return ResourceExhausted("'" + path_ +
                             "': the model passes 2 GB, the limit of one ONNX file; "
                             "set external_data");
  }
  // The weights first: a model file never points to data that is not there.
  if (data_file_) TESSERA_RETURN_IF_ERROR(data_file_->Commit(durability_));
  TESSERA_ASSIGN_OR_RETURN(AtomicFileWriter file, AtomicFileWriter::Create(path_));
  for (const WireWriter* part : {&head, &nodes_, &name, &initializers_, &interface_}) {
    TESSERA_RETURN_IF_ERROR(file.Append(AsBytes(part->data())));
  }
  return file.Commit(durability_);
}

}  // namespace tessera::onnx
