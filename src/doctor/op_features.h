// The features of a node by which measured rows are told apart.
//
// Codes, K a digit:
//   tK, oK        element type of input or output K: "FLOAT", "INT64", ...; "none" where absent
//   dK, DK        rank of input or output K
//   cK            input K is constant: "1", "0"; "n" where absent
//   uK, v0        integer type of input K or output 0 of a quantized node unit; "none" outside
//   kK            input K is constant and not quantized: "1", "0"; "n" where absent
//   sK            input K has one element: "1", "0"
//   bKL           input K is smaller than the broadcast of inputs K and L: "1", "0"
//   n             number of inputs
//   a:NAME:ELSE   an int or string attribute as text; ELSE where it is absent
//   q:NAME:ELSE:V the attribute equals V: "1", "0"
//   l:NAME:ELSE   the attribute as an axis of input 0 is the last one: "1", "0"
//   f:NAME:ELSE   the attribute as an axis of input 0 is the first one: "1", "0"
#ifndef TESSERA_DOCTOR_OP_FEATURES_H_
#define TESSERA_DOCTOR_OP_FEATURES_H_

#include <optional>
#include <string>
#include <string_view>

#include "doctor/rules.h"

namespace tessera::doctor {

// Nothing where it is not known (an unknown shape) or the code is none of the above.
std::optional<std::string> FeatureValue(const NodeView& view, std::string_view code);
// "input 1 is INT64", "rank 6 of input 0", for reasons.
std::string DescribeFeature(std::string_view code, std::string_view value);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_OP_FEATURES_H_
