#include "providers/openvino/model.h"

#include "base/check.h"
#include "providers/openvino/errors.h"

namespace tessera::openvino {

Result<std::unique_ptr<FixedModel>> OpenVinoModel::Make(std::shared_ptr<const Core> core,
                                                        Handle<OvCompiledModel> compiled,
                                                        std::shared_ptr<const MappedFile> blob,
                                                        StagePlacement placement,
                                                        std::string what) {
  const OpenVinoApi& api = core->api();
  OvInferRequest* request = nullptr;
  if (const OvStatus status = api.compiled_create_request(compiled.get(), &request); status != 0) {
    return VendorError(api, status, what, StatusCode::kUnavailable);
  }
  Handle<OvInferRequest> handle(request, api.request_free);
  size_t inputs = 0, outputs = 0;
  OvStatus status = api.compiled_inputs_size(compiled.get(), &inputs);
  if (status == 0) status = api.compiled_outputs_size(compiled.get(), &outputs);
  if (status != 0) return VendorError(api, status, what, StatusCode::kInternal);
  std::unique_ptr<OpenVinoModel> model(new OpenVinoModel(std::move(core), std::move(compiled),
                                                         std::move(handle), std::move(blob),
                                                         std::move(placement), std::move(what)));
  model->num_inputs_ = inputs;
  model->num_outputs_ = outputs;
  return std::unique_ptr<FixedModel>(std::move(model));
}

Status OpenVinoModel::Error(OvStatus status) const {
  return VendorError(core_->api(), status, what_, StatusCode::kInternal);
}

Result<OpenVinoModel::Port*> OpenVinoModel::FindPort(std::string_view name, bool is_input,
                                                     size_t place) {
  std::vector<Port>& ports = is_input ? inputs_ : outputs_;
  if (place < ports.size() && ports[place].name == name) return &ports[place];
  for (Port& port : ports) {
    if (port.name == name) return &port;
  }
  const OpenVinoApi& api = core_->api();
  const std::string text(name);
  OvPort* port = nullptr;
  const OvStatus found = is_input
                             ? api.compiled_input_by_name(compiled_.get(), text.c_str(), &port)
                             : api.compiled_output_by_name(compiled_.get(), text.c_str(), &port);
  if (found != 0) {
    return InvalidArgument(what_ + ": the model has no " + (is_input ? "input" : "output") + " \"" +
                           text + "\"");
  }
  Handle<OvPort> handle(port, api.port_free);
  OvElementType type = 0;
  if (const OvStatus status = api.port_get_element_type(port, &type); status != 0) {
    return Error(status);
  }
  const std::optional<DType> dtype = core_->library().types.ToDType(type);
  if (!dtype.has_value()) {
    return Unimplemented(what_ + ": \"" + text + "\" has an element type (OpenVINO's number " +
                         std::to_string(type) + ") that Tessera does not hand over");
  }
  OvShape shape{};
  if (const OvStatus status = api.port_get_shape(port, &shape); status != 0) return Error(status);
  Shape dims(shape.dims, shape.dims + shape.rank);
  api.shape_free(&shape);
  ports.push_back(Port{.name = text,
                       .port = std::move(handle),
                       .dtype = *dtype,
                       .shape = std::move(dims),
                       .tensor = Handle<OvTensor>(nullptr, api.tensor_free)});
  return &ports.back();
}

Status OpenVinoModel::Bind(std::string_view name, bool is_input, size_t place, const View& view) {
  TESSERA_ASSIGN_OR_RETURN(Port * port, FindPort(name, is_input, place));
  if (view.dtype != port->dtype || view.shape != port->shape || view.data == nullptr) {
    return InvalidArgument(what_ + ": expected \"" + port->name + "\" to be " +
                           std::string(DTypeName(port->dtype)) + " " + ShapeToString(port->shape) +
                           ", got " + std::string(DTypeName(view.dtype)) + " " +
                           ShapeToString(view.shape) + (view.data == nullptr ? " of no data" : ""));
  }
  if (port->run == run_) {
    return InvalidArgument(what_ + ": \"" + port->name + "\" was given twice");
  }
  port->run = run_;
  void* data = const_cast<void*>(view.data);  // inputs are only read
  if (data == port->data) return OkStatus();
  const OpenVinoApi& api = core_->api();
  const std::optional<OvElementType> type = core_->library().types.FromDType(port->dtype);
  OvTensor* tensor = nullptr;
  if (const OvStatus status = api.tensor_create_from_host_ptr(
          *type, OvShape{static_cast<int64_t>(port->shape.size()), port->shape.data()}, data,
          &tensor);
      status != 0) {
    return Error(status);
  }
  Handle<OvTensor> handle(tensor, api.tensor_free);
  port->data = nullptr;
  if (const OvStatus status =
          api.request_set_tensor_by_port(request_.get(), port->port.get(), tensor);
      status != 0) {
    return Error(status);
  }
  port->tensor = std::move(handle);
  port->data = data;
  return OkStatus();
}

Status OpenVinoModel::Run(std::span<const NamedView> inputs,
                          std::span<const NamedMutableView> outputs, std::stop_token stop) {
  if (inputs.size() != num_inputs_ || outputs.size() != num_outputs_) {
    return InvalidArgument(what_ + ": expected " + std::to_string(num_inputs_) + " inputs and " +
                           std::to_string(num_outputs_) + " outputs, got " +
                           std::to_string(inputs.size()) + " and " +
                           std::to_string(outputs.size()));
  }
  ++run_;  // as many names as ports, each known and none twice: all are bound
  for (size_t i = 0; i < inputs.size(); ++i) {
    TESSERA_RETURN_IF_ERROR(Bind(inputs[i].name, true, i, inputs[i].view));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    TESSERA_RETURN_IF_ERROR(Bind(outputs[i].name, false, i, outputs[i].view));
  }
  if (stop.stop_requested()) return Cancelled(what_);
  const OpenVinoApi& api = core_->api();
  OvStatus status = 0;
  if (!stop.stop_possible()) {
    status = api.request_infer(request_.get());
  } else {
    status = api.request_start(request_.get());
    if (status == 0) {
      // After the start: a cancel before it would be forgotten.
      const std::stop_callback cancel(stop, [&] { api.request_cancel(request_.get()); });
      status = api.request_wait(request_.get());
    }
  }
  if (stop.stop_requested()) return Cancelled(what_);
  return status == 0 ? OkStatus() : Error(status);
}

}  // namespace tessera::openvino
