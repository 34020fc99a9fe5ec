#include "providers/openvino/core.h"

#include "base/check.h"
#include "providers/openvino/errors.h"

namespace tessera::openvino {
namespace {

std::string TakeText(const OpenVinoApi& api, char* text) {
  std::string out = text != nullptr ? text : "";
  api.free_text(text);
  return out;
}

}  // namespace

Result<std::shared_ptr<const Core>> Core::Create(std::shared_ptr<const OpenVinoLibrary> library) {
  const OpenVinoApi& api = library->api;
  OvCore* core = nullptr;
  if (const OvStatus status = api.core_create(&core); status != 0) {
    return VendorError(api, status, "start of OpenVINO " + library->version,
                       StatusCode::kUnavailable);
  }
  Handle<OvCore> handle(core, api.core_free);
  return std::shared_ptr<const Core>(new Core(std::move(library), std::move(handle)));
}

Status Core::SetProperty(const std::string& device, const char* key,
                         const std::string& value) const {
  if (const OvStatus status =
          api().core_set_property(core_.get(), device.c_str(), key, value.c_str());
      status != 0) {
    return VendorError(api(), status, std::string(key) + " = " + value + " of device " + device,
                       StatusCode::kInvalidArgument);
  }
  return OkStatus();
}

Result<std::string> Core::GetProperty(const std::string& device, const char* key) const {
  char* text = nullptr;
  if (const OvStatus status = api().core_get_property(core_.get(), device.c_str(), key, &text);
      status != 0) {
    return VendorError(api(), status, std::string(key) + " of device " + device,
                       StatusCode::kUnavailable);
  }
  return TakeText(api(), text);
}

Result<std::string> Core::GetProperty(const OvCompiledModel& model, const char* key) const {
  char* text = nullptr;
  if (const OvStatus status = api().compiled_get_property(&model, key, &text); status != 0) {
    return VendorError(api(), status, std::string(key) + " of a compiled model",
                       StatusCode::kInternal);
  }
  return TakeText(api(), text);
}

Result<Handle<OvModel>> Core::ReadModel(const std::string& path) const {
  OvModel* model = nullptr;
  if (const OvStatus status = api().core_read_model(core_.get(), path.c_str(), nullptr, &model);
      status != 0) {
    return VendorError(api(), status, path, StatusCode::kUnimplemented);
  }
  Handle<OvModel> handle(model, api().model_free);
  if (api().model_is_dynamic(model)) {
    return Unimplemented(path +
                         ": expected fixed shapes, found dimensions that are open. Fix them: "
                         "`tessera doctor --fix` does it");
  }
  return handle;
}

Result<Handle<OvCompiledModel>> Core::Compile(const OvModel& model, const std::string& device,
                                              const std::string& what) const {
  OvCompiledModel* compiled = nullptr;
  if (const OvStatus status =
          api().core_compile_model(core_.get(), &model, device.c_str(), 0, &compiled);
      status != 0) {
    return VendorError(api(), status, what, StatusCode::kUnimplemented);
  }
  return Handle<OvCompiledModel>(compiled, api().compiled_free);
}

Result<Handle<OvCompiledModel>> Core::Import(Bytes blob, const std::string& device) const {
  OvCompiledModel* compiled = nullptr;
  if (const OvStatus status =
          api().core_import_model(core_.get(), reinterpret_cast<const char*>(blob.data()),
                                  blob.size(), device.c_str(), &compiled);
      status != 0) {
    return VendorError(api(), status, "compiled model from the cache", StatusCode::kDataLoss);
  }
  return Handle<OvCompiledModel>(compiled, api().compiled_free);
}

}  // namespace tessera::openvino
