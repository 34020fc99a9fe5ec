#include "models/bert/onnx/match.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <tuple>

namespace tessera::bert_onnx {
namespace {

std::string_view KindName(LayerKind kind) {
  switch (kind) {
    case LayerKind::kTokens:
      return "token embeddings";
    case LayerKind::kPositions:
      return "position embeddings";
    case LayerKind::kAdd:
      return "a sum";
    case LayerKind::kAddRow:
      return "a sum with a constant row";
    case LayerKind::kNorm:
      return "a LayerNorm";
    case LayerKind::kLinear:
      return "a Linear";
    case LayerKind::kGelu:
      return "a Gelu";
    case LayerKind::kAttention:
      return "an attention";
  }
  return "a layer";
}

template <typename T>
void TransposeInto(const T* from, int64_t rows, int64_t stride, int64_t columns, T* to) {
  constexpr int64_t kTile = 32;  // both sides stay in the first cache
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      for (int64_t c = c0; c < std::min(columns, c0 + kTile); ++c) {
        for (int64_t r = r0; r < std::min(rows, r0 + kTile); ++r) {
          std::memcpy(to + c * rows + r,
                      reinterpret_cast<const char*>(from) +
                          (r * stride + c) * static_cast<int64_t>(sizeof(T)),
                      sizeof(T));
        }
      }
    }
  }
}

class Matcher {
 public:
  Matcher(const Trace& trace, uint64_t copy_bytes)
      : layers_(trace.layers()), padding_id_(trace.padding_id()), copy_bytes_left_(copy_bytes) {}

  Result<BertFiles> Run(int output) {
    TESSERA_ASSIGN_OR_RETURN(int at, Blocks(output));
    TESSERA_RETURN_IF_ERROR(Embeddings(at));
    TESSERA_RETURN_IF_ERROR(status_);
    BertConfig& config = files_.config;
    std::reverse(files_.weights.layers.begin(), files_.weights.layers.end());
    config.num_layers = static_cast<int64_t>(files_.weights.layers.size());
    TESSERA_RETURN_IF_ERROR(CheckConfig(config));
    TESSERA_RETURN_IF_ERROR(CheckWeights(config, files_.weights));
    return std::move(files_);
  }

 private:
  const Layer& At(int layer) const { return layers_[static_cast<size_t>(layer)]; }
  const Layer& Input(const Layer& layer, size_t i) const { return At(layer.inputs[i]); }

  static Status Wrong(const Layer& layer, const std::string& expected) {
    return Unimplemented(layer.node + ": expected " + expected + ", found " +
                         std::string(KindName(layer.kind)));
  }
  Status Expect(const Layer& layer, LayerKind kind, const char* place) const {
    if (layer.kind == kind) return OkStatus();
    return Wrong(layer, std::string(KindName(kind)) + " " + place);
  }

  // The sum `layer` of a Linear whose input is of kind `source`, and another layer.
  struct Residual {
    int linear = -1, other = -1;
  };
  Residual FindResidual(const Layer& layer, LayerKind source) const {
    if (layer.kind != LayerKind::kAdd) return {};
    for (size_t i = 0; i < 2; ++i) {
      const Layer& linear = Input(layer, i);
      if (linear.kind == LayerKind::kLinear && Input(linear, 0).kind == source)
        return {layer.inputs[i], layer.inputs[1 - i]};
    }
    return {};
  }

  // The layers of the encoder, last first; gives the norm of the embeddings.
  Result<int> Blocks(int at) {
    while (true) {
      TESSERA_RETURN_IF_ERROR(Expect(At(at), LayerKind::kNorm, "at the end of an encoder layer"));
      const Residual mlp = FindResidual(Input(At(at), 0), LayerKind::kGelu);
      if (mlp.linear < 0) return at;
      BertLayer block;
      TESSERA_ASSIGN_OR_RETURN(block.mlp_norm, Norm(At(at)));
      const Layer& down = At(mlp.linear);
      const Layer& up = Input(Input(down, 0), 0);
      TESSERA_RETURN_IF_ERROR(Expect(up, LayerKind::kLinear, "before Gelu"));
      if (up.inputs[0] != mlp.other) {
        return Wrong(up, "a residual that is the input of the layer's MLP");
      }
      TESSERA_RETURN_IF_ERROR(Same(files_.config.mlp_width, up.width, up, "MLP widths"));
      block.mlp_up = Linear(up);
      block.mlp_down = Linear(down);
      TESSERA_ASSIGN_OR_RETURN(at, Attention(mlp.other, block));
      files_.weights.layers.push_back(block);
    }
  }

