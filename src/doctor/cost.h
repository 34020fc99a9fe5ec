// Work of a node: floating-point operations and the bytes of its operands.
#ifndef TESSERA_DOCTOR_COST_H_
#define TESSERA_DOCTOR_COST_H_

#include "doctor/inference.h"

namespace tessera::doctor {

struct NodeCost {
  double flops = 0;         // a multiply and an add are two
  double weight_bytes = 0;  // of operands that are constants of the file
  double value_bytes = 0;   // of the other operands and of the results
  bool known = true;        // false: a size is not known, the node counts as nothing
};

NodeCost CostOf(const OnnxNode& node, const Inference& inference);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_COST_H_
