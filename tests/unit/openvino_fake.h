// An OpenVINO made of counters and switches, behind the same table of functions as the library:
// what a driver's failures look like, and that every object is freed once.
#ifndef TESSERA_TESTS_UNIT_OPENVINO_FAKE_H_
#define TESSERA_TESTS_UNIT_OPENVINO_FAKE_H_

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "providers/openvino/core.h"

namespace tessera::openvino::fake {

// One input "x" and one output "y", both f32 [2, 3]; a run copies x to y.
struct World {
  std::vector<size_t> bytes_of_two = {0, 2, 4, 4, 8, 16, 1, 2, 4, 8, 16, 1};  // as in 2026
  std::string words;  // what the next failure says
  OvStatus run_status = 0;
  bool cancelled = false;
  std::map<const void*, int> alive;  // objects that were not freed
  int tensors_made = 0;
  const void* x = nullptr;
  void* y = nullptr;
};
inline World world;

template <typename T>
T* New() {
  T* object = reinterpret_cast<T*>(std::malloc(1));
  world.alive[object] = 1;
  return object;
}
inline void Delete(const void* object) {
  if (object == nullptr) return;
  if (world.alive.erase(object) == 0) std::abort();  // freed twice, or not ours
  std::free(const_cast<void*>(object));
}
inline char* Text(const std::string& text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  std::memcpy(copy, text.c_str(), text.size() + 1);
  world.alive[copy] = 1;
  return copy;
}

inline OvStatus FindPort(const char* name, const char* only, OvPort** port) {
  if (std::strcmp(name, only) != 0) return -5;
  *port = New<OvPort>();
  return 0;
}

inline std::map<const void*, void*> tensor_data;  // of tensors over the caller's memory
inline std::map<const void*, bool> port_is_output;

inline OpenVinoApi Api() {
  OpenVinoApi api;
  api.get_version = [](OvVersion* version) -> OvStatus {
    *version = {Text("2026.9.0-1-fake"), nullptr};
    return 0;
  };
  api.free_version = [](OvVersion* version) { Delete(version->build_number); };
  api.get_error_info = [](OvStatus) -> const char* { return "GENERAL_ERROR"; };
  api.get_last_error = []() -> const char* { return Text(world.words); };
  api.free_text = [](const char* text) { Delete(text); };
  api.core_create = [](OvCore** core) -> OvStatus {
    *core = New<OvCore>();
    return 0;
  };
  api.core_free = [](OvCore* core) { Delete(core); };
  api.compiled_free = [](OvCompiledModel* model) { Delete(model); };
  api.compiled_create_request = [](const OvCompiledModel*, OvInferRequest** request) -> OvStatus {
    *request = New<OvInferRequest>();
    return 0;
  };
  api.compiled_inputs_size = [](const OvCompiledModel*, size_t* size) -> OvStatus {
    *size = 1;
    return 0;
  };
  api.compiled_outputs_size = api.compiled_inputs_size;
  api.compiled_input_by_name = [](const OvCompiledModel*, const char* name,
                                  OvPort** port) -> OvStatus {
    const OvStatus status = FindPort(name, "x", port);
    if (status == 0) port_is_output[*port] = false;
    return status;
  };
  api.compiled_output_by_name = [](const OvCompiledModel*, const char* name,
                                   OvPort** port) -> OvStatus {
    const OvStatus status = FindPort(name, "y", port);
    if (status == 0) port_is_output[*port] = true;
    return status;
  };
  api.port_get_shape = [](const OvPort*, OvShape* shape) -> OvStatus {
    *shape = {2, static_cast<int64_t*>(std::malloc(2 * sizeof(int64_t)))};
    world.alive[shape->dims] = 1;
    shape->dims[0] = 2;
    shape->dims[1] = 3;
    return 0;
  };
  api.shape_free = [](OvShape* shape) -> OvStatus {
    Delete(shape->dims);
    return 0;
  };
  api.port_get_element_type = [](const OvPort*, OvElementType* type) -> OvStatus {
    *type = 4;  // f32
    return 0;
  };
  api.port_free = [](OvPort* port) { Delete(port); };
  api.tensor_create = [](OvElementType type, OvShape, OvTensor** tensor) -> OvStatus {
    if (type >= world.bytes_of_two.size() || world.bytes_of_two[type] == 0) return -1;
    *tensor = New<OvTensor>();
    tensor_data[*tensor] = reinterpret_cast<void*>(world.bytes_of_two[type]);
    return 0;
  };
  api.tensor_get_byte_size = [](const OvTensor* tensor, size_t* size) -> OvStatus {
    *size = reinterpret_cast<size_t>(tensor_data[tensor]);
    return 0;
  };
  api.tensor_create_from_host_ptr = [](OvElementType, OvShape, void* data,
                                       OvTensor** tensor) -> OvStatus {
    *tensor = New<OvTensor>();
    tensor_data[*tensor] = data;
    ++world.tensors_made;
    return 0;
  };
  api.tensor_free = [](OvTensor* tensor) { Delete(tensor); };
  api.request_set_tensor_by_port = [](OvInferRequest*, const OvPort* port,
                                      const OvTensor* tensor) -> OvStatus {
    if (port_is_output[port]) {
      world.y = tensor_data[tensor];
    } else {
      world.x = tensor_data[tensor];
    }
    return 0;
  };
  api.request_infer = [](OvInferRequest*) -> OvStatus {
    if (world.run_status == 0) std::memcpy(world.y, world.x, 6 * sizeof(float));
    return world.run_status;
  };
  api.request_start = [](OvInferRequest*) -> OvStatus { return 0; };
  api.request_wait = [](OvInferRequest* request) -> OvStatus {
    return Api().request_infer(request);
  };
  api.request_cancel = [](OvInferRequest*) -> OvStatus {
    world.cancelled = true;
    return 0;
  };
  api.request_free = [](OvInferRequest* request) { Delete(request); };
  return api;
}

// A core of this OpenVINO; `world` starts anew.
inline std::shared_ptr<const Core> MakeCore() {
  world = World();
  const OpenVinoApi api = Api();
  const auto types = ElementTypes::Find(api);
  if (!types.ok()) return nullptr;
  const auto core = Core::Create(std::shared_ptr<const OpenVinoLibrary>(
      new OpenVinoLibrary{api, *types, "2026.9.0-1-fake", ""}));
  return core.ok() ? *core : nullptr;
}

}  // namespace tessera::openvino::fake

#endif  // TESSERA_TESTS_UNIT_OPENVINO_FAKE_H_
