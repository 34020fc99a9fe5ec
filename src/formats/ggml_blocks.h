// The block-quantised encodings of ggml: 32 elements share a factor, some also an offset.
//
// Source of the layouts: ggml's block_q4_0, block_q4_1, block_q5_0, block_q5_1 and block_q8_0. d
// and m are f16, nibble i of qs holds element i in its low half and element i + 16 in its high
// half, bit i of qh is the fifth bit of element i.
//   q4_0: d, qs[16]            value = (q - 8) * d
//   q4_1: d, m, qs[16]         value = q * d + m
//   q5_0: d, qh[4], qs[16]     value = (q - 16) * d
//   q5_1: d, m, qh[4], qs[16]  value = q * d + m
//   q8_0: d, int8 qs[32]       value = q * d
#ifndef TESSERA_FORMATS_GGML_BLOCKS_H_
#define TESSERA_FORMATS_GGML_BLOCKS_H_

#include <cstdint>
#include <span>

#include "formats/weights.h"

namespace tessera {

// Elements of one block.
inline constexpr int64_t kGgmlBlockSize = 32;

// Fills `values`, whose size is a multiple of kGgmlBlockSize, from that many blocks. `blocks` needs
// no alignment.
void DequantizeBlocks(WeightEncoding encoding, const uint8_t* blocks, std::span<float> values);

}  // namespace tessera

#endif  // TESSERA_FORMATS_GGML_BLOCKS_H_
