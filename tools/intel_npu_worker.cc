// Asks OpenVINO's compilers about ONNX files, for tools/npu_op_cases.py: a path a line on standard
// input, one line `ANSWER {"compiles": ..., "stage": ..., "error": ...}` on standard output.
//
//   intel_npu_worker.exe NPU 4000     Intel's NPU compiler for a chip (3720 Meteor Lake, 4000 Lunar
//                                     Lake, 5010 Panther Lake); needs no NPU and no driver
//   intel_npu_worker.exe CPU
//
// A program for Windows, since only OpenVINO's Windows wheels hold the NPU compiler. It runs under
// Wine too: build it with
//   x86_64-w64-mingw32-g++-posix -O1 -static -I WHEEL/openvino/include intel_npu_worker.cc
// (WHEEL: the unpacked openvino-*-win_amd64.whl) and start it in WHEEL/openvino/libs.
// clang-format off: windows.h has to be the first.
#include <windows.h>
#include <openvino/c/openvino.h>
// clang-format on

#include <csignal>
#include <iostream>
#include <string>

namespace {

struct Library {
  HMODULE module = nullptr;

  template <typename Function>
  Function* Find(const char* name) const {
    return reinterpret_cast<Function*>(reinterpret_cast<void*>(GetProcAddress(module, name)));
  }
};

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char ch : text.substr(0, 600)) {
    const auto byte = static_cast<unsigned char>(ch);
    if (ch == '"' || ch == '\\') out += '\\';
    out += byte < 0x20 || byte >= 0x7F ? ' ' : ch;
  }
  return out + "\"";
}

void Answer(bool compiles, const char* stage, const std::string& error) {
  std::cout << "ANSWER {\"compiles\": " << (compiles ? "true" : "false") << ", \"stage\": \""
            << stage << "\", \"error\": " << Quoted(error) << "}" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string device = argc > 1 ? argv[1] : "NPU";
  const std::string platform = argc > 2 ? argv[2] : "4000";
  // A crash of the compiler ends this process at once instead of asking somebody about it.
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  SetUnhandledExceptionFilter([](EXCEPTION_POINTERS*) -> LONG {
    TerminateProcess(GetCurrentProcess(), 3);
    return EXCEPTION_EXECUTE_HANDLER;
  });
  std::signal(SIGABRT, [](int) { TerminateProcess(GetCurrentProcess(), 3); });
  const Library library{LoadLibraryA("openvino_c.dll")};
  if (library.module == nullptr) {
    std::cerr << "openvino_c.dll was not found: start this in the folder of OpenVINO's libraries\n";
    return 1;
  }
  auto* create = library.Find<decltype(ov_core_create)>("ov_core_create");
  auto* read = library.Find<decltype(ov_core_read_model)>("ov_core_read_model");
  auto* compile = library.Find<decltype(ov_core_compile_model)>("ov_core_compile_model");
  auto* last_error = library.Find<decltype(ov_get_last_err_msg)>("ov_get_last_err_msg");
  auto* free_model = library.Find<decltype(ov_model_free)>("ov_model_free");
  auto* free_compiled = library.Find<decltype(ov_compiled_model_free)>("ov_compiled_model_free");
  ov_core_t* core = nullptr;
  if (create == nullptr || read == nullptr || compile == nullptr || last_error == nullptr ||
      free_model == nullptr || free_compiled == nullptr || create(&core) != OK) {
    std::cerr << "openvino_c.dll cannot be used\n";
    return 1;
  }
  for (std::string path; std::getline(std::cin, path);) {
    while (!path.empty() && path.back() == '\r') path.pop_back();
    ov_model_t* model = nullptr;
    if (read(core, path.c_str(), nullptr, &model) != OK) {
      Answer(false, "read", last_error());
      continue;
    }
    ov_compiled_model_t* compiled = nullptr;
    const ov_status_e status = device == "NPU"
                                   ? compile(core, model, "NPU", 4, &compiled, "NPU_PLATFORM",
                                             platform.c_str(), "NPU_COMPILER_TYPE", "PLUGIN")
                                   : compile(core, model, device.c_str(), 0, &compiled);
    Answer(status == OK, "compile", status == OK ? "" : last_error());
    if (compiled != nullptr) free_compiled(compiled);
    free_model(model);
  }
  return 0;
}
