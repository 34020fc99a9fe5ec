// Safetensors files and sharded folders: the weights of Hugging Face models.
//
// Layout: u64 header length, the header as JSON ({"name": {"dtype", "shape", "data_offsets":
// [begin, end]}, "__metadata__": {string: string}}), then the elements, little-endian; offsets
// count from the end of the header. Source: the format description of the safetensors project. As
// there, the tensors must cover the data without overlap or holes.
#ifndef TESSERA_FORMATS_SAFETENSORS_H_
#define TESSERA_FORMATS_SAFETENSORS_H_

#include <memory>
#include <string>

#include "formats/weights.h"

namespace tessera {

// `path`: a .safetensors file, a model.safetensors.index.json, or a folder that holds
// model.safetensors or that index. The shards that an index names lie beside it. kDataLoss: broken;
// kUnimplemented: an element type we do not have (f64, f8, ...).
Result<WeightFile> OpenSafetensors(const std::string& path);
// One file from memory; views point into `bytes`, which `owner` keeps alive.
Result<WeightFile> ReadSafetensors(Bytes bytes, std::shared_ptr<const void> owner);

}  // namespace tessera

#endif  // TESSERA_FORMATS_SAFETENSORS_H_
