// The same bits for a row, whatever steps beside it: batch sizes, orders, threads, and encoders
// that run at the same time.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <thread>

#include "base/file.h"
#include "models/whisper/model.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

using Logits = std::vector<std::vector<float>>;  // step by step

class CompanyTest : public testing::TestWithParam<kernels::Precision> {
 protected:
  static constexpr int kWindows = 8;

  void SetUp() override {
    Result<std::string> models = ModelsFolder();
    ASSERT_TRUE(models.ok());
    path_ = *models + "/whisper-base";
    if (!std::filesystem::exists(path_)) GTEST_SKIP() << "no model in " << path_;
  }

  std::unique_ptr<WhisperSession> Session(int threads, int encoders) {
    auto model = WhisperModel::Load(path_, std::make_shared<CpuProvider>(threads),
                                    {.precision = GetParam()});
    EXPECT_TRUE(model.ok()) << model.status().ToString();
    auto session = (*model)->NewSession(
        {.max_windows = kWindows, .max_rows = kWindows, .num_encoders = encoders});
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    return std::move(session).value();
  }

  // Window w: a sound of its own and, every third one, a length of its own.
  static Tensor Mel(int w) {
    Tensor mel = Tensor::Zeros(DType::kF32, {w % 3 == 0 ? 3000 : 400 + 100 * w, 80});
    uint32_t bits = 77u + static_cast<uint32_t>(w);
    for (float& x : mel.Span<float>())
      x = static_cast<float>((bits = bits * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f;
    return mel;
  }
  static Status Encode(WhisperSession& session, int w, int place, int encoder, bool alone) {
    return session.Encode(Mel(w).ViewOf(), place,
                          {.encoder = encoder, .alone = alone, .positions = w % 3 == 2 ? 700 : 0},
                          {});
  }

  // Of each window, the logits of a prompt of its own and of two steps, all windows in one call,
  // in the order given. Window w lies in place places[w].
  static std::vector<Logits> Decode(WhisperSession& session, const std::vector<int>& order,
                                    const std::vector<int>& places) {
    std::vector<Logits> logits(kWindows);
    for (int step = 0; step < 3; ++step) {
      std::vector<TokenInput> inputs;
      for (size_t row = 0; row < order.size(); ++row) {
        const int w = order[row], prompt = 3 + w % 4;
        if (step == 0) session.BeginRow(static_cast<int>(row), places[static_cast<size_t>(w)]);
        const int first = step == 0 ? 0 : prompt + step - 1;
        const int last = step == 0 ? prompt - 1 : first;
        for (int p = first; p <= last; ++p)
          inputs.push_back({1000 + 17 * w + p, p, static_cast<int>(row), p == last});
      }
      const Result<View> out = session.Decode(inputs, {});
      EXPECT_TRUE(out.ok()) << out.status().ToString();
      const int64_t vocab = session.config().vocab_size;
      for (size_t row = 0; row < order.size(); ++row) {
        const float* values = out->As<float>() + static_cast<int64_t>(row) * vocab;
        logits[static_cast<size_t>(order[row])].emplace_back(values, values + vocab);
      }
    }
    return logits;
  }

  std::string path_;
};

TEST_P(CompanyTest, DoesNotChangeABit) {
  std::vector<int> places(kWindows);
  std::iota(places.begin(), places.end(), 0);
  std::vector<Logits> alone(kWindows);
  {
    const auto session = Session(/*threads=*/1, /*encoders=*/1);
    for (int w = 0; w < kWindows; ++w) {
      ASSERT_TRUE(Encode(*session, w, 0, 0, true).ok());
      alone[static_cast<size_t>(w)] =
          Decode(*session, {w}, std::vector<int>(kWindows, 0))[static_cast<size_t>(w)];
    }
  }
  for (const int threads : {1, 2}) {
    const auto session = Session(threads, /*encoders=*/3);
    // All but the first two windows are encoded by two threads while these two already step.
    ASSERT_TRUE(Encode(*session, 0, 7, 0, true).ok());
    ASSERT_TRUE(Encode(*session, 1, 6, 0, false).ok());
    std::reverse(places.begin(), places.end());
    std::vector<std::thread> encoders;
    for (const int encoder : {1, 2}) {
      encoders.emplace_back([&, encoder] {
        for (int w = 1 + encoder; w < kWindows; w += 2)
          EXPECT_TRUE(Encode(*session, w, places[static_cast<size_t>(w)], encoder, false).ok());
      });
    }
    const std::vector<Logits> two = Decode(*session, {1, 0}, places);
    for (std::thread& encoder : encoders) encoder.join();
    EXPECT_EQ(two[0], alone[0]);
    EXPECT_EQ(two[1], alone[1]);
    for (const std::vector<int>& order :
         {std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}, {7, 2, 5, 0, 3, 6, 1, 4}, {4}}) {
      const std::vector<Logits> together = Decode(*session, order, places);
      for (const int w : order)
        EXPECT_EQ(together[static_cast<size_t>(w)], alone[static_cast<size_t>(w)])
            << "window " << w << " of " << order.size() << ", " << threads << " threads";
    }
    std::reverse(places.begin(), places.end());
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, CompanyTest,
                         testing::Values(kernels::Precision::kF32, kernels::Precision::kBf16,
                                         kernels::Precision::kInt8),
                         [](const auto& test) {
                           return std::string(kernels::PrecisionName(test.param));
                         });

}  // namespace
}  // namespace tessera
