// What StateStore::WriteRows of every store asks of its arguments.
#ifndef TESSERA_PROVIDERS_STATE_ROWS_H_
#define TESSERA_PROVIDERS_STATE_ROWS_H_

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "tensor/tensor.h"

namespace tessera {

// `state`: [slots, positions, d]. `whole`: its slots are written from position 0 on.
// kInvalidArgument unless `rows` are f32 [1 or more, d] that fit behind `first_position` of `slot`.
Status CheckStateRows(std::string_view name, const Shape& state, bool whole, int64_t slot,
                      int64_t first_position, const View& rows);

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_STATE_ROWS_H_
