#include <algorithm>

#include "kernels/cached_attention.h"
#include "kernels/conv1d.h"
#include "kernels/elementwise.h"
#include "kernels/gather.h"
#include "kernels/gelu.h"
#include "kernels/layer_norm.h"
#include "kernels/quantize.h"
#include "providers/cpu/executor.h"

namespace tessera::cpu {

using kernels::Precision;

float* RowPointer(const RunState& run, const Rows& rows, int64_t row, int64_t block_begin,
                  const WorkerMemory& scratch_of) {
  char* base = nullptr;
  switch (rows.place) {
    case Place::kNone:
      return nullptr;
    case Place::kArena:
      base = run.arena + rows.offset;
      break;
    case Place::kInput:
      // Only read: no op writes to an input's place.
      base = static_cast<char*>(const_cast<void*>(run.inputs[rows.offset]));
      break;
    case Place::kOutput:
      base = static_cast<char*>(run.outputs[rows.offset]);
      break;
    case Place::kScratch:
      base = static_cast<char*>(const_cast<void*>(scratch_of.scratch.data())) + rows.offset;
      row -= block_begin;
      break;
  }
  return reinterpret_cast<float*>(base) + row * rows.ld + rows.column;
}

namespace {

// One block of a chain as one worker sees it.
class BlockRunner {
 public:
  // Column mode: every worker runs every op of the only block; linear layers split their columns,
  // row-wise ops their rows, and arrays of the chain lie in worker 0's scratch.
  BlockRunner(const RunState& run, int64_t begin, int64_t end, int worker, bool column_mode)
      : run_(run),
        begin_(begin),
        end_(end),
        worker_(worker),
        column_mode_(column_mode),
        own_(run.workers[worker]),
        shared_(run.workers[column_mode ? 0 : worker]) {
    const Range mine =
        column_mode ? ShareOf(end - begin, worker, run.num_workers) : Range{0, end - begin};
    row_begin_ = begin + mine.begin;
    row_end_ = begin + mine.end;
  }

  void Run(const MicroOp& op) {
    if (column_mode_ && op.needs_barrier) run_.barrier->Wait();
    std::visit([this](const auto& o) { Do(o); }, op.op);
  }

 private:
  float* At(const Rows& rows, int64_t row) const {
    return RowPointer(run_, rows, row, begin_, shared_);
  }
  char* ActivationPointer(int64_t offset) {
    return static_cast<char*>(own_.activations.data()) + offset;
  }
  int64_t rows() const { return end_ - begin_; }

  // `count` f32 rows to the activation form of `out`, from its row `first` on.
  void Convert(const float* x, int64_t ld, int64_t k, const float* factors, const Activations& out,
               int64_t first, int64_t count) {
    char* to = ActivationPointer(out.offset);
    if (out.precision == Precision::kInt8) {
      kernels::QuantizeRotatedRowsU8(
          x, ld, count, k, factors, reinterpret_cast<uint8_t*>(to) + first * out.ld, out.ld,
          reinterpret_cast<float*>(ActivationPointer(out.scale_offset)) + first);
    } else if (out.precision == Precision::kBf16) {
      kernels::ConvertRowsBf16(x, ld, count, k, reinterpret_cast<BF16*>(to) + first * out.ld,
                               out.ld);
    } else {
      for (int64_t r = 0; r < count; ++r)
        std::copy_n(x + r * ld, k, reinterpret_cast<float*>(to) + (first + r) * out.ld);
    }
  }

  void Do(const PrepareOp& op) {
    const float* x = At(op.in, begin_);
    if (op.norm.d == 0) return Convert(x, op.in.ld, op.in.columns, op.factors, op.out, 0, rows());
    if (op.rows.place == Place::kNone) return Normalise(op, begin_, end_);
    // In column mode every worker makes all activations; the f32 rows are each worker's own share.
    Normalise(op, begin_, row_begin_);
    for (int64_t r = row_begin_; r < row_end_; ++r) {
      float* row = At(op.rows, r);
      kernels::LayerNormRowsF32(op.norm, At(op.in, r), op.in.ld, 1, row, op.rows.ld);
      Convert(row, op.rows.ld, op.norm.d, op.factors, op.out, r - begin_, 1);
    }
    Normalise(op, row_end_, end_);
  }

