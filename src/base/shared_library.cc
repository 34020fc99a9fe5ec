#include "base/shared_library.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#if defined(__linux__)
#include <link.h>
#endif
#endif

#include "base/file.h"

namespace tessera {
namespace {

bool IsBareName(const std::string& path) { return path.find_first_of("/\\") == std::string::npos; }

#if defined(_WIN32)

std::wstring Wide(const std::string& text) {
  const int length =
      MultiByteToWideChar(CP_UTF8, 0, text.data(), static_cast<int>(text.size()), nullptr, 0);
  std::wstring wide(static_cast<size_t>(length), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.data(), static_cast<int>(text.size()), wide.data(), length);
  return wide;
}

std::string LoaderError() {
  const DWORD code = GetLastError();
  char text[512];
  const DWORD length = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
                                      nullptr, code, 0, text, sizeof(text), nullptr);
  return "error " + std::to_string(code) + ": " + std::string(text, length);
}

void* Load(const std::string& path, std::string& error) {
  // With a path, its own folder is searched for what it depends on, never the current one.
  const DWORD flags = IsBareName(path)
                          ? LOAD_LIBRARY_SEARCH_DEFAULT_DIRS
                          : LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;
  void* handle = reinterpret_cast<void*>(LoadLibraryExW(Wide(path).c_str(), nullptr, flags));
  if (handle == nullptr) error = LoaderError();
  return handle;
}

void Unload(void* handle) { FreeLibrary(reinterpret_cast<HMODULE>(handle)); }

void* FindSymbol(void* handle, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(handle), name));
}

std::string FileOf(void* handle, const std::string& asked) {
  wchar_t file[32768];
  const DWORD length = GetModuleFileNameW(reinterpret_cast<HMODULE>(handle), file, 32768);
  if (length == 0) return asked;
  std::string narrow(size_t{4} * length, '\0');
  narrow.resize(static_cast<size_t>(
      WideCharToMultiByte(CP_UTF8, 0, file, static_cast<int>(length), narrow.data(),
                          static_cast<int>(narrow.size()), nullptr, nullptr)));
  return narrow;
}

#else

void* Load(const std::string& path, std::string& error) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* words = dlerror();
    error = words != nullptr ? words : "the loader gives no reason";
  }
  return handle;
}

void Unload(void* handle) { dlclose(handle); }

void* FindSymbol(void* handle, const char* name) { return dlsym(handle, name); }

std::string FileOf(void* handle, const std::string& asked) {
#if defined(__linux__)
  link_map* map = nullptr;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr && map->l_name[0] != '\0') {
    return map->l_name;
  }
#else
  (void)handle;
#endif
  return asked;
}

#endif

}  // namespace

Result<SharedLibrary> SharedLibrary::Open(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return InvalidArgument("a library needs a path");
  }
  if (!IsBareName(path) && !FileExists(path)) return NotFound("no library " + path);
  std::string error;
  void* handle = Load(path, error);
  if (handle == nullptr) {
    const std::string message = "cannot load " + path + ": " + error;
    // Of a bare name the loader alone knows whether there is such a file.
    return IsBareName(path) && error.find("No such file") != std::string::npos
               ? NotFound(message)
               : Unavailable(message);
  }
  return SharedLibrary(FileOf(handle, path), handle);
}

SharedLibrary::~SharedLibrary() {
  if (handle_ != nullptr && !keep_) Unload(handle_);
}

Result<void*> SharedLibrary::Symbol(const char* name) const {
  void* symbol = FindSymbol(handle_, name);
  if (symbol != nullptr) return symbol;
  return Unimplemented(path_ + " exports no " + name +
                       ": it is another library or another version");
}

}  // namespace tessera
