// States on the host, for devices that keep none: f32 [slots, positions, d], row-major.
//
// Thread-compatible, and rows of different slots may be written and read at the same time.
#ifndef TESSERA_PROVIDERS_FIXED_HOST_STATE_STORE_H_
#define TESSERA_PROVIDERS_FIXED_HOST_STATE_STORE_H_

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "providers/execution_provider.h"

namespace tessera {

class HostStateStore : public StateStore {
 public:
  struct State {
    int64_t slots = 0, positions = 0, d = 0;
    bool whole = false;            // slots are written whole (StateTraits)
    std::vector<int64_t> written;  // of each slot: rows from position 0 on that were ever written,
                                   // of a whole slot by its last writer
    AlignedBuffer data;

    float* Row(int64_t slot, int64_t position) {
      return static_cast<float*>(data.data()) + (slot * positions + position) * d;
    }
  };

  // As ExecutionProvider::NewStateStore.
  static Result<std::unique_ptr<HostStateStore>> Create(std::span<const Graph* const> graphs,
                                                        const DimBindings& max_dims);

  size_t bytes() const override;
  Status WriteRows(std::string_view state, int64_t slot, int64_t first_position,
                   const View& rows) override;
  View HostRows(std::string_view state, int64_t slot) const override;
  // Null when there is no such state.
  State* Find(std::string_view name);
  // What all states lie in, for runs that may outlive the store.
  std::shared_ptr<const void> memory() const { return states_; }

 private:
  using States = std::map<std::string, State, std::less<>>;
  const std::shared_ptr<States> states_ = std::make_shared<States>();
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_FIXED_HOST_STATE_STORE_H_
