#include <nlohmann/json.hpp>

#include "base/check.h"
#include "cli/record_readers.h"
#include "formats/json.h"
#include "text/utf8.h"

namespace tessera::cli {
namespace {

using nlohmann::json;

// The first names of an object, for a message.
std::string KeysOf(const json& object) {
  constexpr size_t kShown = 8, kLongest = 40;
  std::string text;
  size_t shown = 0;
  for (const auto& [key, value] : object.items()) {
    if (shown++ == kShown) return text + ", ...";
    text += (text.empty() ? "\"" : ", \"") + key.substr(0, kLongest) + "\"";
  }
  return text.empty() ? "an empty object" : text;
}

class JsonLines : public RecordReader {
 public:
  JsonLines(ReadBytes read, const RecordOptions& options)
      : lines_(std::move(read), kMaxRecordBytes), options_(options) {}

  Result<bool> Next(TextRecord* record) override {
    *record = {};
    std::string line;
    do {
      TESSERA_ASSIGN_OR_RETURN(const bool more, lines_.Next(&line));
      if (!more) return false;
    } while (StripWhiteSpace(line).empty());
    record->line = lines_.line_number();
    Status status = Parse(line, record);
    if (!status.ok()) {
      return std::move(status).AddContext("line " + std::to_string(record->line));
    }
    return true;
  }
  uint64_t bytes_read() const override { return lines_.bytes_read(); }

 private:
  Status Parse(const std::string& line, TextRecord* record) {
    if (lines_.cut()) {
      return ResourceExhausted("expected at most " + std::to_string(kMaxRecordBytes) +
                               " bytes in a line, found more");
    }
    TESSERA_ASSIGN_OR_RETURN(json object, ParseJson(ReplaceInvalidUtf8(line)));
    if (!object.is_object()) {
      return DataLoss(std::string("expected a JSON object, found ") + object.type_name());
    }
    const auto text = object.find(options_.text_field);
    if (text == object.end()) {
      return DataLoss("expected the field \"" + options_.text_field + "\", found " +
                      KeysOf(object) + "; --field names another");
    }
    if (!text->is_string()) {
      return DataLoss("expected a string in \"" + options_.text_field + "\", found " +
                      text->type_name());
    }
    record->text = std::move(text->get_ref<std::string&>());
    if (options_.id_field.empty()) return OkStatus();
    const auto id = object.find(options_.id_field);
    if (id == object.end()) {
      return DataLoss("expected the field \"" + options_.id_field + "\", found " + KeysOf(object) +
                      "; --id-field names another");
    }
    record->id_is_number = id->is_number_integer();
    if (!id->is_string() && !record->id_is_number) {
      return DataLoss("expected a string or an integer in \"" + options_.id_field + "\", found " +
                      id->type_name());
    }
    record->id = id->is_string() ? id->get<std::string>() : id->dump();
    return OkStatus();
  }

  LineReader lines_;
  const RecordOptions options_;
};

}  // namespace

std::unique_ptr<RecordReader> NewJsonLinesReader(ReadBytes read, const RecordOptions& options) {
  return std::make_unique<JsonLines>(std::move(read), options);
}

}  // namespace tessera::cli
