#include "providers/onnxruntime/capi/ort_model.h"

#include <chrono>
#include <optional>

#include "base/check.h"
#include "providers/onnxruntime/engine.h"

namespace tessera {
namespace {

std::optional<DType> DTypeOf(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return DType::kF32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      return DType::kF16;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16:
      return DType::kBF16;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
      return DType::kI8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      return DType::kU8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return DType::kI32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return DType::kI64;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL:
      return DType::kBool;
    default:
      return std::nullopt;
  }
}

// Asks ONNX Runtime to give up while `stop` is set.
class TerminateOnStop {
 public:
  TerminateOnStop(const OrtTable& ort, OrtRunOptions* options, std::stop_token stop)
      : callback_(std::move(stop), [ort, options] {
          if (OrtStatus* status = ort->RunOptionsSetTerminate(options)) ort->ReleaseStatus(status);
        }) {}

 private:
  std::stop_callback<std::function<void()>> callback_;
};

Status WithLog(Status status, const std::string& log) {
  if (log.empty() || status.message().find(log) != std::string::npos) return status;
  std::string message = status.message() + "\nlogged: " + log;
  if (OrtErrorHint(status.message()).empty()) {
    if (const std::string hint = OrtErrorHint(log); !hint.empty()) message += "; " + hint;
  }
  return Status(status.code(), std::move(message));
}

}  // namespace

Result<std::unique_ptr<FixedModel>> OrtModel::Load(const OrtTable& ort, OrtEnv* env,
                                                   const OrtLog& log, const std::string& path,
                                                   OrtSessionOptions* options,
                                                   std::stop_token stop) {
  std::unique_ptr<OrtModel> model(new OrtModel(ort, log));
  const auto start = std::chrono::steady_clock::now();
  const size_t mark = log.Mark();
  Status status;
  {
    const std::stop_callback cancel(stop, [&] {
      if (OrtStatus* error = ort->SessionOptionsSetLoadCancellationFlag(options, true)) {
        ort->ReleaseStatus(error);
      }
    });
    status =
        ort.Check(ort->CreateSession(env, OrtPath(path).c_str(), options, model->session_.out()));
  }
  if (stop.stop_requested()) return Cancelled("stopped while ONNX Runtime was loading " + path);
  if (!status.ok()) return WithLog(std::move(status), log.ErrorsSince(mark));
  model->placement_.compile_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  TESSERA_RETURN_IF_ERROR(ort.Check(
      ort->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, model->memory_.out())));
  TESSERA_RETURN_IF_ERROR(model->ReadPorts(true, model->inputs_));
  TESSERA_RETURN_IF_ERROR(model->ReadPorts(false, model->outputs_));
  TESSERA_RETURN_IF_ERROR(model->ReadPlacement());
  return std::unique_ptr<FixedModel>(std::move(model));
}

Status OrtModel::ReadPorts(bool inputs, std::vector<Port>& ports) {
  OrtAllocator* allocator = nullptr;
  TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->GetAllocatorWithDefaultOptions(&allocator)));
  size_t count = 0;
  TESSERA_RETURN_IF_ERROR(ort_.Check(inputs ? ort_->SessionGetInputCount(session_.get(), &count)
                                            : ort_->SessionGetOutputCount(session_.get(), &count)));
  for (size_t i = 0; i < count; ++i) {
    Port port;
    char* name = nullptr;
    TESSERA_RETURN_IF_ERROR(
        ort_.Check(inputs ? ort_->SessionGetInputName(session_.get(), i, allocator, &name)
                          : ort_->SessionGetOutputName(session_.get(), i, allocator, &name)));
    port.name = name;
    allocator->Free(allocator, name);
    OrtOwned<OrtTypeInfo> info(ort_->ReleaseTypeInfo);
    TESSERA_RETURN_IF_ERROR(
        ort_.Check(inputs ? ort_->SessionGetInputTypeInfo(session_.get(), i, info.out())
                          : ort_->SessionGetOutputTypeInfo(session_.get(), i, info.out())));
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;
    TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->CastTypeInfoToTensorInfo(info.get(), &tensor)));
    if (tensor == nullptr) return Unimplemented(port.name + " is no tensor");
    TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->GetTensorElementType(tensor, &port.type)));
    if (!DTypeOf(port.type)) {
      return Unimplemented(port.name + " has ONNX's element type " + std::to_string(port.type) +
                           ", which Tessera does not have");
    }
    size_t rank = 0;
    TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->GetDimensionsCount(tensor, &rank)));
    port.shape.resize(rank);
    TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->GetDimensions(tensor, port.shape.data(), rank)));
    ports.push_back(std::move(port));
  }
  return OkStatus();
}

