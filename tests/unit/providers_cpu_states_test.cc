// Rows that another provider hands over are as good as rows that a CacheWrite stored: what reads
// the state afterwards gives the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "graph/builder.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

using kernels::Precision;

constexpr int64_t kWidth = 64, kHeads = 2, kSlots = 3, kPositions = 70, kRows = 65;

Tensor Floats(Shape shape, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  Tensor tensor(DType::kF32, std::move(shape));
  for (float& x : tensor.Span<float>()) x = normal(engine);
  return tensor;
}

class StatesTest : public ::testing::TestWithParam<std::tuple<Precision, bool>> {
 protected:
  StatesTest() : whole_(std::get<1>(GetParam())) {
    options_.precision = std::get<0>(GetParam());
    options_.max_dims = {{"rows", kPositions}, {"tokens", 4}, {"slots", kSlots}};
    GraphBuilder writer("writer"), reader("reader");
    const Dim n("rows");
    const ValueId slot = writer.Input("slot", DType::kI32, {n});
    const ValueId position = writer.Input("position", DType::kI32, {n});
    const ValueId query = reader.Input("query", DType::kF32, {Dim("tokens"), kWidth});
    const ValueId index = reader.Input("index", DType::kI32, {Dim("tokens")});
    const ValueId length = reader.Input("length", DType::kI32, {Dim("tokens")});
    ValueId caches[2];
    for (const int i : {0, 1}) {
      const char* const name = i == 0 ? "keys" : "values";
      const StateTraits traits = {!whole_  ? StateUse::kRows
                                  : i == 0 ? StateUse::kWholeKeys
                                           : StateUse::kWholeValues,
                                  kHeads};
      const Dims dims = {Dim("slots"), kPositions, kWidth};
      const ValueId rows = writer.Input(std::string(name) + "_rows", DType::kF32, {n, kWidth});
      const ValueId state = writer.State(name, DType::kF32, dims, traits);
      writer.UpdateState(
          state, writer.CacheWrite(std::string(name) + "_write", state, rows, slot, position));
      caches[i] = reader.State(name, DType::kF32, dims, traits);
    }
    reader.Output("out", reader.CachedAttention("attention", query, caches[0], caches[1], index,
                                                length, {kHeads, 0.2f, false}));
    writer_ = Built(writer);
    reader_ = Built(reader);
  }

  static Graph Built(GraphBuilder& builder) {
    auto graph = builder.Build();
    EXPECT_TRUE(graph.ok()) << graph.status().ToString();
    return std::move(graph).value();
  }

  std::unique_ptr<StateStore> NewStore() {
    const Graph* graphs[] = {&writer_, &reader_};
    auto store = provider_.NewStateStore(graphs, options_);
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return std::move(store).value();
  }

  // What the reader gives for slots 1 and 2, of `length` and 1 rows.
  std::vector<float> Read(StateStore& store, int32_t length) {
    auto program = provider_.Compile(reader_, options_);
    EXPECT_TRUE(program.ok()) << program.status().ToString();
    const Tensor query = Floats({2, kWidth}, 9);
    const int32_t index[] = {1, 2}, lengths[] = {length, 1};
    Tensor out(DType::kF32, {2, kWidth});
    const NamedView in[] = {{"query", query.ViewOf()},
                            {"index", {index, DType::kI32, {2}}},
                            {"length", {lengths, DType::kI32, {2}}}};
    const NamedMutableView result[] = {{"out", out.MutableViewOf()}};
    const auto context = (*program)->NewContext();
    const Status status = (*program)->Run(*context, &store, {in, result}, {});
    EXPECT_TRUE(status.ok()) << status.ToString();
    return {out.As<float>(), out.As<float>() + out.size()};
  }

  // By CacheWrite.
  void Write(StateStore& store, int32_t slot, const Tensor& keys, const Tensor& values,
             int64_t count) {
    auto program = provider_.Compile(writer_, options_);
    ASSERT_TRUE(program.ok()) << program.status().ToString();
    const std::vector<int32_t> slots(static_cast<size_t>(count), slot);
    std::vector<int32_t> positions;
    for (int32_t i = 0; i < count; ++i) positions.push_back(i);
    const NamedView in[] = {{"keys_rows", keys.ViewOf().Rows(0, count)},
                            {"values_rows", values.ViewOf().Rows(0, count)},
                            {"slot", {slots.data(), DType::kI32, {count}}},
                            {"position", {positions.data(), DType::kI32, {count}}}};
    const auto context = (*program)->NewContext();
    const Status status = (*program)->Run(*context, &store, {in, {}}, {});
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  const bool whole_;
  const CpuProvider provider_{1};
  CompileOptions options_;
  Graph writer_, reader_;
};

TEST_P(StatesTest, WriteRowsIsAsGoodAsCacheWrite) {
  const Tensor keys = Floats({kPositions, kWidth}, 1), values = Floats({kPositions, kWidth}, 2);
  const auto expected = NewStore(), found = NewStore();
  for (const int32_t count : {int32_t{kPositions}, int32_t{kRows}}) {
    for (const int32_t slot : {1, 2}) {
      const int64_t rows = slot == 1 ? count : 1;
      ASSERT_NO_FATAL_FAILURE(Write(*expected, slot, keys, values, rows));
      ASSERT_TRUE(found->WriteRows("keys", slot, 0, keys.ViewOf().Rows(0, rows)).ok());
      if (whole_) {
        ASSERT_TRUE(found->WriteRows("values", slot, 0, values.ViewOf().Rows(0, rows)).ok());
        continue;
      }
      // In parts, the later one first.
      const int64_t half = rows / 2;
      ASSERT_TRUE(found->WriteRows("values", slot, half, values.ViewOf().Rows(half, rows)).ok());
      if (half > 0) {
        ASSERT_TRUE(found->WriteRows("values", slot, 0, values.ViewOf().Rows(0, half)).ok());
      }
    }
    const std::vector<float> want = Read(*expected, count);
    EXPECT_EQ(Read(*found, count), want) << count;
    EXPECT_THAT(want, ::testing::Not(::testing::Each(0.0f)));
  }
}

TEST_P(StatesTest, RowsHaveToFit) {
  const auto store = NewStore();
  const Tensor rows = Floats({2, kWidth}, 1);
  const auto code = [&](const char* name, int64_t slot, int64_t position, const View& view) {
    return store->WriteRows(name, slot, position, view).code();
  };
  EXPECT_EQ(code("none", 0, 0, rows.ViewOf()), StatusCode::kNotFound);
  EXPECT_EQ(code("keys", kSlots, 0, rows.ViewOf()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("keys", -1, 0, rows.ViewOf()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("keys", 0, kPositions - 1, rows.ViewOf()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("keys", 0, -1, rows.ViewOf()), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("keys", 0, 0, rows.ViewOf().Rows(0, 0)), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("keys", 0, 0, {rows.As<float>(), DType::kF32, {kWidth, 2}}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code("keys", 0, 1, rows.ViewOf()),
            whole_ ? StatusCode::kInvalidArgument : StatusCode::kOk);
}

INSTANTIATE_TEST_SUITE_P(Precisions, StatesTest,
                         ::testing::Combine(::testing::Values(Precision::kF32, Precision::kBf16,
                                                              Precision::kInt8),
                                            ::testing::Bool()),
                         [](const auto& info) {
                           return std::string(PrecisionName(std::get<0>(info.param))) +
                                  (std::get<1>(info.param) ? "Whole" : "Rows");
                         });

}  // namespace
}  // namespace tessera
