// What a Graph becomes on the CPU: a list of steps over planned memory.
//
// Row-wise work (norms, linear layers, sums, cache writes) between two attentions is one Chain: its
// micro-ops run block of rows by block of rows while everything in between stays in the worker's
// cache. With few rows (a decoder step) the workers share each linear layer's columns instead.
// Attention steps and chains are separated by one barrier each.
#ifndef TESSERA_PROVIDERS_CPU_PLAN_H_
#define TESSERA_PROVIDERS_CPU_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"

namespace tessera::cpu {

// mul * symbol value + add; symbol < 0 means the constant `add`.
struct PlanDim {
  int symbol = -1;
  int64_t mul = 0, add = 0;
  bool operator==(const PlanDim&) const = default;
};
// A product of dimensions.
using PlanSize = std::vector<PlanDim>;
using SymbolValues = std::vector<int64_t>;
int64_t Evaluate(const PlanDim& dim, const SymbolValues& symbols);
int64_t Evaluate(const PlanSize& size, const SymbolValues& symbols);

// Where an array of f32 rows lies.
enum class Place : uint8_t {
  kNone,
  kArena,    // offset: bytes in the context's arena
  kScratch,  // offset: bytes in the chain's scratch (one a worker, or shared when workers split
             // columns)
  kInput,    // offset: index of the graph input
  kOutput,   // offset: index of the graph output
};
struct Rows {
  Place place = Place::kNone;
  int64_t offset = 0;
  int64_t column = 0;  // first element of row 0
  int64_t ld = 0;      // elements between rows
  int64_t columns = 0;
};

// Activations ready for a Linear, in the worker's activation memory.
struct Activations {
  kernels::Precision precision = kernels::Precision::kF32;
  int64_t offset = 0;        // bytes
  int64_t scale_offset = 0;  // bytes, int8 only
  int64_t ld = 0;            // elements
};

// Makes activations from f32 rows: converts, and normalises first when `norm.d` > 0. Where others
// than Linears read the norm (a residual does, in post-norm layers), `rows` keeps it as f32.
struct PrepareOp {
  Rows in;
  kernels::LayerNormWeights norm;
  const float* factors = nullptr;  // of an int8 Linear's rotation; null: its signs
  Activations out;
  Rows rows;
};
// Makes activations from the windows of a convolution over in[batch, length, channels].
struct Im2ColOp {
  Rows in;
  PlanDim in_length, out_length;
  int64_t channels = 0, kernel = 0, stride = 1, padding = 0;
  int64_t window_offset = 0;  // bytes: one f32 window
  Activations out;
};
struct LinearOp {
  const kernels::PackedLinear* weights = nullptr;
  bool direct = false;  // f32 input straight from `in`
  Rows in;
  Activations activations;
  kernels::Activation activation = kernels::Activation::kNone;
  Rows residual;
  PlanSize residual_rows;  // when fewer than ours: row r meets row r % residual_rows
  Rows out;
};
struct LayerNormOp {
  kernels::LayerNormWeights norm;
  Rows in, out;
};
struct GeluOp {
  Rows in, out;
};
struct ElementwiseOp {
  OpKind op;  // kRelu, kSigmoid, kMagnitude (in has twice the columns of out)
  Rows in, out;
};
// out = a + b, where row r of `a` meets row r % b_rows of `b`, or the one row `constant`.
struct AddOp {
  Rows a, b, out;
  PlanSize b_rows;
  const float* constant = nullptr;
};
struct GatherOp {
  View table;  // constant table; data null: `rows` is the table
  Rows rows;
  PlanSize table_rows;
  int ids = -1;  // index of the graph input
  Rows out;
};
struct CacheWriteOp {
  Rows in;
  int state = -1;
  int slot = -1, position = -1;  // graph inputs
};

struct MicroOp {
  std::variant<PrepareOp, Im2ColOp, LinearOp, LayerNormOp, GeluOp, ElementwiseOp, AddOp, GatherOp,
               CacheWriteOp>
      op;
  std::string node;  // for traces and reports
  bool needs_barrier =
      false;  // reads what another worker may have written since the last barrier (column mode)
};

struct ChainStep {
  PlanSize rows;
  std::vector<MicroOp> ops;
  int64_t scratch_bytes = 0;     // of kBlockRows rows
  int64_t activation_bytes = 0;  // of kBlockRows rows
};
struct AttentionStep {
  Rows query, key, value, out;
  PlanSize batch;
  PlanDim query_length, key_length;
  int lengths = -1;  // graph input, or -1
  int64_t num_heads = 1, head_dim = 0;
  float scale = 1;
  bool causal = false;
  kernels::Precision precision = kernels::Precision::kF32;
};
// Attention within each of the sequences that offsets separate. Work is shared by its cost, in
// units of a head and a block of queries of one sequence.
struct RaggedAttentionStep {
  Rows query, key, value, out;
  PlanSize tokens;
  PlanDim sequences;
  int offsets = -1;  // graph input
  int64_t num_heads = 1, head_dim = 0;
  float scale = 1;
  kernels::Precision precision = kernels::Precision::kF32;
};
// Writes a slot of a state that is only read whole, in the attention kernel's own form.
struct PackStateStep {
  Rows in;
  PlanSize rows;
  int state = -1;
  int slot = -1;  // graph input
};
struct CachedAttentionStep {
  Rows query, out;
  PlanSize tokens;
  int key_state = -1, value_state = -1;
  int index = -1, length = -1;  // graph inputs
  bool packed = false;          // states of PackStateStep
  bool index_is_table = false;
  PlanDim table_width;
  int64_t num_heads = 1, head_dim = 0;
  float scale = 1;
};
// The recurrence of an Lstm. Workers share the batch; one row's steps follow each other.
struct LstmStep {
  Rows gates;  // the input's part of the gates [steps * batch, 4 * hidden]; overwritten
  Rows state;  // [2 * batch, hidden]
  Rows out;    // [(steps + 1) * batch, hidden]
  PlanDim steps, batch;
  int64_t hidden = 0;
  const kernels::PackedLinear* weights = nullptr;  // weight_hh, always f32: its errors add up
};
struct Step {
  std::variant<ChainStep, AttentionStep, RaggedAttentionStep, CachedAttentionStep, LstmStep,
               PackStateStep>
      step;
  std::string name;
};

// Every element of an i32 input lies in [low, high); high is of state or table sizes.
struct IndexBound {
  int input = 0;
  int64_t low = 0;
  PlanSize high;
};

// An i32 input [n + 1] that begins with 0, does not fall and ends within `rows`.
struct Offsets {
  int input = 0;
  PlanSize rows;
};

// A CacheWrite of a whole slot: one slot, positions 0, 1, 2, ...
struct WholeWrite {
  int slot = 0, position = 0;  // graph inputs
};

// A graph input, output or state [slots, capacity, d].
struct InputSpec {
  std::string name;
  DType dtype;
  std::vector<PlanDim> dims;
};
struct Plan {
  std::vector<std::string> symbols;
  SymbolValues max_symbols;
  std::vector<InputSpec> inputs, outputs, states;
  std::vector<Step> steps;
  std::vector<IndexBound> bounds;
  std::vector<Offsets> offsets;
  std::vector<WholeWrite> whole_writes;
  int64_t arena_bytes = 0;
  int64_t scratch_bytes = 0;     // largest chain
  int64_t activation_bytes = 0;  // largest chain
  int64_t attention_bytes = 0;   // largest attention step, a worker
  std::vector<std::unique_ptr<kernels::PackedLinear>> linears;
  std::vector<std::shared_ptr<const void>> owners;  // of norms and tables widened to f32
  size_t weight_bytes = 0;
};

// Rows of a chain's block: operands of a whisper-base layer then fit a 1 MB L2 beside a weight
// panel. Up to as many rows the workers split columns instead of rows.
inline constexpr int64_t kBlockRows = 96;

}  // namespace tessera::cpu

#endif  // TESSERA_PROVIDERS_CPU_PLAN_H_
