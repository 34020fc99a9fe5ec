#include "text/tokenizer_json.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "text/vocabulary.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxExponent = 100000;

// The double nearest to 10^exponent, 0 <= exponent <= 308.
double PowerOfTen(int64_t exponent) {
  char text[8] = "1e";
  const auto end = std::to_chars(text + 2, text + sizeof(text), exponent);
  double power = 0;
  std::from_chars(text, end.ptr, power);
  return power;
}

// Builds the tree of all but the vocabulary and the merges. stack_ holds the open containers; the
// vocabulary's own are counted in depth_ only.
class Handler : public nlohmann::json_sax<Json> {
 public:
  explicit Handler(TokenizerJson* out) : out_(*out) {}
  Status TakeStatus() { return std::move(status_); }

  bool null() override { return Scalar(nullptr); }
  bool boolean(bool value) override { return Scalar(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    return Number(inside_ == kVocabulary ? ParseScore(text) : value);
  }
  bool number_integer(number_integer_t value) override { return Number(value); }
  bool number_unsigned(number_unsigned_t value) override { return Number(value); }
  bool binary(binary_t&) override { return Fail("binary data"); }

  bool string(string_t& value) override {
    if (inside_ == kVocabulary) return VocabularyString(std::move(value));
    return Scalar(std::move(value));
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }

  bool start_object(size_t) override { return Start(Json::object()); }
  bool start_array(size_t) override { return Start(Json::array()); }
  bool end_object() override { return End(); }
  bool end_array() override { return End(); }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail("not valid JSON at byte " + std::to_string(position));
  }

 private:
  static constexpr int kMaxDepth = 64;
  enum Inside { kTree, kVocabulary, kMerges };

  bool Fail(std::string message) {
    status_ = DataLoss("tokenizer: " + std::move(message));
    return false;
  }

  bool Start(Json container) {
    if (++depth_ > kMaxDepth)
      return Fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    if (inside_ != kTree) {
      if (inside_ == kVocabulary && (!out_.vocabulary_is_list || depth_ > skip_depth_ + 1))
        return Fail("a list or an object among the tokens of the vocabulary");
      entry_ = {};
      entry_fields_ = 0;
      return true;
    }
    const bool is_object = container.is_object();
    if (stack_.empty() && !is_object) return Fail("expected an object");
    const bool is_in_model = stack_.size() == 2 && is_model_;
    if (is_in_model && (key_ == "vocab" || key_ == "merges")) {
      inside_ = key_ == "vocab" ? kVocabulary : kMerges;
      if (inside_ == kVocabulary) {
        out_.vocabulary_is_list = !is_object;
        out_.vocabulary.clear();
      }
      skip_depth_ = depth_;
      return true;
    }
    if (stack_.size() == 1) is_model_ = key_ == "model";
    Json* added = Add(std::move(container));
    stack_.push_back(added);
    return true;
  }

  bool End() {
    const int ended = depth_--;
    if (inside_ == kTree) {
      stack_.pop_back();
      return true;
    }
    if (ended == skip_depth_) {
      inside_ = kTree;
      return true;
    }
    if (inside_ == kMerges) return true;
    if (entry_fields_ != 2) return Fail("expected [token, score] in the vocabulary");
    entry_.id = static_cast<int32_t>(out_.vocabulary.size());
    return KeepEntry();
  }

  Json* Add(Json value) {
    if (stack_.empty()) {
      out_.root = std::move(value);
      return &out_.root;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    Json& place = parent[key_];
    place = std::move(value);
    return &place;
  }

  template <typename T>
  bool Scalar(T value) {
    if (inside_ == kMerges) return true;
    if (inside_ == kVocabulary)
      return Fail("a token of the vocabulary is neither string nor number");
    if (stack_.empty()) return Fail("expected an object");
    Add(Json(std::move(value)));
    return true;
  }

  template <typename T>
  bool Number(T value) {
    if (inside_ != kVocabulary) return Scalar(value);
    if (!out_.vocabulary_is_list) {
      if (!std::is_integral_v<T> || !std::in_range<int32_t>(ToInteger(value)) || value < T{0})
        return Fail("the id of token \"" + key_ + "\" is not in [0, 2^31)");
      entry_ = {std::move(key_), static_cast<int32_t>(value), 0};
      return KeepEntry();
    }
    if (depth_ != skip_depth_ + 1 || entry_fields_ != 1)
      return Fail("expected [token, score] in the vocabulary");
    entry_.score = static_cast<double>(value);
    entry_fields_ = 2;
    return true;
  }

  template <typename T>
  static auto ToInteger(T value) {
    if constexpr (std::is_integral_v<T>) {
      return value;
    } else {
      return int64_t{-1};
    }
  }

  bool VocabularyString(std::string value) {
    if (!out_.vocabulary_is_list) return Fail("the id of token \"" + key_ + "\" is a string");
    if (depth_ != skip_depth_ + 1 || entry_fields_ != 0)
      return Fail("expected [token, score] in the vocabulary");
    entry_.text = std::move(value);
    entry_fields_ = 1;
    return true;
  }

  bool KeepEntry() {
    if (out_.vocabulary.size() == static_cast<size_t>(kMaxVocabularyTokens))
      return Fail("more than " + std::to_string(kMaxVocabularyTokens) + " tokens");
    out_.vocabulary.push_back(std::move(entry_));
    return true;
  }

  TokenizerJson& out_;
  Status status_;
  std::vector<Json*> stack_;
  std::string key_;
  int depth_ = 0;
  bool is_model_ = false;  // the container that is open below the root is "model"
  Inside inside_ = kTree;
  int skip_depth_ = 0;  // of the container that is not in the tree
  VocabularyToken entry_;
  int entry_fields_ = 0;
};

}  // namespace

