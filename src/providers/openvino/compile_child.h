// Compiling for a GPU or NPU in a child process (worker_process.h): Intel's compilers take minutes,
// and may crash or hang. The child leaves the compiled model in a BlobStore, where the parent finds
// it; the answer only says how it went.
#ifndef TESSERA_PROVIDERS_OPENVINO_COMPILE_CHILD_H_
#define TESSERA_PROVIDERS_OPENVINO_COMPILE_CHILD_H_

#include <stop_token>
#include <string>

#include "providers/openvino/backend.h"

namespace tessera::openvino {

struct ChildJob {
  std::string device;  // "openvino:npu"
  OpenVinoOptions options;
  std::string model;  // ONNX file
  std::string stage;
  std::string cache_folder;  // where the compiled model goes
};

// kUnimplemented with `not_a_worker` set: `worker` is none, and nothing was done.
Status CompileInChild(const ChildJob& job, const std::string& worker,
                      std::chrono::seconds time_limit, std::stop_token stop, bool* not_a_worker);

// The child's side. Whether a job is one of OpenVINO's (and not of another provider); then serving
// it: an error when the job cannot be read or the answer not be written.
bool IsChildJob(const std::string& job);
Status ServeChildJob(const std::string& job_file);

// Both texts. kDataLoss for others.
std::string ChildJobToJson(const ChildJob& job);
Result<ChildJob> ParseChildJob(const std::string& text);
std::string ChildAnswerToJson(const Status& status);
// How compiling went; kInternal when the text is no answer.
Status ParseChildAnswer(const std::string& text);

}  // namespace tessera::openvino

#endif  // TESSERA_PROVIDERS_OPENVINO_COMPILE_CHILD_H_
