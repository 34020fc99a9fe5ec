#include "cli/flag_dialects.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "cli/nearest.h"

namespace tessera::cli {
namespace {

enum class Kind {
  kValue,      // takes a value
  kSwitch,     // takes none
  kBool,       // an optional True/False may follow
  kFixed,      // takes none; stands for --name=fixed
  kIgnored,    // takes none; asks for what Tessera does anyway
  kOnlyFalse,  // an optional True/False; only False can be had, `fixed` says why
  kRefused,    // known elsewhere, not here; `fixed` says what to do instead
};

struct Flag {
  std::string_view spelling;
  Kind kind;
  std::string_view name;  // Tessera's own name, without dashes
  std::string_view fixed = {};
  std::string_view note = {};
};

constexpr std::string_view kNoWords = "word times are not in this version yet; leave the flag out";
constexpr std::string_view kLinesNeedWords =
    "lines are laid out from word times, which are not in this version yet; leave the flag out";

constexpr std::string_view kLengthIsChosen =
    "windows of little content are encoded shorter by themselves, with --exact never";

// Tessera's own flags. Underscores are taken for dashes, which also covers most of openai-whisper's
// names.
constexpr Flag kOwnFlags[] = {
    {"--model", Kind::kValue, "model"},
    {"--model-dir", Kind::kValue, "model-dir"},
    {"--mode", Kind::kValue, "mode"},
    {"--batch-size", Kind::kValue, "batch-size"},
    {"--exact", Kind::kBool, "exact"},
    {"--device", Kind::kValue, "device"},
    {"--require-npu", Kind::kSwitch, "require-npu"},
    {"--compiled", Kind::kValue, "compiled"},
    {"--device-run-limit", Kind::kValue, "device-run-limit"},
    {"--precision", Kind::kValue, "precision"},
    {"--threads", Kind::kValue, "threads"},
    {"--placement", Kind::kValue, "placement"},
    {"--quiet", Kind::kSwitch, "quiet"},
    {"--json", Kind::kSwitch, "json"},
    {"--help", Kind::kSwitch, "help"},
    {"--language", Kind::kValue, "language"},
    {"--task", Kind::kValue, "task"},
    {"--translate", Kind::kFixed, "task", "translate"},
    {"--output-format", Kind::kValue, "output-format"},
    {"--output-dir", Kind::kValue, "output-dir"},
    {"--output-file", Kind::kValue, "output-file"},
    {"--skip-existing", Kind::kSwitch, "skip-existing"},
    {"--recursive", Kind::kSwitch, "recursive"},
    {"--verbose", Kind::kBool, "verbose"},
    {"--timestamps", Kind::kBool, "verbose"},
    {"--progress", Kind::kBool, "progress"},
    {"--temperature", Kind::kValue, "temperature"},
    {"--temperature-increment-on-fallback", Kind::kValue, "temperature-increment-on-fallback"},
    {"--best-of", Kind::kValue, "best-of"},
    {"--beam-size", Kind::kValue, "beam-size"},
    {"--patience", Kind::kValue, "patience"},
    {"--length-penalty", Kind::kValue, "length-penalty"},
    {"--suppress-tokens", Kind::kValue, "suppress-tokens"},
    {"--suppress-blank", Kind::kBool, "suppress-blank"},
    {"--initial-prompt", Kind::kValue, "initial-prompt"},
    {"--carry-initial-prompt", Kind::kBool, "carry-initial-prompt"},
    {"--condition-on-previous-text", Kind::kBool, "condition-on-previous-text"},
    {"--prefix", Kind::kValue, "prefix"},
    {"--compression-ratio-threshold", Kind::kValue, "compression-ratio-threshold"},
    {"--logprob-threshold", Kind::kValue, "logprob-threshold"},
    {"--no-speech-threshold", Kind::kValue, "no-speech-threshold"},
    {"--clip-timestamps", Kind::kValue, "clip-timestamps"},
    {"--offset-ms", Kind::kValue, "offset-ms"},
    {"--duration-ms", Kind::kValue, "duration-ms"},
    {"--without-timestamps", Kind::kBool, "without-timestamps"},
    {"--max-initial-timestamp", Kind::kValue, "max-initial-timestamp"},
    {"--seed", Kind::kValue, "seed"},
    {"--raw-format", Kind::kValue, "raw-format"},
    {"--raw-rate", Kind::kValue, "raw-rate"},
    {"--raw-channels", Kind::kValue, "raw-channels"},
    {"-m", Kind::kValue, "model"},
    {"-l", Kind::kValue, "language"},
    {"-t", Kind::kValue, "threads"},
    {"-o", Kind::kValue, "output-dir"},
    {"-r", Kind::kSwitch, "recursive"},
    {"-q", Kind::kSwitch, "quiet"},
    {"-v", Kind::kSwitch, "verbose"},
    {"-h", Kind::kSwitch, "help"},
};

// openai-whisper's names that are not covered above.
constexpr Flag kOpenAiFlags[] = {
    {"--fp16", Kind::kBool, "fp16"},
    {"--word-timestamps", Kind::kOnlyFalse, "", kNoWords},
    {"--highlight-words", Kind::kOnlyFalse, "", kNoWords},
    {"--max-line-width", Kind::kRefused, "", kLinesNeedWords},
    {"--max-line-count", Kind::kRefused, "", kLinesNeedWords},
    {"--max-words-per-line", Kind::kRefused, "", kLinesNeedWords},
    {"--prepend-punctuations", Kind::kRefused, "", kNoWords},
    {"--append-punctuations", Kind::kRefused, "", kNoWords},
    {"--hallucination-silence-threshold", Kind::kRefused, "",
     "it needs word times, which are not in this version yet; leave the flag out"},
};

// whisper-cli's names.
constexpr Flag kWhisperCliFlags[] = {
    {"-f", Kind::kValue, "file"},
    {"--file", Kind::kValue, "file"},
    {"-tr", Kind::kFixed, "task", "translate"},
    {"-otxt", Kind::kFixed, "output-format", "txt"},
    {"--output-txt", Kind::kFixed, "output-format", "txt"},
    {"-ovtt", Kind::kFixed, "output-format", "vtt"},
    {"--output-vtt", Kind::kFixed, "output-format", "vtt"},
    {"-osrt", Kind::kFixed, "output-format", "srt"},
    {"--output-srt", Kind::kFixed, "output-format", "srt"},
    {"-olrc", Kind::kFixed, "output-format", "lrc"},
    {"--output-lrc", Kind::kFixed, "output-format", "lrc"},
    {"-ocsv", Kind::kFixed, "output-format", "csv"},
    {"--output-csv", Kind::kFixed, "output-format", "csv"},
    {"-oj", Kind::kFixed, "output-format", "json"},
    {"--output-json", Kind::kFixed, "output-format", "json",
     "the JSON has openai-whisper's layout, not whisper-cli's"},
    {"-of", Kind::kValue, "output-file"},
    {"-np", Kind::kSwitch, "quiet"},
    {"--no-prints", Kind::kSwitch, "quiet"},
    {"-nt", Kind::kFixed, "verbose", "false"},
    {"--no-timestamps", Kind::kFixed, "verbose", "false"},
    {"-pp", Kind::kFixed, "progress", "true"},
    {"--print-progress", Kind::kFixed, "progress", "true"},
    {"-bs", Kind::kValue, "beam-size"},
    {"-bo", Kind::kValue, "best-of"},
    {"-tp", Kind::kValue, "temperature"},
    {"-tpi", Kind::kValue, "temperature-increment-on-fallback"},
    {"--temperature-inc", Kind::kValue, "temperature-increment-on-fallback"},
    {"-nf", Kind::kFixed, "temperature-increment-on-fallback", "None"},
    {"--no-fallback", Kind::kFixed, "temperature-increment-on-fallback", "None"},
    {"-lpt", Kind::kValue, "logprob-threshold"},
    {"--logprob-thold", Kind::kValue, "logprob-threshold"},
    {"-nth", Kind::kValue, "no-speech-threshold"},
    {"--no-speech-thold", Kind::kValue, "no-speech-threshold"},
    {"-et",
     Kind::kValue,
     "compression-ratio-threshold",
     {},
     "the entropy threshold is taken as --compression-ratio-threshold, openai-whisper's test for "
     "repetition"},
    {"--entropy-thold",
     Kind::kValue,
     "compression-ratio-threshold",
     {},
     "the entropy threshold is taken as --compression-ratio-threshold, openai-whisper's test for "
     "repetition"},
    {"--prompt", Kind::kValue, "initial-prompt"},
    {"-ot", Kind::kValue, "offset-ms"},
    {"--offset-t", Kind::kValue, "offset-ms"},
    {"-d", Kind::kValue, "duration-ms"},
    {"--duration", Kind::kValue, "duration-ms"},
    {"-mc", Kind::kValue, "max-context"},
    {"--max-context", Kind::kValue, "max-context"},
    {"-dl", Kind::kSwitch, "detect-language"},
    {"--detect-language", Kind::kSwitch, "detect-language"},
    {"-ng", Kind::kFixed, "device", "cpu"},
    {"--no-gpu", Kind::kFixed, "device", "cpu"},
    {"-fa", Kind::kIgnored, ""},
    {"--flash-attn", Kind::kIgnored, ""},
    {"-nfa", Kind::kIgnored, ""},
    {"--no-flash-attn", Kind::kIgnored, ""},
    {"-ml", Kind::kRefused, "", kLinesNeedWords},
    {"--max-len", Kind::kRefused, "", kLinesNeedWords},
    {"-sow", Kind::kRefused, "", kLinesNeedWords},
    {"--split-on-word", Kind::kRefused, "", kLinesNeedWords},
    {"-ojf", Kind::kRefused, "", "use -oj: the JSON already holds tokens and log-probabilities"},
    {"--output-json-full", Kind::kRefused, "",
     "use -oj: the JSON already holds tokens and log-probabilities"},
    {"-owts", Kind::kRefused, "", "use -osrt or -ovtt"},
    {"--output-words", Kind::kRefused, "", "use -osrt or -ovtt"},
    {"-p", Kind::kRefused, "",
     "use --threads; cutting the recording into parts would change its text"},
    {"--processors", Kind::kRefused, "",
     "use --threads; cutting the recording into parts would change its text"},
    {"-ac", Kind::kRefused, "", kLengthIsChosen},
    {"--audio-ctx", Kind::kRefused, "", kLengthIsChosen},
    {"-di", Kind::kRefused, "", "speakers are not told apart in this version"},
    {"--diarize", Kind::kRefused, "", "speakers are not told apart in this version"},
    {"-tdrz", Kind::kRefused, "", "speakers are not told apart in this version"},
    {"--tinydiarize", Kind::kRefused, "", "speakers are not told apart in this version"},
    {"--vad", Kind::kRefused, "", "silence is skipped by --no-speech-threshold"},
    {"-ps", Kind::kRefused, "", "--output-format json lists the tokens"},
    {"--print-special", Kind::kRefused, "", "--output-format json lists the tokens"},
    {"-pc", Kind::kRefused, "", "--output-format json gives the probabilities"},
    {"--print-colors", Kind::kRefused, "", "--output-format json gives the probabilities"},
    {"-sns", Kind::kRefused, "", "use --suppress-tokens -1, which is the default"},
    {"--suppress-nst", Kind::kRefused, "", "use --suppress-tokens -1, which is the default"},
    {"--suppress-regex", Kind::kRefused, "", "use --suppress-tokens with token ids"},
    {"--grammar", Kind::kRefused, "", "use --initial-prompt to steer the vocabulary"},
    {"-dtw", Kind::kRefused, "", kNoWords},
    {"--dtw", Kind::kRefused, "", kNoWords},
};

constexpr std::array<std::string_view, 8> kFormatNames = {"txt",  "vtt", "srt", "tsv",
                                                          "json", "lrc", "csv", "all"};

template <typename Visit>
void ForEachFlag(const Visit& visit) {
  for (const Flag& flag : kOwnFlags) visit(flag);
  for (const Flag& flag : kOpenAiFlags) visit(flag);
  for (const Flag& flag : kWhisperCliFlags) visit(flag);
}

const Flag* FindFlag(std::string_view spelling) {
  std::string dashed(spelling);
  // "--beam_size" is "--beam-size"; the two leading dashes stay.
  if (dashed.starts_with("--")) std::replace(dashed.begin(), dashed.end(), '_', '-');
  const Flag* found = nullptr;
  ForEachFlag([&](const Flag& flag) {
    if (found == nullptr && flag.spelling == dashed) found = &flag;
  });
  return found;
}

Status UnknownFlag(std::string_view spelling) {
  std::vector<std::string_view> spellings;
  ForEachFlag([&](const Flag& flag) {
    if (flag.kind != Kind::kRefused) spellings.push_back(flag.spelling);
  });
  std::string dashed(spelling);
  if (dashed.starts_with("--")) std::replace(dashed.begin(), dashed.end(), '_', '-');
  std::string message = "unknown flag " + std::string(spelling);
  if (const std::string_view near = Nearest(dashed, spellings); !near.empty()) {
    message += "; did you mean " + std::string(near) + "?";
  } else {
    message += "; tessera transcribe --help lists all flags";
  }
  return InvalidArgument(std::move(message));
}

bool IsFlag(const std::string& argument) { return argument.size() > 1 && argument[0] == '-'; }

}  // namespace

Result<bool> ParseBool(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const std::string_view word : {"true", "1", "yes", "on"}) {
    if (lower == word) return true;
  }
  for (const std::string_view word : {"false", "0", "no", "off"}) {
    if (lower == word) return false;
  }
  return InvalidArgument("expected True or False, found \"" + std::string(text) + "\"");
}

