// Types, shapes and small known contents of every value of an ONNX graph.
//
// A value has a type, a shape of Numbers (known, symbolic, or unknown dimension by dimension), and,
// where it is a small tensor of shape arithmetic, its elements. Rules follow the operators of ONNX
// (opsets 7 to 23) and ONNX Runtime's contrib operators; an operator without a rule gives unknown
// outputs, and the file's own value_info fills what rules leave open. Nothing is guessed: what is
// not implied by the file stays unknown.
//
// Functions of the model are to be put in place before (inline.h). Branches of If are inferred and
// joined; bodies of Loop and Scan give types, not sizes.
//
// Hostile files: time and memory are linear in the file plus a bound on tracked elements.
#ifndef TESSERA_DOCTOR_INFERENCE_H_
#define TESSERA_DOCTOR_INFERENCE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/number.h"
#include "formats/onnx.h"

namespace tessera::doctor {

struct ValueFacts {
  OnnxType type = 0;             // 0: unknown, or not a tensor
  std::optional<Numbers> shape;  // absent: not even the rank is known
  // Row-major; absent: not tracked. An element may be unknown on its own.
  std::shared_ptr<const Numbers> elements;
  // Made of constants of the file alone, so that it is computed once, when the model is loaded.
  bool constant = false;
  const OnnxTensor* tensor = nullptr;  // of the file, when the value is one

  // Its contents are known when the model is loaded: a constant, or shape arithmetic on fixed
  // shapes.
  bool KnownAtLoad() const;
  bool Static() const { return shape.has_value() && AllKnown(*shape); }
  // Nothing where the rank or a dimension is not known, or above 2^62.
  std::optional<int64_t> ElementCount() const;
  std::optional<int64_t> Bytes() const;  // of the elements, as stored densely
  // "float [1, seq, 384]", "float [?]"
  std::string ToString() const;
};

using Bindings = std::map<std::string, int64_t, std::less<>>;

struct InferenceOptions {
  // Sizes for symbols of the inputs ("seq"), and for whole inputs ("input_ids" = "1x128" is given
  // as "input_ids:0", "input_ids:1").
  Bindings bind;
};

struct Inference {
  std::map<std::string_view, ValueFacts> values;  // of the main graph
  // By node of the main graph: its operator has a rule here.
  std::vector<bool> has_rule;
  // Contradictions: between the file's value_info and the rules, or shapes that cannot meet.
  std::vector<std::string> conflicts;

  // Facts of nothing known for a name that is not there.
  const ValueFacts& Find(std::string_view name) const;
};

// kInvalidArgument for a binding that names no symbol or input; kResourceExhausted beyond the
// bounds. Views of `model` are kept.
Result<Inference> InferShapes(const OnnxModel& model, const InferenceOptions& options = {});

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_INFERENCE_H_
