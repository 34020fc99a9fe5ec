// The picture of a model's partitions: its nodes in order, the NPU's on the upper lane, the CPU's
// on the lower, each coloured by its verdict, with the reason when the mouse rests on it.
#ifndef TESSERA_DOCTOR_PARTITION_SVG_H_
#define TESSERA_DOCTOR_PARTITION_SVG_H_

#include <string>

#include "doctor/analysis.h"

namespace tessera::doctor {

// One <svg> element; colours come from the page's CSS variables (--supported, --partial,
// --unsupported, --unknown, --ink, --dim, --line, --card). Nodes that are gone are left out; beyond
// a bound on nodes the rest is named, not drawn.
std::string DrawPartitions(const TargetReport& report);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_PARTITION_SVG_H_
