#include "formats/onnx_writer.h"

#include <bit>
#include <optional>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/file.h"
#include "base/protobuf_wire.h"
#include "formats/onnx_fields.h"

namespace tessera {
namespace {

using namespace onnx_fields;  // NOLINT: a list of names for this file

static_assert(std::endian::native == std::endian::little, "tensors are little-endian");

constexpr uint64_t kProtobufLimit = (uint64_t{1} << 31) - 1;
constexpr uint64_t kPage = 4096;  // lets a reader map each tensor on its own
constexpr int kMaxDepth = 16;

constexpr int64_t kExternalLocation = 1;

class Writer {
 public:
  Writer(const OnnxModel& model, std::string path, const OnnxWriteOptions& options)
      : model_(model), path_(std::move(path)), data_path_(path_ + ".data"), options_(options) {}

  Status Run() {
    WireWriter out;
    out.Int(model_field::kIrVersion, model_.ir_version);
    out.Bytes(model_field::kProducerName, model_.producer_name);
    out.Bytes(model_field::kProducerVersion, model_.producer_version);
    for (const auto& [domain, version] : model_.opsets) {
      WireWriter opset;
      opset.Bytes(opset_field::kDomain, domain);
      opset.Int(opset_field::kVersion, version);
      out.Bytes(model_field::kOpset, opset.data());
    }
    for (const auto& [key, value] : model_.metadata) {
      WireWriter entry;
      entry.Bytes(entry_field::kKey, key);
      entry.Bytes(entry_field::kValue, value);
      out.Bytes(model_field::kMetadata, entry.data());
    }
    for (const OnnxFunction& function : model_.functions) {
      WireWriter message;
      Function(function, message);
      out.Bytes(model_field::kFunctions, message.data());
    }
    WireWriter graph;
    Graph(model_.graph, graph, 0);
    TESSERA_RETURN_IF_ERROR(status_);
    const uint64_t total = out.data().size() + graph.data().size() + 16;
    if (total > kProtobufLimit) {
      return ResourceExhausted(
          "expected a model of at most 2 GB without its external data, found " +
          std::to_string(total) + " bytes");
    }
    out.BytesHead(model_field::kGraph, graph.data().size());
    out.Raw(graph.data());
    // The data first: a model that is there has its data.
    if (data_) TESSERA_RETURN_IF_ERROR(data_->Commit());
    return WriteFileAtomically(path_, out.data());
  }

 private:
  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  void Graph(const OnnxGraph& graph, WireWriter& out, int depth) {
    if (depth > kMaxDepth) return Fail(ResourceExhausted("graphs too deep inside each other"));
    for (const OnnxNode& node : graph.nodes) {
      WireWriter message;
      Node(node, message, depth);
      out.Bytes(graph_field::kNode, message.data());
    }
    out.Bytes(graph_field::kName, graph.name);
    for (const auto& [name, tensor] : graph.initializers) {
      WireWriter message;
      Tensor(tensor, name, message, true);
      out.Bytes(graph_field::kInitializer, message.data());
    }
    const auto add = [&](uint32_t field, const std::vector<OnnxValueInfo>& values) {
      for (const OnnxValueInfo& value : values) {
        WireWriter message;
        Value(value, message, field != graph_field::kValueInfo && depth == 0);
        out.Bytes(field, message.data());
      }
    };
    add(graph_field::kInput, graph.inputs);
    add(graph_field::kOutput, graph.outputs);
    add(graph_field::kValueInfo, graph.value_info);
  }

  void Node(const OnnxNode& node, WireWriter& out, int depth) {
    for (const std::string_view name : node.inputs) out.Bytes(node_field::kInput, name);
    for (const std::string_view name : node.outputs) out.Bytes(node_field::kOutput, name);
    out.Bytes(node_field::kName, node.name);
    out.Bytes(node_field::kOpType, node.op_type);
    if (!node.domain.empty()) out.Bytes(node_field::kDomain, node.domain);
    for (const OnnxAttribute& attribute : node.attributes) {
      WireWriter message;
      Attribute(attribute, message, depth);
      out.Bytes(node_field::kAttribute, message.data());
    }
  }

  void Attribute(const OnnxAttribute& a, WireWriter& out, int depth) {
    using namespace attribute_field;
    out.Bytes(kName, a.name);
    if (!a.reference.empty()) out.Bytes(kReference, a.reference);
    out.Int(kType, a.type);
    if (a.type >= 11 || a.type == 0) {
      if (a.reference.empty()) {
        Fail(Unimplemented("attribute " + QuotedName(a.name) + " is of type " +
                           std::to_string(a.type) + ", which is not written"));
      }
      return;
    }
    if (a.type == 1) out.Float(kFloat, a.f);
    if (a.type == 2) out.Int(kInt, a.i);
    if (a.type == 3) out.Bytes(kString, a.s);
    for (const float f : a.floats) out.Float(kFloats, f);
    for (const int64_t i : a.ints) out.Int(kInts, i);
    for (const std::string_view s : a.strings) out.Bytes(kStrings, s);
    for (const OnnxTensor& tensor : a.tensors) {
      WireWriter message;
      Tensor(tensor, tensor.name, message, false);
      out.Bytes(a.type == 4 ? kTensor : kTensors, message.data());
    }
    for (const OnnxGraph& graph : a.graphs) {
      WireWriter message;
      Graph(graph, message, depth + 1);
      out.Bytes(a.type == 5 ? kGraph : kGraphs, message.data());
    }
  }

