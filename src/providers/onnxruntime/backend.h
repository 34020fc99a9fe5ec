// FixedBackend over ONNX Runtime: its own CPU provider, and vendors' providers as plugins (Qualcomm
// QNN, OpenVINO, AMD VitisAI, DirectML).
//
// Nothing of it is linked: library_search.h finds the libraries at run time. A vendor's compiler
// runs in a child process with a time limit (compile_worker.h), since it may crash, hang, or keep
// settings from one model to the next; its result comes back as a compiled model ("EPContext") that
// the cache folder keeps. Placement is ONNX Runtime's own record, made where the model was
// compiled.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_BACKEND_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_BACKEND_H_

#include <memory>
#include <string>
#include <string_view>

#include "providers/fixed/backend.h"
#include "providers/onnxruntime/engine.h"

namespace tessera {

struct OnnxRuntimeOptions {
  std::string library;     // ONNX Runtime: file or folder; "": library_search.h
  std::string ep_library;  // the provider's plugin: file or folder; ""
  // The kind of device, where a provider offers several ("openvino"); else the best: NPU, GPU, CPU.
  std::string device_kind;  // "", "npu", "gpu", "cpu"
  // Chip to compile for, as targets.h names it: "snapdragon-x", "qnn:60,73"; of OpenVINO's plugin
  // "intel-npu" or "intel-npu:4000", which is a virtual device; "": the machine's own,
  // on machines without one (emulation) snapdragon-x.
  std::string target;
  // Handed to the provider as they are; they replace ours of the same name.
  OrtOptions provider_options;
  int threads = 0;  // nodes on the CPU; 0: ONNX Runtime's choice
  // Folder that `tessera compile` wrote: its models are used, and nothing is compiled, in the
  // quantization that it holds; "": TESSERA_COMPILED, where it is set.
  std::string compiled;
  // Folder that keeps what is compiled, all stages together, for use as `compiled` elsewhere; ""
  // keeps it in each stage's cache folder.
  std::string compile_to;
  // Of models that are compiled; null: float. Written to compile_to.
  std::shared_ptr<const Quantization> quantization = nullptr;
  // The program whose hidden command "compile-worker" compiles; "": TESSERA_WORKER, this program
  // when it is tessera, PATH. Where none is found, compiling is done in this process.
  std::string worker;
};

// `ep`: "cpu", "qnn", "openvino", "vitisai", "dml". kNotFound: a library is not installed (what was
// tried and how to install it); kUnavailable: it is, but cannot be used here, with the library's
// words; kUnimplemented: too old, or this build has no support; kInvalidArgument: no such name.
Result<std::shared_ptr<const FixedBackend>> OpenOnnxRuntimeBackend(
    std::string_view ep, const OnnxRuntimeOptions& options = {});

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_BACKEND_H_
