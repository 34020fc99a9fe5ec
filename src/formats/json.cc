#include "formats/json.h"

#include <new>
#include <set>
#include <vector>

#include "base/check.h"
#include "base/file.h"

namespace tessera {
namespace {

using nlohmann::json;

// Watches the parser. A value beyond a limit is dropped at once, so that memory stays bounded, and
// reported at the end.
class Limits {
 public:
  explicit Limits(int max_depth) : max_depth_(max_depth) {}

  bool Accept(int depth, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
        keys_.emplace_back();
        [[fallthrough]];
      case json::parse_event_t::array_start:
        if (depth >= max_depth_) {
          Fail(DataLoss("expected at most " + std::to_string(max_depth_) +
                        " nested levels of JSON, found more"));
        }
        return Count();
      case json::parse_event_t::object_end:
        keys_.pop_back();
        return true;
      case json::parse_event_t::key: {
        if (!status_.ok()) return false;
        const auto& key = parsed.get_ref<const std::string&>();
        if (!keys_.back().insert(key).second) {
          Fail(DataLoss("the key \"" + key.substr(0, 100) + "\" appears twice in one JSON object"));
        }
        return status_.ok();
      }
      case json::parse_event_t::value:
        return Count();
      case json::parse_event_t::array_end:
        return true;
    }
    return true;
  }

  const Status& status() const { return status_; }

 private:
  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  bool Count() {
    if (++num_values_ > kMaxJsonValues) {
      Fail(ResourceExhausted("expected at most " + std::to_string(kMaxJsonValues) +
                             " values of JSON, found more"));
    }
    return status_.ok();
  }

  const int max_depth_;
  size_t num_values_ = 0;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  Status status_;
};

}  // namespace

Result<json> ParseJson(std::string_view text, int max_depth, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return ResourceExhausted("expected at most " + std::to_string(max_bytes) +
                             " bytes of JSON, found " + std::to_string(text.size()));
  }
  Limits limits(max_depth);
  try {
    json value = json::parse(text.begin(), text.end(),
                             [&limits](int depth, json::parse_event_t event, json& parsed) {
                               return limits.Accept(depth, event, parsed);
                             });
    if (!limits.status().ok()) return limits.status();
    return value;
  } catch (const json::parse_error& error) {
    if (!limits.status().ok()) return limits.status();
    return DataLoss("expected JSON, found an error near byte " + std::to_string(error.byte) +
                    " of " + std::to_string(text.size()) + "; the text is truncated or broken");
  } catch (const json::exception& error) {  // a number out of range
    return DataLoss(std::string("expected JSON, found: ") + error.what());
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("not enough memory for " + std::to_string(text.size()) +
                             " bytes of JSON");
  }
}

Result<json> ParseJsonFile(const std::string& path, int max_depth, size_t max_bytes) {
  TESSERA_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, max_bytes));
  auto value = ParseJson(text, max_depth, max_bytes);
  if (!value.ok()) return std::move(value).status().AddContext("\"" + path + "\"");
  return value;
}

}  // namespace tessera
