// The execution providers of ONNX Runtime that Tessera knows how to open.
#ifndef TESSERA_PROVIDERS_ONNXRUNTIME_PROFILES_H_
#define TESSERA_PROVIDERS_ONNXRUNTIME_PROFILES_H_

#include <span>
#include <string>
#include <string_view>

#include "providers/library_search.h"
#include "providers/placement.h"

namespace tessera {

struct OrtProfile {
  std::string_view name;  // "qnn", as after the colon of "onnxruntime:qnn"
  const char* ep;         // "QNNExecutionProvider"
  DeviceKind device;      // what it is for; the device that it offers may tell more
  bool has_plugin;        // comes as a library of its own
  // Compiles for a device: done in a child process, whose result is kept as an EPContext model
  // where the provider can write one.
  bool has_compiler;
};

// All of them, "cpu" first.
std::span<const OrtProfile> OrtProfiles();
// Null for a name that is none.
const OrtProfile* FindOrtProfile(std::string_view name);

// Where ONNX Runtime itself may be; `option` is the user's file or folder or "".
LibraryQuery OnnxRuntimeQuery(const std::string& option);
// Where the plugin of a profile may be; only where has_plugin.
LibraryQuery OrtPluginQuery(const OrtProfile& profile, const std::string& option);

// "libNAME.so", "NAME.dll" or "libNAME.dylib".
std::string LibraryFileName(std::string_view name);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_ONNXRUNTIME_PROFILES_H_