Status OrtModel::ReadPlacement() {
  if (!ort_.Has(24)) return OkStatus();  // no record in older versions
  const OrtEpAssignedSubgraph* const* subgraphs = nullptr;
  size_t count = 0;
  OrtStatus* status = ort_->Session_GetEpGraphAssignmentInfo(session_.get(), &subgraphs, &count);
  if (status != nullptr) {  // not recorded: the session was not asked to
    ort_->ReleaseStatus(status);
    return OkStatus();
  }
  // Of a provider that compiles, an entry is one compiled part; of one with kernels, a single node.
  int64_t on_cpu = 0;
  for (size_t i = 0; i < count; ++i) {
    const char* ep = nullptr;
    const OrtEpAssignedNode* const* nodes = nullptr;
    size_t num_nodes = 0;
    TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->EpAssignedSubgraph_GetEpName(subgraphs[i], &ep)));
    on_cpu += std::string_view(ep) == kOrtCpuProvider ? 1 : 0;
    TESSERA_RETURN_IF_ERROR(
        ort_.Check(ort_->EpAssignedSubgraph_GetNodes(subgraphs[i], &nodes, &num_nodes)));
    for (size_t n = 0; n < num_nodes; ++n) {
      const char* name = nullptr;
      const char* op = nullptr;
      TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->EpAssignedNode_GetName(nodes[n], &name)));
      TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->EpAssignedNode_GetOperatorType(nodes[n], &op)));
      NodePlacement node;
      node.name = name;
      node.op = op;
      node.provider = ep;
      placement_.nodes.push_back(std::move(node));
    }
  }
  // What is left to the CPU is no part of the device's.
  const auto all = static_cast<int64_t>(count);
  placement_.subgraphs = on_cpu < all ? all - on_cpu : on_cpu;
  return OkStatus();
}

Result<OrtOwned<OrtValue>> OrtModel::Wrap(const Port& port, const View& view) const {
  const DType expected = *DTypeOf(port.type);
  bool fits = view.dtype == expected && view.shape.size() == port.shape.size();
  for (size_t d = 0; fits && d < port.shape.size(); ++d) {
    fits = view.shape[d] >= 0 && (port.shape[d] < 0 || view.shape[d] == port.shape[d]);
  }
  if (!fits) {
    return InvalidArgument(port.name + " is " + std::string(DTypeName(view.dtype)) +
                           ShapeToString(view.shape) + ", the model's is " +
                           std::string(DTypeName(expected)) + ShapeToString(port.shape));
  }
  OrtOwned<OrtValue> value(ort_->ReleaseValue);
  TESSERA_RETURN_IF_ERROR(
      ort_.Check(ort_->CreateTensorWithDataAsOrtValue(memory_.get(), const_cast<void*>(view.data),
                                                      view.bytes(), view.shape.data(),
                                                      view.shape.size(), port.type, value.out()),
                 OrtPhase::kRun));
  return value;
}

Status OrtModel::Run(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs,
                     std::stop_token stop) {
  if (stop.stop_requested()) return Cancelled("stopped before the run");
  std::vector<OrtOwned<OrtValue>> values;
  std::vector<const char*> names;
  values.reserve(inputs_.size() + outputs_.size());
  const auto bind = [&](const Port& port, const auto& views) -> Status {
    for (const auto& given : views) {
      if (given.name != port.name) continue;
      TESSERA_ASSIGN_OR_RETURN(OrtOwned<OrtValue> value, Wrap(port, given.view));
      values.push_back(std::move(value));
      names.push_back(port.name.c_str());
      return OkStatus();
    }
    return InvalidArgument("the model's " + port.name + " is not among the tensors given");
  };
  for (const Port& port : inputs_) TESSERA_RETURN_IF_ERROR(bind(port, inputs));
  for (const Port& port : outputs_) TESSERA_RETURN_IF_ERROR(bind(port, outputs));
  if (inputs.size() != inputs_.size() || outputs.size() != outputs_.size()) {
    return InvalidArgument("the model has " + std::to_string(inputs_.size()) + " inputs and " +
                           std::to_string(outputs_.size()) + " outputs, not " +
                           std::to_string(inputs.size()) + " and " +
                           std::to_string(outputs.size()));
  }
  std::vector<const OrtValue*> in;
  std::vector<OrtValue*> out;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i < inputs_.size()) {
      in.push_back(values[i].get());
    } else {
      out.push_back(values[i].get());
    }
  }
  OrtOwned<OrtRunOptions> options(ort_->ReleaseRunOptions);
  TESSERA_RETURN_IF_ERROR(ort_.Check(ort_->CreateRunOptions(options.out()), OrtPhase::kRun));
  const size_t mark = log_.Mark();
  Status status;
  {
    const std::lock_guard lock(run_mutex_);
    const TerminateOnStop terminate(ort_, options.get(), stop);
    status = ort_.Check(ort_->Run(session_.get(), options.get(), names.data(), in.data(), in.size(),
                                  names.data() + in.size(), out.size(), out.data()),
                        OrtPhase::kRun);
  }
  if (status.ok()) return status;
  if (stop.stop_requested()) return Cancelled("the run was stopped");
  return WithLog(std::move(status), log_.ErrorsSince(mark));
}

}  // namespace tessera
