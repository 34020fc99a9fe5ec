#include "doctor/compiler.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "providers/onnxruntime/compile_check.h"

namespace tessera::doctor {
namespace {

std::string FirstLine(const std::string& text, size_t limit = 600) {
  return text.substr(0, std::min(text.find('\n'), limit));
}

// What a failure of the whole model means and what to do.
std::string Remedy(const std::string& message, bool without_soc) {
  if (message.find("1002") == std::string::npos) return "";
  return without_soc
             ? "error 1002 is a catch-all of graph finalization; without soc_model the compiler "
               "plans for a chip with too little memory. Name the chip: --target snapdragon-x, in "
               "other programs the provider option soc_model=60"
             : "error 1002 is a catch-all of graph finalization: too much fast memory (VTCM) asked "
               "for, or an operator that could not be made for these sizes; halve the model to "
               "find "
               "the node";
}

}  // namespace

Status AskCompiler(const std::string& path, const CompilerOptions& options, std::stop_token stop,
                   TargetReport& report) {
  if (report.target.family != TargetFamily::kQnn) {
    return Unimplemented("no compiler of " + report.target.id +
                         " runs on this machine; --compiler answers for snapdragon-x and qnn:SOC");
  }
  const std::string target =
      options.without_soc ? "qnn" : "qnn:" + std::to_string(report.target.soc_model);
  CheckCompileOptions check;
  check.time_limit = options.time_limit;
  TESSERA_ASSIGN_OR_RETURN(const CompileReport answer, CheckCompile(path, target, check, stop));
  report.compiler_note =
      answer.compiler + ", " + std::to_string(answer.seconds).substr(0, 4) + " s: ";
  std::map<std::string, const RefusedNode*, std::less<>> refused;
  for (const RefusedNode& node : answer.refused) refused.emplace(node.name, &node);
  if (!answer.status.ok()) {
    const std::string remedy = Remedy(answer.status.message(), options.without_soc);
    report.compiler_note += "it does not compile: " + FirstLine(answer.status.message());
    report.findings.insert(
        report.findings.begin(),
        {"C1.compiler", Severity::kError,
         "the vendor's compiler: " + FirstLine(answer.status.message()), remedy});
  } else {
    report.compiler_note += "it compiles, " + std::to_string(answer.subgraphs) +
                            (answer.subgraphs == 1 ? " subgraph" : " subgraphs");
  }
  std::map<std::string, const NodePlacement*, std::less<>> placed;
  for (const NodePlacement& node : answer.nodes) placed.emplace(node.name, &node);
  for (NodeReport& node : report.nodes) {
    const auto no = refused.find(node.name);
    const auto where = placed.find(node.name);
    NodeVerdict verdict;
    verdict.tier = EvidenceTier::kCompiler;
    verdict.rule = "C1.compiler";
    if (no != refused.end()) {
      verdict.verdict = Verdict::kPartial;
      verdict.reason = "the compiler: " + FirstLine(no->second->reason);
      verdict.remedy = node.verdict.verdict == Verdict::kSupported ? "" : node.verdict.remedy;
    } else if (where != placed.end()) {
      const bool on_cpu = where->second->provider == kOrtCpuProvider;
      verdict.verdict = on_cpu ? Verdict::kPartial : Verdict::kSupported;
      verdict.reason = on_cpu ? "left to the CPU, without a reason" : "compiled";
      if (on_cpu && !where->second->reason.empty())
        verdict.reason = "the compiler: " + FirstLine(where->second->reason);
      if (on_cpu) verdict.remedy = node.verdict.remedy;
    } else {
      continue;
    }
    node.verdict = std::move(verdict);
  }
  return OkStatus();
}

}  // namespace tessera::doctor
