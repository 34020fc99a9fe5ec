#include "providers/quantize/observer.h"

#include <cmath>
#include <map>

#include "base/check.h"
#include "base/file.h"
#include "base/temporary_folder.h"
#include "formats/onnx.h"
#include "formats/onnx_writer.h"
#include "providers/quantize/onnx_builder.h"

namespace tessera {
namespace {

constexpr const char* kLeast = "observed_least";
constexpr const char* kLargest = "observed_largest";
constexpr const char* kMeans = "observed_means";

// What is observed of a model, in the order of the outputs.
struct Observed {
  std::vector<std::string> values;
  struct Columns {
    std::string value;
    int64_t count = 0;
  };
  std::vector<Columns> columns;

  int64_t num_columns() const {
    int64_t sum = 0;
    for (const Columns& of : columns) sum += of.count;
    return sum;
  }
};

// Float inputs and what nodes compute. Everything that a node of the step form gives is float.
std::vector<std::string_view> FloatValues(const OnnxGraph& graph) {
  std::vector<std::string_view> names;
  for (const OnnxValueInfo& input : graph.inputs)
    if (input.type == kOnnxF32) names.push_back(input.name);
  for (const OnnxNode& node : graph.nodes)
    for (const std::string_view output : node.outputs) names.push_back(output);
  return names;
}

// The first inputs of products with weights [k, n] or, transposed, [n, k].
std::vector<Observed::Columns> WeightedValues(const OnnxGraph& graph) {
  std::map<std::string, int64_t> counts;
  for (const OnnxNode& node : graph.nodes) {
    if (!node.Is("MatMul") && !node.Is("Gemm")) continue;
    const OnnxTensor* weight = graph.FindInitializer(node.inputs[1]);
    if (weight == nullptr || weight->shape.size() != 2) continue;
    const OnnxAttribute* transposed = node.FindAttribute("transB");
    const bool columns_first = transposed == nullptr || transposed->i == 0;
    counts[std::string(node.inputs[0])] = weight->shape[columns_first ? 0 : 1];
  }
  std::vector<Observed::Columns> columns;
  for (const auto& [value, count] : counts) columns.push_back({value, count});
  return columns;
}

void AddOutput(std::string_view name, int64_t size, OnnxModel* model) {
  OnnxValueInfo info{.name = name, .type = kOnnxF32, .dims = {}};
  info.dims.emplace().push_back({size, {}});
  model->graph.outputs.push_back(std::move(info));
}

// Adds the output kMeans, f32 [sum of the columns], as rows of all of a value's leading dimensions.
void AddMeans(const Observed& observed, OnnxModel* model) {
  if (observed.columns.empty()) return;
  OnnxBuilder builder(model);
  const std::string_view axis = builder.Constant<int64_t>("observed/rows", kOnnxI64, {1}, {0});
  std::vector<std::string_view> parts;
  for (const Observed::Columns& of : observed.columns) {
    const std::string_view value = builder.Text(of.value);
    const std::string_view shape =
        builder.Constant<int64_t>(of.value + "/rows_shape", kOnnxI64, {2}, {int64_t{-1}, of.count});
    OnnxNode rows =
        OnnxBuilder::NodeOf("Reshape", "", {value, shape}, builder.NewName(of.value + "/rows"));
    OnnxNode mean = OnnxBuilder::NodeOf("ReduceMean", "", {rows.outputs[0], axis},
                                        builder.NewName(of.value + "/mean"));
    mean.attributes = {OnnxBuilder::Int("keepdims", 0)};
    parts.push_back(mean.outputs[0]);
    model->graph.nodes.push_back(std::move(rows));
    model->graph.nodes.push_back(std::move(mean));
  }
  OnnxNode all = OnnxBuilder::NodeOf("Concat", "", parts, kMeans);
  all.attributes = {OnnxBuilder::Int("axis", 0)};
  model->graph.nodes.push_back(std::move(all));
  AddOutput(kMeans, observed.num_columns(), model);
}

// Adds outputs kLeast and kLargest, f32 [names.size()].
void AddExtremes(const std::vector<std::string_view>& names, OnnxModel* model) {
  OnnxBuilder builder(model);
  const std::string_view first = builder.Constant<int64_t>("observed/axis", kOnnxI64, {1}, {0});
  for (const auto& [op, output] : {std::pair("ReduceMin", kLeast), {"ReduceMax", kLargest}}) {
    std::vector<std::string_view> parts;
    for (const std::string_view name : names) {
      const std::string base = std::string(name) + "/" + op;
      OnnxNode reduce = OnnxBuilder::NodeOf(op, "", {name}, builder.NewName(base));
      reduce.attributes = {OnnxBuilder::Int("keepdims", 0)};
      OnnxNode row =
          OnnxBuilder::NodeOf("Unsqueeze", "", {reduce.outputs[0], first}, builder.NewName(base));
      parts.push_back(row.outputs[0]);
      model->graph.nodes.push_back(std::move(reduce));
      model->graph.nodes.push_back(std::move(row));
    }
    OnnxNode all = OnnxBuilder::NodeOf("Concat", "", parts, output);
    all.attributes = {OnnxBuilder::Int("axis", 0)};
    model->graph.nodes.push_back(std::move(all));
    AddOutput(output, static_cast<int64_t>(names.size()), model);
  }
}

class ObservedModel : public FixedModel {
 public:
  ObservedModel(std::unique_ptr<FixedModel> model, Observed observed, std::string stage,
                std::shared_ptr<RangeObserver> observer)
      : model_(std::move(model)),
        observed_(std::move(observed)),
        stage_(std::move(stage)),
        observer_(std::move(observer)),
        least_(observed_.values.size()),
        largest_(observed_.values.size()),
        means_(static_cast<size_t>(observed_.num_columns())) {}

