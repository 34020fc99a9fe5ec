// Equalization: the columns of weights brought to one size, before 8 bits and one scale a row are
// all that is left of them.
//
// A column's factor moves to what computes it: y = W diag(f) (diag(1/f) x). Behind a LayerNorm 1/f
// goes into gamma and beta; behind an Attention into the rows of the Linear that gives its values
// (attention mixes rows, not columns). In real numbers the graph computes what it did; in floats
// its values differ by rounding. After "data-free quantization through weight equalization and bias
// correction" (Nagel et al., 2019), for these two patterns.
#ifndef TESSERA_GRAPH_PASSES_EQUALIZE_H_
#define TESSERA_GRAPH_PASSES_EQUALIZE_H_

#include "graph/graph.h"

namespace tessera {

// f_j = sqrt(a_j / w_j) with the sizes of column j of x and of W, as in providers/cpu/
// lowering_factors.cc: then both roundings together are least. a is known behind a LayerNorm only,
// and taken as even elsewhere. Linears whose weights, or LayerNorms whose parameters, are read
// elsewhere too stay as they are, as do values that are outputs of the graph or stored in a state.
// Every machine gives the same bits.
Status EqualizeLinears(Graph* graph);

}  // namespace tessera

#endif  // TESSERA_GRAPH_PASSES_EQUALIZE_H_
