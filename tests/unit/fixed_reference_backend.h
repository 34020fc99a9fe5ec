// A FixedBackend without a vendor's library: reads the interface of the ONNX model that it is given
// and computes the step form with the graph's own reference ops. It is as strict as a device: every
// input and output has to have exactly the model's name, type and shape.
#ifndef TESSERA_TESTS_UNIT_FIXED_REFERENCE_BACKEND_H_
#define TESSERA_TESTS_UNIT_FIXED_REFERENCE_BACKEND_H_

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/binding.h"
#include "graph/interpreter.h"
#include "graph/onnx/step.h"
#include "graph/passes/specialize_dims.h"
#include "providers/fixed/backend.h"
#include "tests/unit/onnx_ports.h"

namespace tessera::fixed_test {

// What the model was given in one run.
struct RecordedRun {
  std::map<std::string, Tensor> inputs, outputs;
  std::map<std::string, const void*> addresses;
};

class ReferenceModel : public FixedModel {
 public:
  ReferenceModel(Graph graph, OnnxPorts ports, StagePlacement placement)
      : graph_(std::move(graph)), ports_(std::move(ports)), placement_(std::move(placement)) {
    auto form = MakeStepForm(graph_);
    TESSERA_CHECK(form.ok());
    form_ = std::move(form).value();
  }

  const StagePlacement& placement() const override { return placement_; }
  const OnnxPorts& ports() const { return ports_; }

  Status Run(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs,
             std::stop_token stop) override {
    if (before) TESSERA_RETURN_IF_ERROR(before(static_cast<int>(runs.size())));
    if (stop.stop_requested()) return Cancelled("stopped");
    if (inputs.size() != ports_.inputs.size() || outputs.size() != ports_.outputs.size())
      return Internal("another number of inputs or outputs");
    RecordedRun run;
    for (const OnnxPort& port : ports_.inputs) {
      const auto it = std::ranges::find(inputs, port.name, &NamedView::name);
      if (it == inputs.end() || it->view.dtype != port.dtype || it->view.shape != port.shape)
        return Internal("input " + port.name + " is missing or has another shape");
      run.inputs.emplace(port.name, Tensor::CopyOf(it->view));
      run.addresses[port.name] = it->view.data;
    }
    for (const OnnxPort& port : ports_.outputs) {
      const auto it = std::ranges::find(outputs, port.name, &NamedMutableView::name);
      if (it == outputs.end() || it->view.dtype != port.dtype || it->view.shape != port.shape)
        return Internal("output " + port.name + " is missing or has another shape");
    }
    TESSERA_RETURN_IF_ERROR(Compute(run));
    for (const NamedMutableView& output : outputs) {
      const View found = run.outputs.at(std::string(output.name)).ViewOf();
      std::memcpy(output.view.data, found.data, found.bytes());
    }
    runs.push_back(std::move(run));
    return OkStatus();
  }

  std::vector<RecordedRun> runs;
  std::function<Status(int run)> before;  // fails in place of the run when it is not ok

 private:
  Status Compute(RecordedRun& run) {
    std::map<ValueId, View> known;
    std::map<ValueId, Tensor> made;
    for (const ValueId id : form_.inputs) known[id] = run.inputs.at(graph_.value(id).name).ViewOf();
    for (const StepForm::Lookup& lookup : form_.lookups)
      known[lookup.rows] = run.inputs.at(lookup.name).ViewOf();
    const auto view = [&](ValueId id) -> View {
      if (id == kNoValue) return {};
      if (const auto same = form_.same.find(id); same != form_.same.end()) id = same->second;
      if (graph_.value(id).kind == ValueKind::kConstant) return graph_.value(id).data;
      return known.at(id);
    };
    for (size_t i = 0; i < graph_.nodes().size(); ++i) {
      const Node& node = graph_.nodes()[i];
      if (std::ranges::binary_search(form_.host_nodes, static_cast<int32_t>(i))) continue;
      const ValueId id = node.outputs[0];
      if (node.op == OpKind::kCachedAttention) {
        made[id] = Attend(node, view, run);
      } else if (node.op == OpKind::kRaggedAttention) {
        made[id] = AttendText(node, view, run);
      } else {
        std::vector<View> operands;
        for (const ValueId input : node.inputs) operands.push_back(view(input));
        TESSERA_ASSIGN_OR_RETURN(made[id], InterpretNode(node.op, node.attributes, operands));
      }
      known[id] = made[id].ViewOf();
    }
    for (const GraphOutput& output : graph_.outputs())
      run.outputs.emplace(output.name, Tensor::CopyOf(view(output.value)));
    for (const StepForm::NewRows& rows : form_.new_rows)
      run.outputs.emplace(rows.name, Tensor::CopyOf(view(rows.rows)));
    return OkStatus();
  }

  // One query against `keys` with what is added to their scores, for each head.
  static void AttendRow(const AttentionAttributes& attention, const float* query, int64_t width,
                        const std::vector<const float*>& keys,
                        const std::vector<const float*>& values, const std::vector<float>& added,
                        float* out) {
    const int64_t head_dim = width / attention.num_heads;
    for (int64_t begin = 0; begin < width; begin += head_dim) {
      std::vector<double> weights;
      for (size_t k = 0; k < keys.size(); ++k) {
        double score = 0;
        for (int64_t c = begin; c < begin + head_dim; ++c) score += double{query[c]} * keys[k][c];
        weights.push_back(score * attention.scale + added[k]);
      }
      const double top = *std::ranges::max_element(weights);
      double sum = 0;
      for (double& weight : weights) sum += weight = std::exp(weight - top);
      for (int64_t c = begin; c < begin + head_dim; ++c) {
        double total = 0;
        for (size_t k = 0; k < keys.size(); ++k) total += weights[k] / sum * values[k][c];
        out[c] = static_cast<float>(total);
      }
    }
  }

