#include "providers/cpu/plan.h"

namespace tessera::cpu {

int64_t Evaluate(const PlanDim& dim, const SymbolValues& symbols) {
  return dim.symbol < 0 ? dim.add : dim.mul * symbols[dim.symbol] + dim.add;
}

int64_t Evaluate(const PlanSize& size, const SymbolValues& symbols) {
  int64_t n = 1;
  for (const PlanDim& dim : size) n *= Evaluate(dim, symbols);
  return n;
}

}  // namespace tessera::cpu
