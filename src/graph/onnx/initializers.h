// The stored tensors of an ONNX model file: weights without the graph around them.
//
// Reads ModelProto.graph.initializer. Tensors whose elements lie in the file as raw little-endian
// bytes, of a type that DType has, become views into the mapped file (not aligned); others
// (external files, typed data fields, strings, f64) are left out, so a caller finds them missing.
// Initialisers of subgraphs are not looked at. Source: onnx.proto of the ONNX project.
#ifndef TESSERA_GRAPH_ONNX_INITIALIZERS_H_
#define TESSERA_GRAPH_ONNX_INITIALIZERS_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "tensor/tensor.h"

namespace tessera {

struct OnnxInitializers {
  std::map<std::string, View, std::less<>> tensors;
  std::shared_ptr<const void> owner;  // keeps the views alive
};

// kNotFound and the like for the file; kDataLoss: not protobuf, no graph, a tensor whose bytes do
// not fit its shape, a name that is there twice.
Result<OnnxInitializers> ReadOnnxInitializers(const std::string& path);
// From memory; views point into `bytes`, which `owner` keeps alive.
Result<OnnxInitializers> ParseOnnxInitializers(std::string_view bytes,
                                               std::shared_ptr<const void> owner);

}  // namespace tessera

#endif  // TESSERA_GRAPH_ONNX_INITIALIZERS_H_
