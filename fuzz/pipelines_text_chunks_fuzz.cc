// Any bytes as a text: passages in order, within it, of bounded size, and equal when cut again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "pipelines/text_chunks.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  if (size < 2) return 0;
  const ChunkOptions options{.max_size = 64 + data[0] * 3, .overlap = data[1] % 17};
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  (void)SniffText(text);
  for (const bool markdown : {false, true}) {
    const auto chunks = ChunkText(text, markdown, options);
    if (!chunks.ok()) continue;
    uint64_t begin = 0;
    for (size_t i = 0; i < chunks->size(); ++i) {
      const TextChunk& c = (*chunks)[i];
      const bool good = c.length > 0 && c.begin <= text.size() &&
                        c.length <= text.size() - c.begin && (i == 0 || c.begin > begin) &&
                        c.first_line >= 1 && c.last_line >= c.first_line &&
                        IsValidUtf8(PassageText(text, c));
      if (!good) std::abort();
      begin = c.begin;
    }
    if (*ChunkText(text, markdown, options) != *chunks) std::abort();
  }
  return 0;
}
