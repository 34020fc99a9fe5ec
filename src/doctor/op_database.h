// Measured support of single operators: what compiled, by type, rank, constness and attributes.
//
// Rows come from two places, each with its date: the rules that Microsoft measured on hardware
// (PyPI package winml-cli, MIT) for QNN and OpenVINO NPUs, and Qualcomm's own compiler run over
// sampled cases. tools/distill_op_database.py makes the file that is built in. A row is looked up,
// never interpolated: what was not measured is not answered.
//
// File: zlib of a text head (a line for each source and table) and, by table, its rows: mixed-radix
// numbers of the feature values in rising order as varints of (gap << 2 | outcome). Immutable;
// thread-safe.
#ifndef TESSERA_DOCTOR_OP_DATABASE_H_
#define TESSERA_DOCTOR_OP_DATABASE_H_

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/rules.h"

namespace tessera::doctor {

class OpDatabase {
 public:
  struct Source {
    std::string id;     // "qnn", "qnn-compiler", "openvino"
    std::string date;   // of the data, "2026-11-21"
    std::string title;  // for people, with the licence
    uint64_t rows = 0;
  };

  // The one that is built in. kInternal when the build is broken.
  static const Result<OpDatabase>& BuiltIn();
  // kDataLoss for anything that is not such a file.
  static Result<OpDatabase> Parse(std::span<const uint8_t> file);

  const std::vector<Source>& sources() const { return sources_; }
  // Nothing for targets and nodes of which no row tells.
  std::optional<NodeVerdict> Judge(const NodeView& view, const Target& target) const;

 private:
  enum class Outcome : uint8_t { kNothing = 0, kRunsElsewhere = 1, kCompiles = 2, kMixed = 3 };
  struct Feature {
    std::string code;                 // see FeatureValue in the .cc
    std::vector<std::string> values;  // radix = size
  };
  struct Table {
    int64_t since = 0;  // version of the operator; 0: all
    size_t source = 0;
    std::vector<Feature> features;
    std::vector<std::pair<uint64_t, Outcome>> rows;  // sorted
  };
  struct Hit {
    const Table* table;
    Outcome outcome;
    std::string relaxed;  // feature that was left out because no row has it so; ""
  };

  std::optional<Hit> Look(const Table& table, const std::vector<std::string>& values) const;
  std::optional<Hit> LookRelaxed(const Table& table, const std::vector<std::string>& values,
                                 size_t feature) const;
  const Table* FindTable(std::string_view source, const NodeView& view) const;
  std::string NearRemedy(const Table& table, const std::vector<std::string>& values) const;

  std::vector<Source> sources_;
  // By "SOURCE/OP", oldest version first.
  std::map<std::string, std::vector<Table>, std::less<>> tables_;
};

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_OP_DATABASE_H_
