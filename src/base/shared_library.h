// A library that is opened while the program runs: vendors' runtimes that may or may not be there.
//
// Thread-safe apart from moving. Opening runs the library's initialisers: open only what the user
// has installed or named.
#ifndef TESSERA_BASE_SHARED_LIBRARY_H_
#define TESSERA_BASE_SHARED_LIBRARY_H_

#include <string>
#include <utility>

#include "tessera/status.h"

namespace tessera {

// Movable. Closes on destruction, unless KeepLoaded() was called.
class SharedLibrary {
 public:
  // `path`: a file, or a bare name that the system's loader looks for. Its symbols are not offered
  // to other libraries. kNotFound: no such file; kUnavailable: it cannot be loaded; the message
  // holds the path and the loader's own words.
  static Result<SharedLibrary> Open(const std::string& path);
  ~SharedLibrary();
  SharedLibrary(SharedLibrary&& other) noexcept
      : path_(std::move(other.path_)),
        handle_(std::exchange(other.handle_, nullptr)),
        keep_(other.keep_) {}
  SharedLibrary& operator=(SharedLibrary&&) = delete;

  // Function `name` as a pointer to Signature. kUnimplemented when the library exports none.
  template <typename Signature>
  Result<Signature*> Function(const char* name) const {
    Result<void*> symbol = Symbol(name);
    if (!symbol.ok()) return std::move(symbol).status();
    return reinterpret_cast<Signature*>(*symbol);
  }

  // Where the loader found it, as far as it tells; else what was asked for.
  const std::string& path() const { return path_; }
  // The library stays until the process ends: for those whose threads or exit handlers would
  // outlive an unload.
  void KeepLoaded() { keep_ = true; }

 private:
  SharedLibrary(std::string path, void* handle) : path_(std::move(path)), handle_(handle) {}
  Result<void*> Symbol(const char* name) const;

  std::string path_;
  void* handle_ = nullptr;
  bool keep_ = false;
};

}  // namespace tessera

#endif  // TESSERA_BASE_SHARED_LIBRARY_H_
