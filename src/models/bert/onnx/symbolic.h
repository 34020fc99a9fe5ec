// What the values of an ONNX graph are when one text of `seq` tokens runs through it alone.
//
// Integers, shapes, masks and position ids become Fields: known numbers, or numbers in terms of the
// unknown seq >= 1. Activations become Rows: a layer's result of one row a token, and how the
// tensor at hand lays these rows out. A value that is none of these carries the reason why
// (Failed), and every value made from it carries it on: it matters only if the output needs it.
#ifndef TESSERA_MODELS_BERT_ONNX_SYMBOLIC_H_
#define TESSERA_MODELS_BERT_ONNX_SYMBOLIC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::bert_onnx {

// c * seq^power; power is 0 when c is.
struct Num {
  double c = 0;
  int power = 0;

  bool IsConstant() const { return power == 0; }
  bool Is(double value) const { return power == 0 && c == value; }
  bool operator==(const Num&) const = default;
};
inline constexpr Num kSeq = {1, 1};
using NumShape = std::vector<Num>;
// "[1, seq, 384]"
std::string ToString(const NumShape& shape);
Num Product(const NumShape& shape);
// At most 16 whole, non-negative sizes.
bool IsShape(const NumShape& shape);

enum class FieldType : uint8_t { kBool, kInt, kFloat };

struct Field {
  enum class Kind : uint8_t {
    kUniform,   // one number everywhere: elements[0]
    kExplicit,  // each element: the shape is constant
    kPosition,  // index along `axis`, of size seq, plus `offset`
    kIds,       // the token ids, along `axis`
  };
  Kind kind = Kind::kUniform;
  FieldType type = FieldType::kInt;
  NumShape shape;
  std::vector<Num> elements;
  size_t axis = 0;
  double offset = 0;
  // Bound on the relative error that the element type brought in: 2^-11 for float16.
  double error = 0;

  bool IsUniform(double value) const { return kind == Kind::kUniform && elements[0].Is(value); }
};

// A constant of floats, or one too large to be a Field.
struct Constant {
  std::string name;
  View view;                // as stored
  bool transposed = false;  // it stands for the transpose of a matrix
  // One row that stands for itself at every token, whatever the leading dimensions: it may be added
  // to rows and nothing else.
  bool every_token = false;

  NumShape Dims() const;
};

// A piece of a dimension: the tokens, or `size` columns of the row, `stride` apart.
struct Atom {
  bool tokens = false;
  int64_t size = 1, stride = 1;
  bool operator==(const Atom&) const = default;
};
using Axis = std::vector<Atom>;  // outermost first; empty: a dimension of size 1

// What has been computed of the layer's rows x.
enum class Form : uint8_t {
  kPlain,        // factor * x
  kMean,         // mean of each row, as all forms up to kInverse with a last dimension of 1
  kCentered,     // x - mean
  kSquared,      // (x - mean)^2
  kVariance,     // its mean
  kVarianceEps,  // + epsilon
  kDeviation,    // square root of that
  kInverse,      // 1 / that
  kNormalized,   // (x - mean) * that
  kScaled,       // * gamma
  kErf,          // erf(x / sqrt(2))
  kErfPlusOne,   // factor * (1 + erf(x / sqrt(2)))
  kGeluProduct,  // factor * x * (1 + erf(x / sqrt(2))), factor not 1/2 yet
};

struct Rows {
  int layer = -1;  // of Trace::layers
  int64_t width = 0;
  std::vector<Axis> axes;
  Form form = Form::kPlain;
  double factor = 1;
  double error = 0;  // relative, of the factor
  double epsilon = 0;
  Constant gamma;

  NumShape Dims() const;
};

// Scores of attention, [heads, seq, seq] behind leading dimensions of 1, or their softmax.
struct Scores {
  int query = -1, key = -1;  // layers
  int64_t heads = 1, head_dim = 1;
  double scale = 1;
  double error = 0;
  size_t rank = 4;
  bool softmax = false;

  NumShape Dims() const;
};

struct Failed {
  Status status;
  // Where pooling took the tokens: the rows before it.
  std::optional<Rows> pooled;
};

using Value = std::variant<Failed, Field, Constant, Rows, Scores>;

// Layers as they come out of the graph, each with one row a token.
enum class LayerKind : uint8_t {
  kTokens,     // weight[rows, width], by id
  kPositions,  // weight[rows, width], by position + offset
  kAdd,        // inputs 0 and 1
  kAddRow,     // input 0 + weight[width]
  kNorm,       // input 0; weight, bias, epsilon
  kLinear,     // input 0; weight, bias
  kGelu,       // input 0
  kAttention,  // inputs query, key, value; heads, scale
};
struct Layer {
  LayerKind kind = LayerKind::kTokens;
  std::string node;  // of the file, for messages
  std::vector<int> inputs;
  int64_t width = 0;
  // kLinear: [in, all columns], of which the columns from `first_column` are meant; transposed:
  // [all columns, in].
  Constant weight;
  int64_t first_column = 0;
  std::optional<Constant> bias;  // kLinear: its elements from first_bias
  int64_t first_bias = 0;
  double epsilon = 0;
  int64_t offset = 0;
  int64_t heads = 0;
  double scale = 0;
  double error = 0;  // relative, of the scale
};

// 2^-11 for f16, 2^-8 for bf16, 2^-24 for f32.
double RoundingError(DType type);

}  // namespace tessera::bert_onnx

#endif  // TESSERA_MODELS_BERT_ONNX_SYMBOLIC_H_