double ParseScore(std::string_view number) {
  const bool is_negative = number.starts_with('-');
  if (is_negative) number.remove_prefix(1);
  uint64_t digits = 0;
  int64_t exponent = 0;
  bool is_full = false;  // further digits would not fit
  bool is_fraction = false;
  size_t at = 0;
  for (; at < number.size() && number[at] != 'e' && number[at] != 'E'; ++at) {
    if (number[at] == '.') {
      is_fraction = true;
      continue;
    }
    const auto digit = static_cast<uint64_t>(number[at] - '0');
    if (is_full || digits > (UINT64_MAX - digit) / 10) {
      is_full = true;
      exponent += is_fraction ? 0 : 1;
      continue;
    }
    digits = digits * 10 + digit;
    exponent -= is_fraction ? 1 : 0;
  }
  if (at < number.size()) {
    std::string_view written = number.substr(at + 1);
    if (written.starts_with('+')) written.remove_prefix(1);
    int64_t value = 0;
    const auto parsed = std::from_chars(written.data(), written.data() + written.size(), value);
    if (parsed.ec != std::errc()) value = written.starts_with('-') ? -kMaxExponent : kMaxExponent;
    exponent += std::clamp(value, -kMaxExponent, kMaxExponent);
  }
  auto score = static_cast<double>(digits);
  while (exponent < -308 && score != 0) {
    score /= 1e308;
    exponent += 308;
  }
  if (exponent < 0 && score != 0) score /= PowerOfTen(-exponent);
  if (exponent > 0 && score != 0) score *= PowerOfTen(std::min<int64_t>(exponent, 308));
  return is_negative ? -score : score;
}

namespace {

Status WrongType(const char* key, const char* expected, const Json& found) {
  return DataLoss(std::string("\"") + key + "\" is of type " + found.type_name() + ", expected " +
                  expected);
}

Status Missing(const char* key) { return DataLoss(std::string("\"") + key + "\" is missing"); }

}  // namespace

Result<TokenizerJson> ParseTokenizerJson(std::string_view json) {
  TokenizerJson out;
  Handler handler(&out);
  try {
    if (!Json::sax_parse(json.begin(), json.end(), &handler)) return handler.TakeStatus();
  } catch (const std::exception& error) {
    return DataLoss(std::string("tokenizer: ") + error.what());
  }
  return out;
}

const Json& Field(const Json& value, const char* key) {
  static const Json null;
  if (!value.is_object()) return null;
  const auto found = value.find(key);
  return found == value.end() ? null : *found;
}

Result<bool> BoolField(const Json& object, const char* key, std::optional<bool> otherwise) {
  const Json& field = Field(object, key);
  if (field.is_null()) return otherwise ? Result<bool>(*otherwise) : Missing(key);
  if (!field.is_boolean()) return WrongType(key, "true or false", field);
  return field.get<bool>();
}

Result<int64_t> IntField(const Json& object, const char* key, std::optional<int64_t> otherwise) {
  const Json& field = Field(object, key);
  if (field.is_null()) return otherwise ? Result<int64_t>(*otherwise) : Missing(key);
  if (!field.is_number_integer() ||
      (field.is_number_unsigned() && !std::in_range<int64_t>(field.get<uint64_t>())))
    return WrongType(key, "a whole number below 2^63", field);
  return field.get<int64_t>();
}

Result<std::string> StringField(const Json& object, const char* key,
                                std::optional<std::string> otherwise) {
  const Json& field = Field(object, key);
  if (field.is_null()) return otherwise ? Result<std::string>(*std::move(otherwise)) : Missing(key);
  if (!field.is_string()) return WrongType(key, "a string", field);
  return field.get_ref<const std::string&>();
}

Result<const Json*> ListField(const Json& object, const char* key) {
  static const Json none = Json::array();
  const Json& field = Field(object, key);
  if (field.is_null()) return &none;
  if (!field.is_array()) return WrongType(key, "a list", field);
  return &field;
}

}  // namespace tessera
