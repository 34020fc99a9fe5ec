// The CPU's KV caches. A state of rows is [slots][capacity][d] row-major, f32 beside f32 programs
// and bf16 beside the others. A state that is written whole lies in the attention kernel's packed
// form, head by head, in the program's precision.
#ifndef TESSERA_PROVIDERS_CPU_STATE_STORE_H_
#define TESSERA_PROVIDERS_CPU_STATE_STORE_H_

#include <map>
#include <string>

#include "providers/execution_provider.h"

namespace tessera::cpu {

struct CacheState {
  int64_t slots = 0, capacity = 0, d = 0;
  DType dtype = DType::kF32;
  AlignedBuffer data;
  // Packed states.
  StateTraits traits;
  kernels::Precision precision = kernels::Precision::kF32;
  size_t head_bytes = 0;
  std::vector<int64_t> written;  // rows of each slot

  bool packed() const { return traits.use != StateUse::kRows; }
  int64_t head_dim() const { return d / traits.num_heads; }
  void* Head(int64_t slot, int64_t head) {
    return static_cast<char*>(data.data()) +
           static_cast<size_t>(slot * traits.num_heads + head) * head_bytes;
  }

  // Replaces one head of a packed state by `count` rows, whose head begins at `rows`.
  void PackHead(int64_t slot, int64_t head, const float* rows, int64_t ld, int64_t count);

  int64_t slot_stride() const { return capacity * d; }
  void* Row(int64_t slot, int64_t position) {
    return static_cast<char*>(data.data()) +
           static_cast<size_t>(slot * slot_stride() + position * d) * DTypeSize(dtype);
  }
};

class CpuStateStore : public StateStore {
 public:
  static Result<std::unique_ptr<CpuStateStore>> Create(std::span<const Graph* const> graphs,
                                                       const CompileOptions& options);
  size_t bytes() const override;
  Status WriteRows(std::string_view state, int64_t slot, int64_t first_position,
                   const View& rows) override;
  // Null when there is no such state.
  CacheState* Find(const std::string& name);

 private:
  std::map<std::string, CacheState> states_;
};

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_STATE_STORE_H_
