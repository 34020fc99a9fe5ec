// OpenVINO's C interface, as much of it as Tessera calls: types, and a table of functions that is
// filled from a library opened at run time.
//
// Source: headers openvino/c/ov_*.h of OpenVINO 2022.3 to 2026.4 (Apache-2.0), whose functions kept
// their signatures. Declared here instead of included, for two reasons: nothing is needed to build,
// and the numbers of the element types are *not* the same in all those versions (2025 dropped the
// first one), so they must come from the library itself (library.h) and not from a header.
// tests/abi/openvino_c_api.cc compares this file with the headers of an installed OpenVINO.
#ifndef TESSERA_PROVIDERS_OPENVINO_C_API_H_
#define TESSERA_PROVIDERS_OPENVINO_C_API_H_

#include <cstddef>
#include <cstdint>

namespace tessera::openvino {

struct OvCore;
struct OvModel;
struct OvCompiledModel;
struct OvInferRequest;
struct OvTensor;
struct OvPort;  // of a compiled model: one input or output

using OvStatus = int32_t;  // 0 is success
inline constexpr OvStatus kOvInferCancelled = -13;
using OvElementType = uint32_t;  // an index whose meaning library.h finds out

struct OvShape {
  int64_t rank;
  int64_t* dims;
};
struct OvVersion {
  const char* build_number;  // "2026.4.1-21902-..."
  const char* description;
};
struct OvProfilingInfo {
  int32_t status;  // 0 not run, 1 optimised out, 2 executed
  int64_t real_time_us;
  int64_t cpu_time_us;
  const char* node_name;
  const char* exec_type;  // "brgemm_avx512_f32"
  const char* node_type;  // "FullyConnected"
};
struct OvProfilingInfoList {
  OvProfilingInfo* infos;
  size_t size;
};

// X(member, name in the library, result, parameters...). Every function of the table is needed.
#define TESSERA_OPENVINO_FUNCTIONS(X)                                                              \
  X(get_version, ov_get_openvino_version, OvStatus, OvVersion*)                                    \
  X(free_version, ov_version_free, void, OvVersion*)                                               \
  X(get_error_info, ov_get_error_info, const char*, OvStatus)                                      \
  X(free_text, ov_free, void, const char*)                                                         \
  X(core_create, ov_core_create, OvStatus, OvCore**)                                               \
  X(core_free, ov_core_free, void, OvCore*)                                                        \
  /* Key and value follow the device's name. */                                                    \
  X(core_set_property, ov_core_set_property, OvStatus, const OvCore*, const char*, ...)            \
  X(core_get_property, ov_core_get_property, OvStatus, const OvCore*, const char*, const char*,    \
    char**)                                                                                        \
  X(core_read_model, ov_core_read_model, OvStatus, const OvCore*, const char*, const char*,        \
    OvModel**)                                                                                     \
  /* Number of properties that follow; always 0 here. */                                           \
  X(core_compile_model, ov_core_compile_model, OvStatus, const OvCore*, const OvModel*,            \
    const char*, size_t, OvCompiledModel**, ...)                                                   \
  X(core_import_model, ov_core_import_model, OvStatus, const OvCore*, const char*, size_t,         \
    const char*, OvCompiledModel**)                                                                \
  X(model_free, ov_model_free, void, OvModel*)                                                     \
  X(model_is_dynamic, ov_model_is_dynamic, bool, const OvModel*)                                   \
  X(compiled_free, ov_compiled_model_free, void, OvCompiledModel*)                                 \
  X(compiled_export, ov_compiled_model_export_model, OvStatus, const OvCompiledModel*,             \
    const char*)                                                                                   \
  X(compiled_get_property, ov_compiled_model_get_property, OvStatus, const OvCompiledModel*,       \
    const char*, char**)                                                                           \
  X(compiled_inputs_size, ov_compiled_model_inputs_size, OvStatus, const OvCompiledModel*,         \
    size_t*)                                                                                       \
  X(compiled_outputs_size, ov_compiled_model_outputs_size, OvStatus, const OvCompiledModel*,       \
    size_t*)                                                                                       \
  X(compiled_input_by_name, ov_compiled_model_input_by_name, OvStatus, const OvCompiledModel*,     \
    const char*, OvPort**)                                                                         \
  X(compiled_output_by_name, ov_compiled_model_output_by_name, OvStatus, const OvCompiledModel*,   \
    const char*, OvPort**)                                                                         \
  X(compiled_create_request, ov_compiled_model_create_infer_request, OvStatus,                     \
    const OvCompiledModel*, OvInferRequest**)                                                      \
  X(port_get_shape, ov_const_port_get_shape, OvStatus, const OvPort*, OvShape*)                    \
  X(port_get_element_type, ov_port_get_element_type, OvStatus, const OvPort*, OvElementType*)      \
  X(port_free, ov_output_const_port_free, void, OvPort*)                                           \
  X(shape_free, ov_shape_free, OvStatus, OvShape*)                                                 \
  X(tensor_create, ov_tensor_create, OvStatus, OvElementType, OvShape, OvTensor**)                 \
  X(tensor_create_from_host_ptr, ov_tensor_create_from_host_ptr, OvStatus, OvElementType, OvShape, \
    void*, OvTensor**)                                                                             \
  X(tensor_get_byte_size, ov_tensor_get_byte_size, OvStatus, const OvTensor*, size_t*)             \
  X(tensor_free, ov_tensor_free, void, OvTensor*)                                                  \
  X(request_set_tensor_by_port, ov_infer_request_set_tensor_by_const_port, OvStatus,               \
    OvInferRequest*, const OvPort*, const OvTensor*)                                               \
  X(request_infer, ov_infer_request_infer, OvStatus, OvInferRequest*)                              \
  X(request_start, ov_infer_request_start_async, OvStatus, OvInferRequest*)                        \
  X(request_wait, ov_infer_request_wait, OvStatus, OvInferRequest*)                                \
  X(request_cancel, ov_infer_request_cancel, OvStatus, OvInferRequest*)                            \
  X(request_get_profiling, ov_infer_request_get_profiling_info, OvStatus, const OvInferRequest*,   \
    OvProfilingInfoList*)                                                                          \
  X(profiling_free, ov_profiling_info_list_free, void, OvProfilingInfoList*)                       \
  X(request_free, ov_infer_request_free, void, OvInferRequest*)

struct OpenVinoApi {
#define TESSERA_OPENVINO_MEMBER(member, name, result, ...) result (*member)(__VA_ARGS__) = nullptr;
  TESSERA_OPENVINO_FUNCTIONS(TESSERA_OPENVINO_MEMBER)
#undef TESSERA_OPENVINO_MEMBER
  // From 2023.2 on, else null: the words of the last error of any thread; the caller frees them
  // with free_text.
  const char* (*get_last_error)() = nullptr;
};

}  // namespace tessera::openvino

#endif  // TESSERA_PROVIDERS_OPENVINO_C_API_H_
