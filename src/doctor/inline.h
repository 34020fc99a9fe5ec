// Puts the functions of a model in the place of their calls, as ONNX Runtime does before it
// partitions a graph.
#ifndef TESSERA_DOCTOR_INLINE_H_
#define TESSERA_DOCTOR_INLINE_H_

#include "formats/onnx.h"

namespace tessera::doctor {

// Calls in the main graph, functions in functions included; calls inside of subgraphs stay. Values
// of a body get names of their own. kResourceExhausted: more nodes than a bound, or functions that
// call each other without end.
Status InlineFunctions(OnnxModel& model);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_INLINE_H_
