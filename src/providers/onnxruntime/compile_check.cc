#include "providers/onnxruntime/compile_check.h"

#include "base/check.h"
#include "base/file.h"
#include "base/temporary_folder.h"
#include "providers/onnxruntime/compile_worker.h"
#include "providers/onnxruntime/setup.h"

namespace tessera {

Result<CompileReport> CheckCompile(const std::string& path, const std::string& target,
                                   const CheckCompileOptions& options, std::stop_token stop) {
  if (!FileExists(path)) return NotFound("no file " + path);
  OnnxRuntimeOptions backend;
  backend.library = options.library;
  backend.ep_library = options.ep_library;
  backend.provider_options = options.provider_options;
  backend.target = target;
  TESSERA_ASSIGN_OR_RETURN(const OrtSetup setup, OpenOrtSetup(*FindOrtProfile("qnn"), backend));
  TESSERA_ASSIGN_OR_RETURN(const TemporaryFolder temporary, TemporaryFolder::Create());
  CompileJob job;
  job.library = setup.engine->path();
  job.spec = setup.spec;
  job.spec.session_options = options.session_options;
  job.model = path;
  job.trace_folder = temporary.path();
  CompileOutcome outcome =
      CompileInChildOrHere(job, options.worker, options.time_limit, std::move(stop));
  if (outcome.status.code() == StatusCode::kCancelled) return outcome.status;
  CompileReport report;
  report.status = std::move(outcome.status);
  report.compiler = setup.info.name + " " + setup.info.version;
  report.nodes = std::move(outcome.placement.nodes);
  for (NodePlacement& node : report.nodes) {
    node.device = node.provider == setup.spec.ep ? setup.info.device : DeviceKind::kCpu;
  }
  report.subgraphs = outcome.placement.subgraphs;
  report.refused = std::move(outcome.refused);
  report.seconds = outcome.placement.compile_seconds;
  report.note = std::move(outcome.placement.note);
  return report;
}

}  // namespace tessera
