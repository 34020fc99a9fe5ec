// Binds the symbols of a graph from the shapes of actual tensors.
#ifndef TESSERA_GRAPH_BINDING_H_
#define TESSERA_GRAPH_BINDING_H_

#include "graph/graph.h"

namespace tessera {

// Matches `shape` and `dtype` of an input or state with what the graph declares. A symbol seen for
// the first time is added to `bindings`; one that is bound must agree. Error names the value, what
// was expected and what was found.
Status BindValue(const Value& value, DType dtype, const Shape& shape, DimBindings* bindings);

}  // namespace tessera

#endif  // TESSERA_GRAPH_BINDING_H_
