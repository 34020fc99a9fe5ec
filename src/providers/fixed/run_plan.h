// How the runs of a graph are cut into runs of a fixed shape.
//
// A unit is what one run of the device computes: the rows [begin, begin + count) of the flat list
// that the graph's inputs are. Pure functions, plain values.
#ifndef TESSERA_PROVIDERS_FIXED_RUN_PLAN_H_
#define TESSERA_PROVIDERS_FIXED_RUN_PLAN_H_

#include <string>
#include <vector>

#include "graph/graph.h"

namespace tessera::fixed {

struct RunPlan {
  enum class Unit {
    kWhole,  // everything at once
    kToken,  // one token: a graph with CachedAttention
    kText,   // the tokens of one text: a graph with RaggedAttention
  };
  Unit unit = Unit::kWhole;
  // Symbol whose rows are cut into units, or padded; "": every size has to be the largest one,
  // since rows have a part in each other.
  std::string rows;
  ValueId offsets = kNoValue;  // of texts
  // The input that picks rows of the result, and its symbol; kNoValue where all rows are wanted.
  ValueId picks = kNoValue;
  std::string picked;
};

// kUnimplemented: the graph cannot be cut.
Result<RunPlan> PlanRuns(const Graph& graph);

// The shapes that texts are padded to, ascending: powers of two from 16 to the first one that holds
// `max_tokens`, but none larger than that. A text's shape depends on its own length alone, so its
// rows are the same in any company.
std::vector<int64_t> TextBuckets(int64_t max_tokens);

// Sizes of all symbols of the graph for a unit of `rows` rows.
Result<DimBindings> UnitDims(const Graph& graph, const RunPlan& plan, const DimBindings& max_dims,
                             int64_t rows);

}  // namespace tessera::fixed

#endif  // TESSERA_PROVIDERS_FIXED_RUN_PLAN_H_