Result<NormalizedArguments> NormalizeTranscribeArguments(
    const std::vector<std::string>& arguments,
    const std::function<bool(const std::string&)>& file_exists) {
  NormalizedArguments out;
  bool only_inputs = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (only_inputs || !IsFlag(argument)) {
      out.inputs.push_back(argument);
      continue;
    }
    if (argument == "--") {
      only_inputs = true;
      continue;
    }
    const size_t equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
    const std::string spelling = argument.substr(0, equals);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = argument.substr(equals + 1);

    const Flag* flag = FindFlag(spelling);
    if (flag == nullptr) return UnknownFlag(spelling);
    if (flag->kind == Kind::kRefused) {
      return InvalidArgument(spelling + " is not supported: " + std::string(flag->fixed));
    }
    const bool has_next = i + 1 < arguments.size();
    switch (flag->kind) {
      case Kind::kValue:
        if (!value) {
          if (!has_next) return InvalidArgument(spelling + " needs a value after it");
          value = arguments[++i];
        }
        break;
      case Kind::kBool:
      case Kind::kOnlyFalse:
        // openai-whisper always writes a value; alone, the flag means True. A file named "true"
        // needs "--".
        if (!value && has_next && ParseBool(arguments[i + 1]).ok()) value = arguments[++i];
        if (value) {
          Result<bool> parsed = ParseBool(*value);
          if (!parsed.ok()) return std::move(parsed).status().AddContext(spelling);
          value = *parsed ? "true" : "false";
        } else {
          value = "true";
        }
        if (flag->kind == Kind::kOnlyFalse && *value == "true") {
          return InvalidArgument(spelling + " is not supported: " + std::string(flag->fixed));
        }
        break;
      default:
        if (value) return InvalidArgument(spelling + " takes no value, found \"" + *value + "\"");
        if (flag->kind == Kind::kFixed) value = std::string(flag->fixed);
    }
    if (!flag->note.empty()) out.notes.push_back(spelling + ": " + std::string(flag->note));
    if (flag->name.empty()) continue;
    if (flag->name == "file") {
      const bool is_format =
          std::find(kFormatNames.begin(), kFormatNames.end(), *value) != kFormatNames.end();
      if (is_format && !file_exists(*value)) {
        out.flags.push_back("--output-format=" + *value);
      } else {
        out.inputs.push_back(*value);
      }
      continue;
    }
    out.flags.push_back("--" + std::string(flag->name) + (value ? "=" + *value : ""));
  }
  return out;
}

}  // namespace tessera::cli
