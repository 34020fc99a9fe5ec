// What the scheduler needs of a text encoder: token ids of many texts in, a row for each token out.
#ifndef TESSERA_PIPELINES_EMBED_ENCODER_H_
#define TESSERA_PIPELINES_EMBED_ENCODER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>

#include "tessera/status.h"

namespace tessera {

// One run at a time; several encoders of one model may run beside each other.
class EmbedEncoder {
 public:
  virtual ~EmbedEncoder() = default;
  // Text s has ids [offsets[s], offsets[s + 1]), at least one; offsets.front() is 0,
  // offsets.back() is ids.size() and at most the EmbedModelShape's run_tokens. The result, [ids,
  // width] row-major, lives until the next run. A row depends on its own text only.
  virtual Result<std::span<const float>> Run(std::span<const int32_t> ids,
                                             std::span<const int32_t> offsets,
                                             std::stop_token stop) = 0;
};

struct EmbedModelShape {
  int64_t width = 0;
  int64_t run_tokens = 0;  // most tokens of one run; at least the model's longest text
};

// An encoder whose runs use `threads` threads, the caller's among them. Thread-safe.
using NewEmbedEncoder = std::function<Result<std::unique_ptr<EmbedEncoder>>(int threads)>;

}  // namespace tessera

#endif  // TESSERA_PIPELINES_EMBED_ENCODER_H_
