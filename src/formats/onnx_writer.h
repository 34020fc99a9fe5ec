// Writes an OnnxModel (onnx.h) as an ONNX file, and its large weights to one file beside it.
//
// What onnx.h reads is written: nodes with attributes and subgraphs, initializers, interfaces,
// opsets, metadata, functions. Doc strings, annotations and types that are no tensors are not read
// and so not written; a model that needs them (attributes of types 11 to 14, an input or output
// that is no tensor) is refused.
#ifndef TESSERA_FORMATS_ONNX_WRITER_H_
#define TESSERA_FORMATS_ONNX_WRITER_H_

#include <string>

#include "formats/onnx.h"

namespace tessera {

struct OnnxWriteOptions {
  // Initializers of at least this many bytes go to "NAME.data" beside the model; 0: none do.
  uint64_t external_from = 1 << 10;
};

// Both files appear whole or not at all; a file that `model` was read from may be replaced, since
// it is mapped. kUnimplemented: see above, and tensors of strings; kResourceExhausted: the model
// without its external data passes 2 GB. Errors of the disk.
Status WriteOnnx(const OnnxModel& model, const std::string& path,
                 const OnnxWriteOptions& options = {});

}  // namespace tessera

#endif  // TESSERA_FORMATS_ONNX_WRITER_H_
