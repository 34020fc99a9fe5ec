// ONNX models: the graph, its types and its weights, as the file has them.
//
// Own reader of the protobuf wire format over a mapped file; field numbers of onnx.proto (ONNX
// 1.12 to 1.19). Nothing is interpreted: node types and attributes are kept as they are, subgraphs
// and functions included. Names and strings are views into the file; element data is in place when
// it is raw or external, and decoded once when it is in typed fields.
//
// External data lies beside the model: a relative location without "..", inside the folder of the
// file (a link there may lead elsewhere; model caches store them so). Offsets and lengths are
// checked against the shape and the file.
//
// Hostile input: time and memory grow with the size of the file and no faster; the number of
// objects, the depth of subgraphs and the decoded data are bounded. A file above 2 GB is refused:
// protobuf ends there, and larger models keep their weights outside. Everything is immutable after
// reading and may be shared between threads.
#ifndef TESSERA_FORMATS_ONNX_H_
#define TESSERA_FORMATS_ONNX_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/mapped_file.h"
#include "tensor/tensor.h"

namespace tessera {

// TensorProto.DataType: 1 float, 2 uint8, 3 int8, 4 uint16, 5 int16, 6 int32, 7 int64, 8 string,
// 9 bool, 10 float16, 11 double, 12 uint32, 13 uint64, 14 complex64, 15 complex128, 16 bfloat16,
// 17-20 float8, 21 uint4, 22 int4, 23 float4; a later one is kept as a number.
using OnnxType = int32_t;
inline constexpr OnnxType kOnnxString = 8, kOnnxBool = 9;
// "float", "int64", ... as onnx.proto spells it in lower case; "type 99" for one we do not know.
std::string OnnxTypeName(OnnxType type);
// Bits of one element; 0 for strings and types we do not know.
int OnnxTypeBits(OnnxType type);
// A name of a file for a message: at most 100 characters, printable, in quotes.
std::string QuotedName(std::string_view name);
// The DType with the same elements, where there is one.
std::optional<DType> OnnxDType(OnnxType type);

struct OnnxTensor {
  std::string_view name;
  OnnxType type = 0;
  Shape shape;
  // The elements, little-endian, row-major, their size checked against the shape; not aligned.
  // Empty for strings and unknown types.
  Bytes data;

  // kUnimplemented for a type that DType does not have.
  Result<View> ToView() const;
};

struct OnnxDim {
  int64_t value = -1;       // -1: not fixed
  std::string_view symbol;  // "batch"; empty when it is fixed or has no name
};

struct OnnxValueInfo {
  std::string_view name;
  OnnxType type = 0;                         // 0: not a tensor, or not said
  std::optional<std::vector<OnnxDim>> dims;  // absent: not even the rank is known
};

struct OnnxGraph;

// AttributeProto.type: 1 float, 2 int, 3 string, 4 tensor, 5 graph, 6 floats, 7 ints, 8 strings,
// 9 tensors, 10 graphs, 11 sparse tensor, 12 sparse tensors, 13 type, 14 types. Only the fields of
// that type are filled; of the last four nothing is kept but the name.
struct OnnxAttribute {
  std::string_view name;
  std::string_view reference;  // of a function's attribute that gives the value; else empty
  int32_t type = 0;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
  std::vector<OnnxTensor> tensors;  // one for type 4
  std::vector<OnnxGraph> graphs;    // one for type 5
};

struct OnnxNode {
  std::string_view name, op_type;
  std::string_view domain;                        // "" for ONNX's own ops ("ai.onnx" is read as "")
  std::vector<std::string_view> inputs, outputs;  // "" where an optional one is absent
  std::vector<OnnxAttribute> attributes;

  const OnnxAttribute* FindAttribute(std::string_view attribute_name) const;  // null: absent
  bool Is(std::string_view op, std::string_view op_domain = "") const {
    return op_type == op && domain == op_domain;
  }
};

struct OnnxGraph {
  std::string_view name;
  std::vector<OnnxNode> nodes;  // in the file's order, which ONNX wants topological
  std::map<std::string_view, OnnxTensor> initializers;
  std::vector<OnnxValueInfo> inputs, outputs, value_info;

  const OnnxTensor* FindInitializer(std::string_view tensor_name) const;  // null: absent
};

struct OnnxFunction {
  std::string_view domain, name;
  std::vector<std::string_view> inputs, outputs, attributes;
  std::vector<OnnxNode> nodes;
};

struct OnnxModel {
  int64_t ir_version = 0;
  std::string_view producer_name, producer_version;
  std::map<std::string_view, int64_t> opsets;             // by domain; "" is ONNX's own
  std::map<std::string_view, std::string_view> metadata;  // of equal keys the last one
  OnnxGraph graph;
  std::vector<OnnxFunction> functions;
  std::shared_ptr<const void> owner;  // keeps every view alive
  // The file, when it was read from one, and those of its external data.
  std::vector<std::shared_ptr<const MappedFile>> files;
};

struct OnnxReadOptions {
  // Where external data lies; ReadOnnx sets it to the folder of the file. Empty: there is none, and
  // a tensor that wants it is an error.
  std::string folder;
};

// Errors name the file. kNotFound and the like for the file and its external data; kDataLoss: not
// protobuf, no graph, bytes that do not fit a shape, a value that is defined twice;
// kResourceExhausted: above a bound; kUnimplemented: sparse initializers.
Result<OnnxModel> ReadOnnx(const std::string& path);
// From memory; views point into `bytes`, which `owner` keeps alive.
Result<OnnxModel> ParseOnnx(Bytes bytes, std::shared_ptr<const void> owner,
                            const OnnxReadOptions& options = {});

}  // namespace tessera

#endif  // TESSERA_FORMATS_ONNX_H_
