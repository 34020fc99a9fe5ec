// Operators that make a tensor out of sizes, or sizes out of a tensor.
#include <algorithm>

#include "doctor/infer_context.h"

namespace tessera::doctor {
namespace {

void ShapeRule(InferContext& c) {
  const Numbers* shape = c.Shape(0);
  c.Set(0, 7, Numbers(1));
  if (shape == nullptr) return;
  const auto rank = static_cast<int64_t>(shape->size());
  const auto bound = [rank](int64_t i) {
    return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank);
  };
  const int64_t start = bound(c.Int("start", 0));
  const int64_t end = std::max(start, bound(c.Int("end", rank)));
  c.Set(0, 7, Numbers{end - start});
  c.SetElements(0, Numbers(shape->begin() + start, shape->begin() + end));
}

void SizeRule(InferContext& c) {
  c.Set(0, 7, Numbers());
  if (c.Shape(0) != nullptr) c.SetElements(0, {Product(*c.Shape(0))});
}

void RangeRule(InferContext& c) {
  c.Set(0, c.Type(0), Numbers(1));
  Number of[3];
  for (size_t i = 0; i < 3; ++i) {
    if (c.Elements(i) == nullptr || c.Elements(i)->size() != 1) return;
    of[i] = (*c.Elements(i))[0];
  }
  if (of[2].known() && of[2].as_double() == 0) return;
  Number count;
  if (of[0].is_float() || of[1].is_float() || of[2].is_float()) {
    if (!of[0].known() || !of[1].known() || !of[2].known()) return;
    const double steps = (of[1].as_double() - of[0].as_double()) / of[2].as_double();
    if (!(steps < 1e9)) return;
    count = {std::max<int64_t>(
        0, static_cast<int64_t>(steps) + (steps > static_cast<int64_t>(steps) ? 1 : 0))};
  } else {
    count = CeilDiv(Sub(of[1], of[0]), of[2]);
    if (count.is_int()) count = Max(count, 0);
  }
  c.Out(0).shape = Numbers{count};
  if (!count.is_int() || count.value() > kMaxTracked) return;
  Numbers elements;
  for (int64_t i = 0; i < count.value(); ++i) elements.push_back(Add(of[0], Mul(of[2], i)));
  c.SetElements(0, std::move(elements));
}

void ConstantOfShapeRule(InferContext& c) {
  const OnnxAttribute* value = c.node.FindAttribute("value");
  const OnnxTensor* tensor =
      value != nullptr && !value->tensors.empty() ? &value->tensors[0] : nullptr;
  c.Out(0).type = tensor != nullptr ? tensor->type : 1;
  if (c.Elements(0) == nullptr) {
    const Numbers* sizes = c.Shape(0);
    if (sizes != nullptr && sizes->size() == 1 && (*sizes)[0].is_int() &&
        (*sizes)[0].value() >= 0 && (*sizes)[0].value() <= 64) {
      c.Out(0).shape.emplace(static_cast<size_t>((*sizes)[0].value()));
    }
    return;
  }
  c.Out(0).shape = *c.Elements(0);
  const std::optional<int64_t> count = c.Out(0).ElementCount();
  if (!count || *count > kMaxTracked) return;
  Number fill = Number::Float(0);
  if (tensor != nullptr) {
    fill = Number();
    int64_t integer = 0;
    // Masks and shapes are filled with int64, int32 or bool.
    if (tensor->data.size() == 8 && tensor->type == 7) {
      for (size_t i = 0; i < 8; ++i)
        integer |= static_cast<int64_t>(uint64_t{tensor->data[i]} << (8 * i));
      fill = {integer};
    } else if (tensor->data.size() == 1 && tensor->type == kOnnxBool) {
      fill = {tensor->data[0]};
    }
  }
  c.SetElements(0, Numbers(static_cast<size_t>(*count), fill));
}

void EyeLikeRule(InferContext& c) {
  if (c.In(0) == nullptr) return;
  const auto type = static_cast<OnnxType>(c.Int("dtype", 0));
  c.Set(0, type != 0 ? type : c.Type(0), c.In(0)->shape);
}

void RandomRule(InferContext& c) {
  c.Out(0).type = static_cast<OnnxType>(c.Int("dtype", 1));
  if (const std::vector<int64_t>* shape = c.Ints("shape"))
    c.Out(0).shape = Numbers(shape->begin(), shape->end());
}

constexpr NamedRule kRules[] = {
    {"ConstantOfShape", ConstantOfShapeRule},
    {"EyeLike", EyeLikeRule},
    {"RandomNormal", RandomRule},
    {"RandomUniform", RandomRule},
    {"Range", RangeRule},
    {"Shape", ShapeRule},
    {"Size", SizeRule},
};

}  // namespace

RuleTable MakerRules() { return {kRules, std::size(kRules)}; }

}  // namespace tessera::doctor
