// An OpenVINO library in this process: its functions, its version, and what its numbers mean.
//
// Opened once for each path and kept until the process ends, since its threads and exit handlers
// would outlive an unload. Immutable and thread-safe after opening.
#ifndef TESSERA_PROVIDERS_OPENVINO_LIBRARY_H_
#define TESSERA_PROVIDERS_OPENVINO_LIBRARY_H_

#include <memory>
#include <optional>
#include <string>

#include "providers/openvino/c_api.h"
#include "tensor/dtype.h"
#include "tessera/status.h"

namespace tessera::openvino {

// The library's numbers of the element types that Tessera uses. They moved between versions, but
// their order did not: boolean, bf16, f16, f32, f64, i4, i8, i16, i32, i64 follow each other.
class ElementTypes {
 public:
  // Finds that sequence by the sizes that tensors of the library's types have. kUnavailable when
  // there is none.
  static Result<ElementTypes> Find(const OpenVinoApi& api);

  std::optional<OvElementType> FromDType(DType type) const;  // none for u8
  std::optional<DType> ToDType(OvElementType type) const;

 private:
  explicit ElementTypes(OvElementType boolean) : boolean_(boolean) {}
  OvElementType boolean_;
};

struct OpenVinoLibrary {
  OpenVinoApi api;
  ElementTypes types;
  std::string version;  // "2026.4.1-21902-..."
  std::string path;     // of the file that was opened; "" for a table made by hand
};

// Opens libopenvino_c. `option`: the file or its folder; "" searches TESSERA_OPENVINO, Python's
// site-packages and the system (providers/library_search.h).
// kNotFound: none is installed; kUnavailable: one is, but cannot be used. The message says where it
// was looked for and what helps.
Result<std::shared_ptr<const OpenVinoLibrary>> OpenLibrary(const std::string& option);

}  // namespace tessera::openvino

#endif  // TESSERA_PROVIDERS_OPENVINO_LIBRARY_H_
