#include "providers/onnxruntime/capi/ort_api.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr size_t kMaxLines = 32;
constexpr size_t kMaxLineBytes = 1000;

}  // namespace

Status OrtTable::Check(OrtStatus* status, OrtPhase phase) const {
  if (status == nullptr) return OkStatus();
  Status error =
      OrtError(static_cast<int>(api->GetErrorCode(status)), api->GetErrorMessage(status), phase);
  api->ReleaseStatus(status);
  return error;
}

void ORT_API_CALL OrtLog::Write(void* self, OrtLoggingLevel level, const char*, const char*,
                                const char*, const char* message) {
  if (level < ORT_LOGGING_LEVEL_ERROR || message == nullptr) return;
  OrtLog& log = *static_cast<OrtLog*>(self);
  const std::lock_guard lock(log.mutex_);
  log.lines_.emplace_back(std::string_view(message).substr(0, kMaxLineBytes));
  if (log.lines_.size() > kMaxLines) log.lines_.pop_front();
  ++log.written_;
}

size_t OrtLog::Mark() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

std::string OrtLog::ErrorsSince(size_t mark) const {
  const std::lock_guard lock(mutex_);
  const size_t count = std::min(written_ - std::min(mark, written_), lines_.size());
  std::string text;
  for (auto line = lines_.end() - static_cast<ptrdiff_t>(count); line != lines_.end(); ++line) {
    text += (text.empty() ? "" : "\n") + *line;
  }
  return text;
}

}  // namespace tessera