  Status Run(std::span<const NamedView> inputs, std::span<const NamedMutableView> outputs,
             std::stop_token stop) override {
    std::vector<NamedMutableView> all(outputs.begin(), outputs.end());
    for (const auto& [name, numbers] :
         {std::pair(kLeast, &least_), {kLargest, &largest_}, {kMeans, &means_}})
      if (!numbers->empty())
        all.push_back(
            {name, {numbers->data(), DType::kF32, {static_cast<int64_t>(numbers->size())}}});
    TESSERA_RETURN_IF_ERROR(model_->Run(inputs, all, std::move(stop)));
    StageStatistics run;
    for (size_t i = 0; i < observed_.values.size(); ++i) {
      if (!std::isfinite(least_[i]) || !std::isfinite(largest_[i]))
        return Internal(stage_ + ": '" + observed_.values[i] + "' is not finite");
      run.ranges[observed_.values[i]] = {least_[i], largest_[i]};
    }
    auto begin = means_.begin();
    for (const Observed::Columns& of : observed_.columns) {
      run.means[of.value] = {begin, begin + of.count};
      begin += of.count;
    }
    observer_->Include(stage_, run);
    return OkStatus();
  }
  const StagePlacement& placement() const override { return model_->placement(); }

 private:
  const std::unique_ptr<FixedModel> model_;
  const Observed observed_;
  const std::string stage_;
  const std::shared_ptr<RangeObserver> observer_;
  std::vector<float> least_, largest_, means_;
};

class ObservingBackend : public FixedBackend {
 public:
  ObservingBackend(std::shared_ptr<const FixedBackend> backend,
                   std::shared_ptr<RangeObserver> observer)
      : backend_(std::move(backend)), observer_(std::move(observer)) {}
  const BackendInfo& info() const override { return backend_->info(); }

  Result<std::unique_ptr<FixedModel>> Compile(const std::string& path,
                                              const FixedCompileOptions& options,
                                              std::stop_token stop) const override {
    TESSERA_ASSIGN_OR_RETURN(OnnxModel model, ReadOnnx(path));
    const std::vector<std::string_view> values = FloatValues(model.graph);
    Observed observed{{values.begin(), values.end()}, WeightedValues(model.graph)};
    AddExtremes(values, &model);
    AddMeans(observed, &model);
    TESSERA_ASSIGN_OR_RETURN(const TemporaryFolder folder, TemporaryFolder::Create());
    const std::string copy = JoinPath(folder.path(), "model.onnx");
    TESSERA_RETURN_IF_ERROR(WriteOnnx(model, copy));
    FixedCompileOptions own = options;
    own.cache_folder.clear();
    TESSERA_ASSIGN_OR_RETURN(std::unique_ptr<FixedModel> compiled,
                             backend_->Compile(copy, own, std::move(stop)));
    return std::unique_ptr<FixedModel>(std::make_unique<ObservedModel>(
        std::move(compiled), std::move(observed), options.stage, observer_));
  }

 private:
  const std::shared_ptr<const FixedBackend> backend_;
  const std::shared_ptr<RangeObserver> observer_;
};

}  // namespace

std::shared_ptr<const FixedBackend> RangeObserver::Wrap(
    std::shared_ptr<const FixedBackend> backend) {
  return std::make_shared<ObservingBackend>(std::move(backend), shared_from_this());
}

std::map<std::string, StageStatistics, std::less<>> RangeObserver::Statistics() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::map<std::string, StageStatistics, std::less<>> statistics;
  for (const auto& [name, stage] : stages_) {
    StageStatistics& mean = statistics[name] = stage.sums;
    for (auto& [value, columns] : mean.means)
      for (float& x : columns) x = static_cast<float>(x / stage.runs);
  }
  return statistics;
}

void RangeObserver::Reset() {
  const std::lock_guard<std::mutex> lock(mutex_);
  stages_.clear();
}

void RangeObserver::Include(const std::string& stage, const StageStatistics& run) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Stage& known = stages_[stage];
  ++known.runs;
  for (const auto& [name, range] : run.ranges) {
    const auto [it, is_new] = known.sums.ranges.try_emplace(name, range);
    if (!is_new) it->second.Include(range);
  }
  for (const auto& [name, columns] : run.means) {
    std::vector<float>& sum = known.sums.means[name];
    sum.resize(columns.size());
    for (size_t j = 0; j < columns.size(); ++j) sum[j] += columns[j];
  }
}

}  // namespace tessera
