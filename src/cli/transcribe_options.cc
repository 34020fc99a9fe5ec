#include "cli/transcribe_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "cli/device_options.h"
#include "cli/flag_dialects.h"

namespace tessera::cli {
namespace {

// Flag values as text or plain numbers, before they are checked against each other.
struct RawFlags {
  std::string precision = "auto", mode = "auto", task = "transcribe", temperature = "0",
              temperature_increment = "0.2";
  std::string language, model_dir, clip_timestamps, suppress_tokens = "-1";
  std::string compression_ratio = "2.4", logprob = "-1.0", no_speech = "0.6",
              max_initial_timestamp = "1.0";
  std::string raw_format;
  std::vector<std::string> formats;
  int raw_rate = 16000, raw_channels = 1;
  int max_context = -1;
  double offset_ms = 0, duration_ms = 0;
  bool fp16 = true, progress = true, exact = false;
};

// A number, or nothing for "None".
Result<std::optional<double>> ParseOptionalNumber(std::string_view flag, const std::string& text) {
  if (text == "None" || text == "none") return std::optional<double>();
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || !std::isfinite(value)) {
    return InvalidArgument(std::string(flag) + ": expected a number or None, found \"" + text +
                           "\"");
  }
  return std::optional<double>(value);
}

template <typename Visit>
Status ForEachItem(const std::string& list, const Visit& visit) {
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    std::string item = list.substr(begin, end - begin);
    while (!item.empty() && item.front() == ' ') item.erase(0, 1);
    while (!item.empty() && item.back() == ' ') item.pop_back();
    TESSERA_RETURN_IF_ERROR(visit(item));
    begin = end + 1;
  }
  return OkStatus();
}

Result<double> ParseNumber(std::string_view flag, const std::string& text) {
  TESSERA_ASSIGN_OR_RETURN(const std::optional<double> value, ParseOptionalNumber(flag, text));
  if (!value)
    return InvalidArgument(std::string(flag) + ": expected a number, found \"" + text + "\"");
  return *value;
}

// openai-whisper's ladder: temperature, temperature + increment, ... up to 1.0; None: no fallback.
Status ParseTemperatures(const RawFlags& raw, TranscribeOptions* options) {
  options->temperatures.clear();
  TESSERA_RETURN_IF_ERROR(ForEachItem(raw.temperature, [&](const std::string& item) -> Status {
    TESSERA_ASSIGN_OR_RETURN(const double value, ParseNumber("--temperature", item));
    options->temperatures.push_back(value);
    return OkStatus();
  }));
  TESSERA_ASSIGN_OR_RETURN(
      const std::optional<double> increment,
      ParseOptionalNumber("--temperature-increment-on-fallback", raw.temperature_increment));
  if (options->temperatures.size() > 1 || !increment || *increment == 0) return OkStatus();
  if (*increment < 0.01) {
    return InvalidArgument(
        "--temperature-increment-on-fallback: expected at least 0.01 or None, found " +
        raw.temperature_increment);
  }
  const double first = options->temperatures[0];
  for (int step = 1; first + step * *increment <= 1.0 + 1e-6; ++step) {
    options->temperatures.push_back(first + step * *increment);
  }
  return OkStatus();
}

Status ParseFormats(const std::vector<std::string>& values,
                    std::vector<TranscriptFormat>* formats) {
  const auto add = [&](TranscriptFormat format) {
    if (std::find(formats->begin(), formats->end(), format) == formats->end())
      formats->push_back(format);
  };
  for (const std::string& value : values) {
    TESSERA_RETURN_IF_ERROR(ForEachItem(value, [&](const std::string& name) -> Status {
      if (name == "all") {
        for (const TranscriptFormat format : AllTranscriptFormats()) add(format);
        return OkStatus();
      }
      const std::optional<TranscriptFormat> format = TranscriptFormatFromName(name);
      if (!format) {
        return InvalidArgument(
            "--output-format: expected txt, vtt, srt, tsv, json, lrc, csv or all, found \"" + name +
            "\"");
      }
      add(*format);
      return OkStatus();
    }));
  }
  return OkStatus();
}

