// The three JSON forms of a vocabulary, read as a stream of events: a tokenizer.json has 4 MB, of
// which half (the merges) is not needed and none is worth a tree of its values.
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "text/vocabulary.h"
#include "text/vocabulary_entries.h"
#include "text/vocabulary_list.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

// Where the reader is, as far as it matters.
enum class Place {
  kList,         // [ "token", ... ]: vocabulary.json of CTranslate2
  kRoot,         // the outer object: vocab.json has its ids here
  kModel,        // .model of a tokenizer.json
  kVocab,        // .model.vocab
  kAddedTokens,  // .added_tokens
  kAddedToken,   // an element of it
  kElsewhere,
};

class VocabularyHandler : public nlohmann::json_sax<Json> {
 public:
  VocabularyEntries& entries() { return entries_; }
  Status TakeStatus() { return std::move(status_); }

  bool null() override { return Scalar(); }
  bool boolean(bool) override { return Scalar(); }
  bool number_float(number_float_t, const string_t&) override { return Scalar(); }
  bool binary(binary_t&) override { return Scalar(); }
  bool number_integer(number_integer_t value) override { return Number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return Number(value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value));
  }

  bool string(string_t& value) override {
    if (!Scalar()) return false;
    if (places_.back() == Place::kList) return Keep(next_in_list_++, std::move(value));
    if (places_.back() == Place::kAddedToken && key_ == "content")
      added_content_ = std::move(value);
    return true;
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }

  bool start_object(size_t) override {
    Place place = Place::kElsewhere;
    if (places_.empty()) {
      place = Place::kRoot;
    } else if (places_.back() == Place::kRoot && key_ == "model") {
      place = Place::kModel;
    } else if (places_.back() == Place::kModel && key_ == "vocab") {
      place = Place::kVocab;
    } else if (places_.back() == Place::kAddedTokens) {
      place = Place::kAddedToken;
      added_id_ = -1;
      added_content_.clear();
    }
    return Enter(place);
  }

  bool end_object() override {
    const Place place = places_.back();
    places_.pop_back();
    return place != Place::kAddedToken || Keep(added_id_, std::move(added_content_));
  }

  bool start_array(size_t) override {
    if (places_.empty()) return Enter(Place::kList);
    return Enter(places_.back() == Place::kRoot && key_ == "added_tokens" ? Place::kAddedTokens
                                                                          : Place::kElsewhere);
  }

  bool end_array() override {
    places_.pop_back();
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail("not valid JSON at byte " + std::to_string(position));
  }

 private:
  static constexpr size_t kMaxDepth = 64;

  bool Fail(std::string message) {
    status_ = DataLoss("vocabulary: " + std::move(message));
    return false;
  }

  bool Enter(Place place) {
    if (places_.size() == kMaxDepth)
      return Fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    places_.push_back(place);
    return true;
  }

  bool Keep(int64_t id, std::string token) {
    status_ = entries_.Add(id, std::move(token));
    return status_.ok();
  }

  bool Scalar() {
    return !places_.empty() || Fail("a single value, expected a list or an object of tokens");
  }

  bool Number(int64_t value) {
    if (!Scalar()) return false;
    if (places_.back() == Place::kAddedToken && key_ == "id") added_id_ = value;
    if (places_.back() == Place::kRoot || places_.back() == Place::kVocab)
      return Keep(value, std::move(key_));
    return true;
  }

  VocabularyEntries entries_;
  Status status_;
  std::vector<Place> places_;
  std::string key_;
  int64_t next_in_list_ = 0;
  int64_t added_id_ = -1;
  std::string added_content_;
};

}  // namespace

Result<Vocabulary> ParseVocabularyJson(std::string_view json) {
  if (std::optional<std::vector<std::string>> tokens = ReadPlainTokenList(json)) {
    Vocabulary vocabulary = VocabularyFromBytes(*std::move(tokens));
    if (!vocabulary.tokens.empty()) return DecodePrintable(std::move(vocabulary));
  }
  VocabularyHandler handler;
  try {
    if (!Json::sax_parse(json.begin(), json.end(), &handler)) return handler.TakeStatus();
  } catch (const std::exception& error) {
    return DataLoss(std::string("vocabulary: ") + error.what());
  }
  return std::move(handler.entries()).FromPrintable();
}

}  // namespace tessera
