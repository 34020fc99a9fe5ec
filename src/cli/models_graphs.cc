#include "cli/models_graphs.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "graph/dump.h"
#include "graph/onnx/export.h"
#include "graph/svg.h"
#include "models/whisper/load.h"
#include "models/whisper/stages.h"
#include "runtime/model_store.h"

namespace tessera::cli {
namespace {

int Fail(const Status& status, ExitCode code) {
  PrintError(status.message());
  return code;
}

Result<WhisperFiles> Load(const std::string& model) {
  TESSERA_ASSIGN_OR_RETURN(const std::string path, ModelPath(model));
  return LoadWhisperFiles(path);
}

// Stdout may be a file on a full disk.
Status Print(const std::string& text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return OkStatus();
  }
  return ResourceExhausted(std::string("could not write to stdout: ") + std::strerror(errno));
}

}  // namespace

int ExportModel(const ExportModelOptions& options) {
  const Result<WhisperFiles> files = Load(options.model);
  if (!files.ok()) return Fail(files.status(), ExitCodeForModel(files.status()));
  std::vector<std::string> stages(kWhisperStages.begin(), kWhisperStages.end());
  if (options.stage != "all") stages = {options.stage};
  if (const Status made = MakeFolders(options.folder); !made.ok()) return Fail(made, kExitBadInput);
  for (const std::string& stage : stages) {
    const Result<Graph> graph = BuildWhisperStage(stage, files->config, files->weights);
    if (!graph.ok()) return Fail(graph.status(), ExitCodeForModel(graph.status()));
    OnnxExportOptions onnx;
    onnx.external_data = true;
    onnx.weights = options.f16 ? OnnxWeights::kF16 : OnnxWeights::kF32;
    if (options.fixed) onnx.bind = SingleTokenDims(*graph, files->config);
    const std::string path = JoinPath(options.folder, stage + ".onnx");
    if (!options.quiet) std::fprintf(stderr, "writing %s\n", path.c_str());
    if (const Status written = ExportOnnx(*graph, path, onnx); !written.ok()) {
      return Fail(written, ExitCodeForFile(written));
    }
    if (const Status printed = Print(path + "\n"); !printed.ok()) {
      return Fail(printed, kExitBadInput);
    }
  }
  return kExitOk;
}

int ShowGraph(const ShowGraphOptions& options) {
  const Result<WhisperFiles> files = Load(options.model);
  if (!files.ok()) return Fail(files.status(), ExitCodeForModel(files.status()));
  const Result<Graph> graph = BuildWhisperStage(options.stage, files->config, files->weights);
  if (!graph.ok()) return Fail(graph.status(), ExitCodeForModel(graph.status()));
  if (options.svg.empty()) {
    const Status printed = Print(DumpGraph(*graph));
    return printed.ok() ? kExitOk : Fail(printed, kExitBadInput);
  }
  const Result<std::string> drawing = DrawGraph(*graph, SingleTokenDims(*graph, files->config));
  if (!drawing.ok()) return Fail(drawing.status(), ExitCodeForModel(drawing.status()));
  const Status written =
      options.svg == "-" ? Print(*drawing) : WriteFileAtomically(options.svg, *drawing);
  return written.ok() ? kExitOk : Fail(written, ExitCodeForFile(written));
}

}  // namespace tessera::cli
