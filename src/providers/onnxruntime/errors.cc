#include "providers/onnxruntime/errors.h"

#include <initializer_list>

namespace tessera {
namespace {

struct Hint {
  // All of these are in the message.
  std::initializer_list<std::string_view> words;
  const char* text;
};

constexpr size_t kMaxWords = 2000;

// The first match wins: the special before the general.
const Hint kHints[] = {
    // Reproduced: a float Gather finalized without soc_model; the same graph passes with it. Also
    // reported for graphs whose tiles do not fit the on-chip memory.
    {{"finalize", "1002"},
     "QNN's 1002 means that finalizing the graph failed to get memory. It is not about the "
     "model's size: without the target chip (soc_model) the compiler plans for a generic one with "
     "less on-chip memory, and even a single float Gather fails. Name the chip (soc_model 60 for "
     "Snapdragon X Elite, or --target snapdragon-x); if it stays, a single op needs more than the "
     "on-chip memory and has to be split"},
    {{"QNN_COMMON_ERROR_MEM_ALLOC"},
     "the compiler could not get the target's memory: name the chip (soc_model), or split the "
     "largest op"},
    {{"fallback to CPU EP has been explicitly disabled"},
     "nodes are left that the device's provider does not take, and the CPU was not allowed to: see "
     "the reasons for each node, or run without requiring all nodes on the device"},
    {{"libopenvino_intel_npu_compiler"},
     "OpenVINO's compiler for the NPU is not installed; on Linux it comes with Intel's NPU driver "
     "packages"},
    {{"Could not find an NPU device"}, "no Intel NPU or no driver (intel_vpu) on this machine"},
    {{"cdsprpc"},
     "Qualcomm's library for talking to the DSP (libcdsprpc) is missing: install the chip's "
     "fastrpc package"},
    {{"requires", "TCM"},
     "one op needs more on-chip memory than the chip has: split it, or use 8 or 16 bits"},
    {{"to_shape was called on a dynamic shape"},
     "the model has dynamic dimensions: fix all of them"},
    {{"Cannot get shape"}, "a dimension is not known: fix all input dimensions"},
};

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool SaysOutOfMemory(std::string_view words) {
  return Contains(words, "bad_alloc") || Contains(words, "Failed to allocate memory") ||
         Contains(words, "out of memory");
}

// OrtErrorCode, by value: stable since the first version of the C API.
StatusCode CodeOf(int code, std::string_view words, OrtPhase phase) {
  if (SaysOutOfMemory(words)) return StatusCode::kResourceExhausted;
  switch (code) {
    case 2:   // INVALID_ARGUMENT
    case 9:   // NOT_IMPLEMENTED
    case 10:  // INVALID_GRAPH
      return phase == OrtPhase::kRun ? StatusCode::kInternal : StatusCode::kUnimplemented;
    case 3:  // NO_SUCHFILE
      return StatusCode::kNotFound;
    case 7:  // INVALID_PROTOBUF
      return StatusCode::kDataLoss;
    case 12:  // MODEL_LOAD_CANCELED
      return StatusCode::kCancelled;
    case 4:   // NO_MODEL
    case 13:  // MODEL_REQUIRES_COMPILATION
      return StatusCode::kUnavailable;
    default:  // FAIL, ENGINE_ERROR, RUNTIME_EXCEPTION, EP_FAIL, NOT_FOUND, unknown ones
      return phase == OrtPhase::kRun ? StatusCode::kUnavailable : StatusCode::kUnimplemented;
  }
}

}  // namespace

std::string OrtErrorHint(std::string_view words) {
  for (const Hint& hint : kHints) {
    bool all = true;
    for (const std::string_view word : hint.words) all = all && Contains(words, word);
    if (all) return hint.text;
  }
  return "";
}

Status OrtError(int code, std::string_view words, OrtPhase phase) {
  std::string message(words.substr(0, kMaxWords));
  if (words.size() > kMaxWords) message += " ...";
  message += " (ONNX Runtime's code " + std::to_string(code) + ")";
  if (const std::string hint = OrtErrorHint(words); !hint.empty()) message += "; " + hint;
  return Status(CodeOf(code, words, phase), std::move(message));
}

}  // namespace tessera
