// Status and Result<T>: how every fallible call of Tessera reports what went wrong.
//
// No exception crosses the API. A message says what was expected, what was found and what to do;
// `context` lines are added on the way up ("while loading model X"). Both types are cheap to move
// and thread-compatible.
#ifndef TESSERA_STATUS_H_
#define TESSERA_STATUS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tessera {

enum class StatusCode : int {
  kOk = 0,
  kInvalidArgument = 1,    // the caller's request or options make no sense
  kNotFound = 2,           // file, model, device or name does not exist
  kDataLoss = 3,           // file or stream is truncated, corrupt or not what it claims to be
  kUnimplemented = 4,      // well formed, but a feature that this build does not have
  kResourceExhausted = 5,  // memory, disk, size or time limit
  kCancelled = 6,          // a stop was requested
  kDeadlineExceeded = 7,   // time limit reached
  kUnavailable = 8,        // device or library cannot be used now
  kPermissionDenied = 9,   // the operating system refused
  kInternal = 10,          // a defect of Tessera
};

// Lower-case name such as "data_loss"; stable, for JSON.
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // Puts `where` before the message: "where: message". No effect on an ok status.
  Status AddContext(std::string_view where) &&;
  // "data_loss: message", or "ok".
  std::string ToString() const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status OkStatus() { return Status(); }
Status InvalidArgument(std::string message);
Status NotFound(std::string message);
Status DataLoss(std::string message);
Status Unimplemented(std::string message);
Status ResourceExhausted(std::string message);
Status Cancelled(std::string message);
Status DeadlineExceeded(std::string message);
Status Unavailable(std::string message);
Status PermissionDenied(std::string message);
Status Internal(std::string message);

// Either a value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit on purpose

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status&& status() && { return std::move(status_); }

  // Only when ok().
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return *std::move(value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace tessera

#endif  // TESSERA_STATUS_H_
