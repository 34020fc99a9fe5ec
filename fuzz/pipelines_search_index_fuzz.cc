// Any bytes as a search index: an error, or an index whose every part can be read. The checksums
// are made right first, which no fuzzer would do: what is behind them is to be reached.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/checksum.h"
#include "pipelines/search_index.h"
#include "pipelines/search_index_layout.h"
#include "tensor/tensor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  static ThreadPool pool(1);
  AlignedBuffer copy(size);
  auto* bytes = static_cast<uint8_t*>(copy.data());
  if (size > 0) std::memcpy(bytes, data, size);
  search_layout::Header header;
  if (size >= sizeof(header)) {
    std::memcpy(&header, bytes, sizeof(header));
    const auto layout = search_layout::LayoutOf(header);
    if (layout && layout->file_bytes == size) {
      for (uint64_t i = 0; i < layout->num_blocks; ++i) {
        const uint64_t first = layout->settings + i * search_layout::kChecksumBlock;
        const uint64_t left = layout->checksums - first;
        const uint64_t count =
            left < search_layout::kChecksumBlock ? left : search_layout::kChecksumBlock;
        const uint64_t sum = Checksum64({bytes + first, count}, i + 1);
        std::memcpy(bytes + layout->checksums + i * 8, &sum, 8);
      }
      const uint64_t all = Checksum64({bytes + layout->checksums, layout->num_blocks * 8},
                                      Checksum64({bytes, sizeof(header)}));
      std::memcpy(bytes + size - 8, &all, 8);
    }
  }
  const auto index = SearchIndex::Read({bytes, size}, pool);
  if (!index.ok()) return 0;
  uint64_t used = 0;
  for (uint64_t d = 0; d < (*index)->num_documents(); ++d) {
    const IndexedDocument document = (*index)->document(d);
    for (const char c : document.path) used += static_cast<unsigned char>(c);
    for (const char c : document.sha256) used += static_cast<unsigned char>(c);
    used += SkippedBecause(document.state).size();
  }
  for (uint64_t p = 0; p < (*index)->num_passages(); ++p) {
    for (const char c : (*index)->passage(p).headings) used += static_cast<unsigned char>(c);
    used += (*index)->DocumentOf(p);
  }
  const std::vector<float> question(static_cast<size_t>((*index)->vectors().d), 0.5f);
  const auto found = kernels::TopKRows(pool, (*index)->vectors(), question.data(), 1, 10);
  for (const kernels::ScoredRow& row : found[0]) used += static_cast<uint64_t>(row.row);
  volatile uint64_t keep = used;  // keeps the reads
  (void)keep;
  return 0;
}
