#include "kernels/conv1d.h"
#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {

Status Lowering::LowerConv1d(int index) {
  const Node& n = node(index);
  const ValueId x = n.inputs[0], y = n.outputs[0];
  const Value& weight = graph_.value(n.inputs[1]);
  if (weight.kind != ValueKind::kConstant) return Unimplemented("Conv1d weights must be constants");
  const Conv1dAttributes& attributes = std::get<Conv1dAttributes>(n.attributes);
  kernels::LinearSource source{weight.data, {}};
  if (n.inputs.size() > 2 && n.inputs[2] != kNoValue) source.bias = graph_.value(n.inputs[2]).data;

  const Precision precision = PrecisionOf(n);
  const PlanSize rows = RowsOfValue(y);
  Im2ColOp windows;
  windows.in = Materialised(x);
  windows.in_length = ToPlanDim(graph_.value(x).dims[1]);
  windows.out_length = ToPlanDim(graph_.value(y).dims[1]);
  windows.channels = ColumnsOf(x);
  windows.kernel = weight.data.shape[2];
  windows.stride = attributes.stride;
  windows.padding = attributes.padding;
  ChainStep& chain = Chain(rows);
  const int64_t k = windows.kernel * windows.channels;
  windows.out = NewActivations(chain, precision, k);
  windows.window_offset = NewWindow(chain, k);
  LinearOp op;
  op.weights = AddLinear(n.name, {source}, precision);
  op.activations = windows.out;
  Emit(rows, n.name, std::move(windows));
  const ValueId result = FuseEpilogue(index, op, rows);
  op.out = NewRows(result);
  Emit(rows, n.name, std::move(op));
  // What follows, in the same chain, would have its arrays beside the convolution's input, which
  // may be the largest of all.
  CloseChain();
  return OkStatus();
}

}  // namespace tessera::cpu
