// The op set: small and high-level, so that a layer of a transformer is a dozen nodes. Only ops
// that a model uses are here.
//
// `d` is the model width, `num_heads * head_dim` for attention. All float math is f32 in the
// reference; a provider may use less and says so. Shapes below are row-major; `…` stands for any
// leading dimensions.
//
// Types: a float operand may be f32, f16 or bf16 and is widened to f32 before use; every op gives
// f32, except CacheWrite (the cache's type) and Gather from an i32 table (i32). Out-of-range
// indices are an error in the reference.
#ifndef TESSERA_GRAPH_OPS_H_
#define TESSERA_GRAPH_OPS_H_

#include <cstdint>
#include <string_view>
#include <variant>

namespace tessera {

enum class OpKind : uint8_t {
  // x[…, in], weight[out, in], bias[out]? -> […, out]:  x * weight^T + bias
  kLinear,
  // x[batch, length, in], weight[out, in, kernel], bias[out]? -> [batch, (length + 2 padding -
  // kernel) / stride + 1, out]
  // Channels last; zero padding on both ends.
  kConv1d,
  // x[…, d], gamma[d], beta[d] -> […, d]:  (x - mean) / sqrt(var + epsilon) * gamma + beta,
  // population variance
  kLayerNorm,
  // x -> x:  x * Phi(x) with the exact erf
  kGelu,
  // a, b -> a + b; b is broadcast to a by numpy's rule (its shape is a suffix of a's, or has ones)
  kAdd,
  // query[batch, q_len, d], key[batch, kv_len, d], value[batch, kv_len, d], lengths[batch] i32? ->
  // [batch, q_len, d]
  // Softmax(scale * q k^T) v for each head; keys at or after lengths[b] are ignored; `causal` also
  // hides keys after the query
  // (q_len == kv_len). A query that sees no key gives zeros.
  kAttention,
  // table[rows, …], ids[n] i32 -> [n, …]: row ids[i] of the table. Also picks rows of a computed
  // value.
  kGather,
  // cache[slots, capacity, d], rows[tokens, d], slot[tokens] i32, position[tokens] i32 -> cache
  // Writes row t to cache[slot[t], position[t]]. No two tokens may name the same place.
  kCacheWrite,
  // query[tokens, d], key_cache[slots, capacity, d], value_cache[slots, capacity, d], index i32,
  // length[tokens] i32 -> [tokens, d]
  // Token t attends to positions p in [0, length[t]). index[tokens]: all its history lies in slot
  // index[t];
  // index[tokens, positions]: position p lies in slot index[t, p] (beams share history without
  // copying it).
  // A token of length 0 gives zeros.
  kCachedAttention,
  // x -> x:  max(x, 0); NaN stays NaN
  kRelu,
  // x -> x:  1 / (1 + exp(-x))
  kSigmoid,
  // x[…, 2 n] -> […, n]:  sqrt(x[i]^2 + x[n + i]^2), the magnitude of complex numbers whose real
  // parts come first
  kMagnitude,
  // x[n, …] -> [n - front - back, …]:  the rows between the first `front` and the last `back`
  kSlice,
  // x[steps, batch, in], weight_ih[4 h, in], weight_hh[4 h, h], bias[4 h]?, state[2, batch, h] ->
  // [steps + 1, batch, h]
  // A recurrent layer over `steps`: the hidden state after each step, and as last row the cell
  // state after the last step. `state` holds the hidden and the cell state before step 0, so the
  // last two rows of the result are the state that continues it. Gates in the order input, forget,
  // cell, output:  i, f, o = sigmoid(.), g = tanh(.), cell = f cell + i g, hidden = o tanh(cell).
  kLstm,
  // query[tokens, d], key[tokens, d], value[tokens, d], offsets[sequences + 1] i32 -> [tokens, d]
  // Attention within sequences that lie one after another: sequence s owns the tokens
  // [offsets[s], offsets[s + 1]), and a token attends to all of its own sequence and to no other.
  // Offsets begin with 0, do not fall and end within the tokens; tokens behind the last one belong
  // to nobody and give zeros, so that a fixed shape may be padded.
  kRaggedAttention,
};

struct Conv1dAttributes {
  int64_t stride = 1;
  int64_t padding = 0;
  bool operator==(const Conv1dAttributes&) const = default;
};
struct LayerNormAttributes {
  float epsilon = 1e-5f;
  bool operator==(const LayerNormAttributes&) const = default;
};
struct AttentionAttributes {
  int64_t num_heads = 1;
  float scale = 1.0f;
  bool causal = false;  // kAttention only
  bool operator==(const AttentionAttributes&) const = default;
};
struct SliceAttributes {
  int64_t front = 0, back = 0;  // rows left out
  bool operator==(const SliceAttributes&) const = default;
};
using OpAttributes = std::variant<std::monostate, Conv1dAttributes, LayerNormAttributes,
                                  AttentionAttributes, SliceAttributes>;

// "Linear", "CachedAttention", ...
std::string_view OpName(OpKind op);

}  // namespace tessera

#endif  // TESSERA_GRAPH_OPS_H_
