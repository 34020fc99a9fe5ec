#include "doctor/op_database.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "doctor/op_features.h"

namespace tessera::doctor {

// Generated from src/doctor/op_database.bin by the build.
extern const uint8_t kOpDatabaseFile[];
extern const size_t kOpDatabaseSize;

namespace {

constexpr std::string_view kMagic = "tessera-op-database 1";
constexpr size_t kMaxUnpacked = size_t{64} << 20;
constexpr size_t kMaxFeatures = 32;

Status Broken(const std::string& what) {
  return DataLoss("operator database: " + what +
                  "; make it again with "
                  "tools/distill_op_database.py");
}

Result<std::string> Inflate(std::span<const uint8_t> file) {
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK) return Broken("zlib does not start");
  stream.next_in = const_cast<uint8_t*>(file.data());  // zlib reads it only
  stream.avail_in = static_cast<uInt>(file.size());
  std::string out;
  int code = Z_OK;
  while (code == Z_OK && out.size() < kMaxUnpacked) {
    const size_t at = out.size();
    out.resize(at + (size_t{1} << 18));
    stream.next_out = reinterpret_cast<uint8_t*>(out.data() + at);
    stream.avail_out = 1 << 18;
    code = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (code != Z_STREAM_END) return Broken("not a whole zlib stream");
  return out;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

template <typename T>
bool ReadNumber(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool TakeLine(std::string_view& text, std::string_view& line) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return false;
  line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return true;
}

bool TakeVarint(std::string_view& bytes, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

std::string_view SourceTitle(TargetFamily family, size_t i) {
  if (family == TargetFamily::kQnn) return i == 0 ? "qnn-compiler" : i == 1 ? "qnn" : "";
  if (family == TargetFamily::kOpenVino)
    return i == 0 ? "intel-compiler" : i == 1 ? "openvino" : "";
  return "";
}

}  // namespace

const Result<OpDatabase>& OpDatabase::BuiltIn() {
  static const Result<OpDatabase> database = [] {
    auto parsed = Parse({kOpDatabaseFile, kOpDatabaseSize});
    return parsed.ok() ? std::move(parsed)
                       : Result<OpDatabase>(Internal(parsed.status().message()));
  }();
  return database;
}

Result<OpDatabase> OpDatabase::Parse(std::span<const uint8_t> file) {
  TESSERA_ASSIGN_OR_RETURN(const std::string unpacked, Inflate(file));
  std::string_view text = unpacked, line;
  if (!TakeLine(text, line) || line != kMagic) return Broken("expected " + std::string(kMagic));
  OpDatabase database;
  struct Pending {
    std::string key;
    Table table;
    uint64_t rows = 0;
  };
  std::vector<Pending> pending;
  while (TakeLine(text, line) && line != "end") {
    const std::vector<std::string_view> words = Split(line, '\t');
    if (words[0] == "source" && words.size() == 4) {
      database.sources_.push_back(
          {std::string(words[1]), std::string(words[2]), std::string(words[3]), 0});
      continue;
    }
    if (words[0] != "table" || words.size() < 5) return Broken("unknown line");
    Pending next;
    const auto source = std::find_if(database.sources_.begin(), database.sources_.end(),
                                     [&](const Source& s) { return s.id == words[1]; });
    if (source == database.sources_.end() || !ReadNumber(words[3], next.table.since) ||
        !ReadNumber(words[4], next.rows) || words.size() - 5 > kMaxFeatures) {
      return Broken("a table's line");
    }
    next.key = std::string(words[1]) + "/" + std::string(words[2]);
    next.table.source = static_cast<size_t>(source - database.sources_.begin());
    source->rows += next.rows;
    uint64_t cells = 1;
    for (size_t i = 5; i < words.size(); ++i) {
      const std::vector<std::string_view> parts = Split(words[i], '|');
      Feature feature;
      feature.code = parts[0];
      for (size_t k = 1; k < parts.size(); ++k) feature.values.emplace_back(parts[k]);
      if (feature.values.empty() || cells > UINT64_MAX / 4 / feature.values.size())
        return Broken("a feature's values");
      cells *= feature.values.size();
      next.table.features.push_back(std::move(feature));
    }
    pending.push_back(std::move(next));
  }
  if (line != "end") return Broken("its head has no end");
  for (Pending& next : pending) {
    if (next.rows > text.size()) return Broken("fewer rows than its head says");
    next.table.rows.reserve(next.rows);
    uint64_t index = 0;
    for (uint64_t row = 0; row < next.rows; ++row) {
      uint64_t packed = 0;
      if (!TakeVarint(text, packed)) return Broken("it ends inside a row");
      index += packed >> 2;
      next.table.rows.emplace_back(index, static_cast<Outcome>(packed & 3));
    }
    database.tables_[next.key].push_back(std::move(next.table));
  }
  if (!text.empty()) return Broken("bytes after the last row");
  for (auto& [key, tables] : database.tables_) {
    std::sort(tables.begin(), tables.end(),
              [](const Table& a, const Table& b) { return a.since < b.since; });
  }
  return database;
}

std::optional<OpDatabase::Hit> OpDatabase::Look(const Table& table,
                                                const std::vector<std::string>& values) const {
  uint64_t index = 0;
  for (size_t i = 0; i < table.features.size(); ++i) {
    const std::vector<std::string>& known = table.features[i].values;
    const auto it = std::find(known.begin(), known.end(), values[i]);
    if (it == known.end()) return std::nullopt;
    index = index * known.size() + static_cast<uint64_t>(it - known.begin());
  }
  const auto row = std::lower_bound(table.rows.begin(), table.rows.end(),
                                    std::make_pair(index, Outcome::kNothing));
  if (row == table.rows.end() || row->first != index) return std::nullopt;
  return Hit{&table, row->second, ""};
}

// Without one feature: single elements and broadcasting matter rarely, so where all rows that
// differ in one of them agree, they are taken. What compiles for a computed input compiles for a
// constant, and what does not for a constant does not for a computed one.
std::optional<OpDatabase::Hit> OpDatabase::LookRelaxed(const Table& table,
                                                       const std::vector<std::string>& values,
                                                       size_t feature) const {
  const std::string& code = table.features[feature].code;
  if (code[0] != 's' && code[0] != 'b' && code[0] != 'c') return std::nullopt;
  std::optional<Hit> hit;
  std::vector<std::string> changed = values;
  for (const std::string& other : table.features[feature].values) {
    changed[feature] = other;
    std::optional<Hit> near = Look(table, changed);
    if (!near) continue;
    if (hit && hit->outcome != near->outcome) return std::nullopt;
    const bool compiles = near->outcome == Outcome::kCompiles;
    if (code[0] == 'c' &&
        (values[feature] == "n" || other == "n" || compiles != (values[feature] == "1"))) {
      return std::nullopt;
    }
    hit = std::move(near);
    hit->relaxed = DescribeFeature(code, other);
  }
  return hit;
}

const OpDatabase::Table* OpDatabase::FindTable(std::string_view source,
                                               const NodeView& view) const {
  std::string key = std::string(source) + (view.quantized() ? "/qdq:" : "/");
  if (!view.node->domain.empty()) key += std::string(view.node->domain) + ".";
  const auto it = tables_.find(key + std::string(view.op()));
  if (it == tables_.end()) return nullptr;
  const Table* found = nullptr;
  for (const Table& table : it->second) {
    if (found == nullptr || table.since <= view.opset || !view.node->domain.empty()) found = &table;
  }
  return found;
}

// One change after which the same operator compiles.
std::string OpDatabase::NearRemedy(const Table& table,
                                   const std::vector<std::string>& values) const {
  const auto compiles = [&](size_t feature, const char* value) {
    std::vector<std::string> changed = values;
    changed[feature] = value;
    const std::optional<Hit> hit = Look(table, changed);
    return hit && hit->outcome == Outcome::kCompiles;
  };
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string& code = table.features[i].code;
    const std::string input = code.size() > 1 ? code.substr(1, 1) : "";
    if (code[0] == 't' && values[i] == "INT64" && compiles(i, "INT32"))
      return "input " + input + " as int32 compiles: --fix makes indices int32";
    if (code[0] == 't' && values[i] != "FLOAT" && compiles(i, "FLOAT"))
      return "input " + input + " as float compiles: cast it";
    if (code[0] == 't' && values[i] == "FLOAT" && compiles(i, "FLOAT16"))
      return "in float16 it compiles: convert the model to float16";
    if (code[0] == 'c' && values[i] == "0" && compiles(i, "1"))
      return "with input " + input + " constant it compiles: fix it when exporting";
    if (code[0] == 'd' && code != "D0") {
      int rank = 0;
      if (!ReadNumber(std::string_view(values[i]), rank)) continue;
      for (int lower = rank - 1; lower >= 2; --lower) {
        if (compiles(i, std::to_string(lower).c_str()))
          return "at rank " + std::to_string(lower) +
                 " it compiles: merge dimensions with Reshape before and after";
      }
    }
  }
  return "";
}

std::optional<NodeVerdict> OpDatabase::Judge(const NodeView& view, const Target& target) const {
  for (size_t i = 0; !SourceTitle(target.family, i).empty(); ++i) {
    const Table* table = FindTable(SourceTitle(target.family, i), view);
    if (table == nullptr) continue;
    std::vector<std::string> values;
    for (const Feature& feature : table->features) {
      std::optional<std::string> value = FeatureValue(view, feature.code);
      if (!value) break;
      values.push_back(*std::move(value));
    }
    if (values.size() != table->features.size()) continue;
    std::optional<Hit> hit = Look(*table, values);
    for (size_t f = 0; !hit && f < values.size(); ++f) hit = LookRelaxed(*table, values, f);
    if (!hit || hit->outcome == Outcome::kMixed) continue;
    const Source& source = sources_[table->source];
    std::string of;
    for (size_t f = 0; f < values.size() && of.size() < 120; ++f) {
      if (values[f] == "none" || values[f] == "n") continue;
      const char kind = table->features[f].code[0];
      if (kind != 't' && kind != 'd' && kind != 'u' && kind != 'v') continue;
      of += (of.empty() ? "" : ", ") + DescribeFeature(table->features[f].code, values[f]);
    }
    NodeVerdict verdict;
    verdict.tier = EvidenceTier::kMeasuredDb;
    const std::string what = std::string(view.op()) + (of.empty() ? "" : " with " + of);
    const std::string by = " (" + source.id + " rows of " + source.date + ")";
    const std::string but = hit->relaxed.empty() ? "" : ", row of " + hit->relaxed;
    switch (hit->outcome) {
      case Outcome::kCompiles:
        verdict.verdict = Verdict::kSupported;
        verdict.reason = "measured: " + what + " compiles" + but + by;
        break;
      case Outcome::kRunsElsewhere:
        verdict.verdict = Verdict::kPartial;
        verdict.reason = "measured: " + what + " does not compile, it runs on the CPU" + but + by;
        break;
      default:
        verdict.verdict = Verdict::kUnsupported;
        verdict.reason = "measured: " + what + " neither compiles nor runs" + but + by;
    }
    if (verdict.verdict != Verdict::kSupported) verdict.remedy = NearRemedy(*table, values);
    return verdict;
  }
  return std::nullopt;
}

}  // namespace tessera::doctor
