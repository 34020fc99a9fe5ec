// Writes one ONNX model file (opset 17 to 20) and, when asked, its weights to a data file beside
// it.
//
// Field numbers follow onnx.proto of ONNX 1.12 and later. The first error is kept and returned by
// Finish(); after it every call does nothing. Both files appear whole or not at all. Not
// thread-safe.
#ifndef TESSERA_GRAPH_ONNX_MODEL_WRITER_H_
#define TESSERA_GRAPH_ONNX_MODEL_WRITER_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/atomic_file.h"
#include "base/protobuf_wire.h"
#include "graph/graph.h"

namespace tessera::onnx {

struct Attribute {
  std::string name;
  std::variant<int64_t, float, std::vector<int64_t>> value;
};

class ModelWriter {
 public:
  // With `external_data`, initialisers above 1 MB go to "NAME.data" beside the model.
  ModelWriter(std::string path, int64_t opset, bool external_data,
              AtomicFileWriter::Durability durability = AtomicFileWriter::Durability::kFlush);

  void AddNode(std::string_view op_type, std::string_view name,
               const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
               const std::vector<Attribute>& attributes);
  // The elements as stored; little-endian.
  void AddInitializer(std::string_view name, const View& data);
  // A constant dimension becomes dim_value, any other dim_param with its text ("2*positions").
  void AddInput(std::string_view name, DType dtype, const Dims& dims);
  void AddOutput(std::string_view name, DType dtype, const Dims& dims);

  Status Finish(std::string_view graph_name);

 private:
  void AppendExternal(const View& data, WireWriter* tensor);

  std::string path_, data_path_;
  int64_t opset_;
  bool external_data_;
  AtomicFileWriter::Durability durability_;
  std::optional<AtomicFileWriter> data_file_;
  uint64_t data_size_ = 0;
  WireWriter nodes_, initializers_, interface_;
  Status status_;
};

}  // namespace tessera::onnx

#endif  // TESSERA_GRAPH_ONNX_MODEL_WRITER_H_
