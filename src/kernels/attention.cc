#include "kernels/attention.h"

#include <cstring>

#include "kernels/attention_layout.h"
#include "kernels/dispatch.h"

namespace tessera::kernels {
size_t PackedKeysBytes(Precision precision, int64_t head_dim, int64_t kv_len) {
  if (precision == Precision::kInt8) return Int8Keys::Bytes(head_dim, kv_len);
  return static_cast<size_t>(RoundUp(kv_len, kPanelColumns) * head_dim) *
         DTypeSize(ActivationDType(precision));
}

size_t PackedValuesBytes(Precision precision, int64_t head_dim, int64_t kv_len) {
  if (precision == Precision::kInt8) return Int8Values::Bytes(head_dim, kv_len);
  return static_cast<size_t>(RoundUp(head_dim, kPanelColumns) * PaddedKeys(precision, kv_len)) *
         DTypeSize(ActivationDType(precision));
}

void PackKeys(Precision precision, const float* key, int64_t ld, int64_t kv_len, int64_t head_dim,
              void* buffer) {
  TESSERA_DCHECK(head_dim >= 16 && head_dim % 16 == 0 && head_dim <= kMaxHeadDim && kv_len >= 1);
  Kernels().pack_keys(precision, key, ld, kv_len, head_dim, buffer);
}

void PackValues(Precision precision, const float* value, int64_t ld, int64_t kv_len,
                int64_t head_dim, void* buffer) {
  TESSERA_DCHECK(head_dim >= 16 && head_dim % 16 == 0 && head_dim <= kMaxHeadDim && kv_len >= 1);
  Kernels().pack_values(precision, value, ld, kv_len, head_dim, buffer);
}

PackedKeysValues PackKeysValues(Precision precision, const float* key, int64_t key_ld,
                                const float* value, int64_t value_ld, int64_t kv_len,
                                int64_t head_dim, void* buffer) {
  auto* values = static_cast<uint8_t*>(buffer) + PackedKeysBytes(precision, head_dim, kv_len);
  PackKeys(precision, key, key_ld, kv_len, head_dim, buffer);
  PackValues(precision, value, value_ld, kv_len, head_dim, values);
  return {precision, head_dim, kv_len, buffer, values};
}

size_t AttendScratchBytes(int64_t rows, int64_t head_dim) {
  return AttendScratch::Bytes(rows, head_dim);
}

void AttendBlock(const PackedKeysValues& kv, const float* query, int64_t query_ld, int64_t rows,
                 const AttendOptions& options, float* out, int64_t out_ld, void* scratch) {
  TESSERA_DCHECK(!options.causal || options.first_position >= 0);
  Kernels().attend_block(kv, query, query_ld, rows, options, out, out_ld, scratch);
}

}  // namespace tessera::kernels
