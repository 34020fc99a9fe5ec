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
constexpr double kLeastCosine = 0.99999;
constexpr double kLargestError = 0.01;  // of the largest value
constexpr int64_t kMostElements = int64_t{1} << 28;

std::string Text(double number, const char* format = "%.3g") {
  char text[40];
  std::snprintf(text, sizeof(text), format, number);
  return text;
}

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

// What of two outputs of one shape is not equal; "" when nothing.
std::string Compare(const View& before, const View& after, Proof& proof, bool& any_finite) {
  double dot = 0, aa = 0, bb = 0, largest = 0, most = 0;
  for (int64_t i = 0; i < before.size(); ++i) {
    const double x = At(before, i), y = At(after, i);
    if (!std::isfinite(x) || !std::isfinite(y)) {
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      return "element " + std::to_string(i) + " is " + Text(x) + " before, " + Text(y) + " after";
    }
    any_finite = true;
    most = std::max(most, std::fabs(x - y));
    largest = std::max({largest, std::fabs(x), std::fabs(y)});
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  proof.max_difference = std::max(proof.max_difference, most);
  const double cosine = aa > 0 && bb > 0 ? dot / std::sqrt(aa * bb) : aa == bb ? 1 : 0;
  proof.worst_cosine = std::min(proof.worst_cosine, cosine);
  const bool rounds =
      before.dtype == DType::kF32 || before.dtype == DType::kF16 || before.dtype == DType::kBF16;
  if (most <= (rounds ? kLargestError * largest : 0) && cosine >= (rounds ? kLeastCosine : 0))
    return "";
  return "difference " + Text(most) + " of " + Text(largest) + ", cosine " + Text(cosine);
}

// The interface of `after` beside that of `before`; "" when it is the same.
std::string CompareInterfaces(const std::vector<Named>& before, const OnnxModel& after,
                              const Inference& inference) {
  for (const Named& output : before) {
    const auto it = std::find_if(after.graph.outputs.begin(), after.graph.outputs.end(),
                                 [&](const OnnxValueInfo& o) { return o.name == output.name; });
    if (it == after.graph.outputs.end()) return "output " + QuotedName(output.name) + " is gone";
    const ValueFacts& facts = inference.Find(output.name);
    const std::optional<DType> dtype = OnnxDType(facts.type);
    const View view = output.tensor.ViewOf();
    bool same = dtype == view.dtype && facts.Static() && facts.shape->size() == view.shape.size();
    for (size_t i = 0; same && i < view.shape.size(); ++i)
      same = (*facts.shape)[i].Is(view.shape[i]);
    if (!same) {
      return "output " + QuotedName(output.name) + " is " + facts.ToString() + ", expected " +
             std::string(DTypeName(view.dtype)) + " " + ShapeToString(view.shape);
    }
  }
  return "";
}

Status RunOnce(const FixedBackend& backend, const std::string& path,
               const std::vector<Named>& inputs, std::vector<Named>& outputs) {
  TESSERA_ASSIGN_OR_RETURN(const std::unique_ptr<FixedModel> compiled,
                           backend.Compile(path, {}, {}));
  std::vector<NamedView> in;
  for (const Named& input : inputs) in.push_back({input.name, input.tensor.ViewOf()});
  std::vector<NamedMutableView> out;
  for (Named& output : outputs) out.push_back({output.name, output.tensor.MutableViewOf()});
  return compiled->Run(in, out, {});
}

}  // namespace

std::string Proof::ToString() const {
  if (!equal()) return "not equal with " + library + ": " + difference;
  return "equal on " + std::to_string(outputs) + " outputs of " + std::to_string(runs) +
         " runs with " + library + ": largest difference " + Text(max_difference) + ", cosine " +
         Text(worst_cosine, "%.9f");
}

Result<Proof> ProveEqual(const std::string& before, const std::string& after) {
  TESSERA_ASSIGN_OR_RETURN(const auto backend, OpenOnnxRuntimeBackend("cpu", {}));
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
  {
    TESSERA_ASSIGN_OR_RETURN(const OnnxModel changed, ReadOnnx(after));
    TESSERA_ASSIGN_OR_RETURN(const Inference of_changed, InferShapes(changed));
    proof.difference = CompareInterfaces(expected, changed, of_changed);
  }
  std::mt19937 random(20251121);
  bool any_finite = false;
  for (int run = 0; run < kRuns && proof.equal(); ++run) {
    for (Named& input : inputs) Fill(input.tensor, random);
    TESSERA_RETURN_IF_ERROR(RunOnce(*backend, before, inputs, expected));
    if (const Status status = RunOnce(*backend, after, inputs, found); !status.ok()) {
      proof.difference = "it does not run: " + status.message();
      break;
    }
    for (size_t i = 0; i < expected.size() && proof.equal(); ++i) {
      const std::string difference =
          Compare(expected[i].tensor.ViewOf(), found[i].tensor.ViewOf(), proof, any_finite);
      if (!difference.empty())
        proof.difference = "output " + QuotedName(expected[i].name) + ": " + difference;
      ++proof.outputs;
    }
    ++proof.runs;
  }
  if (proof.equal() && !any_finite) {
    return InvalidArgument("no output has a finite number for random inputs, which proves nothing");
  }
  return proof;
}

}  // namespace tessera::doctor