  // Rows [from, to) normalised and converted: the same bits as a norm to f32 and Convert.
  void Normalise(const PrepareOp& op, int64_t from, int64_t to) {
    if (from >= to) return;
    const float* x = At(op.in, from);
    char* out = ActivationPointer(op.out.offset);
    const int64_t first = (from - begin_) * op.out.ld, count = to - from;
    switch (op.out.precision) {
      case Precision::kF32:
        return kernels::LayerNormRowsF32(op.norm, x, op.in.ld, count,
                                         reinterpret_cast<float*>(out) + first, op.out.ld);
      case Precision::kBf16:
        return kernels::LayerNormRowsBf16(op.norm, x, op.in.ld, count,
                                          reinterpret_cast<BF16*>(out) + first, op.out.ld);
      case Precision::kInt8:
        return kernels::LayerNormRowsU8(
            op.norm, x, op.in.ld, count, op.factors, reinterpret_cast<uint8_t*>(out) + first,
            op.out.ld,
            reinterpret_cast<float*>(ActivationPointer(op.out.scale_offset)) + (from - begin_));
    }
  }

  void Do(const Im2ColOp& op) {
    const int64_t out_length = Evaluate(op.out_length, run_.symbols);
    const int64_t in_length = Evaluate(op.in_length, run_.symbols);
    const int64_t k = op.kernel * op.channels;
    // Windows [inner.begin, inner.end) do not reach over the signal's ends: where frames follow
    // each other without a gap, these windows are rows that overlap.
    Range inner = {(op.padding + op.stride - 1) / op.stride,
                   (in_length + op.padding - op.kernel) / op.stride + 1};
    if (op.in.ld != op.channels || in_length + op.padding < op.kernel) inner = {0, 0};
    float* window = reinterpret_cast<float*>(ActivationPointer(op.window_offset));
    for (int64_t row = begin_; row < end_;) {
      const int64_t sequence = row / out_length, t = row % out_length;
      const float* input = At(op.in, sequence * in_length);
      if (t >= inner.begin && t < inner.end) {
        const int64_t count = std::min(end_ - row, inner.end - t);
        Convert(input + (t * op.stride - op.padding) * op.channels, op.stride * op.channels, k,
                nullptr, op.out, row - begin_, count);
        row += count;
        continue;
      }
      const kernels::Im2ColArgs args{.input = input,
                                     .input_ld = op.in.ld,
                                     .length = in_length,
                                     .channels = op.channels,
                                     .kernel = op.kernel,
                                     .stride = op.stride,
                                     .padding = op.padding};
      kernels::Im2ColRows(args, t, 1, window, k);
      Convert(window, k, k, nullptr, op.out, row - begin_, 1);
      ++row;
    }
  }

  void Do(const LinearOp& op) {
    kernels::LinearInput in;
    if (op.direct) {
      in = {.data = At(op.in, begin_), .ld = op.in.ld};
    } else {
      in = {.data = ActivationPointer(op.activations.offset), .ld = op.activations.ld};
      if (op.activations.precision == Precision::kInt8)
        in.row_scale =
            reinterpret_cast<const float*>(ActivationPointer(op.activations.scale_offset));
    }
    const kernels::LinearEpilogue epilogue{.activation = op.activation,
                                           .residual = At(op.residual, begin_),
                                           .residual_ld = op.residual.ld};
    const kernels::LinearOutput out{.data = At(op.out, begin_), .ld = op.out.ld};
    int64_t n_begin = 0, n_end = op.weights->n;
    if (column_mode_) {
      const Range panels =
          ShareOf(op.weights->n_padded / kernels::kPanelColumns, worker_, run_.num_workers);
      n_begin = panels.begin * kernels::kPanelColumns;
      n_end = std::min(op.weights->n, panels.end * kernels::kPanelColumns);
    }
    if (n_begin >= n_end) return;
    if (column_mode_ && op.out.place == Place::kOutput && op.out.offset == run_.partial_output) {
      n_begin = SkipPartial(op, in, epilogue, out, n_begin, n_end);
      if (n_begin >= n_end) return;
    }
    if (op.residual_rows.empty())
      return kernels::LinearRows(*op.weights, in, rows(), n_begin, n_end, epilogue, out);
    // The residual repeats: one call for each run of its rows.
    const int64_t period = Evaluate(op.residual_rows, run_.symbols);
    const auto element =
        static_cast<int64_t>(DTypeSize(kernels::ActivationDType(op.weights->precision)));
    for (int64_t row = begin_; row < end_;) {
      const int64_t count = std::min(end_ - row, period - row % period);
      kernels::LinearInput part = in;
      part.data = static_cast<const char*>(in.data) + (row - begin_) * in.ld * element;
      if (part.row_scale != nullptr) part.row_scale += row - begin_;
      kernels::LinearEpilogue shifted = epilogue;
      shifted.residual = At(op.residual, row % period);
      kernels::LinearRows(*op.weights, part, count, n_begin, n_end, shifted,
                          {.data = At(op.out, row), .ld = op.out.ld});
      row += count;
    }
  }

