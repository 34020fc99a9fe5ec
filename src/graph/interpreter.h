// The reference interpreter: runs a graph node by node with the scalar ops of graph/reference.
// Slow, simple and right; every provider and export is compared with it.
#ifndef TESSERA_GRAPH_INTERPRETER_H_
#define TESSERA_GRAPH_INTERPRETER_H_

#include <map>
#include <string>

#include "graph/graph.h"

namespace tessera {

// Runs `graph` and returns its outputs by output name. `inputs` holds exactly the graph's inputs by
// value name, with the declared types. `states` holds every state by name with the declared type
// (the caller makes the first ones, usually zeros) and is updated after the last node; it may be
// null when the graph has no states. On error no state is changed.
//
// Symbols are bound from the shapes of inputs and states, which must agree. Floats of any width are
// computed in f32 with f64 sums; an f16 or bf16 state is rounded when it is written. Indices and
// lengths out of range, and two tokens written to one place, are errors. Memory: the live values
// only. Thread-safe on a shared graph.
Result<std::map<std::string, Tensor>> Interpret(const Graph& graph,
                                                const std::map<std::string, View>& inputs,
                                                std::map<std::string, Tensor>* states);

// One node on given operands, as the interpreter runs it; `inputs[i].data` is null for an absent
// optional input.
Result<Tensor> InterpretNode(OpKind op, const OpAttributes& attributes,
                             const std::vector<View>& inputs);

}  // namespace tessera

#endif  // TESSERA_GRAPH_INTERPRETER_H_
