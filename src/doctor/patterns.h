// Groups of nodes that compilers take as one operator.
#ifndef TESSERA_DOCTOR_PATTERNS_H_
#define TESSERA_DOCTOR_PATTERNS_H_

#include <vector>

#include "doctor/inference.h"

namespace tessera::doctor {

// x * 0.5 * (1 + erf(x / sqrt 2)) in the orders that exporters write: indices into the graph's
// nodes, and the values at both ends.
struct GeluMatch {
  size_t scale = 0;  // x / sqrt 2, or x * sqrt 1/2
  size_t erf = 0, add = 0;
  size_t first_mul = 0, second_mul = 0;  // in the order of the file
  std::string_view input, output;
};
std::vector<GeluMatch> FindGelus(const OnnxGraph& graph, const Inference& inference);
// By node: part of one.
std::vector<bool> FindGeluNodes(const OnnxGraph& graph, const Inference& inference);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_PATTERNS_H_
