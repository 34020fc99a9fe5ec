// A model that OpenVINO compiled for one device.
//
// Inputs and outputs are used where the caller has them: OpenVINO gets tensors over that memory,
// which are made anew only when an address changed. A stop cancels the request between two
// operations.
#ifndef TESSERA_PROVIDERS_OPENVINO_MODEL_H_
#define TESSERA_PROVIDERS_OPENVINO_MODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "providers/fixed/backend.h"
#include "providers/openvino/core.h"

namespace tessera::openvino {

class OpenVinoModel : public FixedModel {
 public:
  // `blob`: where an imported model lies, which OpenVINO reads in place; null for one that was
  // compiled here. `what` names it in messages: "whisper.encoder on openvino:cpu".
  static Result<std::unique_ptr<FixedModel>> Make(std::shared_ptr<const Core> core,
                                                  Handle<OvCompiledModel> compiled,
                                                  std::shared_ptr<const MappedFile> blob,
                                                  StagePlacement placement, std::string what);

  Status Run(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs,
             std::stop_token stop) override;
  const StagePlacement& placement() const override { return placement_; }

 private:
  struct Port {
    std::string name;
    Handle<OvPort> port;
    DType dtype;
    Shape shape;
    void* data = nullptr;  // what `tensor` lies over
    uint64_t run = 0;      // that it was bound for last
    Handle<OvTensor> tensor;
  };

  OpenVinoModel(std::shared_ptr<const Core> core, Handle<OvCompiledModel> compiled,
                Handle<OvInferRequest> request, std::shared_ptr<const MappedFile> blob,
                StagePlacement placement, std::string what)
      : core_(std::move(core)),
        blob_(std::move(blob)),
        compiled_(std::move(compiled)),
        request_(std::move(request)),
        placement_(std::move(placement)),
        what_(std::move(what)) {}

  Result<Port*> FindPort(std::string_view name, bool is_input, size_t place);
  // Has the request use `data` for the port.
  Status Bind(std::string_view name, bool is_input, size_t place, const View& view);
  Status Error(OvStatus status) const;

  const std::shared_ptr<const Core> core_;
  const std::shared_ptr<const MappedFile> blob_;
  // Freed in reverse order: tensors and ports, then the request, then the model.
  Handle<OvCompiledModel> compiled_;
  Handle<OvInferRequest> request_;
  std::vector<Port> inputs_, outputs_;  // filled as names come up; then in the caller's order
  size_t num_inputs_ = 0, num_outputs_ = 0;
  uint64_t run_ = 0;  // counts calls of Run
  StagePlacement placement_;
  std::string what_;
};

}  // namespace tessera::openvino

#endif  // TESSERA_PROVIDERS_OPENVINO_MODEL_H_
