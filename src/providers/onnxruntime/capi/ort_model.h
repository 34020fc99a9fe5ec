// One ONNX Runtime session as a FixedModel.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_CAPI_ORT_MODEL_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_CAPI_ORT_MODEL_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "providers/fixed/backend.h"
#include "providers/onnxruntime/capi/ort_api.h"

namespace tessera {

class OrtModel : public FixedModel {
 public:
  // Loads `path` with `options`, whose provider is there already. The log gives the errors of
  // providers that ONNX Runtime does not pass on.
  static Result<std::unique_ptr<FixedModel>> Load(const OrtTable& ort, OrtEnv* env,
                                                  const OrtLog& log, const std::string& path,
                                                  OrtSessionOptions* options, std::stop_token stop);

  // On the caller's memory, without copies of ours.
  Status Run(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs,
             std::stop_token stop) override;
  const StagePlacement& placement() const override { return placement_; }

 private:
  struct Port {
    std::string name;
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    Shape shape;
  };
  OrtModel(const OrtTable& ort, const OrtLog& log)
      : ort_(ort), log_(log), session_(ort->ReleaseSession), memory_(ort->ReleaseMemoryInfo) {}
  Status ReadPorts(bool inputs, std::vector<Port>& ports);
  Status ReadPlacement();
  Result<OrtOwned<OrtValue>> Wrap(const Port& port, const View& view) const;

  const OrtTable ort_;
  const OrtLog& log_;
  OrtOwned<OrtSession> session_;
  OrtOwned<OrtMemoryInfo> memory_;
  std::vector<Port> inputs_;
  std::vector<Port> outputs_;
  StagePlacement placement_;
  std::mutex run_mutex_;
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_CAPI_ORT_MODEL_H_
