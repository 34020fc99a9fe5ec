#include "providers/onnxruntime/compile_worker.h"

#include "base/check.h"
#include "base/file.h"

namespace tessera {
namespace {

CompileOutcome Failed(Status status) {
  CompileOutcome outcome;
  outcome.status = std::move(status);
  return outcome;
}

void AddReasons(CompileOutcome& outcome, const std::string& ep) {
  for (NodePlacement& node : outcome.placement.nodes) {
    if (node.provider == ep) continue;
    for (const RefusedNode& refused : outcome.refused) {
      if (refused.name == node.name && refused.op == node.op) node.reason = refused.reason;
    }
  }
}

// The reasons that the vendor gave, behind an error that names no node.
Status WithReasons(const Status& status, const std::vector<RefusedNode>& refused) {
  constexpr size_t kShown = 5;
  std::string message = status.message();
  for (size_t i = 0; i < refused.size() && i < kShown; ++i) {
    message += "\n  " + refused[i].op + " " + refused[i].name + ": " + refused[i].reason;
  }
  if (refused.size() > kShown) {
    message += "\n  and " + std::to_string(refused.size() - kShown) + " more nodes";
  }
  return Status(status.code(), std::move(message));
}

}  // namespace

CompileOutcome RunCompileJob(const CompileJob& job, std::stop_token stop) {
  Result<std::shared_ptr<const OrtEngine>> engine = OpenOrtEngine(job.library);
  if (!engine.ok()) return Failed(engine.status());
  OrtSessionSpec spec = job.spec;
  spec.session_options.emplace_back("session.record_ep_graph_assignment_info", "1");
  if (!job.context.empty()) {
    spec.session_options.emplace_back("ep.context_enable", "1");
    // Beside the model, not inside: a protobuf ends at 2 GB.
    spec.session_options.emplace_back("ep.context_embed_mode", "0");
    spec.session_options.emplace_back("ep.context_file_path", job.context);
    spec.session_options.emplace_back("ep.context_model_external_initializers_file_name",
                                      std::string(BaseName(job.context)) + ".data");
  }
  if (!job.trace_folder.empty()) {
    spec.provider_options.emplace_back("enable_framework_op_trace", "1");
    spec.provider_options.emplace_back("framework_op_trace_dir", job.trace_folder);
  }
  CompileOutcome outcome;
  {
    Result<std::unique_ptr<FixedModel>> model = (*engine)->NewModel(job.model, spec, stop);
    if (model.ok()) {
      outcome.placement = (*model)->placement();
    } else {
      outcome.status = model.status();
    }
  }
  if (!job.trace_folder.empty()) outcome.refused = ReadOpTrace(job.trace_folder);
  if (!outcome.status.ok()) outcome.status = WithReasons(outcome.status, outcome.refused);
  if (outcome.status.ok() && !job.context.empty()) {
    outcome.compatibility = (*engine)->CompatibilityInfo(job.context, spec.ep);
  }
  AddReasons(outcome, spec.ep);
  return outcome;
}

CompileOutcome RunCompileJobInChild(const CompileJob& job, const std::string& worker,
                                    std::chrono::seconds time_limit, std::stop_token stop) {
  WorkerReply reply = AskWorker(CompileJobToJson(job), worker, time_limit, std::move(stop));
  if (!reply.status.ok()) {
    CompileOutcome outcome = Failed(std::move(reply.status));
    outcome.not_a_worker = reply.not_a_worker;
    return outcome;
  }
  Result<CompileOutcome> outcome = ParseCompileOutcome(reply.answer);
  if (outcome.ok()) return std::move(outcome).value();
  return Failed(Internal("the compiler's process answered nonsense (" + outcome.status().message() +
                         "); " + reply.last_words));
}

CompileOutcome CompileInChildOrHere(const CompileJob& job, const std::string& worker,
                                    std::chrono::seconds time_limit, std::stop_token stop) {
  const Result<std::string> program = FindCompileWorker(worker);
  if (program.ok()) {
    CompileOutcome outcome = RunCompileJobInChild(job, *program, time_limit, stop);
    if (!outcome.not_a_worker) return outcome;
  } else if (!worker.empty()) {
    return Failed(program.status());
  }
  CompileOutcome outcome = RunCompileJob(job, std::move(stop));
  outcome.placement.note =
      "compiled in this process, without time limit: no tessera to run as a child was found";
  return outcome;
}

Status ServeCompileJob(const std::string& job_file) {
  TESSERA_ASSIGN_OR_RETURN(const std::string text, ReadJob(job_file));
  TESSERA_ASSIGN_OR_RETURN(const CompileJob job, ParseCompileJob(text));
  return WriteAnswer(job_file, CompileOutcomeToJson(RunCompileJob(job)));
}

}  // namespace tessera
