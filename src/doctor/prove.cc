// The same inputs through both models.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "doctor/fix.h"
#include "providers/onnxruntime/backend.h"
#include "tensor/tensor.h"

namespace tessera::doctor {
namespace {

constexpr int kRuns = 2;
constexpr int64_t kMostElements = int64_t{1} << 28;

struct Named {
  std::string name;
  Tensor tensor;
};

Result<std::vector<Named>> Allocate(const std::vector<OnnxValueInfo>& infos, const OnnxGraph& graph,
                                    const Inference& inference) {
  std::vector<Named> named;
  for (const OnnxValueInfo& info : infos) {
    if (graph.FindInitializer(info.name) != nullptr) continue;
    const ValueFacts& facts = inference.Find(info.name);
    const std::optional<DType> dtype = OnnxDType(facts.type);
    const std::optional<int64_t> count = facts.ElementCount();
    if (!dtype || !count || *count > kMostElements) {
      return InvalidArgument("value " + QuotedName(info.name) + " is " + facts.ToString() +
                             "; expected a fixed shape and a plain type to try it with");
    }
    Shape shape;
    for (const Number& n : *facts.shape) shape.push_back(n.value());
    named.push_back({std::string(info.name), Tensor(*dtype, shape)});
  }
  return named;
}

// Numbers as models get them: floats around 0, ids and masks that are small.
void Fill(Tensor& tensor, std::mt19937& random) {
  const MutableView view = tensor.MutableViewOf();
  for (int64_t i = 0; i < view.size(); ++i) {
    const float f = std::normal_distribution<float>()(random);
    const auto small = static_cast<int64_t>(random() % 2);
    switch (view.dtype) {
      case DType::kF32:
        view.As<float>()[i] = f;
        break;
      case DType::kF16:
        view.As<F16>()[i] = ToF16(f);
        break;
      case DType::kBF16:
        view.As<BF16>()[i] = ToBF16(f);
        break;
      case DType::kI64:
        view.As<int64_t>()[i] = small;
        break;
      case DType::kI32:
        view.As<int32_t>()[i] = static_cast<int32_t>(small);
        break;
      default:
        static_cast<uint8_t*>(view.data)[i] = static_cast<uint8_t>(small);
    }
  }
}

double At(const View& view, int64_t i) {
  switch (view.dtype) {
    case DType::kF32:
      return view.As<float>()[i];
    case DType::kF16:
      return ToF32(view.As<F16>()[i]);
    case DType::kBF16:
      return ToF32(view.As<BF16>()[i]);
    case DType::kI64:
      return static_cast<double>(view.As<int64_t>()[i]);
    case DType::kI32:
      return view.As<int32_t>()[i];
    case DType::kI8:
      return view.As<int8_t>()[i];
    default:
      return static_cast<const uint8_t*>(view.data)[i];
  }
}

void Compare(const View& a, const View& b, Proof& proof) {
  double dot = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = At(a, i), y = At(b, i);
    const double difference = std::fabs(x - y);
    // Not a number on one side only is as different as can be.
    if (std::isnan(x) != std::isnan(y)) proof.max_difference = INFINITY;
    if (difference > proof.max_difference) proof.max_difference = difference;
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  if (aa > 0 && bb > 0) proof.worst_cosine = std::min(proof.worst_cosine, dot / std::sqrt(aa * bb));
  if ((aa > 0) != (bb > 0)) proof.worst_cosine = 0;
}

}  // namespace

std::string Proof::ToString() const {
  char text[160];
  std::snprintf(text, sizeof(text),
                "equal on %lld outputs of %lld runs with %s: largest difference %.3g, cosine %.9f",
                static_cast<long long>(outputs), static_cast<long long>(runs), library.c_str(),
                max_difference, worst_cosine);
  return text;
}

Result<Proof> ProveEqual(const std::string& before, const std::string& after) {
  OnnxRuntimeOptions options;
  TESSERA_ASSIGN_OR_RETURN(const auto backend, OpenOnnxRuntimeBackend("cpu", options));
  Proof proof;
  proof.library = backend->info().name + " " + backend->info().version;
  TESSERA_ASSIGN_OR_RETURN(const OnnxModel model, ReadOnnx(before));
  TESSERA_ASSIGN_OR_RETURN(const Inference inference, InferShapes(model));
  TESSERA_ASSIGN_OR_RETURN(std::vector<Named> inputs,
                           Allocate(model.graph.inputs, model.graph, inference));
  TESSERA_ASSIGN_OR_RETURN(std::vector<Named> expected,
                           Allocate(model.graph.outputs, model.graph, inference));
  TESSERA_ASSIGN_OR_RETURN(std::vector<Named> found,
                           Allocate(model.graph.outputs, model.graph, inference));
  std::mt19937 random(20251121);
  for (int run = 0; run < kRuns; ++run) {
    std::vector<NamedView> in;
    for (Named& input : inputs) {
      Fill(input.tensor, random);
      in.push_back({input.name, input.tensor.ViewOf()});
    }
    for (auto* outputs : {&expected, &found}) {
      const std::string& path = outputs == &expected ? before : after;
      TESSERA_ASSIGN_OR_RETURN(const std::unique_ptr<FixedModel> compiled,
                               backend->Compile(path, {}, {}));
      std::vector<NamedMutableView> out;
      for (Named& output : *outputs) out.push_back({output.name, output.tensor.MutableViewOf()});
      TESSERA_RETURN_IF_ERROR(compiled->Run(in, out, {}));
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      Compare(expected[i].tensor.ViewOf(), found[i].tensor.ViewOf(), proof);
      ++proof.outputs;
    }
    ++proof.runs;
  }
  return proof;
}

}  // namespace tessera::doctor