  // Columns [begin, end) before the first that all rows want, for those rows that want them.
  // Returns where it stopped.
  int64_t SkipPartial(const LinearOp& op, const kernels::LinearInput& in,
                      const kernels::LinearEpilogue& epilogue, const kernels::LinearOutput& out,
                      int64_t begin, int64_t end) {
    const int64_t element =
        static_cast<int64_t>(DTypeSize(kernels::ActivationDType(op.weights->precision)));
    // One panel at a time, so that it is read once for all runs of rows.
    for (; begin < end && begin + kernels::kPanelColumns <= run_.first_column;
         begin += kernels::kPanelColumns) {
      for (int64_t row = 0; row < rows();) {
        int64_t last = row;
        while (last < rows() && run_.partial[last] == 0) ++last;
        if (last > row) {
          kernels::LinearInput part = in;
          part.data = static_cast<const char*>(in.data) + row * in.ld * element;
          if (part.row_scale != nullptr) part.row_scale += row;
          kernels::LinearEpilogue shifted = epilogue;
          if (shifted.residual != nullptr) shifted.residual += row * epilogue.residual_ld;
          kernels::LinearRows(*op.weights, part, last - row, begin, begin + kernels::kPanelColumns,
                              shifted,
                              {.data = static_cast<float*>(out.data) + row * out.ld, .ld = out.ld});
        }
        row = last + 1;
      }
    }
    return begin;
  }

  void Do(const LayerNormOp& op) {
    kernels::LayerNormRowsF32(op.norm, At(op.in, row_begin_), op.in.ld, row_end_ - row_begin_,
                              At(op.out, row_begin_), op.out.ld);
  }
  void Do(const GeluOp& op) {
    for (int64_t r = row_begin_; r < row_end_; ++r)
      kernels::Gelu(At(op.in, r), op.in.columns, At(op.out, r));
  }
  void Do(const ElementwiseOp& op) {
    const int64_t n = op.out.columns;
    for (int64_t r = row_begin_; r < row_end_; ++r) {
      const float* x = At(op.in, r);
      float* y = At(op.out, r);
      switch (op.op) {
        case OpKind::kRelu:
          kernels::Relu(x, n, y);
          break;
        case OpKind::kSigmoid:
          kernels::Sigmoid(x, n, y);
          break;
        default:
          kernels::Magnitude(x, x + n, n, y);
          break;
      }
    }
  }
  void Do(const AddOp& op) {
    const int64_t b_rows = Evaluate(op.b_rows, run_.symbols);
    for (int64_t r = row_begin_; r < row_end_; ++r) {
      // A b with a row for each of ours is an array of the chain; a smaller one is not.
      const float* b = op.constant != nullptr
                           ? op.constant
                           : At(op.b, op.b.place == Place::kScratch ? r : r % b_rows);
      kernels::Add(At(op.a, r), b, op.out.columns, At(op.out, r));
    }
  }
  void Do(const GatherOp& op) {
    const int64_t count = row_end_ - row_begin_;
    if (count == 0) return;
    const bool constant = op.table.data != nullptr;
    const void* table = constant ? op.table.data : At(op.rows, 0);
    const int64_t ld = constant ? op.table.shape[1] : op.rows.ld;
    kernels::GatherRows(table, constant ? op.table.dtype : DType::kF32,
                        Evaluate(op.table_rows, run_.symbols), ld, op.out.columns,
                        run_.Ids(op.ids) + row_begin_, count, At(op.out, row_begin_), op.out.ld);
  }
  void Do(const CacheWriteOp& op) {
    CacheState& state = *run_.states[op.state];
    for (int64_t r = row_begin_; r < row_end_; ++r)
      kernels::StoreCacheRow(At(op.in, r), 1, state.d, state.dtype,
                             state.Row(run_.Ids(op.slot)[r], run_.Ids(op.position)[r]), nullptr);
  }

  const RunState& run_;
  const int64_t begin_, end_;
  const int worker_;
  const bool column_mode_;
  WorkerMemory& own_;
  const WorkerMemory& shared_;
  int64_t row_begin_, row_end_;
};

}  // namespace

void RunChain(const RunState& run, const ChainStep& chain, int worker) {
  const int64_t rows = Evaluate(chain.rows, run.symbols);
  if (rows <= kBlockRows) {
    BlockRunner block(run, 0, rows, worker, /*column_mode=*/true);
    for (const MicroOp& op : chain.ops) block.Run(op);
    return;
  }
  const Range share = ShareOf(rows, worker, run.num_workers);
  for (int64_t begin = share.begin; begin < share.end; begin += kBlockRows) {
    BlockRunner block(run, begin, std::min(begin + kBlockRows, share.end), worker, false);
    for (const MicroOp& op : chain.ops) block.Run(op);
  }
}

}  // namespace tessera::cpu
