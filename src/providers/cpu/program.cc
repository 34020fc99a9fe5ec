#include "providers/cpu/program.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace tessera::cpu {

size_t CpuContext::bytes() const {
  size_t total = memory->arena.bytes();
  for (const WorkerMemory& w : memory->workers)
    total += w.scratch.bytes() + w.activations.bytes() + w.attention.bytes();
  return total;
}

std::unique_ptr<ExecutionContext> CpuProgram::NewContext(std::shared_ptr<ThreadPool> threads,
                                                         const ExecutionContext* beside) const {
  auto context = std::make_unique<CpuContext>();
  const auto num_workers = static_cast<size_t>((threads ? *threads : pool_->pool).num_threads());
  context->threads = std::move(threads);
  context->memory = beside != nullptr ? static_cast<const CpuContext*>(beside)->memory
                                      : std::make_shared<CpuContext::Memory>();
  const auto grow = [](AlignedBuffer& buffer, int64_t bytes) {
    if (static_cast<int64_t>(buffer.bytes()) < bytes) buffer = AlignedBuffer(bytes);
  };
  CpuContext::Memory& memory = *context->memory;
  grow(memory.arena, plan_.arena_bytes);
  if (memory.workers.size() < num_workers) memory.workers.resize(num_workers);
  for (WorkerMemory& worker : memory.workers) {
    grow(worker.scratch, plan_.scratch_bytes);
    grow(worker.activations, plan_.activation_bytes);
    grow(worker.attention, plan_.attention_bytes);
  }
  return context;
}

Status CpuProgram::BindShape(const InputSpec& spec, const Shape& shape, DType dtype,
                             SymbolValues& symbols) const {
  auto mismatch = [&](const std::string& what) {
    return InvalidArgument(spec.name + ": " + what + ", found " + std::string(DTypeName(dtype)) +
                           " " + ShapeToString(shape));
  };
  if (dtype != spec.dtype) return mismatch("expected " + std::string(DTypeName(spec.dtype)));
  if (shape.size() != spec.dims.size())
    return mismatch("expected " + std::to_string(spec.dims.size()) + " dimensions");
  for (size_t i = 0; i < shape.size(); ++i) {
    const PlanDim& dim = spec.dims[i];
    if (dim.symbol >= 0 && symbols[dim.symbol] < 0) {
      const int64_t scaled = shape[i] - dim.add;
      const int64_t value = dim.mul == 0 ? -1 : scaled / dim.mul;
      if (value < 1 || value * dim.mul != scaled || value > plan_.max_symbols[dim.symbol])
        return mismatch("dimension " + std::to_string(i) + " must give " +
                        plan_.symbols[dim.symbol] + " in 1.." +
                        std::to_string(plan_.max_symbols[dim.symbol]));
      symbols[dim.symbol] = value;
    }
    if (Evaluate(dim, symbols) != shape[i])
      return mismatch("expected " + std::to_string(Evaluate(dim, symbols)) + " in dimension " +
                      std::to_string(i));
  }
  return OkStatus();
}

