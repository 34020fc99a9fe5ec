// The interface and the nodes of an exported ONNX model of fixed shapes.
#ifndef TESSERA_TESTS_UNIT_ONNX_PORTS_H_
#define TESSERA_TESTS_UNIT_ONNX_PORTS_H_

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/protobuf_wire.h"
#include "tensor/tensor.h"

namespace tessera::fixed_test {

struct OnnxPort {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
};
struct OnnxPorts {
  std::vector<OnnxPort> inputs, outputs;
  std::vector<std::pair<std::string, std::string>> nodes;  // name, op type
};

namespace internal {

inline std::vector<WireField> Fields(std::string_view data) {
  std::vector<WireField> fields;
  WireReader reader(data);
  while (true) {
    auto field = reader.Next();
    TESSERA_CHECK(field.ok());
    if (!*field) return fields;
    fields.push_back(**field);
  }
}

inline OnnxPort Port(std::string_view info) {
  OnnxPort port;
  for (const WireField& part : Fields(info)) {
    if (part.number == 1) port.name = part.bytes;
    if (part.number != 2) continue;
    for (const WireField& type : Fields(part.bytes)) {
      for (const WireField& tensor : Fields(type.bytes)) {
        if (tensor.number == 1) port.dtype = tensor.value == 6 ? DType::kI32 : DType::kF32;
        if (tensor.number != 2) continue;
        for (const WireField& dim : Fields(tensor.bytes)) {
          const auto sizes = Fields(dim.bytes);
          TESSERA_CHECK(sizes.size() == 1 && sizes[0].number == 1);  // dim_value, not dim_param
          port.shape.push_back(static_cast<int64_t>(sizes[0].value));
        }
      }
    }
  }
  return port;
}

}  // namespace internal

inline OnnxPorts ReadPorts(const std::string& path) {
  const Result<std::string> file = ReadFile(path, uint64_t{1} << 30);
  TESSERA_CHECK(file.ok());
  OnnxPorts ports;
  for (const WireField& model : internal::Fields(*file)) {
    if (model.number != 7) continue;
    for (const WireField& field : internal::Fields(model.bytes)) {
      if (field.number == 11) ports.inputs.push_back(internal::Port(field.bytes));
      if (field.number == 12) ports.outputs.push_back(internal::Port(field.bytes));
      if (field.number != 1) continue;
      std::string name, op;
      for (const WireField& part : internal::Fields(field.bytes)) {
        if (part.number == 3) name = part.bytes;
        if (part.number == 4) op = part.bytes;
      }
      ports.nodes.emplace_back(name, op);
    }
  }
  return ports;
}

}  // namespace tessera::fixed_test

#endif  // TESSERA_TESTS_UNIT_ONNX_PORTS_H_