Status ParseClips(const RawFlags& raw, TranscribeOptions* options) {
  // openai-whisper's default "0" means the whole recording.
  if (!raw.clip_timestamps.empty() && raw.clip_timestamps != "0") {
    if (raw.offset_ms != 0 || raw.duration_ms != 0) {
      return InvalidArgument(
          "--clip-timestamps and -ot/-d both choose parts of the recording; give one of them");
    }
    double last = -1;
    return ForEachItem(raw.clip_timestamps, [&](const std::string& item) -> Status {
      TESSERA_ASSIGN_OR_RETURN(const double value, ParseNumber("--clip-timestamps", item));
      if (value < 0 || value < last) {
        return InvalidArgument(
            "--clip-timestamps: expected seconds in rising order (start,end,start,end,...), found "
            "\"" +
            raw.clip_timestamps + "\"");
      }
      last = value;
      options->clip_timestamps.push_back(value);
      return OkStatus();
    });
  }
  if (raw.offset_ms < 0 || raw.duration_ms < 0) {
    return InvalidArgument("-ot and -d: expected milliseconds of at least 0");
  }
  if (raw.offset_ms > 0 || raw.duration_ms > 0) {
    options->clip_timestamps = {raw.offset_ms / 1000};
    if (raw.duration_ms > 0)
      options->clip_timestamps.push_back((raw.offset_ms + raw.duration_ms) / 1000);
  }
  return OkStatus();
}

Status ParseSuppressTokens(const std::string& text, TranscribeOptions* options) {
  options->suppress_tokens.clear();
  if (text.empty()) return OkStatus();
  return ForEachItem(text, [&](const std::string& item) -> Status {
    int id = 0;
    const char* end = item.data() + item.size();
    const auto [rest, error] = std::from_chars(item.data(), end, id);
    if (error != std::errc() || rest != end || id < -1) {
      return InvalidArgument(
          "--suppress-tokens: expected token ids separated by commas, or -1, found \"" + text +
          "\"");
    }
    options->suppress_tokens.push_back(id);
    return OkStatus();
  });
}

Status ParseRaw(const RawFlags& raw, TranscribeCommandOptions* options) {
  if (raw.raw_format.empty()) return OkStatus();
  PcmFormat format;
  using Encoding = PcmFormat::Encoding;
  constexpr std::pair<std::string_view, Encoding> kEncodings[] = {{"s16le", Encoding::kS16},
                                                                  {"f32le", Encoding::kF32}};
  const auto* const found = std::find_if(std::begin(kEncodings), std::end(kEncodings),
                                         [&](const auto& e) { return e.first == raw.raw_format; });
  if (found == std::end(kEncodings)) {
    return InvalidArgument("--raw-format: expected s16le or f32le, found \"" + raw.raw_format +
                           "\"");
  }
  format.encoding = found->second;
  format.sample_rate = raw.raw_rate;
  format.channels = raw.raw_channels;
  options->raw = format;
  return OkStatus();
}

