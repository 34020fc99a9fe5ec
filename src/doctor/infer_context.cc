// What rules of all operators use.
#include "doctor/infer_context.h"

#include <algorithm>

namespace tessera::doctor {

const Numbers* InferContext::Shape(size_t i) const {
  return In(i) != nullptr && In(i)->shape ? &*In(i)->shape : nullptr;
}

const Numbers* InferContext::Elements(size_t i) const {
  return In(i) != nullptr ? In(i)->elements.get() : nullptr;
}

int64_t InferContext::Int(std::string_view name, int64_t otherwise) const {
  const OnnxAttribute* attribute = node.FindAttribute(name);
  return attribute != nullptr && attribute->type == 2 ? attribute->i : otherwise;
}

double InferContext::Float(std::string_view name, double otherwise) const {
  const OnnxAttribute* attribute = node.FindAttribute(name);
  return attribute != nullptr && attribute->type == 1 ? attribute->f : otherwise;
}

std::string_view InferContext::String(std::string_view name, std::string_view otherwise) const {
  const OnnxAttribute* attribute = node.FindAttribute(name);
  return attribute != nullptr && attribute->type == 3 ? attribute->s : otherwise;
}

const std::vector<int64_t>* InferContext::Ints(std::string_view name) const {
  const OnnxAttribute* attribute = node.FindAttribute(name);
  return attribute != nullptr && attribute->type == 7 ? &attribute->ints : nullptr;
}

std::optional<std::vector<int64_t>> InferContext::KnownInts(size_t i) const {
  const Numbers* elements = Elements(i);
  if (elements == nullptr || !AllKnown(*elements)) return std::nullopt;
  std::vector<int64_t> ints;
  ints.reserve(elements->size());
  for (const Number& n : *elements) ints.push_back(n.value());
  return ints;
}

std::optional<std::vector<int64_t>> InferContext::IntsOf(std::string_view name, size_t i) const {
  if (const std::vector<int64_t>* ints = Ints(name)) return *ints;
  return KnownInts(i);
}

void InferContext::SetElements(size_t i, Numbers elements) {
  if (static_cast<int64_t>(elements.size()) <= kMaxTracked)
    Out(i).elements = std::make_shared<const Numbers>(std::move(elements));
}

std::optional<size_t> NormalAxis(int64_t axis, size_t rank) {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) return std::nullopt;
  return static_cast<size_t>(axis < 0 ? axis + signed_rank : axis);
}

Number JoinDims(const Number& a, const Number& b) {
  if (a.is_int()) return a;
  if (b.is_int()) return b;
  return a.unknown() ? b : a;
}

std::optional<Numbers> BroadcastShapes(const Numbers& a, const Numbers& b) {
  Numbers out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const bool in_a = i < a.size(), in_b = i < b.size();
    const Number x = in_a ? a[a.size() - 1 - i] : Number(1);
    const Number y = in_b ? b[b.size() - 1 - i] : Number(1);
    Number& to = out[out.size() - 1 - i];
    if (x.Is(1)) {
      to = y;
    } else if (y.Is(1) || x.Same(y)) {
      to = x;
    } else if (x.is_int() && y.is_int()) {
      return std::nullopt;
    } else if (x.is_int()) {  // the other is 1 or the same
      to = x;
    } else if (y.is_int()) {
      to = y;
    }
  }
  return out;
}

}  // namespace tessera::doctor
