// Lowers the ops of a graph to ONNX nodes. Used by export.cc alone.
//
// Values of the graph are read by the readers below, which emit what is missing (an initialiser, a
// cast, a transpose) on first use and remember it. A convolution leaves its result channels-first;
// Gelu, Relu and Sigmoid keep that layout, so that two convolutions with one of them between need
// no transpose.
#ifndef TESSERA_GRAPH_ONNX_LOWERING_H_
#define TESSERA_GRAPH_ONNX_LOWERING_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "graph/onnx/export.h"
#include "graph/onnx/model_writer.h"
#include "graph/onnx/step.h"

namespace tessera::onnx {

class Lowering {
 public:
  // With `step` the device's part of that form, otherwise everything; it must outlive the lowering.
  Lowering(const Graph& graph, OnnxWeights weights, OnnxGelu gelu, const StepForm* step,
           ModelWriter* writer);
  Status Run();

 private:
  using Name = std::string;  // of an ONNX value

  // What the scores of an attention are changed by before the softmax.
  struct AttentionMask {
    enum Kind : uint8_t {
      kNone,
      kSeen,         // `name` is a bool that broadcasts to the scores, true for keys that are seen
      kSeenOrEmpty,  // the same, and there may be queries that see none: they give zeros
      kAdded,        // `name` is added to the scores
    };
    Kind kind = kNone;
    Name name;
  };

  void AddInterface();
  void AddStepInputs();
  void AddOutput(const std::string& name, ValueId id);
  // The value that another is under a second name (StepForm::same).
  ValueId Original(ValueId id) const;
  Status LowerNode(const Node& node);
  void FinishOutputs();

  void LowerLinear(const Node& node);
  void LowerConv1d(const Node& node);
  void LowerGelu(const Node& node);
  // Relu, Sigmoid, Gelu: ONNX's own op, in the layout of the input.
  void LowerElementwise(const Node& node, std::string_view op_type);
  void LowerMagnitude(const Node& node);
  void LowerSlice(const Node& node);
  Status LowerLstm(const Node& node);
  // A constant of LSTM gates [4 h, …] in ONNX's order input, output, forget, cell, with a leading
  // dimension of 1, then `zeros` zeros.
  Result<Name> LstmWeight(ValueId id, int64_t zeros);
  void LowerGather(const Node& node);
  void LowerCacheWrite(const Node& node);
  void LowerAttention(const Node& node);
  void LowerCachedAttention(const Node& node);
  void LowerRaggedAttention(const Node& node);
  void LowerStepAttention(const Node& node);
  // Softmax(q k) v with q [b, heads, q_len, head_dim], k [b, heads, head_dim, keys], v [b, heads,
  // keys, head_dim].
  Name Attend(const Name& q, const Name& k, const Name& v, const AttentionMask& mask);
  // The same for a node whose query, key and value are its first inputs, [batch, tokens, width] or
  // [tokens, width]: splits them into heads, attends, joins the heads.
  void AttendHeads(const Node& node, const AttentionMask& mask);
  // bool [tokens, tokens]: both lie in one sequence.
  Name SameSequence(ValueId tokens, ValueId offsets);
  // f32 [heads, width]: `value` in the columns of a row's head, else 0.
  Name HeadColumns(int64_t num_heads, int64_t width, float value);
  // int64 [n]: 0, 1, ... n - 1 where n is the size of dimension `axis` of a value.
  Name Positions(ValueId id, int64_t axis);
  // bool [rows, 1, 1, n]: position < lengths[row].
  Name SeenMask(ValueId lengths, ValueId keys, int64_t axis);
  // int64 [tokens, n, 2]: the place of each position's row in a cache; [0, 0] for positions that
  // are not seen.
  Name PagedPlaces(const Node& node);

  // A value in its own type, as f32, as f32 channels-first, as int64.
  Name Read(ValueId id);
  Name ReadF32(ValueId id);
  Name ReadChannelsFirst(ValueId id);
  Name ReadInt64(ValueId id);
  // weight[out, in] as [in, out]; transposed here when it is a constant.
  Name ReadTransposed(ValueId id);
  bool OnlyChannelsFirst(ValueId id) const;

  Name Emit(std::string_view op_type, const std::vector<Name>& inputs,
            const std::vector<Attribute>& attributes = {}, Name output = "");
  // Emits the node whose output is the value `id`.
  void EmitResult(ValueId id, std::string_view op_type, const std::vector<Name>& inputs,
                  const std::vector<Attribute>& attributes = {});
  Name Cast(const Name& input, DType to);
  Name Int64s(const std::vector<int64_t>& values);
  Name F32Scalar(float value);
  // The initialiser of a float constant and its cast, for `tensor` in f32.
  Name FloatConstant(const std::string& name, const Tensor& tensor);
  Name Unique(const std::string& wanted);
  // The name under which the value is defined: that of the output it becomes, when there is one.
  Name ResultName(ValueId id);

  const Graph& graph_;
  OnnxWeights weights_;
  OnnxGelu gelu_;
  const StepForm* step_;
  ModelWriter* writer_;
  Status status_;
  std::string scope_;  // name of the node at hand
  std::set<Name> taken_, node_names_;
  std::map<ValueId, Name> plain_, f32_, channels_first_, int64_, transposed_;
  std::map<ValueId, Name> result_names_;
  std::map<std::string, Name> shared_;  // small constants, positions and masks, by what they are
};

}  // namespace tessera::onnx

#endif  // TESSERA_GRAPH_ONNX_LOWERING_H_
