#include "kernels/attention.h"

#include <cstring>

#include "kernels/attention_layout.h"
#include "kernels/dispatch.h"

namespace tessera::kernels {
namespace {

Precision StoredPrecision(Precision precision) {
  return precision == Precision::kF32 ? Precision::kF32 : Precision::kBf16;
}

size_t KeyBytes(Precision stored, int64_t head_dim, int64_t kv_len) {
  return static_cast<size_t>(RoundUp(kv_len, kPanelColumns) * head_dim) *
         (stored == Precision::kF32 ? 4 : 2);
}

size_t ValueBytes(Precision stored, int64_t head_dim, int64_t kv_len) {
  return static_cast<size_t>(RoundUp(head_dim, kPanelColumns) * PaddedKeys(stored, kv_len)) *
         (stored == Precision::kF32 ? 4 : 2);
}

}  // namespace

size_t PackedKeysValuesBytes(Precision precision, int64_t head_dim, int64_t kv_len) {
  const Precision stored = StoredPrecision(precision);
  return KeyBytes(stored, head_dim, kv_len) + ValueBytes(stored, head_dim, kv_len);
}

PackedKeysValues PackKeysValues(Precision precision, const float* key, int64_t key_ld,
                                const float* value, int64_t value_ld, int64_t kv_len,
                                int64_t head_dim, void* buffer) {
  TESSERA_DCHECK(head_dim >= 16 && head_dim % 16 == 0 && head_dim <= kMaxHeadDim && kv_len >= 1);
  const Precision stored = StoredPrecision(precision);
  PackedKeysValues packed;
  packed.precision = stored;
  packed.head_dim = head_dim;
  packed.kv_len = kv_len;
  packed.keys = buffer;
  auto* values = static_cast<uint8_t*>(buffer) + KeyBytes(stored, head_dim, kv_len);
  packed.values = values;
  Kernels().pack_keys(stored, key, key_ld, kv_len, head_dim, buffer);
  Kernels().pack_values(stored, value, value_ld, kv_len, head_dim, values);
  return packed;
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