  // The attention half of a layer; gives its input.
  Result<int> Attention(int at, BertLayer& block) {
    TESSERA_RETURN_IF_ERROR(Expect(At(at), LayerKind::kNorm, "after attention"));
    TESSERA_ASSIGN_OR_RETURN(block.attention_norm, Norm(At(at)));
    const Layer& sum = Input(At(at), 0);
    const Residual residual = FindResidual(sum, LayerKind::kAttention);
    if (residual.linear < 0) {
      return Wrong(sum, "the output of an attention plus the input of the layer");
    }
    const Layer& out = At(residual.linear);
    const Layer& attention = Input(out, 0);
    LinearWeights* const parts[] = {&block.attention.query, &block.attention.key,
                                    &block.attention.value};
    for (size_t i = 0; i < 3; ++i) {
      const Layer& part = Input(attention, i);
      TESSERA_RETURN_IF_ERROR(Expect(part, LayerKind::kLinear, "before attention"));
      if (part.inputs[0] != residual.other) {
        return Wrong(part, "queries, keys and values of the layer's input");
      }
      *parts[i] = Linear(part);
    }
    block.attention.out = Linear(out);
    const double head_dim =
        static_cast<double>(attention.width) / static_cast<double>(attention.heads);
    if (std::abs(attention.scale * std::sqrt(head_dim) - 1) > 1e-6 + 2 * attention.error) {
      return Unimplemented(attention.node + ": expected scores scaled by 1/sqrt(" +
                           std::to_string(static_cast<int64_t>(head_dim)) + "), found the scale " +
                           std::to_string(attention.scale));
    }
    TESSERA_RETURN_IF_ERROR(
        Same(files_.config.num_heads, attention.heads, attention, "numbers of heads"));
    return residual.other;
  }

  Status Embeddings(int at) {
    BertWeights& w = files_.weights;
    BertConfig& config = files_.config;
    TESSERA_ASSIGN_OR_RETURN(w.embedding_norm, Norm(At(at)));
    config.width = At(at).width;
    config.num_token_types = 0;
    bool has_tokens = false, has_positions = false;
    std::vector<int> parts = {At(at).inputs[0]};
    // Sums of sums: more than three parts are none of a BERT.
    for (int steps = 0; !parts.empty(); ++steps) {
      const Layer& part = At(parts.back());
      parts.pop_back();
      if (part.kind == LayerKind::kAdd && steps < 8) {
        parts.insert(parts.end(), part.inputs.begin(), part.inputs.end());
      } else if (part.kind == LayerKind::kAddRow && w.type_embedding.data == nullptr) {
        w.type_embedding = Vector(part.weight, 0, part.width);
        w.type_embedding.shape = {1, part.width};
        config.num_token_types = 1;
        parts.push_back(part.inputs[0]);
      } else if (part.kind == LayerKind::kTokens && !has_tokens) {
        has_tokens = true;
        w.token_embedding = part.weight.view;
        config.vocab_size = w.token_embedding.shape[0];
      } else if (part.kind == LayerKind::kPositions && !has_positions) {
        has_positions = true;
        w.position_embedding = part.weight.view;
        config.num_position_rows = w.position_embedding.shape[0];
        config.position_offset = part.offset;
        if (part.offset != 0 && padding_id_ >= 0 && part.offset != padding_id_ + 1) {
          return Unimplemented(
              part.node + ": expected positions that begin behind the padding id " +
              std::to_string(padding_id_) + ", found " + std::to_string(part.offset));
        }
      } else {
        return Wrong(part, "the sum of one token, one position and at most one type embedding");
      }
    }
    if (!has_tokens || !has_positions) {
      return Wrong(At(at), std::string("a LayerNorm of embeddings with a table of ") +
                               (has_tokens ? "positions" : "tokens"));
    }
    return OkStatus();
  }