Status ApplyRaw(const RawFlags& raw, TranscribeCommandOptions* options) {
  TranscribeOptions& transcribe = options->transcribe;
  if (raw.mode == "sequential") transcribe.mode = TranscribeMode::kSequential;
  if (raw.mode == "batched") transcribe.mode = TranscribeMode::kBatched;
  if (raw.task == "translate") transcribe.task = TranscribeTask::kTranslate;
  transcribe.language = raw.language == "auto" || raw.language == "None" ? "" : raw.language;

  if (raw.precision == "f32") options->model.precision = Precision::kF32;
  if (raw.precision == "bf16") options->model.precision = Precision::kBF16;
  if (raw.precision == "int8") options->model.precision = Precision::kInt8;
  if (!raw.fp16) {
    if (raw.precision != "auto" && raw.precision != "f32") {
      return InvalidArgument("--fp16 False asks for f32, --precision asks for " + raw.precision +
                             "; give one of them");
    }
    options->model.precision = Precision::kF32;
  }
  TESSERA_RETURN_IF_ERROR(CheckDeviceOptions(options->model));
  if (!raw.model_dir.empty() && options->model.model.find('/') == std::string::npos) {
    options->model.model = raw.model_dir + "/" + options->model.model;
  }

  TESSERA_RETURN_IF_ERROR(ParseTemperatures(raw, &transcribe));
  TESSERA_ASSIGN_OR_RETURN(
      transcribe.compression_ratio_threshold,
      ParseOptionalNumber("--compression-ratio-threshold", raw.compression_ratio));
  TESSERA_ASSIGN_OR_RETURN(transcribe.logprob_threshold,
                           ParseOptionalNumber("--logprob-threshold", raw.logprob));
  TESSERA_ASSIGN_OR_RETURN(transcribe.no_speech_threshold,
                           ParseOptionalNumber("--no-speech-threshold", raw.no_speech));
  TESSERA_ASSIGN_OR_RETURN(
      transcribe.max_initial_timestamp,
      ParseOptionalNumber("--max-initial-timestamp", raw.max_initial_timestamp));
  TESSERA_RETURN_IF_ERROR(ParseClips(raw, &transcribe));
  TESSERA_RETURN_IF_ERROR(ParseSuppressTokens(raw.suppress_tokens, &transcribe));
  // whisper-cli's -mc: 0 forgets the text so far, -1 keeps all that fits.
  if (raw.max_context == 0) {
    transcribe.condition_on_previous_text = false;
  } else if (raw.max_context != -1) {
    return InvalidArgument("-mc " + std::to_string(raw.max_context) +
                           " is not supported: expected 0 (no context) or -1 (all that fits)");
  }

  TESSERA_RETURN_IF_ERROR(ParseFormats(raw.formats, &options->formats));
  TESSERA_RETURN_IF_ERROR(ParseRaw(raw, options));
  // An output folder alone means all formats, as with openai-whisper.
  if (options->formats.empty() && !options->output_dir.empty() && options->output_dir != "-") {
    TESSERA_RETURN_IF_ERROR(ParseFormats({"all"}, &options->formats));
  }
  if (!options->output_file.empty()) {
    if (options->formats.empty()) options->formats = {TranscriptFormat::kTxt};
    if (!options->output_dir.empty()) {
      return InvalidArgument("--output-file already holds the folder; leave --output-dir out");
    }
    if (options->inputs.size() > 1) {
      return InvalidArgument("--output-file names the result of one input, found " +
                             std::to_string(options->inputs.size()) + "; use --output-dir");
    }
  }
  if (options->output_dir == "-") {
    if (options->formats.size() > 1)
      return InvalidArgument("--output-dir -: stdout takes one format only");
    if (options->json)
      return InvalidArgument("--output-dir - and --json both want stdout; give one of them");
    if (options->skip_existing) {
      return InvalidArgument(
          "--skip-existing looks at output files; it makes no sense with --output-dir -");
    }
  }
  if (options->skip_existing && options->formats.empty()) {
    return InvalidArgument(
        "--skip-existing looks at output files; choose them with --output-format or --output-dir");
  }
  if (options->inputs.empty()) {
    return InvalidArgument(
        "no input: expected files, folders, globs or - for stdin (tessera transcribe --help)");
  }
  if (std::count(options->inputs.begin(), options->inputs.end(), "-") > 1) {
    return InvalidArgument("stdin (-) can be read once only");
  }
  return OkStatus();
}

}  // namespace

