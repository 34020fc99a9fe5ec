// The table of kernels of one instruction set; internal to this folder. The public functions jump
// through the current table.
//
// A file NAME_simd.cc is compiled once per Highway target and provides FillNAMESimd, which puts
// that target's functions in a table; NAME_ref.cc provides FillNAMERef. Signatures are those of the
// public headers.
#ifndef TESSERA_KERNELS_DISPATCH_H_
#define TESSERA_KERNELS_DISPATCH_H_

#include "kernels/attention.h"
#include "kernels/cached_attention.h"
#include "kernels/dot_top_k.h"
#include "kernels/isa.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"
#include "kernels/log_softmax.h"
#include "kernels/quantize.h"

namespace tessera::kernels {

struct KernelTable {
  decltype(&LinearRows) linear_rows;
  void (*quantize_rows_u8)(const float*, int64_t, int64_t, int64_t, uint8_t*, int64_t, float*);
  void (*rotate_row)(const float*, const float*, int64_t, float*);
  decltype(&QuantizeRotatedRowsU8) quantize_rotated_u8;
  void (*convert_rows_bf16)(const float*, int64_t, int64_t, int64_t, BF16*, int64_t);
  decltype(&LayerNormRowsF32) layer_norm_f32;
  decltype(&LayerNormRowsBf16) layer_norm_bf16;
  decltype(&LayerNormRowsU8) layer_norm_u8;
  void (*gelu)(const float*, int64_t, float*);
  void (*softmax_rows)(const float*, int64_t, int64_t, int64_t, float*, int64_t);
  decltype(&LogSoftmaxStats) log_softmax_stats;
  void (*sub_row_scalar)(const float*, int64_t, float, float*);
  void (*pack_keys)(Precision, const float*, int64_t, int64_t, int64_t, void*);
  void (*pack_values)(Precision, const float*, int64_t, int64_t, int64_t, void*);
  decltype(&AttendBlock) attend_block;
  decltype(&CachedAttention) cached_attention;
  void (*add)(const float*, const float*, int64_t, float*);
  void (*relu)(const float*, int64_t, float*);
  void (*sigmoid)(const float*, int64_t, float*);
  void (*magnitude)(const float*, const float*, int64_t, float*);
  void (*lstm_cells)(const float*, int64_t, float*, float*);
  decltype(&DotRowsS8) dot_rows_s8;
};

// Of CurrentIsa().
const KernelTable& Kernels();

void FillLinearRef(KernelTable& table);
void FillRowsRef(KernelTable& table);
void FillAttentionRef(KernelTable& table);
void FillElementwiseRef(KernelTable& table);
void FillDotTopKRef(KernelTable& table);

// Each puts the functions of `isa` in the table and returns true, or returns false when the build
// lacks that target.
bool FillLinearSimd(Isa isa, KernelTable& table);
bool FillRowsSimd(Isa isa, KernelTable& table);
bool FillAttentionSimd(Isa isa, KernelTable& table);
bool FillElementwiseSimd(Isa isa, KernelTable& table);
bool FillDotTopKSimd(Isa isa, KernelTable& table);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_DISPATCH_H_
