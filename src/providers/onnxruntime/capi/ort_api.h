// ONNX Runtime's C API: its table of functions, owners of its objects, its errors and its log.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_CAPI_ORT_API_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_CAPI_ORT_API_H_

#include <onnxruntime_c_api.h>

#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "providers/onnxruntime/errors.h"
#include "tessera/status.h"

namespace tessera {

// The table and how much of it is there: functions of later versions than `version` must not be
// touched. Valid for ever, since the library is never unloaded.
struct OrtTable {
  const OrtApi* api = nullptr;
  int version = 0;

  bool Has(int since) const { return version >= since; }
  const OrtApi* operator->() const { return api; }
  // Takes `status` over.
  Status Check(OrtStatus* status, OrtPhase phase = OrtPhase::kLoad) const;
};

// Owns one object of ONNX Runtime: OrtOwned<OrtSession> session(table->ReleaseSession).
template <typename T>
class OrtOwned {
 public:
  using Release = void(ORT_API_CALL*)(T*);
  explicit OrtOwned(Release release) : release_(release) {}
  ~OrtOwned() {
    if (object_ != nullptr) release_(object_);
  }
  OrtOwned(OrtOwned&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), release_(other.release_) {}
  OrtOwned& operator=(OrtOwned&&) = delete;
  T* get() const { return object_; }
  T** out() { return &object_; }

 private:
  T* object_ = nullptr;
  Release release_;
};

// What ONNX Runtime and its providers wrote to their log, instead of standard error: the last
// errors, for messages. Thread-safe.
class OrtLog {
 public:
  static void ORT_API_CALL Write(void* self, OrtLoggingLevel level, const char* category,
                                 const char* id, const char* location, const char* message);
  // Messages of errors since `mark`, oldest first, one a line; Mark() is the present.
  size_t Mark() const;
  std::string ErrorsSince(size_t mark) const;

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> lines_;
  size_t written_ = 0;  // all lines ever, of which lines_ holds the last ones
};

// A path as ORTCHAR_T has it.
inline std::filesystem::path OrtPath(const std::string& path) {
  return std::filesystem::path(std::u8string(path.begin(), path.end()));
}

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_CAPI_ORT_API_H_
