// Scalar reference of every op: the oracle of the interpreter, of the CPU kernels and of the
// exports.
//
// Plain pointers and sizes, row-major, f32 in and out with f64 sums, so results are good to about
// one rounding of the exact value. Indices must be in range (the interpreter checks them; kernels'
// tests give good ones). Outputs may not overlap inputs, except where said. Pure functions: safe
// from any thread.
#ifndef TESSERA_GRAPH_REFERENCE_OPS_H_
#define TESSERA_GRAPH_REFERENCE_OPS_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::reference {

// y[rows, out] = x[rows, in] * weight[out, in]^T + bias[out]; bias may be null.
void Linear(const float* x, int64_t rows, int64_t in, const float* weight, int64_t out,
            const float* bias, float* y);

struct Conv1dSizes {
  int64_t batch, length, in, out, kernel, stride, padding;
  int64_t OutLength() const { return (length + 2 * padding - kernel) / stride + 1; }
};
// x[batch, length, in], weight[out, in, kernel], bias[out] or null -> y[batch, OutLength(), out]
void Conv1d(const float* x, const Conv1dSizes& sizes, const float* weight, const float* bias,
            float* y);

// Each row of x[rows, width]: (x - mean) / sqrt(population variance + epsilon) * gamma + beta. y
// may be x.
void LayerNorm(const float* x, int64_t rows, int64_t width, const float* gamma, const float* beta,
               float epsilon, float* y);

// y[n] = x * Phi(x), exact erf. y may be x.
void Gelu(const float* x, int64_t n, float* y);

// y = a + b, y of a's shape; b's shape is aligned at the last dimension, its sizes are 1 or a's. y
// may be a.
void Add(const float* a, std::span<const int64_t> a_shape, const float* b,
         std::span<const int64_t> b_shape, float* y);

struct AttentionSizes {
  int64_t batch, q_len, kv_len, num_heads, head_dim;
};
// query, y [batch, q_len, num_heads * head_dim]; key, value [batch, kv_len, num_heads * head_dim];
// lengths[batch] in [0, kv_len] or null for all kv_len. A query that sees no key gives zeros.
void Attention(const float* query, const float* key, const float* value, const int32_t* lengths,
               const AttentionSizes& sizes, float scale, bool causal, float* y);

struct CachedAttentionSizes {
  int64_t tokens, capacity, num_heads, head_dim;
  int64_t index_positions;  // 0: index[tokens]; else index[tokens, index_positions]
};
// query, y [tokens, num_heads * head_dim]; caches [slots, capacity, num_heads * head_dim];
// length[tokens].
void CachedAttention(const float* query, const float* key_cache, const float* value_cache,
                     const int32_t* index, const int32_t* length, const CachedAttentionSizes& sizes,
                     float scale, float* y);

// query, key, value, y [tokens, num_heads * head_dim]; offsets[sequences + 1] as in
// kRaggedAttention.
void RaggedAttention(const float* query, const float* key, const float* value,
                     const int32_t* offsets, int64_t sequences, int64_t tokens, int64_t num_heads,
                     int64_t head_dim, float scale, float* y);

// y[n] = max(x, 0) and 1 / (1 + exp(-x)). y may be x.
void Relu(const float* x, int64_t n, float* y);
void Sigmoid(const float* x, int64_t n, float* y);

// y[rows, n] = sqrt(x[row, i]^2 + x[row, n + i]^2) for x[rows, 2 * n].
void Magnitude(const float* x, int64_t rows, int64_t n, float* y);

struct LstmSizes {
  int64_t steps, batch, in, hidden;
};
// x[steps, batch, in], weight_ih[4 * hidden, in], weight_hh[4 * hidden, hidden], bias[4 * hidden]
// or null, state[2, batch, hidden] -> y[steps + 1, batch, hidden]. The states stay f64 from step to
// step.
void Lstm(const float* x, const LstmSizes& sizes, const float* weight_ih, const float* weight_hh,
          const float* bias, const float* state, float* y);

// out[i] = table[ids[i]] for rows of row_bytes bytes.
void Gather(const void* table, size_t row_bytes, const int32_t* ids, int64_t n, void* out);

// out[slots, capacity] = cache with row t written at [slot[t], position[t]]; rows of row_bytes
// bytes. out may be cache.
void CacheWrite(const void* cache, int64_t slots, int64_t capacity, size_t row_bytes,
                const void* rows, const int32_t* slot, const int32_t* position, int64_t tokens,
                void* out);

}  // namespace tessera::reference

#endif  // TESSERA_GRAPH_REFERENCE_OPS_H_
