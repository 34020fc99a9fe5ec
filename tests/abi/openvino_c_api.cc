// Compiled, not run: the declarations of src/providers/openvino/c_api.h against the headers of an
// installed OpenVINO (tests/e2e/openvino_headers_e2e.py). A function may call a type otherwise, but
// every parameter must be passed alike.
#include <openvino/c/openvino.h>

#include <type_traits>

#include "providers/openvino/c_api.h"

namespace tessera::openvino {
namespace {

// Which type of theirs each type of ours is, where only pointers to it are passed.
template <typename A, typename B>
inline constexpr bool kTwins = std::is_same_v<A, B>;
template <>
inline constexpr bool kTwins<OvElementType, ::ov_element_type_e> =
    sizeof(OvElementType) == sizeof(::ov_element_type_e);
#define TESSERA_TWINS(ours, theirs) \
  template <>                       \
  inline constexpr bool kTwins<ours, ::theirs> = true;
TESSERA_TWINS(OvCore, ov_core_t)
TESSERA_TWINS(OvModel, ov_model_t)
TESSERA_TWINS(OvCompiledModel, ov_compiled_model_t)
TESSERA_TWINS(OvInferRequest, ov_infer_request_t)
TESSERA_TWINS(OvTensor, ov_tensor_t)
TESSERA_TWINS(OvPort, ov_output_const_port_t)
TESSERA_TWINS(OvShape, ov_shape_t)
TESSERA_TWINS(OvVersion, ov_version_t)
TESSERA_TWINS(OvProfilingInfo, ov_profiling_info_t)
TESSERA_TWINS(OvProfilingInfoList, ov_profiling_info_list_t)

// Whether they are passed alike: pointers to twins, numbers of a size, structs of a size.
template <typename A, typename B>
constexpr bool SameType() {
  if constexpr (std::is_pointer_v<A> && std::is_pointer_v<B>) {
    using PointedA = std::remove_pointer_t<A>;
    using PointedB = std::remove_pointer_t<B>;
    if constexpr (std::is_pointer_v<PointedA> || std::is_pointer_v<PointedB>) {
      return SameType<PointedA, PointedB>();
    } else {
      return kTwins<std::remove_cv_t<PointedA>, std::remove_cv_t<PointedB>>;
    }
  } else if constexpr (std::is_void_v<A> || std::is_void_v<B>) {
    return std::is_void_v<A> && std::is_void_v<B>;
  } else if constexpr (std::is_class_v<A> || std::is_class_v<B>) {
    return std::is_class_v<A> && std::is_class_v<B> && sizeof(A) == sizeof(B) &&
           alignof(A) == alignof(B);
  } else {
    return !std::is_pointer_v<A> && !std::is_pointer_v<B> && sizeof(A) == sizeof(B) &&
           std::is_floating_point_v<A> == std::is_floating_point_v<B>;
  }
}

template <typename A, typename B>
struct SameFunction : std::false_type {};
template <typename ResultA, typename ResultB, typename... A, typename... B>
  requires(sizeof...(A) == sizeof...(B))
struct SameFunction<ResultA (*)(A...), ResultB(B...)>
    : std::bool_constant<SameType<ResultA, ResultB>() && (SameType<A, B>() && ...)> {};
template <typename ResultA, typename ResultB, typename... A, typename... B>
  requires(sizeof...(A) == sizeof...(B))
struct SameFunction<ResultA (*)(A..., ...), ResultB(B..., ...)>
    : std::bool_constant<SameType<ResultA, ResultB>() && (SameType<A, B>() && ...)> {};

#define TESSERA_SAME_FUNCTION(member, name, ...) \
  static_assert(SameFunction<decltype(OpenVinoApi::member), decltype(::name)>::value, #name);
TESSERA_OPENVINO_FUNCTIONS(TESSERA_SAME_FUNCTION)
TESSERA_SAME_FUNCTION(get_last_error, ov_get_last_err_msg)

#define TESSERA_SAME_FIELD(ours, our_field, theirs, their_field)                          \
  static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field) &&             \
                    SameType<decltype(ours::our_field), decltype(theirs::their_field)>(), \
                #theirs "::" #their_field);
static_assert(sizeof(OvShape) == sizeof(ov_shape_t));
TESSERA_SAME_FIELD(OvShape, rank, ov_shape_t, rank)
TESSERA_SAME_FIELD(OvShape, dims, ov_shape_t, dims)
static_assert(sizeof(OvVersion) == sizeof(ov_version_t));
TESSERA_SAME_FIELD(OvVersion, build_number, ov_version_t, buildNumber)
static_assert(sizeof(OvProfilingInfo) == sizeof(ov_profiling_info_t));
TESSERA_SAME_FIELD(OvProfilingInfo, status, ov_profiling_info_t, status)
TESSERA_SAME_FIELD(OvProfilingInfo, real_time_us, ov_profiling_info_t, real_time)
TESSERA_SAME_FIELD(OvProfilingInfo, node_name, ov_profiling_info_t, node_name)
TESSERA_SAME_FIELD(OvProfilingInfo, exec_type, ov_profiling_info_t, exec_type)
TESSERA_SAME_FIELD(OvProfilingInfo, node_type, ov_profiling_info_t, node_type)
static_assert(sizeof(OvProfilingInfoList) == sizeof(ov_profiling_info_list_t));
TESSERA_SAME_FIELD(OvProfilingInfoList, size, ov_profiling_info_list_t, size)

static_assert(kOvInferCancelled == INFER_CANCELLED);
// What ElementTypes counts on.
static_assert(BF16 == BOOLEAN + 1 && F16 == BOOLEAN + 2 && F32 == BOOLEAN + 3 &&
              F64 == BOOLEAN + 4 && I4 == BOOLEAN + 5 && I8 == BOOLEAN + 6 && I16 == BOOLEAN + 7 &&
              I32 == BOOLEAN + 8 && I64 == BOOLEAN + 9);

}  // namespace
}  // namespace tessera::openvino
