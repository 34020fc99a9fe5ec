// Both attention kernels against softmax(scale q k^T) v in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/attention.h"
#include "kernels/cached_attention.h"
#include "tests/unit/kernels_test_util.h"

namespace tessera::kernels {
namespace {

// One query row against keys and values given as functions of (position, column).
struct Oracle {
  std::vector<double> out;
  double max_score = 0;  // the largest scale * sum |q_i k_ji|
  double max_value = 0;
  double sum = 0;  // of the weights, the largest being 1
};
template <class Key, class Value>
Oracle Attend(const float* q, int64_t head_dim, int64_t length, double scale, Key key,
              Value value) {
  Oracle oracle;
  std::vector<double> scores(static_cast<size_t>(length));
  for (int64_t j = 0; j < length; ++j) {
    double magnitude = 0;
    for (int64_t i = 0; i < head_dim; ++i) {
      scores[j] += scale * q[i] * key(j, i);
      magnitude += std::fabs(scale * q[i] * key(j, i));
      oracle.max_value = std::max(oracle.max_value, std::fabs(static_cast<double>(value(j, i))));
    }
    oracle.max_score = std::max(oracle.max_score, magnitude);
  }
  const double max = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  oracle.out.assign(static_cast<size_t>(head_dim), 0.0);
  for (int64_t j = 0; j < length; ++j) {
    const double p = std::exp(scores[j] - max);
    sum += p;
    for (int64_t i = 0; i < head_dim; ++i) oracle.out[i] += p * value(j, i);
  }
  for (double& v : oracle.out) v /= sum;
  oracle.sum = sum;
  return oracle;
}

double Bound(const Oracle& o, int64_t head_dim, int64_t length, double eps) {
  return 2 * eps *
         (static_cast<double>(head_dim + 4) * o.max_score + static_cast<double>(length) + 16) *
         o.max_value;
}

struct Heads {
  Heads(int64_t length, int64_t head_dim, uint32_t seed)
      : ld(head_dim + 8),
        key(RandomFloats(length * ld, seed)),
        value(RandomFloats(length * ld, seed + 1)) {}
  int64_t ld;
  std::vector<float> key, value;
};

// A buffer of exactly the stated size, aligned, and filled with NaN so that anything read unwritten
// shows.
struct Scratch {
  explicit Scratch(size_t bytes) : buffer(bytes) { std::memset(buffer.data(), 0xFF, bytes); }
  void* data() { return buffer.data(); }
  AlignedBuffer buffer;
};

class AttentionTest : public IsaTest {};
TESSERA_INSTANTIATE_ISAS(AttentionTest);

struct AttentionShape {
  int64_t rows, length, head_dim;
  bool causal;
  int64_t first_position;
};
constexpr AttentionShape kShapes[] = {
    {1, 1, 64, false, 0},     {5, 63, 64, false, 0},  {7, 257, 64, false, 0},
    {13, 700, 64, false, 0},  {6, 100, 16, false, 0}, {8, 130, 80, false, 0},
    {3, 70, 256, false, 0},   {9, 9, 64, true, 0},    {20, 300, 64, true, 0},
    {20, 300, 64, true, 250}, {4, 5, 32, true, 100}};

// Every shape in `precision`, each query row within bound(oracle, shape, heads, query, seen,
// scale).
template <class RowBound>
void ExpectWithin(Precision precision, double factor, RowBound bound) {
  for (const AttentionShape& s : kShapes) {
    const Heads heads(s.length, s.head_dim, 71);
    const std::vector<float> q = RandomFloats(s.rows * heads.ld, 73);
    const auto scale = static_cast<float>(factor / std::sqrt(static_cast<double>(s.head_dim)));
    Scratch packed(PackedKeysValuesBytes(precision, s.head_dim, s.length));
    const PackedKeysValues kv =
        PackKeysValues(precision, heads.key.data(), heads.ld, heads.value.data(), heads.ld,
                       s.length, s.head_dim, packed.data());
    Scratch scratch(AttendScratchBytes(s.rows, s.head_dim));
    std::vector<float> out(s.rows * heads.ld, 5.0f);
    AttendBlock(kv, q.data(), heads.ld, s.rows, {scale, s.causal, s.first_position}, out.data(),
                heads.ld, scratch.data());
    for (int64_t r = 0; r < s.rows; ++r) {
      const int64_t seen = s.causal ? std::min(s.length, s.first_position + r + 1) : s.length;
      const Oracle want = Attend(
          &q[r * heads.ld], s.head_dim, seen, scale,
          [&](int64_t j, int64_t i) { return heads.key[j * heads.ld + i]; },
          [&](int64_t j, int64_t i) { return heads.value[j * heads.ld + i]; });
      const double error = bound(want, s, heads, &q[r * heads.ld], seen, scale);
      for (int64_t i = 0; i < s.head_dim; ++i) {
        ASSERT_NEAR(out[r * heads.ld + i], want.out[i], error)
            << s.rows << " x " << s.length << " x " << s.head_dim << " at " << r << "," << i;
      }
      for (int64_t i = s.head_dim; i < heads.ld; ++i) ASSERT_EQ(out[r * heads.ld + i], 5.0f);
    }
  }
}

TEST_P(AttentionTest, F32StaysWithinItsBound) {
  ExpectWithin(Precision::kF32, 1,
               [](const Oracle& want, const AttentionShape& s, const Heads&, const float*,
                  int64_t seen, double) { return Bound(want, s.head_dim, seen, kEps); });
}

// bf16 operands: q, k, v and p each carry 2^-9 relative rounding. A score is off by at most 2 *
// 2^-9 * max_score, which scales every probability by at most exp(2 * that); p and v add 2^-9 each.
TEST_P(AttentionTest, Bf16StaysWithinItsRounding) {
  ExpectWithin(
      Precision::kBf16, 0.25,
      [](const Oracle& want, const AttentionShape&, const Heads&, const float*, int64_t, double) {
        const double score_error = 2 * 0x1p-9 * want.max_score;
        return (std::expm1(2 * score_error) + 3 * 0x1p-9) * want.max_value;
      });
}

// int8: q and k are off by 1/254 of the largest of their row; a probability by half a level of
// 1/127 of its block's largest (and 1e-4 of itself), so all of them together by `seen` half levels
// against a sum of want.sum; values by 1/254 of theirs.
TEST_P(AttentionTest, Int8StaysWithinItsRounding) {
  ExpectWithin(Precision::kInt8, 0.25,
               [](const Oracle& want, const AttentionShape& s, const Heads& heads,
                  const float* query, int64_t seen, double scale) {
                 double q_max = 0, k_max = 0;
                 for (int64_t i = 0; i < s.head_dim; ++i) {
                   q_max = std::max<double>(q_max, std::fabs(query[i]));
                   for (int64_t j = 0; j < s.length; ++j)
                     k_max = std::max<double>(k_max, std::fabs(heads.key[j * heads.ld + i]));
                 }
                 k_max *= 2;  // less its mean
                 const double step = 1.0 / 254;
                 const double score_error = scale * static_cast<double>(s.head_dim) * q_max *
                                            k_max * (2 * step + step * step);
                 return want.max_value * (2 * std::expm1(2 * score_error) + 2e-4 + 2 * step +
                                          2 * static_cast<double>(seen) * step / want.sum);
               });
}

TEST_P(AttentionTest, BitsDoNotDependOnTheBlockOfQueries) {
  for (Precision precision : {Precision::kF32, Precision::kBf16}) {
    for (bool causal : {false, true}) {
      const int64_t length = 600, rows = 40, head_dim = 64;
      const Heads heads(length, head_dim, 81);
      const std::vector<float> q = RandomFloats(rows * head_dim, 83);
      Scratch packed(PackedKeysValuesBytes(precision, head_dim, length));
      const PackedKeysValues kv =
          PackKeysValues(precision, heads.key.data(), heads.ld, heads.value.data(), heads.ld,
                         length, head_dim, packed.data());
      const auto run = [&](int64_t first, int64_t count) {
        std::vector<float> out(count * head_dim);
        Scratch scratch(AttendScratchBytes(count, head_dim));
        AttendBlock(kv, &q[first * head_dim], head_dim, count, {0.125f, causal, 400 + first},
                    out.data(), head_dim, scratch.data());
        return out;
      };
      const std::vector<float> whole = run(0, rows);
      for (int64_t count : {1, 2, 3, 4, 5, 6, 7, 13}) {
        for (int64_t first : {int64_t{0}, int64_t{3}, rows - count}) {
          const std::vector<float> part = run(first, count);
          ASSERT_EQ(0, std::memcmp(part.data(), &whole[first * head_dim], part.size() * 4))
              << PrecisionName(precision) << " rows " << first << " + " << count;
        }
      }
    }
  }
}

// Large scores must not overflow, and a far larger late key must win over what was summed before
// it.
TEST_P(AttentionTest, RunningMaximumHandlesLargeScores) {
  const int64_t length = 520, head_dim = 16;
  std::vector<float> key(length * head_dim, 0.0f), value(length * head_dim, 1.0f),
      q(head_dim, 0.0f);
  q[0] = 100.0f;
  for (int64_t j = 0; j < length; ++j) key[j * head_dim] = static_cast<float>(j);
  for (int64_t i = 0; i < head_dim; ++i) value[519 * head_dim + i] = static_cast<float>(i);
  for (Precision precision : {Precision::kF32, Precision::kBf16}) {
    if (precision == Precision::kBf16) key[519 * head_dim] = 1024.0f;
    Scratch packed(PackedKeysValuesBytes(precision, head_dim, length));
    const PackedKeysValues kv = PackKeysValues(precision, key.data(), head_dim, value.data(),
                                               head_dim, length, head_dim, packed.data());
    Scratch scratch(AttendScratchBytes(1, head_dim));
    std::vector<float> out(head_dim);
    AttendBlock(kv, q.data(), head_dim, 1, {1.0f}, out.data(), head_dim, scratch.data());
    for (int64_t i = 0; i < head_dim; ++i) ASSERT_NEAR(out[i], i, 1e-40);
  }
}

// Cache of `slots` x `capacity` rows of two heads; the second head is attended to.
struct Cache {
  static constexpr int64_t kSlots = 3;
  Cache(DType dtype, int64_t capacity, int64_t head_dim, uint32_t seed)
      : dtype(dtype), capacity(capacity), head_dim(head_dim), rows(kSlots * capacity) {
    const std::vector<float> source = RandomFloats(rows * 2 * head_dim, seed);
    data.resize(source.size() * 4);
    scales.resize(rows * 2);
    for (int64_t r = 0; r < rows; ++r) {
      StoreCacheRow(&source[r * 2 * head_dim], 2, head_dim, dtype,
                    data.data() + r * 2 * head_dim * static_cast<int64_t>(DTypeSize(dtype)),
                    &scales[r * 2]);
    }
    for (size_t i = 0; i < source.size(); ++i) {
      error = std::max(error, std::fabs(source[i] - At(static_cast<int64_t>(i))));
    }
  }
  double At(int64_t i) const {
    if (dtype == DType::kF32) return reinterpret_cast<const float*>(data.data())[i];
    if (dtype == DType::kBF16) return ToF32(reinterpret_cast<const BF16*>(data.data())[i]);
    return static_cast<double>(reinterpret_cast<const int8_t*>(data.data())[i]) *
           scales[i / head_dim];
  }
  double Value(int64_t slot, int64_t position, int64_t i) const {
    return At((slot * capacity + position) * 2 * head_dim + head_dim + i);
  }
  CacheView View() const {
    return {data.data() + head_dim * static_cast<int64_t>(DTypeSize(dtype)),
            dtype,
            capacity * 2 * head_dim,
            2 * head_dim,
            scales.data() + 1,
            capacity * 2,
            2};
  }
  DType dtype;
  int64_t capacity, head_dim, rows;
  std::vector<uint8_t> data;
  std::vector<float> scales;
  double error = 0;
};

TEST_P(AttentionTest, CachedStaysWithinItsBound) {
  for (DType dtype : {DType::kF32, DType::kBF16, DType::kI8}) {
    for (int64_t head_dim : {16, 64, 80, 256}) {
      for (int64_t length : {1, 15, 33, 100}) {
        const Cache keys(dtype, 100, head_dim, 91), values(dtype, 100, head_dim, 92);
        // Values reach 7: half a bf16 unit there, half an int8 level.
        EXPECT_LE(keys.error, dtype == DType::kF32    ? 0
                              : dtype == DType::kBF16 ? 4 * 0x1p-8
                                                      : 7 / 254.0);
        const int64_t queries = 11;
        const std::vector<float> q = RandomFloats(queries * (head_dim + 1), 93);
        std::vector<int32_t> slots(length);
        for (int64_t p = 0; p < length; ++p) slots[p] = static_cast<int32_t>(p * 7 % 3);
        for (bool table : {false, true}) {
          Scratch scratch(CachedAttentionScratchFloats(length) * 4);
          std::vector<float> out(queries * head_dim);
          CachedAttentionArgs args;
          args.query = q.data();
          args.query_ld = head_dim + 1;
          args.num_queries = queries;
          args.head_dim = head_dim;
          args.scale = 0.125f;
          args.key = keys.View();
          args.value = values.View();
          args.length = length;
          args.slot = 2;
          args.slots = table ? slots.data() : nullptr;
          args.out = out.data();
          args.out_ld = head_dim;
          args.scratch = static_cast<float*>(scratch.data());
          CachedAttention(args);
          for (int64_t r = 0; r < queries; ++r) {
            const auto slot = [&](int64_t p) { return table ? slots[p] : 2; };
            const Oracle want = Attend(
                &q[r * (head_dim + 1)], head_dim, length, 0.125,
                [&](int64_t j, int64_t i) { return keys.Value(slot(j), j, i); },
                [&](int64_t j, int64_t i) { return values.Value(slot(j), j, i); });
            for (int64_t i = 0; i < head_dim; ++i) {
              ASSERT_NEAR(out[r * head_dim + i], want.out[i], Bound(want, head_dim, length, kEps));
            }
          }
          // One query alone gives the same bits.
          std::vector<float> alone(head_dim);
          args.query += 9 * (head_dim + 1);
          args.num_queries = 1;
          args.out = alone.data();
          CachedAttention(args);
          ASSERT_EQ(0, std::memcmp(alone.data(), &out[9 * head_dim], alone.size() * 4));
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera::kernels