  void Tensor(const OnnxTensor& tensor, std::string_view name, WireWriter& out,
              bool may_be_external) {
    using namespace tensor_field;
    for (const int64_t dim : tensor.shape) out.Int(kDims, dim);
    out.Int(kDataType, tensor.type);
    out.Bytes(kName, name);
    if (OnnxTypeBits(tensor.type) == 0)
      return Fail(Unimplemented("tensor " + QuotedName(name) + " is of type " +
                                OnnxTypeName(tensor.type) + ", which is not written"));
    const uint64_t size = tensor.data.size();
    if (!may_be_external || options_.external_from == 0 || size < options_.external_from) {
      out.Bytes(kRawData, {reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()});
      return;
    }
    const uint64_t offset = Append(tensor.data);
    const auto entry = [&](std::string_view key, const std::string& value) {
      WireWriter message;
      message.Bytes(1, key);
      message.Bytes(2, value);
      out.Bytes(kExternalData, message.data());
    };
    entry("location", std::string(BaseName(data_path_)));
    entry("offset", std::to_string(offset));
    entry("length", std::to_string(size));
    out.Int(kDataLocation, kExternalLocation);
  }

  // Puts bytes into the data file, on a page of their own; gives their offset.
  uint64_t Append(Bytes bytes) {
    if (!status_.ok()) return 0;
    if (!data_) {
      auto created = AtomicFileWriter::Create(data_path_);
      if (!created.ok()) {
        Fail(std::move(created).status());
        return 0;
      }
      data_.emplace(std::move(created).value());
    }
    const uint64_t offset = (data_size_ + kPage - 1) / kPage * kPage;
    const std::string padding(offset - data_size_, '\0');
    if (Status s = data_->Append(AsBytes(padding)); !s.ok()) Fail(std::move(s));
    if (Status s = data_->Append(bytes); !s.ok()) Fail(std::move(s));
    data_size_ = offset + bytes.size();
    return offset;
  }

  void Value(const OnnxValueInfo& value, WireWriter& out, bool of_interface) {
    out.Bytes(1, value.name);
    if (value.type == 0) {
      if (of_interface)
        Fail(Unimplemented("value " + QuotedName(value.name) +
                           " is no tensor, or of no type; such a model is not written"));
      return;
    }
    WireWriter tensor;
    tensor.Int(1, value.type);
    if (value.dims) {
      WireWriter shape;
      for (const OnnxDim& dim : *value.dims) {
        WireWriter message;
        if (dim.value >= 0) {
          message.Int(1, dim.value);
        } else if (!dim.symbol.empty()) {
          message.Bytes(2, dim.symbol);
        }
        shape.Bytes(1, message.data());
      }
      tensor.Bytes(2, shape.data());
    }
    WireWriter type;
    type.Bytes(1, tensor.data());
    out.Bytes(2, type.data());
  }

  void Function(const OnnxFunction& function, WireWriter& out) {
    using namespace function_field;
    out.Bytes(kName, function.name);
    for (const std::string_view name : function.inputs) out.Bytes(kInput, name);
    for (const std::string_view name : function.outputs) out.Bytes(kOutput, name);
    for (const std::string_view name : function.attributes) out.Bytes(kAttribute, name);
    for (const OnnxNode& node : function.nodes) {
      WireWriter message;
      Node(node, message, 0);
      out.Bytes(kNode, message.data());
    }
    for (const auto& [domain, version] : model_.opsets) {
      WireWriter opset;
      opset.Bytes(opset_field::kDomain, domain);
      opset.Int(opset_field::kVersion, version);
      out.Bytes(kOpset, opset.data());
    }
    out.Bytes(kDomain, function.domain);
  }

  const OnnxModel& model_;
  const std::string path_, data_path_;
  const OnnxWriteOptions& options_;
  std::optional<AtomicFileWriter> data_;
  uint64_t data_size_ = 0;
  Status status_;
};

}  // namespace

Status WriteOnnx(const OnnxModel& model, const std::string& path, const OnnxWriteOptions& options) {
  auto status = Writer(model, path, options).Run();
  if (status.ok()) return status;
  return std::move(status).AddContext("writing \"" + path + "\"");
}

}  // namespace tessera