Status CpuProgram::Bind(const RunBindings& bindings, StateStore* states, RunState& run) const {
  run.plan = &plan_;
  run.symbols.assign(plan_.symbols.size(), -1);
  for (const InputSpec& spec : plan_.inputs) {
    const auto it = std::find_if(bindings.inputs.begin(), bindings.inputs.end(),
                                 [&](const NamedView& v) { return v.name == spec.name; });
    if (it == bindings.inputs.end())
      return InvalidArgument("the input " + spec.name + " is missing");
    TESSERA_RETURN_IF_ERROR(BindShape(spec, it->view.shape, it->view.dtype, run.symbols));
    run.inputs.push_back(it->view.data);
  }
  for (const InputSpec& spec : plan_.states) {
    CacheState* state =
        states == nullptr ? nullptr : static_cast<CpuStateStore*>(states)->Find(spec.name);
    if (state == nullptr) return InvalidArgument("the state " + spec.name + " is missing");
    TESSERA_RETURN_IF_ERROR(
        BindShape(spec, {state->slots, state->capacity, state->d}, spec.dtype, run.symbols));
    run.states.push_back(state);
  }
  for (const InputSpec& spec : plan_.outputs) {
    const auto it = std::find_if(bindings.outputs.begin(), bindings.outputs.end(),
                                 [&](const NamedMutableView& v) { return v.name == spec.name; });
    if (it == bindings.outputs.end())
      return InvalidArgument("the output " + spec.name + " is missing");
    TESSERA_RETURN_IF_ERROR(BindShape(spec, it->view.shape, it->view.dtype, run.symbols));
    run.outputs.push_back(it->view.data);
  }
  const PartialRows& partial = bindings.partial_rows;
  if (!partial.output.empty()) {
    const auto it = std::ranges::find(plan_.outputs, partial.output, &InputSpec::name);
    if (it == plan_.outputs.end() || it->dims.size() != 2 ||
        Evaluate(it->dims[0], run.symbols) != static_cast<int64_t>(partial.partial.size()))
      return InvalidArgument("partial rows: expected an output [" +
                             std::to_string(partial.partial.size()) + ", columns], found " +
                             std::string(partial.output));
    run.partial_output = static_cast<int>(it - plan_.outputs.begin());
    run.first_column = partial.first_column;
    run.partial = partial.partial;
  }
  for (const WholeWrite& write : plan_.whole_writes) {
    const int64_t rows = Evaluate(plan_.inputs[write.slot].dims[0], run.symbols);
    for (int64_t i = 0; i < rows; ++i)
      if (run.Ids(write.slot)[i] != run.Ids(write.slot)[0] || run.Ids(write.position)[i] != i)
        return InvalidArgument(plan_.inputs[write.position].name +
                               ": expected one slot and positions from 0 upwards");
  }
  for (const IndexBound& bound : plan_.bounds) {
    int64_t count = 1;
    for (const PlanDim& dim : plan_.inputs[bound.input].dims) count *= Evaluate(dim, run.symbols);
    const int32_t* ids = run.Ids(bound.input);
    int32_t low = ids[0], high = ids[0];
    for (int64_t i = 1; i < count; ++i) {
      low = std::min(low, ids[i]);
      high = std::max(high, ids[i]);
    }
    const int64_t limit = Evaluate(bound.high, run.symbols);
    if (low < bound.low || high >= limit)
      return InvalidArgument(plan_.inputs[bound.input].name + ": expected values in " +
                             std::to_string(bound.low) + ".." + std::to_string(limit - 1) +
                             ", found " + std::to_string(low < bound.low ? low : high));
  }
  for (const Offsets& check : plan_.offsets) {
    const InputSpec& spec = plan_.inputs[check.input];
    const int64_t count = Evaluate(spec.dims[0], run.symbols);
    const int64_t rows = Evaluate(check.rows, run.symbols);
    const int32_t* offsets = run.Ids(check.input);
    bool good = offsets[0] == 0 && offsets[count - 1] <= rows;
    for (int64_t i = 1; i < count; ++i) good &= offsets[i - 1] <= offsets[i];
    if (!good)
      return InvalidArgument(spec.name + ": expected values that begin with 0, do not fall and " +
                             "end within " + std::to_string(rows));
  }
  for (const Step& step : plan_.steps) {
    const auto* attention = std::get_if<CachedAttentionStep>(&step.step);
    if (attention == nullptr || !attention->packed) continue;
    const CacheState& keys = *run.states[attention->key_state];
    const int64_t tokens = Evaluate(attention->tokens, run.symbols);
    for (int64_t t = 0; t < tokens; ++t) {
      const int32_t slot = run.Ids(attention->index)[t], length = run.Ids(attention->length)[t];
      if (keys.written[slot] != length)
        return InvalidArgument(
            plan_.inputs[attention->length].name + ": slot " + std::to_string(slot) + " holds " +
            std::to_string(keys.written[slot]) + " rows, found " + std::to_string(length));
    }
  }
  return OkStatus();
}

Status CpuProgram::Run(ExecutionContext& context, StateStore* states, const RunBindings& bindings,
                       std::stop_token stop) const {
  auto& own = static_cast<CpuContext&>(context);
  RunState run;
  Status bound = Bind(bindings, states, run);
  if (!bound.ok()) return bound;
  run.arena = static_cast<char*>(own.memory->arena.data());
  run.workers = own.memory->workers.data();

  std::unique_lock<std::mutex> turn;
  if (!own.threads) turn = std::unique_lock(pool_->mutex);
  ThreadPool& pool = own.threads ? *own.threads : pool_->pool;
  run.num_workers = pool.num_threads();
  TESSERA_CHECK(run.num_workers <= static_cast<int>(own.memory->workers.size()));
  SpinBarrier barrier(run.num_workers);
  run.barrier = &barrier;
  // Worker 0 decides before a barrier, all read after it; two slots, so that a decision for the
  // next barrier never changes what a slower worker reads for this one.
  std::atomic<bool> cancelled[2] = {false, false};
  const bool profile = !own.step_seconds.empty();
  pool.Run([&](int worker) {
    auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const auto& step = plan_.steps[i].step;
      if (const auto* chain = std::get_if<ChainStep>(&step)) {
        RunChain(run, *chain, worker);
      } else if (const auto* attention = std::get_if<AttentionStep>(&step)) {
        RunAttention(run, *attention, worker);
      } else if (const auto* ragged = std::get_if<RaggedAttentionStep>(&step)) {
        RunRaggedAttention(run, *ragged, worker);
      } else if (const auto* lstm = std::get_if<LstmStep>(&step)) {
        RunLstm(run, *lstm, worker);
      } else if (const auto* pack = std::get_if<PackStateStep>(&step)) {
        RunPackState(run, *pack, worker);
      } else {
        RunCachedAttention(run, std::get<CachedAttentionStep>(step), worker);
      }
      std::atomic<bool>& flag = cancelled[i % 2];
      if (worker == 0 && stop.stop_requested()) flag.store(true, std::memory_order_relaxed);
      barrier.Wait();
      if (flag.load(std::memory_order_relaxed)) return;
      if (profile && worker == 0) {
        const auto now = std::chrono::steady_clock::now();
        own.step_seconds[i] += std::chrono::duration<double>(now - start).count();
        start = now;
      }
    }
  });
  if (cancelled[0] || cancelled[1]) return Cancelled("a stop was requested");
  return OkStatus();
}

}  // namespace tessera::cpu
