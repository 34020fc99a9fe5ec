#include <algorithm>

#include "providers/cpu/lowering_pass.h"

namespace tessera::cpu {

PlanDim Lowering::ToPlanDim(const Dim& dim) const {
  PlanDim d{.symbol = -1, .mul = dim.mul, .add = dim.add};
  if (dim.IsConstant()) return {.symbol = -1, .mul = 0, .add = dim.add};
  const auto it = std::find(plan_.symbols.begin(), plan_.symbols.end(), dim.symbol);
  d.symbol = static_cast<int>(it - plan_.symbols.begin());
  return d;
}

PlanSize Lowering::RowsOfValue(ValueId v) const {
  PlanSize size;
  const Dims& dims = graph_.value(v).dims;
  for (size_t i = 0; i + 1 < dims.size(); ++i) size.push_back(ToPlanDim(dims[i]));
  return size;
}

int64_t Lowering::ColumnsOf(ValueId v) const { return graph_.value(v).dims.back().add; }

int Lowering::SoleConsumer(ValueId v, OpKind op) const {
  if (IsOutput(v) || consumers_[v].size() != 1) return -1;
  const int c = consumers_[v][0];
  return node(c).op == op && !done_[c] ? c : -1;
}

int Lowering::InputIndex(ValueId v) const {
  const auto it = std::find(graph_.inputs().begin(), graph_.inputs().end(), v);
  return it == graph_.inputs().end() ? -1 : static_cast<int>(it - graph_.inputs().begin());
}

int Lowering::StateIndex(ValueId v) {
  const auto it = state_of_.find(v);
  return it == state_of_.end() ? -1 : it->second;
}

Rows Lowering::NewRows(ValueId v) {
  Allocation a;
  a.rows = RowsOfValue(v);
  a.columns = ColumnsOf(v);
  a.first_step = a.last_step = static_cast<int>(plan_.steps.size());
  if (const auto it = output_of_.find(v); it != output_of_.end()) a.output = it->second;
  allocations_.push_back(a);
  const Rows rows{.offset = static_cast<int64_t>(allocations_.size()) - 1,
                  .ld = a.columns,
                  .columns = a.columns};
  rows_[v] = rows;
  return rows;
}

Rows Lowering::Use(ValueId v) {
  const auto it = rows_.find(v);
  TESSERA_CHECK(it != rows_.end());
  if (it->second.place == Place::kInput) return it->second;
  Allocation& a = allocations_[it->second.offset];
  a.last_step = static_cast<int>(plan_.steps.size());
  return it->second;
}

// For readers that look at other rows than the one being computed.
Rows Lowering::Materialised(ValueId v) {
  CloseChain();
  return Use(v);
}

ChainStep& Lowering::Chain(const PlanSize& rows) {
  if (chain_ && chain_->rows != rows) CloseChain();
  if (!chain_) chain_ = ChainStep{.rows = rows};
  return *chain_;
}

void Lowering::CloseChain() {
  if (!chain_) return;
  std::string name = chain_->ops.front().node;
  if (chain_->ops.size() > 1) name += " .. " + chain_->ops.back().node;
  plan_.steps.push_back({std::move(*chain_), std::move(name)});
  chain_.reset();
  prepared_.clear();
}

void Lowering::Emit(const PlanSize& rows, const std::string& name, decltype(MicroOp::op) op) {
  Chain(rows).ops.push_back({std::move(op), name});
}

}  // namespace tessera::cpu
