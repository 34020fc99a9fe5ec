// Calibration: the ranges of a model's values on recordings or texts of its user.
//
// The model runs as its pipeline runs it, in f32 on ONNX Runtime's CPU device, with the graphs that
// are compiled for an NPU afterwards (providers/quantize/observer.h).
#ifndef TESSERA_PIPELINES_CALIBRATION_H_
#define TESSERA_PIPELINES_CALIBRATION_H_

#include <functional>
#include <span>
#include <stop_token>
#include <string>

#include "providers/quantize/quantization.h"

namespace tessera {

struct CalibrationOptions {
  std::string onnxruntime;  // file or folder of ONNX Runtime's library; "": searched
  int threads = 0;          // 0: all usable cores
  // Called as the work goes on, with the share that is done, 0 to 1.
  std::function<void(double share)> on_progress = nullptr;
};

// `activation_bits`: 8 or 16. `files`: recordings for a Whisper model, texts (UTF-8, one a line)
// for a text encoder. A few minutes of speech or a few hundred texts are enough; what devices are
// tried with comes before them. Errors: kNotFound for ONNX Runtime; those of the files, which must
// all be readable; kInvalidArgument: nothing in them that reached a stage; kCancelled.
Result<Quantization> Calibrate(const std::string& model, int activation_bits,
                               std::span<const std::string> files,
                               const CalibrationOptions& options = {}, std::stop_token stop = {});

}  // namespace tessera

#endif  // TESSERA_PIPELINES_CALIBRATION_H_
