#include "providers/openvino/library.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "base/shared_library.h"
#include "providers/library_search.h"
#include "providers/openvino/errors.h"

namespace tessera::openvino {
namespace {

// Bytes of two elements, from boolean on: boolean, bf16, f16, f32, f64, i4, i8, i16, i32, i64.
constexpr std::array<size_t, 10> kSequence = {2, 4, 4, 8, 16, 1, 2, 4, 8, 16};
constexpr OvElementType kBf16 = 1, kF16 = 2, kF32 = 3, kI8 = 6, kI32 = 8, kI64 = 9;

// Bytes of a tensor of two elements of `type`; 0 when the library knows no such tensor.
size_t BytesOfTwo(const OpenVinoApi& api, OvElementType type) {
  int64_t two = 2;
  OvTensor* tensor = nullptr;
  if (api.tensor_create(type, OvShape{1, &two}, &tensor) != 0 || tensor == nullptr) return 0;
  size_t bytes = 0;
  if (api.tensor_get_byte_size(tensor, &bytes) != 0) bytes = 0;
  api.tensor_free(tensor);
  return bytes;
}

template <typename Signature>
Status LookUp(const SharedLibrary& library, const char* name, Signature*& function) {
  TESSERA_ASSIGN_OR_RETURN(function, library.Function<Signature>(name));
  return OkStatus();
}

Result<OpenVinoApi> FindFunctions(const SharedLibrary& library) {
  OpenVinoApi api;
#define TESSERA_OPENVINO_LOOK_UP(member, name, ...) \
  TESSERA_RETURN_IF_ERROR(LookUp(library, #name, api.member));
  TESSERA_OPENVINO_FUNCTIONS(TESSERA_OPENVINO_LOOK_UP)
#undef TESSERA_OPENVINO_LOOK_UP
  if (!LookUp(library, "ov_get_last_err_msg", api.get_last_error).ok()) {
    api.get_last_error = nullptr;  // before 2023.2
  }
  return api;
}

Result<std::shared_ptr<const OpenVinoLibrary>> Load(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(SharedLibrary library, SharedLibrary::Open(path));
  library.KeepLoaded();
  Result<OpenVinoApi> api = FindFunctions(library);
  if (!api.ok()) {
    return Unavailable("OpenVINO at " + library.path() + ": expected 2022.3 or newer; " +
                       api.status().message());
  }
  TESSERA_ASSIGN_OR_RETURN(ElementTypes types, ElementTypes::Find(*api));
  OvVersion version{};
  if (const OvStatus status = api->get_version(&version); status != 0) {
    return VendorError(*api, status, "version of OpenVINO at " + library.path(),
                       StatusCode::kUnavailable);
  }
  std::string text = version.build_number != nullptr ? version.build_number : "";
  api->free_version(&version);
  return std::shared_ptr<const OpenVinoLibrary>(
      new OpenVinoLibrary{*api, types, std::move(text), library.path()});
}

}  // namespace

Result<ElementTypes> ElementTypes::Find(const OpenVinoApi& api) {
  constexpr OvElementType kLast = 15;
  std::vector<size_t> sizes;
  for (OvElementType type = 0; type <= kLast; ++type) sizes.push_back(BytesOfTwo(api, type));
  for (size_t first = 0; first + kSequence.size() <= sizes.size(); ++first) {
    if (std::equal(kSequence.begin(), kSequence.end(), sizes.begin() + first)) {
      return ElementTypes(static_cast<OvElementType>(first));
    }
  }
  return Unavailable(
      "this version of OpenVINO numbers its element types in another way than 2022.3 to 2026.4; "
      "install one of those");
}

std::optional<OvElementType> ElementTypes::FromDType(DType type) const {
  switch (type) {
    case DType::kBool:
      return boolean_;
    case DType::kBF16:
      return boolean_ + kBf16;
    case DType::kF16:
      return boolean_ + kF16;
    case DType::kF32:
      return boolean_ + kF32;
    case DType::kI8:
      return boolean_ + kI8;
    case DType::kI32:
      return boolean_ + kI32;
    case DType::kI64:
      return boolean_ + kI64;
    case DType::kU8:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<DType> ElementTypes::ToDType(OvElementType type) const {
  for (const DType known : {DType::kBool, DType::kBF16, DType::kF16, DType::kF32, DType::kI8,
                            DType::kI32, DType::kI64}) {
    if (FromDType(known) == type) return known;
  }
  return std::nullopt;
}

Result<std::shared_ptr<const OpenVinoLibrary>> OpenLibrary(const std::string& option) {
  const LibraryQuery query = {
      .name = "OpenVINO",
      .option = option,
      .variable = "TESSERA_OPENVINO",
#if defined(_WIN32)
      .files = {"openvino_c.dll"},
      .packages = {"openvino/libs"},
      .loader_names = {"openvino_c.dll"},
#elif defined(__APPLE__)
      .files = {"libopenvino_c.dylib", "libopenvino_c.*"},
      .packages = {"openvino/libs"},
      .loader_names = {"libopenvino_c.dylib"},
#else
      .files = {"libopenvino_c.so", "libopenvino_c.so*"},
      .packages = {"openvino/libs"},
      .loader_names = {"libopenvino_c.so"},
#endif
      .install_hint = "pip install openvino",
  };
  static std::mutex mutex;
  static auto* opened = new std::map<std::string, std::shared_ptr<const OpenVinoLibrary>>;
  const std::lock_guard lock(mutex);
  const LibrarySearch search = FindLibrary(query);
  std::string why;
  for (const LibraryCandidate& candidate : search.candidates) {
    if (const auto found = opened->find(candidate.path); found != opened->end()) {
      return found->second;
    }
    auto library = Load(candidate.path);
    if (library.ok()) {
      opened->emplace(candidate.path, *library);
      return library;
    }
    if (!why.empty()) why += "; ";
    why += library.status().message();
  }
  const Status status = search.NotFoundStatus(query, why);
  const bool is_there = std::any_of(search.candidates.begin(), search.candidates.end(),
                                    [](const auto& c) { return c.source != "system"; });
  return is_there ? Unavailable(status.message()) : status;
}

}  // namespace tessera::openvino
