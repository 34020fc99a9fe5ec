#include "cli/search_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/check.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/exit_code.h"

namespace tessera::cli {
namespace {

constexpr int kMostThreads = 1024;
constexpr int64_t kMostHits = 1000;

Status Check(const SearchCommandOptions& options) {
  TESSERA_RETURN_IF_ERROR(CheckDeviceOptions(options.model));
  const bool changes = !options.add.empty() || !options.remove.empty() || !options.exclude.empty();
  if (options.no_update && (changes || options.update)) {
    return InvalidArgument("--no-update cannot go with --update, --add, --remove or --exclude");
  }
  if (FolderExists(options.index)) {
    if (options.add.empty() && options.remove.empty()) return OkStatus();
    return InvalidArgument("--add and --remove are for an index file; \"" + options.index +
                           "\" is a folder");
  }
  // The shell's patterns and forgotten quotes end up here.
  for (const std::string& path : options.add) {
    if (!FileExists(path) && !FolderExists(path)) {
      return InvalidArgument("--add: found no file or folder \"" + path +
                             "\"; a question stands before --add");
    }
  }
  if (options.questions.empty() && !changes && !options.update && !options.info) {
    return InvalidArgument("expected a question, or --add, --update or --info");
  }
  if (std::ranges::count(options.questions, "-") > 1)
    return InvalidArgument("stdin (-) can be read once only");
  return OkStatus();
}

}  // namespace

std::optional<int> ParseSearch(const std::vector<std::string>& arguments,
                               SearchCommandOptions* options) {
  SearchCommandOptions& o = *options;
  std::string precision = "auto";
  CLI::App app(
      "Finds passages of your texts by their meaning.\n\n"
      "  tessera search ~/notes \"when does the passport expire?\"\n\n"
      "asks a folder: at first all its texts are read, later only what is new or changed. Any\n"
      "number of questions may follow; - reads them from stdin, one a line. An index over several\n"
      "folders, in a file of your own:\n\n"
      "  tessera search my.index --add ~/notes ~/papers\n"
      "  tessera search my.index \"who approved the budget?\"\n"
      "  tessera search my.index --update",
      "tessera search");
  app.add_option("INDEX", o.index, "a folder, or an index file")->required();
  app.add_option("QUESTION", o.questions,
                 "what you want to know; words of the text are not needed");

  const char* group = "Index";
  app.add_option("--add", o.add, "files and folders that the index file shall hold, too")
      ->group(group);
  app.add_option("--remove", o.remove, "files and folders that it shall not hold any more")
      ->group(group);
  app.add_option("--exclude", o.exclude,
                 "names or paths to leave out, like \"*.log\" or \"drafts/**\"; it is kept in mind")
      ->allow_extra_args(false)
      ->group(group);
  app.add_flag("--update", o.update, "look for new, changed and deleted files [folders: always]")
      ->group(group);
  app.add_flag("--no-update", o.no_update, "ask the folder's index as it is")->group(group);
  app.add_flag("--info", o.info, "what the index holds")->group(group);

  group = "Answers";
  app.add_option("-k,--top", o.top, "passages for each question [5]")
      ->check(CLI::Range(int64_t{1}, kMostHits))
      ->group(group);
  app.add_flag("--full", o.full, "whole passages, not only their first lines")->group(group);
  app.add_flag("--json", o.json, "one JSON object a line")->group(group);
  app.add_flag("-q,--quiet", o.quiet, "no progress, no summary")->group(group);

  group = "Model";
  app.add_option("-m,--model", o.model.model,
                 "name (tessera models list) or path [the index's; for a new one all-minilm-l6-v2]")
      ->group(group);
  AddDeviceOptions(app, group, &o.model, &o.placement);
  app.add_option("--precision", precision, "auto, f32, bf16 or int8 [auto]")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8"}))
      ->group(group);
  app.add_option("-t,--threads", o.model.threads, "threads [all usable cores]")
      ->check(CLI::Range(0, kMostThreads))
      ->group(group);

  if (const std::optional<int> code = ParseArguments(app, arguments)) return code;
  if (precision == "f32") o.model.precision = Precision::kF32;
  if (precision == "bf16") o.model.precision = Precision::kBF16;
  if (precision == "int8") o.model.precision = Precision::kInt8;
  if (const Status status = Check(o); !status.ok()) {
    PrintError(status.message() + " (tessera search --help)");
    return kExitUsage;
  }
  return std::nullopt;
}

}  // namespace tessera::cli
