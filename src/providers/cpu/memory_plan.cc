#include "providers/cpu/memory_plan.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace tessera::cpu {
namespace {

constexpr int64_t kAlign = 64;
int64_t AlignUp(int64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

// Calls read(Rows&) and write(Rows&) for the arrays of one micro-op.
template <typename Read, typename Write>
void VisitRows(MicroOp& op, const Read& read, const Write& write) {
  std::visit(Overloaded{[&](PrepareOp& o) {
                          read(o.in);
                          write(o.rows);
                        },
                        [&](Im2ColOp& o) { read(o.in); },
                        [&](LinearOp& o) {
                          read(o.in);
                          read(o.residual);
                          write(o.out);
                        },
                        [&](LayerNormOp& o) {
                          read(o.in);
                          write(o.out);
                        },
                        [&](GeluOp& o) {
                          read(o.in);
                          write(o.out);
                        },
                        [&](ElementwiseOp& o) {
                          read(o.in);
                          write(o.out);
                        },
                        [&](AddOp& o) {
                          read(o.a);
                          read(o.b);
                          write(o.out);
                        },
                        [&](GatherOp& o) {
                          read(o.rows);
                          write(o.out);
                        },
                        [&](CacheWriteOp& o) { read(o.in); }},
             op.op);
}

// First fit over the lifetimes: earliest written first.
int64_t PlaceInArena(const std::vector<Allocation>& allocations, const SymbolValues& max_symbols,
                     const std::vector<int>& ids, std::vector<int64_t>& offsets) {
  struct Placed {
    int64_t begin, end;
    int first, last;
  };
  std::vector<Placed> placed;
  int64_t total = 0;
  for (int id : ids) {
    const Allocation& a = allocations[id];
    const int64_t bytes = AlignUp(Evaluate(a.rows, max_symbols) * a.columns * 4);
    std::vector<Placed> live;
    for (const Placed& p : placed)
      if (p.first <= a.last_step && a.first_step <= p.last) live.push_back(p);
    std::sort(live.begin(), live.end(),
              [](const Placed& x, const Placed& y) { return x.begin < y.begin; });
    int64_t offset = 0;
    for (const Placed& p : live) {
      if (offset + bytes <= p.begin) break;
      offset = std::max(offset, p.end);
    }
    placed.push_back({offset, offset + bytes, a.first_step, a.last_step});
    offsets[id] = offset;
    total = std::max(total, offset + bytes);
  }
  return total;
}

// Column mode: an op waits when it reads an array that an op since the last barrier wrote, or
// writes one that such an op read. The first op of a step starts after the barrier between steps.
void MarkBarriers(ChainStep& chain) {
  using Key = std::tuple<Place, int64_t>;
  std::set<Key> written, read;
  for (MicroOp& op : chain.ops) {
    bool waits = false;
    std::vector<Key> reads, writes;
    VisitRows(
        op,
        [&](Rows& r) {
          if (r.place == Place::kNone) return;
          waits |= written.contains({r.place, r.offset});
          reads.push_back({r.place, r.offset});
        },
        [&](Rows& r) {
          waits |= read.contains({r.place, r.offset});
          writes.push_back({r.place, r.offset});
        });
    if (waits) {
      op.needs_barrier = true;
      written.clear();
      read.clear();
    }
    written.insert(writes.begin(), writes.end());
    read.insert(reads.begin(), reads.end());
  }
}

}  // namespace

Activations NewActivations(ChainStep& chain, kernels::Precision precision, int64_t k) {
  Activations a;
  a.precision = precision;
  const int64_t element = static_cast<int64_t>(DTypeSize(kernels::ActivationDType(precision)));
  // Whole cache lines a row, so that rows of different blocks never share one.
  a.ld = AlignUp(kernels::PaddedK(precision, k) * element) / element;
  a.offset = chain.activation_bytes;
  chain.activation_bytes += AlignUp(a.ld * element * kBlockRows);
  if (precision == kernels::Precision::kInt8) {
    a.scale_offset = chain.activation_bytes;
    chain.activation_bytes += AlignUp(kBlockRows * 4);
  }
  return a;
}

int64_t NewWindow(ChainStep& chain, int64_t k) {
  const int64_t offset = chain.activation_bytes;
  chain.activation_bytes += AlignUp(k * static_cast<int64_t>(sizeof(float)));
  return offset;
}

void PlanMemory(Plan& plan, const std::vector<Allocation>& allocations) {
  // An array that is written and last read in one chain never leaves the worker's cache.
  std::vector<int> in_arena;
  std::vector<bool> in_scratch(allocations.size());
  for (size_t i = 0; i < allocations.size(); ++i) {
    const Allocation& a = allocations[i];
    const bool chain = std::holds_alternative<ChainStep>(plan.steps[a.first_step].step);
    in_scratch[i] = chain && a.output < 0 && a.last_step == a.first_step;
    if (!in_scratch[i] && a.output < 0) in_arena.push_back(static_cast<int>(i));
  }
  std::vector<int64_t> offsets(allocations.size(), -1);
  plan.arena_bytes = PlaceInArena(allocations, plan.max_symbols, in_arena, offsets);

  auto resolve = [&](ChainStep* chain, Rows& rows) {
    if (rows.place != Place::kNone || rows.columns == 0) return;
    const size_t id = static_cast<size_t>(rows.offset);
    if (allocations[id].output >= 0) {
      rows.place = Place::kOutput;
      rows.offset = allocations[id].output;
      return;
    }
    rows.place = in_scratch[id] ? Place::kScratch : Place::kArena;
    if (offsets[id] < 0) {
      offsets[id] = chain->scratch_bytes;
      chain->scratch_bytes += AlignUp(allocations[id].columns * 4 * kBlockRows);
    }
    rows.offset = offsets[id];
  };
  for (Step& step : plan.steps) {
    if (auto* chain = std::get_if<ChainStep>(&step.step)) {
      auto visit = [&](Rows& rows) { resolve(chain, rows); };
      for (MicroOp& op : chain->ops) VisitRows(op, visit, visit);
      MarkBarriers(*chain);
      plan.scratch_bytes = std::max(plan.scratch_bytes, chain->scratch_bytes);
      plan.activation_bytes = std::max(plan.activation_bytes, chain->activation_bytes);
    } else if (auto* attention = std::get_if<AttentionStep>(&step.step)) {
      for (Rows* rows : {&attention->query, &attention->key, &attention->value, &attention->out})
        resolve(nullptr, *rows);
    } else if (auto* ragged = std::get_if<RaggedAttentionStep>(&step.step)) {
      for (Rows* rows : {&ragged->query, &ragged->key, &ragged->value, &ragged->out})
        resolve(nullptr, *rows);
    } else if (auto* lstm = std::get_if<LstmStep>(&step.step)) {
      for (Rows* rows : {&lstm->gates, &lstm->state, &lstm->out}) resolve(nullptr, *rows);
    } else if (auto* pack = std::get_if<PackStateStep>(&step.step)) {
      resolve(nullptr, pack->in);
    } else if (auto* cached = std::get_if<CachedAttentionStep>(&step.step)) {
      for (Rows* rows : {&cached->query, &cached->out}) resolve(nullptr, *rows);
    }
  }
}

}  // namespace tessera::cpu
