// One OpenVINO core (its plugins and their properties) and the objects made from it, each freed by
// the library that made it. Thread-safe, as OpenVINO's core is.
#ifndef TESSERA_PROVIDERS_OPENVINO_CORE_H_
#define TESSERA_PROVIDERS_OPENVINO_CORE_H_

#include <memory>
#include <string>

#include "base/mapped_file.h"
#include "providers/openvino/library.h"

namespace tessera::openvino {

template <typename T>
using Handle = std::unique_ptr<T, void (*)(T*)>;

class Core {
 public:
  static Result<std::shared_ptr<const Core>> Create(std::shared_ptr<const OpenVinoLibrary> library);

  const OpenVinoLibrary& library() const { return *library_; }
  const OpenVinoApi& api() const { return library_->api; }

  // Devices are OpenVINO's: "CPU", "GPU", "NPU". A property holds for all later compiles of this
  // core.
  Status SetProperty(const std::string& device, const char* key, const std::string& value) const;
  Result<std::string> GetProperty(const std::string& device, const char* key) const;
  // kUnimplemented: refused, or its shapes are not fixed.
  Result<Handle<OvModel>> ReadModel(const std::string& path) const;
  Result<Handle<OvCompiledModel>> Compile(const OvModel& model, const std::string& device,
                                          const std::string& what) const;
  // The model may go on reading the blob, which must outlive it.
  Result<Handle<OvCompiledModel>> Import(Bytes blob, const std::string& device) const;
  Result<std::string> GetProperty(const OvCompiledModel& model, const char* key) const;

 private:
  Core(std::shared_ptr<const OpenVinoLibrary> library, Handle<OvCore> core)
      : library_(std::move(library)), core_(std::move(core)) {}

  std::shared_ptr<const OpenVinoLibrary> library_;
  Handle<OvCore> core_;
};

}  // namespace tessera::openvino

#endif  // TESSERA_PROVIDERS_OPENVINO_CORE_H_