Result<ParsedTranscribe> ParseTranscribe(
    const std::vector<std::string>& arguments,
    const std::function<bool(const std::string&)>& file_exists) {
  TESSERA_ASSIGN_OR_RETURN(NormalizedArguments normalized,
                           NormalizeTranscribeArguments(arguments, file_exists));
  TranscribeCommandOptions o;
  RawFlags raw;
  o.inputs = std::move(normalized.inputs);
  o.notes = std::move(normalized.notes);

  CLI::App app("Turns recordings into text.", "tessera transcribe");
  app.footer(
      "FILE is any number of files, folders, quoted globs (\"talks/**/*.mp3\") or - for stdin.\n"
      "The flag names of openai-whisper (--output_format, --beam_size 5, ...) and of whisper-cli "
      "(-m -f -l -t -osrt ...)\n"
      "work too; docs/cli.md lists them. Defaults are those of openai-whisper's Python API: greedy "
      "search with\n"
      "temperature fallback. Its command line's defaults are --beam-size 5 --best-of 5.");
  app.set_help_flag();
  bool help = false;
  app.add_flag("-h,--help", help, "print this help");
  // The dialect layer has taken the inputs out already; this line is for the help text.
  std::vector<std::string> none;
  app.add_option("FILE", none, "files, folders, quoted globs or -");

  const char* model_group = "Model";
  app.add_option("-m,--model", o.model.model,
                 "name (tessera models list) or path of a model [whisper-base]")
      ->group(model_group);
  app.add_option("--model-dir", raw.model_dir, "folder that holds the model")->group(model_group);
  AddDeviceOptions(app, model_group, &o.model, &o.placement);
  app.add_option("--precision", raw.precision,
                 "auto, f32 (openai-whisper's text), bf16 or int8 [auto]")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8"}))
      ->group(model_group);
  app.add_flag("--fp16", raw.fp16, "openai-whisper's flag: False means --precision f32")
      ->group(model_group);
  app.add_option("-t,--threads", o.model.threads, "threads; 0 takes one for each core [0]")
      ->check(CLI::Range(0, 1024))
      ->group(model_group);

  app.add_option("--mode", raw.mode,
                 "sequential (openai-whisper's walk), batched (cut at silences, many windows at a "
                 "time) or auto [auto]")
      ->check(CLI::IsMember({"auto", "sequential", "batched"}))
      ->group(model_group);
  app.add_option("--batch-size", o.transcribe.batch_size, "windows at a time in batched mode [8]")
      ->check(CLI::Range(1, kMaxBatchSize))
      ->group(model_group);
  auto* exact = app.add_flag("--exact", raw.exact,
                             "every window at its full 30 s, as openai-whisper does; short "
                             "recordings take longer [with f32 True, else False]")
                    ->group(model_group);

  const char* what_group = "What to hear";
  app.add_option("-l,--language", raw.language, "code or English name; auto detects it [auto]")
      ->group(what_group);
  app.add_option("--task", raw.task, "transcribe, or translate into English [transcribe]")
      ->check(CLI::IsMember({"transcribe", "translate"}))
      ->group(what_group);
  app.add_flag("--detect-language", o.detect_language_only, "print the language and stop")
      ->group(what_group);
  app.add_option("--clip-timestamps", raw.clip_timestamps, "start,end,start,end,... in seconds")
      ->group(what_group);
  app.add_option("--offset-ms", raw.offset_ms, "start here (whisper-cli's -ot)")->group(what_group);
  app.add_option("--duration-ms", raw.duration_ms, "read this much (whisper-cli's -d)")
      ->group(what_group);
  app.add_option("--raw-format", raw.raw_format, "inputs are bare samples: s16le or f32le")
      ->group(what_group);
  app.add_option("--raw-rate", raw.raw_rate, "their sample rate in Hz [16000]")
      ->check(CLI::Range(1000, 768000))
      ->group(what_group);
  app.add_option("--raw-channels", raw.raw_channels, "their channels [1]")
      ->check(CLI::Range(1, 64))
      ->group(what_group);

  const char* out_group = "Results";
  app.add_option("--output-format", raw.formats,
                 "txt, vtt, srt, tsv, json, lrc, csv, all; a list with commas")
      ->group(out_group);
  app.add_option("-o,--output-dir", o.output_dir,
                 "folder for the results; - is stdout [current folder]")
      ->group(out_group);
  app.add_option("--output-file", o.output_file,
                 "path of the result without extension, one input only")
      ->group(out_group);
  app.add_flag("--skip-existing", o.skip_existing, "leave out inputs whose results are all there")
      ->group(out_group);
  app.add_flag("-r,--recursive", o.recursive, "read folders with their sub-folders")
      ->group(out_group);
  app.add_flag("-v,--verbose", o.timestamps, "stdout shows [start --> end] before each line")
      ->group(out_group);
  app.add_flag("--json", o.json, "stdout is one JSON object a line: each file, then the summary")
      ->group(out_group);
  app.add_flag("-q,--quiet", o.quiet, "no progress, no summary")->group(out_group);
  auto* progress = app.add_flag("--progress", raw.progress, "progress on stderr [on a terminal]")
                       ->group(out_group);

  const char* search_group = "Search (openai-whisper's names and meaning)";
  TranscribeOptions& t = o.transcribe;
  app.add_option("--temperature", raw.temperature, "first temperature, or a list with commas [0]")
      ->group(search_group);
  app.add_option("--temperature-increment-on-fallback", raw.temperature_increment,
                 "step up to 1.0; None: no fallback [0.2]")
      ->group(search_group);
  app.add_option("--beam-size", t.beam_size, "beam search at temperature 0 [greedy]")
      ->check(CLI::Range(1, 32))
      ->group(search_group);
  app.add_option("--best-of", t.best_of, "samples at temperatures above 0 [1]")
      ->check(CLI::Range(1, 32))
      ->group(search_group);
  app.add_option("--patience", t.patience, "beam search patience")
      ->check(CLI::PositiveNumber)
      ->group(search_group);
  app.add_option("--length-penalty", t.length_penalty, "alpha of the length penalty, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->group(search_group);
  app.add_option("--compression-ratio-threshold", raw.compression_ratio, "repetition test [2.4]")
      ->group(search_group);
  app.add_option("--logprob-threshold", raw.logprob, "confidence test [-1.0]")->group(search_group);
  app.add_option("--no-speech-threshold", raw.no_speech, "silence test [0.6]")->group(search_group);
  app.add_flag("--condition-on-previous-text", t.condition_on_previous_text,
               "the text so far guides the next window [True]")
      ->group(search_group);
  app.add_option("--max-context", raw.max_context, "whisper-cli's -mc: 0 or -1")
      ->group(search_group);
  app.add_option("--initial-prompt", t.initial_prompt, "names, vocabulary, style")
      ->group(search_group);
  app.add_flag("--carry-initial-prompt", t.carry_initial_prompt, "use it for every window [False]")
      ->group(search_group);
  app.add_option("--prefix", t.prefix, "text that every window begins with")->group(search_group);
  app.add_option("--suppress-tokens", raw.suppress_tokens,
                 "token ids never to be said; -1: non-speech symbols [-1]")
      ->group(search_group);
  app.add_flag("--suppress-blank", t.suppress_blank, "a window does not begin with a blank [True]")
      ->group(search_group);
  app.add_flag("--without-timestamps", t.without_timestamps, "whole windows as segments [False]")
      ->group(search_group);
  app.add_option("--max-initial-timestamp", raw.max_initial_timestamp,
                 "latest start of a window's text, seconds [1.0]")
      ->group(search_group);
  app.add_option("--seed", t.seed, "of the random numbers above temperature 0 [0]")
      ->group(search_group);

  try {
    // CLI11 takes the arguments last first.
    std::vector<std::string> flags(normalized.flags.rbegin(), normalized.flags.rend());
    app.parse(std::move(flags));
  } catch (const CLI::ParseError& error) {
    return InvalidArgument(error.what());
  }
  ParsedTranscribe parsed;
  if (help) {
    parsed.help = app.help();
    return parsed;
  }
  if (exact->count() > 0) o.transcribe.exact = raw.exact;
  if (progress->count() > 0) o.progress = raw.progress ? Show::kAlways : Show::kNever;
  TESSERA_RETURN_IF_ERROR(ApplyRaw(raw, &o));
  parsed.options = std::move(o);
  return parsed;
}

}  // namespace tessera::cli
