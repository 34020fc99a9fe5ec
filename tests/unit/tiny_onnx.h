// ONNX files of a few nodes, written for a test.
#ifndef TESSERA_TESTS_UNIT_TINY_ONNX_H_
#define TESSERA_TESTS_UNIT_TINY_ONNX_H_

#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/protobuf_wire.h"
#include "tensor/tensor.h"

namespace tessera {

// f32 tensors only, but for inputs that `Input` is told otherwise. Field numbers: onnx.proto.
class TinyOnnx {
 public:
  // A size of -1 is an open dimension.
  TinyOnnx& Input(const std::string& name, const Shape& shape, int64_t type = 1) {
    graph_.Bytes(11, ValueInfo(name, shape, type));
    return *this;
  }
  TinyOnnx& Output(const std::string& name, const Shape& shape) {
    graph_.Bytes(12, ValueInfo(name, shape, 1));
    return *this;
  }
  TinyOnnx& Node(const std::string& op, const std::string& name,
                 const std::vector<std::string>& inputs, const std::string& output) {
    WireWriter node;
    for (const std::string& input : inputs) node.Bytes(1, input);
    node.Bytes(2, output);
    node.Bytes(3, name);
    node.Bytes(4, op);
    graph_.Bytes(1, node.data());
    return *this;
  }
  TinyOnnx& Constant(const std::string& name, const Tensor& tensor) {
    WireWriter constant;
    for (const int64_t size : tensor.shape()) constant.Int(1, size);
    constant.Int(2, 1);
    constant.Bytes(8, name);
    constant.Bytes(9, {static_cast<const char*>(tensor.ViewOf().data), tensor.ViewOf().bytes()});
    graph_.Bytes(5, constant.data());
    return *this;
  }
  // IR 8, opset 17.
  Status Write(const std::string& path) const {
    WireWriter graph = graph_, opset, model;
    graph.Bytes(2, "tiny");
    opset.Bytes(1, "");
    opset.Int(2, 17);
    model.Int(1, 8);
    model.Bytes(7, graph.data());
    model.Bytes(8, opset.data());
    return WriteFileAtomically(path, model.data());
  }

 private:
  static std::string ValueInfo(const std::string& name, const Shape& shape, int64_t element) {
    WireWriter dims, tensor, type, info;
    for (const int64_t size : shape) {
      WireWriter dim;
      if (size < 0) {
        dim.Bytes(2, "n");
      } else {
        dim.Int(1, size);
      }
      dims.Bytes(1, dim.data());
    }
    tensor.Int(1, element);
    tensor.Bytes(2, dims.data());
    type.Bytes(1, tensor.data());
    info.Bytes(1, name);
    info.Bytes(2, type.data());
    return info.data();
  }

  WireWriter graph_;
};

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_TINY_ONNX_H_
