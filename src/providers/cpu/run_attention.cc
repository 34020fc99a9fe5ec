#include <algorithm>

#include "kernels/attention.h"
#include "kernels/cached_attention.h"
#include "providers/cpu/executor.h"

namespace tessera::cpu {

void RunAttention(const RunState& run, const AttentionStep& step, int worker) {
  const int64_t batch = Evaluate(step.batch, run.symbols);
  const int64_t queries = Evaluate(step.query_length, run.symbols);
  const int64_t keys = Evaluate(step.key_length, run.symbols);
  const int64_t blocks = (queries + kBlockRows - 1) / kBlockRows;
  const Range share = ShareOf(batch * step.num_heads * blocks, worker, run.num_workers);
  WorkerMemory& memory = run.workers[worker];
  char* const packed = static_cast<char*>(memory.attention.data());
  const size_t packed_bytes =
      (kernels::PackedKeysValuesBytes(step.precision, step.head_dim, keys) + 63) / 64 * 64;
  const kernels::AttendOptions options{.scale = step.scale, .causal = step.causal};

  kernels::PackedKeysValues kv;
  int64_t packed_head = -1;
  for (int64_t task = share.begin; task < share.end; ++task) {
    const int64_t head_of_batch = task / blocks, block = task % blocks;
    const int64_t b = head_of_batch / step.num_heads, head = head_of_batch % step.num_heads;
    const int64_t column = head * step.head_dim;
    if (head_of_batch != packed_head) {
      const int64_t length = step.lengths < 0 ? keys : run.Ids(step.lengths)[b];
      kv = kernels::PackKeysValues(
          step.precision, RowPointer(run, step.key, b * keys, 0, memory) + column, step.key.ld,
          RowPointer(run, step.value, b * keys, 0, memory) + column, step.value.ld, length,
          step.head_dim, packed);
      packed_head = head_of_batch;
    }
    const int64_t first = block * kBlockRows;
    const int64_t rows = std::min(kBlockRows, queries - first);
    kernels::AttendOptions block_options = options;
    block_options.first_position = first;
    kernels::AttendBlock(kv, RowPointer(run, step.query, b * queries + first, 0, memory) + column,
                         step.query.ld, rows, block_options,
                         RowPointer(run, step.out, b * queries + first, 0, memory) + column,
                         step.out.ld, packed + packed_bytes);
  }
}

namespace {

// What a head and a block of queries cost, in units of a pair of a query and a key: the block
// itself, and packing the keys and values, which about equals three queries.
int64_t RaggedTaskCost(int64_t rows, int64_t keys) { return (rows + 3) * keys; }

}  // namespace

void RunRaggedAttention(const RunState& run, const RaggedAttentionStep& step, int worker) {
  const int32_t* offsets = run.Ids(step.offsets);
  const int64_t sequences = Evaluate(step.sequences, run.symbols);
  WorkerMemory& memory = run.workers[worker];
  char* const packed = static_cast<char*>(memory.attention.data());
  const auto for_each_task = [&](const auto& visit) {
    for (int64_t s = 0; s < sequences; ++s) {
      const int64_t length = offsets[s + 1] - offsets[s];
      for (int64_t head = 0; head < step.num_heads; ++head)
        for (int64_t first = 0; first < length; first += kBlockRows)
          visit(s, head, first, std::min(kBlockRows, length - first), length);
    }
  };
  // A task is of the worker in whose share of the total cost it begins.
  int64_t total = 0;
  for_each_task([&](int64_t, int64_t, int64_t, int64_t rows, int64_t length) {
    total += RaggedTaskCost(rows, length);
  });
  const Range share = ShareOf(total, worker, run.num_workers);
  int64_t cost = 0, packed_sequence = -1, packed_head = -1;
  kernels::PackedKeysValues kv;
  for_each_task([&](int64_t s, int64_t head, int64_t first, int64_t rows, int64_t length) {
    const int64_t begins = cost;
    cost += RaggedTaskCost(rows, length);
    if (begins < share.begin || begins >= share.end) return;
    const int64_t column = head * step.head_dim;
    const int64_t begin = offsets[s];
    if (s != packed_sequence || head != packed_head) {
      kv = kernels::PackKeysValues(
          step.precision, RowPointer(run, step.key, begin, 0, memory) + column, step.key.ld,
          RowPointer(run, step.value, begin, 0, memory) + column, step.value.ld, length,
          step.head_dim, packed);
      packed_sequence = s;
      packed_head = head;
    }
    const size_t packed_bytes =
        (kernels::PackedKeysValuesBytes(step.precision, step.head_dim, length) + 63) / 64 * 64;
    kernels::AttendBlock(kv, RowPointer(run, step.query, begin + first, 0, memory) + column,
                         step.query.ld, rows, {.scale = step.scale},
                         RowPointer(run, step.out, begin + first, 0, memory) + column, step.out.ld,
                         packed + packed_bytes);
  });
  // Tokens behind the last sequence.
  const int64_t end = offsets[sequences];
  const Range rest = ShareOf(Evaluate(step.tokens, run.symbols) - end, worker, run.num_workers);
  for (int64_t r = end + rest.begin; r < end + rest.end; ++r)
    std::fill_n(RowPointer(run, step.out, r, 0, memory), step.out.columns, 0.0f);
}

namespace {

// Neighbouring tokens that look at the same slot and length share one pass over keys and values.
constexpr int64_t kMaxGroup = 8;

}  // namespace

void RunPackState(const RunState& run, const PackStateStep& step, int worker) {
  CacheState& state = *run.states[step.state];
  const int64_t rows = Evaluate(step.rows, run.symbols);
  const int64_t slot = run.Ids(step.slot)[0];
  const Range heads = ShareOf(state.traits.num_heads, worker, run.num_workers);
  const float* const in = RowPointer(run, step.in, 0, 0, run.workers[worker]);
  for (int64_t head = heads.begin; head < heads.end; ++head)
    state.PackHead(slot, head, in + head * state.head_dim(), step.in.ld, rows);
  if (worker == 0) state.written[slot] = rows;
}

namespace {

// All neighbouring tokens of one window in one call: keys and values stream once for all of them.
void RunPackedAttention(const RunState& run, const CachedAttentionStep& step, int worker) {
  const int64_t tokens = Evaluate(step.tokens, run.symbols);
  const int32_t* index = run.Ids(step.index);
  CacheState& keys = *run.states[step.key_state];
  CacheState& values = *run.states[step.value_state];
  WorkerMemory& memory = run.workers[worker];
  auto group_end = [&](int64_t t) {
    int64_t end = t + 1;
    while (end < tokens && end - t < kBlockRows && index[end] == index[t]) ++end;
    return end;
  };
  int64_t groups = 0;
  for (int64_t t = 0; t < tokens; t = group_end(t)) ++groups;
  const Range share = ShareOf(groups * step.num_heads, worker, run.num_workers);
  int64_t task = 0;
  for (int64_t t = 0; t < tokens && task < share.end; t = group_end(t), task += step.num_heads) {
    const int64_t first = std::max(share.begin - task, int64_t{0});
    const int64_t last = std::min(share.end - task, step.num_heads);
    for (int64_t head = first; head < last; ++head) {
      const kernels::PackedKeysValues kv{keys.precision, step.head_dim, keys.written[index[t]],
                                         keys.Head(index[t], head), values.Head(index[t], head)};
      const int64_t column = head * step.head_dim;
      kernels::AttendBlock(kv, RowPointer(run, step.query, t, 0, memory) + column, step.query.ld,
                           group_end(t) - t, {.scale = step.scale},
                           RowPointer(run, step.out, t, 0, memory) + column, step.out.ld,
                           memory.attention.data());
    }
  }
}

}  // namespace

void RunCachedAttention(const RunState& run, const CachedAttentionStep& step, int worker) {
  if (step.packed) return RunPackedAttention(run, step, worker);
  const int64_t tokens = Evaluate(step.tokens, run.symbols);
  const int32_t* index = run.Ids(step.index);
  const int32_t* length = run.Ids(step.length);
  const int64_t width = step.index_is_table ? Evaluate(step.table_width, run.symbols) : 0;
  WorkerMemory& memory = run.workers[worker];

  auto group_end = [&](int64_t t) {
    int64_t end = t + 1;
    if (step.index_is_table) return end;
    while (end < tokens && end - t < kMaxGroup && index[end] == index[t] &&
           length[end] == length[t])
      ++end;
    return end;
  };
  int64_t groups = 0;
  for (int64_t t = 0; t < tokens; t = group_end(t)) ++groups;
  const Range share = ShareOf(groups * step.num_heads, worker, run.num_workers);

  auto view = [&](int state_index, int64_t column) {
    CacheState& state = *run.states[state_index];
    kernels::CacheView v;
    v.data = static_cast<const char*>(state.data.data()) + column * DTypeSize(state.dtype);
    v.dtype = state.dtype;
    v.slot_stride = state.slot_stride();
    v.position_stride = state.d;
    return v;
  };
  // Tasks run group by group, all heads of a group in turn.
  int64_t task = 0;
  for (int64_t t = 0; t < tokens && task < share.end; t = group_end(t), task += step.num_heads) {
    const int64_t first = std::max(share.begin - task, int64_t{0});
    const int64_t last = std::min(share.end - task, step.num_heads);
    for (int64_t head = first; head < last; ++head) {
      const int64_t column = head * step.head_dim;
      kernels::CachedAttentionArgs args;
      args.query = RowPointer(run, step.query, t, 0, memory) + column;
      args.query_ld = step.query.ld;
      args.num_queries = group_end(t) - t;
      args.head_dim = step.head_dim;
      args.scale = step.scale;
      args.key = view(step.key_state, column);
      args.value = view(step.value_state, column);
      args.length = length[t];
      if (step.index_is_table) {
        args.slots = index + t * width;
      } else {
        args.slot = index[t];
      }
      args.out = RowPointer(run, step.out, t, 0, memory) + column;
      args.out_ld = step.out.ld;
      args.scratch = static_cast<float*>(memory.attention.data());
      kernels::CachedAttention(args);
    }
  }
}

}  // namespace tessera::cpu