  Tensor Attend(const Node& node, const std::function<View(ValueId)>& view,
                const RecordedRun& run) const {
    const auto past_of = [&](ValueId cache) {
      const Value& value = graph_.value(cache);
      const ValueId state = value.kind == ValueKind::kState
                                ? cache
                                : graph_.nodes()[static_cast<size_t>(value.producer)].inputs[0];
      return *form_.FindPast(state);
    };
    const StepForm::Past past = past_of(node.inputs[1]);
    const View query = view(node.inputs[0]);
    const int64_t width = query.shape[1];
    const float* const mask =
        run.inputs.at(form_.FindMask(past.length, past.rows, past.own_row)->name).As<float>();
    const float* const k = run.inputs.at(past.name).As<float>();
    const float* const v = run.inputs.at(past_of(node.inputs[2]).name).As<float>();
    std::vector<const float*> keys, values;
    std::vector<float> added(mask, mask + past.rows);
    for (int64_t p = 0; p < past.rows; ++p) {
      keys.push_back(k + p * width);
      values.push_back(v + p * width);
    }
    if (past.own_row) {
      const auto own = [&](ValueId cache) {
        const int32_t producer = graph_.value(cache).producer;
        return view(graph_.nodes()[static_cast<size_t>(producer)].inputs[1]).As<float>();
      };
      keys.push_back(own(node.inputs[1]));
      values.push_back(own(node.inputs[2]));
      added.push_back(0);
    }
    Tensor out(DType::kF32, {1, width});
    AttendRow(std::get<AttentionAttributes>(node.attributes), query.As<float>(), width, keys,
              values, added, out.As<float>());
    return out;
  }

  Tensor AttendText(const Node& node, const std::function<View(ValueId)>& view,
                    const RecordedRun& run) const {
    const View query = view(node.inputs[0]);
    const int64_t tokens = query.shape[0], width = query.shape[1];
    const float* const mask =
        run.inputs.at(form_.FindMask(node.inputs[3], tokens, false)->name).As<float>();
    const float* const k = view(node.inputs[1]).As<float>();
    const float* const v = view(node.inputs[2]).As<float>();
    std::vector<const float*> keys, values;
    for (int64_t t = 0; t < tokens; ++t) {
      keys.push_back(k + t * width);
      values.push_back(v + t * width);
    }
    Tensor out(DType::kF32, {tokens, width});
    for (int64_t t = 0; t < tokens; ++t)
      AttendRow(std::get<AttentionAttributes>(node.attributes), query.As<float>() + t * width,
                width, keys, values, {mask, mask + tokens}, out.As<float>() + t * width);
    return out;
  }

  const Graph graph_;
  const OnnxPorts ports_;
  const StagePlacement placement_;
  StepForm form_;
};

class ReferenceBackend : public FixedBackend {
 public:
  // Compiles any of `graphs`, told apart by FixedCompileOptions::stage; they must outlive it.
  // `sizes`: of symbols that the interface does not show.
  ReferenceBackend(std::vector<const Graph*> graphs, DimBindings sizes)
      : graphs_(std::move(graphs)), sizes_(std::move(sizes)) {
    info_.name = "reference:test";
    info_.version = "1";
    info_.device_name = "Test Device";
    info_.device = DeviceKind::kNpu;
    info_.emulated = true;
  }

  const BackendInfo& info() const override { return info_; }

  Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                              const FixedCompileOptions& options,
                                              std::stop_token) const override {
    if (on_compile) TESSERA_RETURN_IF_ERROR(on_compile(path, options));
    const auto graph = std::ranges::find(graphs_, options.stage, &Graph::name);
    TESSERA_CHECK(graph != graphs_.end());
    OnnxPorts ports = ReadPorts(path);
    DimBindings dims;
    for (const OnnxPort& port : ports.inputs) {
      const ValueId id = (*graph)->FindValue(port.name);
      if (id != kNoValue)
        TESSERA_RETURN_IF_ERROR(BindValue((*graph)->value(id), port.dtype, port.shape, &dims));
    }
    for (const std::string& symbol : (*graph)->Symbols())
      if (!dims.contains(symbol)) dims[symbol] = sizes_.at(symbol);
    Graph bound = **graph;
    TESSERA_RETURN_IF_ERROR(SpecializeDims(&bound, dims));
    StagePlacement record;
    for (const auto& [name, op] : ports.nodes)
      record.nodes.push_back({.name = name, .op = op, .provider = "test", .device = info_.device});
    auto model = std::make_unique<ReferenceModel>(std::move(bound), std::move(ports), record);
    models[options.stage].push_back(model.get());
    return std::unique_ptr<FixedModel>(std::move(model));
  }

  std::function<Status(const std::string& path, const FixedCompileOptions&)> on_compile;
  // By stage, in the order in which they were compiled; valid as long as their programs.
  mutable std::map<std::string, std::vector<ReferenceModel*>> models;

 private:
  const std::vector<const Graph*> graphs_;
  const DimBindings sizes_;
  BackendInfo info_;
};

}  // namespace tessera::fixed_test

#endif  // TESSERA_TESTS_UNIT_FIXED_REFERENCE_BACKEND_H_
