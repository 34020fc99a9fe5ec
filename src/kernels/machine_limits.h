// What this machine can do at most: operations a second with every operand in a register, bytes a
// second from memory, and the time of a barrier. The yardstick of `tessera bench` and of bench/.
//
// The loops run on all threads of a pool at once, on the current Isa (isa.h), and use the very
// instructions that the linear and attention kernels multiply with (linear_tile-inl.h). A
// multiply-add counts as two operations. Other programs on the machine only make a sample slower,
// so `best` is the limit and `median` says how quiet the machine was. g++ 12 stores every int8 sum
// in every step, which halves that limit in its builds.
#ifndef TESSERA_KERNELS_MACHINE_LIMITS_H_
#define TESSERA_KERNELS_MACHINE_LIMITS_H_

#include <cstdint>
#include <stop_token>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/linear.h"

namespace tessera::kernels {

// A figure out of repeated samples; zeros when none was complete before a stop request.
struct Sampled {
  double best = 0;
  double median = 0;
  int samples = 0;
};

struct LimitSampling {
  double seconds = 0.2;  // spent on one figure, at least one sample of some milliseconds
  std::stop_token stop;
};

// Operations a second of all threads together: multiply-adds of f32, of bf16 pairs summed in f32,
// or of u8 * s8 quads summed in int32. Where the Isa has no such instruction, its substitute in the
// kernels is measured.
Sampled MeasureOperations(ThreadPool& pool, Precision precision, const LimitSampling& sampling);

// Bytes a second that all threads together read, each from its own share of a buffer of
// `buffer_bytes`: from memory when that is several times the last-level cache, else from the cache
// that holds a share. InvalidArgument unless it is in [64 KB, 16 GB].
inline constexpr uint64_t kMinReadBuffer = uint64_t{1} << 16, kMaxReadBuffer = uint64_t{1} << 34;
Result<Sampled> MeasureRead(ThreadPool& pool, uint64_t buffer_bytes, const LimitSampling& sampling);

// Seconds from the last arrival of one barrier to that of the next, all threads of the pool waiting
// for each other and doing nothing else.
Sampled MeasureBarrier(ThreadPool& pool, const LimitSampling& sampling);

}  // namespace tessera::kernels

#endif  // TESSERA_KERNELS_MACHINE_LIMITS_H_