  // All layers have one size of a kind; the first that is met notes it.
  Status Same(int64_t& noted, int64_t size, const Layer& layer, const char* what) {
    if (files_.weights.layers.empty()) noted = size;
    if (noted == size) return OkStatus();
    return Unimplemented(layer.node + ": expected equal " + what + " in all layers, found " +
                         std::to_string(noted) + " and " + std::to_string(size));
  }

  Result<NormWeights> Norm(const Layer& layer) {
    const auto epsilon = static_cast<float>(layer.epsilon);
    if (!has_epsilon_) files_.config.norm_epsilon = epsilon;
    has_epsilon_ = true;
    if (files_.config.norm_epsilon != epsilon) {
      return Unimplemented(layer.node + ": expected one epsilon in all LayerNorms, found another");
    }
    return NormWeights{Vector(layer.weight, 0, layer.width), Bias(layer)};
  }

  View Bias(const Layer& layer) {
    if (layer.bias) return Vector(*layer.bias, layer.first_bias, layer.width);
    if (!Spend(static_cast<uint64_t>(layer.width) * sizeof(float))) return {};
    return Keep(Tensor::Zeros(DType::kF32, {layer.width}));
  }

  LinearWeights Linear(const Layer& layer) { return {Matrix(layer), Bias(layer)}; }

  // [width, in] in row-major order.
  View Matrix(const Layer& layer) {
    const View& view = layer.weight.view;
    if (layer.weight.transposed) {
      return view.Rows(layer.first_column, layer.first_column + layer.width);
    }
    const int64_t in = view.shape[0], columns = view.shape[1];
    View& copy = matrices_[{view.data, columns, layer.first_column, layer.width}];
    if (copy.data != nullptr) return copy;
    if (!Spend(static_cast<uint64_t>(in * layer.width) * DTypeSize(view.dtype))) return {};
    Tensor tensor(view.dtype, {layer.width, in});
    const char* from = static_cast<const char*>(view.data) +
                       layer.first_column * static_cast<int64_t>(DTypeSize(view.dtype));
    void* to = tensor.MutableViewOf().data;
    if (DTypeSize(view.dtype) == 4) {
      TransposeInto(reinterpret_cast<const uint32_t*>(from), in, columns, layer.width,
                    static_cast<uint32_t*>(to));
    } else {
      TransposeInto(reinterpret_cast<const uint16_t*>(from), in, columns, layer.width,
                    static_cast<uint16_t*>(to));
    }
    copy = Keep(std::move(tensor));
    return copy;
  }

  // Elements [first, first + size), aligned.
  View Vector(const Constant& constant, int64_t first, int64_t size) {
    const size_t bytes = DTypeSize(constant.view.dtype);
    View view{static_cast<const char*>(constant.view.data) + first * static_cast<int64_t>(bytes),
              constant.view.dtype,
              {size}};
    if (reinterpret_cast<uintptr_t>(view.data) % bytes == 0) return view;
    View& copy = vectors_[{view.data, size}];
    if (copy.data == nullptr && Spend(view.bytes())) copy = Keep(Tensor::CopyOf(view));
    return copy;
  }

  bool Spend(uint64_t bytes) {
    if (status_.ok() && bytes > copy_bytes_left_) {
      status_ = ResourceExhausted(
          "expected weights that lie beside each other in the file, found overlapping ones whose "
          "copies are larger than it; export the model again");
    }
    if (!status_.ok()) return false;
    copy_bytes_left_ -= bytes;
    return true;
  }

  View Keep(Tensor tensor) {
    auto kept = std::make_shared<const Tensor>(std::move(tensor));
    const View view = kept->ViewOf();
    files_.weights.owners.push_back(std::move(kept));
    return view;
  }

  const std::vector<Layer>& layers_;
  const int64_t padding_id_;
  BertFiles files_;
  bool has_epsilon_ = false;
  uint64_t copy_bytes_left_;
  Status status_;
  // A file may name one tensor many times; it is copied once.
  std::map<std::tuple<const void*, int64_t, int64_t, int64_t>, View> matrices_;
  std::map<std::pair<const void*, int64_t>, View> vectors_;
};

}  // namespace

Result<BertFiles> MatchBert(const Trace& trace, int output, uint64_t copy_bytes) {
  return Matcher(trace, copy_bytes).Run(output);
}

}  // namespace tessera::bert_onnx
