#include "cli/embed_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/check.h"
#include "cli/command.h"
#include "cli/device_options.h"
#include "cli/exit_code.h"

namespace tessera::cli {
namespace {

constexpr int kMostThreads = 1024;
constexpr size_t kMostBatch = 65536;

// Flags whose values need another form.
struct RawFlags {
  std::string precision = "auto", kind = "plain", pooling = "auto", per = "auto",
              input_format = "auto", output_format = "auto";
  std::string prompt;
  bool query = false, passage = false, no_normalize = false, normalize = false;
};

Status Apply(const RawFlags& raw, bool has_prompt, EmbedCommandOptions* options) {
  if (raw.precision == "f32") options->model.precision = Precision::kF32;
  if (raw.precision == "bf16") options->model.precision = Precision::kBF16;
  if (raw.precision == "int8") options->model.precision = Precision::kInt8;

  TESSERA_RETURN_IF_ERROR(CheckDeviceOptions(options->model));
  if (options->placement == "-" && options->output == "-")
    return InvalidArgument("--placement - and the vectors both want stdout; name a file for one");
  EmbedOptions& embed = options->embed;
  const int kinds = (raw.query ? 1 : 0) + (raw.passage ? 1 : 0) + (raw.kind != "plain" ? 1 : 0);
  if (kinds > 1) return InvalidArgument("--query, --passage and --kind: expected one of them");
  if (raw.query || raw.kind == "query") embed.kind = EmbedKind::kQuery;
  if (raw.passage || raw.kind == "passage") embed.kind = EmbedKind::kPassage;
  if (has_prompt) embed.prompt = raw.prompt;
  if (raw.pooling == "mean") embed.pooling = EmbedPooling::kMean;
  if (raw.pooling == "cls") embed.pooling = EmbedPooling::kCls;
  if (raw.pooling == "last") embed.pooling = EmbedPooling::kLast;
  if (raw.normalize && raw.no_normalize)
    return InvalidArgument("--normalize and --no-normalize contradict each other");
  if (raw.normalize) embed.normalize = true;
  if (raw.no_normalize) embed.normalize = false;

  if (raw.per == "line") options->per = Per::kLine;
  if (raw.per == "file") options->per = Per::kFile;
  if (raw.input_format == "text") options->input_format = RecordFormat::kLines;
  if (raw.input_format == "jsonl") options->input_format = RecordFormat::kJsonLines;
  if (raw.input_format == "csv") options->input_format = RecordFormat::kCsv;
  if (raw.input_format == "tsv") options->input_format = RecordFormat::kTsv;
  if (options->inputs.empty() && options->texts.empty()) {
    return InvalidArgument(
        "no input: expected files, folders, globs or - for stdin, or texts with --text");
  }
  if (std::ranges::count(options->inputs, "-") > 1)
    return InvalidArgument("stdin (-) can be read once only");

  if (raw.output_format == "auto") {
    if (options->output != "-") {
      const std::optional<VectorFormat> format = VectorFormatOf(options->output);
      if (!format) {
        return InvalidArgument("--output " + options->output +
                               ": expected a name that ends in .jsonl, .csv or .npy; "
                               "--output-format says it for others");
      }
      options->output_format = *format;
    }
  } else {
    options->output_format = *VectorFormatOf("." + raw.output_format);
  }
  if (options->output == "-") {
    if (options->output_format == VectorFormat::kNpy)
      return InvalidArgument("a .npy file cannot go to stdout; --output FILE.npy names a file");
    if (options->resume) {
      return InvalidArgument("--resume goes on with an output file; name it with --output FILE");
    }
  }
  if (options->resume && std::ranges::count(options->inputs, options->output) > 0)
    return InvalidArgument("--output " + options->output + " is an input too");
  return OkStatus();
}

}  // namespace

std::optional<int> ParseEmbed(const std::vector<std::string>& arguments,
                              EmbedCommandOptions* options) {
  EmbedCommandOptions& o = *options;
  RawFlags raw;
  CLI::App app(
      "Turns texts into vectors: similar meaning, near vectors.\n\n"
      "FILE is any number of files, folders, quoted globs (\"notes/**/*.md\") or - for stdin. A "
      "text\n"
      "is a line; of a folder it is a whole file (.txt, .md, .rst, .org, .tex, .adoc); of .jsonl "
      "and\n"
      ".csv it is a field (--field). Vectors go to stdout as JSON lines, or to a file that "
      "--resume\n"
      "goes on with after an interruption.",
      "tessera embed");
  const char* input = "Input";
  app.add_option("FILE", o.inputs, "files, folders, quoted globs or -");
  app.add_option("--text", o.texts, "a text itself; may be given several times")
      ->allow_extra_args(false)
      ->group(input);
  app.add_flag("-r,--recursive", o.recursive, "folders with all their sub-folders")->group(input);
  app.add_option("--per", raw.per, "a text is a line or a file [auto: file in folders]")
      ->check(CLI::IsMember({"auto", "line", "file"}))
      ->group(input);
  app.add_option("--input-format", raw.input_format,
                 "text, jsonl, csv or tsv [auto: by extension, stdin is text]")
      ->check(CLI::IsMember({"auto", "text", "jsonl", "csv", "tsv"}))
      ->group(input);
  app.add_option("--field", o.text_field, "key or column that holds the text [text]")->group(input);
  app.add_option("--id-field", o.id_field, "key or column whose value goes into the output as id")
      ->group(input);

  const char* model = "Model";
  app.add_option("-m,--model", o.model.model,
                 "name (tessera models list) or path of a model [all-minilm-l6-v2]")
      ->group(model);
  AddDeviceOptions(app, model, &o.model, &o.placement);
  app.add_option("--precision", raw.precision, "auto, f32, bf16 or int8 [auto]")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8"}))
      ->group(model);
  app.add_option("-t,--threads", o.model.threads, "threads [all usable cores]")
      ->check(CLI::Range(0, kMostThreads))
      ->group(model);

  const char* vectors = "Vectors";
  app.add_option("--kind", raw.kind, "what the texts are: plain, query or passage [plain]")
      ->check(CLI::IsMember({"plain", "query", "passage"}))
      ->group(vectors);
  app.add_flag("--query", raw.query, "the same as --kind query")->group(vectors);
  app.add_flag("--passage", raw.passage, "the same as --kind passage")->group(vectors);
  CLI::Option* prompt = app.add_option("--prompt", raw.prompt,
                                       "put before every text [what the model has for the kind]")
                            ->group(vectors);
  app.add_option("--pooling", raw.pooling, "mean, cls or last [auto: as the model says]")
      ->check(CLI::IsMember({"auto", "mean", "cls", "last"}))
      ->group(vectors);
  app.add_flag("--normalize", raw.normalize, "vectors of length 1 [as the model says]")
      ->group(vectors);
  app.add_flag("--no-normalize", raw.no_normalize, "vectors as they are")->group(vectors);
  app.add_option("--dimensions", o.embed.dimensions, "the first so many components only [all]")
      ->check(CLI::PositiveNumber)
      ->group(vectors);
  app.add_option("--max-tokens", o.embed.max_tokens,
                 "cut texts that are longer [the model's longest]")
      ->check(CLI::PositiveNumber)
      ->group(vectors);

  const char* output = "Output";
  app.add_option("-o,--output", o.output, "file for the vectors, .jsonl, .csv or .npy [stdout]")
      ->group(output);
  app.add_option("--output-format", raw.output_format, "jsonl, csv or npy [by the extension]")
      ->check(CLI::IsMember({"auto", "jsonl", "csv", "npy"}))
      ->group(output);
  app.add_flag("--with-text", o.with_text, "the texts too")->group(output);
  app.add_flag("--resume", o.resume, "keep the rows that the output has and go on behind them")
      ->group(output);
  app.add_option("--batch", o.batch, "texts read ahead at a time [1024]")
      ->check(CLI::Range(size_t{1}, kMostBatch))
      ->group(output);
  app.add_flag("--json", o.json, "the summary as a JSON object, on stdout where vectors are not")
      ->group(output);
  app.add_flag("-q,--quiet", o.quiet, "no progress, no summary")->group(output);

  if (const std::optional<int> code = ParseArguments(app, arguments)) return code;
  if (const Status status = Apply(raw, prompt->count() > 0, options); !status.ok()) {
    PrintError(status.message() + " (tessera embed --help)");
    return kExitUsage;
  }
  return std::nullopt;
}

}  // namespace tessera::cli
