#include "providers/state_rows.h"

#include <string>

namespace tessera {

Status CheckStateRows(std::string_view name, const Shape& state, bool whole, int64_t slot,
                      int64_t first_position, const View& rows) {
  if (rows.dtype == DType::kF32 && rows.shape.size() == 2 && rows.shape[1] == state[2] &&
      slot >= 0 && slot < state[0] && first_position >= 0 && rows.shape[0] >= 1 &&
      rows.shape[0] <= state[1] - first_position && (!whole || first_position == 0))
    return OkStatus();
  return InvalidArgument("state " + std::string(name) + " " + ShapeToString(state) + " takes no " +
                         std::string(DTypeName(rows.dtype)) + ShapeToString(rows.shape) +
                         " at slot " + std::to_string(slot) + ", position " +
                         std::to_string(first_position));
}

}  // namespace tessera
