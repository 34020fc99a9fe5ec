// The C interface where no model is needed: defaults, bad arguments, errors.
#include "tessera/c_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace {

using ::testing::HasSubstr;

TEST(CApiTest, DefaultsAreThoseOfOpenAiWhisper) {
  tessera_transcribe_options options;
  tessera_transcribe_options_init(&options);
  EXPECT_EQ(options.size, sizeof(options));
  EXPECT_EQ(options.compression_ratio_threshold, 2.4);
  EXPECT_EQ(options.logprob_threshold, -1.0);
  EXPECT_EQ(options.no_speech_threshold, 0.6);
  EXPECT_EQ(options.condition_on_previous_text, 1);
  EXPECT_EQ(options.max_initial_timestamp, 1.0);
  EXPECT_LT(options.length_penalty, 0);
  EXPECT_EQ(options.language, nullptr);
  EXPECT_LT(options.exact, 0);
  tessera_transcribe_options_init(nullptr);
  tessera_model_options_init(nullptr);
}

TEST(CApiTest, AMissingModelIsNotFoundWithAMessage) {
  tessera_model_options options;
  tessera_model_options_init(&options);
  options.model = "./no/such/model";
  auto* transcriber = reinterpret_cast<tessera_transcriber*>(&options);
  EXPECT_EQ(tessera_transcriber_create(&options, &transcriber), TESSERA_NOT_FOUND);
  EXPECT_EQ(transcriber, nullptr);
  EXPECT_THAT(tessera_last_error(), HasSubstr("no/such/model"));
  std::thread([] { EXPECT_STREQ(tessera_last_error(), ""); }).join();
}

TEST(CApiTest, RefusesBadOptions) {
  tessera_transcriber* transcriber = nullptr;
  tessera_model_options options;
  tessera_model_options_init(&options);
  options.threads = -1;
  EXPECT_EQ(tessera_transcriber_create(&options, &transcriber), TESSERA_INVALID_ARGUMENT);
  EXPECT_THAT(tessera_last_error(), HasSubstr("threads"));
  tessera_model_options_init(&options);
  options.precision = 9;
  EXPECT_EQ(tessera_transcriber_create(&options, &transcriber), TESSERA_INVALID_ARGUMENT);
  tessera_model_options_init(&options);
  options.device = "abacus";
  EXPECT_EQ(tessera_transcriber_create(&options, &transcriber), TESSERA_UNAVAILABLE);
  EXPECT_THAT(tessera_last_error(), HasSubstr("abacus"));
  options.size = 0;
  EXPECT_EQ(tessera_transcriber_create(&options, &transcriber), TESSERA_INVALID_ARGUMENT);
  EXPECT_THAT(tessera_last_error(), HasSubstr("_init"));
}

TEST(CApiTest, ReadsOnlyTheMembersThatAnOlderCallerHas) {
  tessera_model_options options;
  std::memset(&options, 0xFF, sizeof(options));  // what lies behind the caller's smaller structure
  options.size = offsetof(tessera_model_options, precision);
  options.model = "./no/such/model";
  tessera_transcriber* transcriber = nullptr;
  EXPECT_EQ(tessera_transcriber_create(&options, &transcriber), TESSERA_NOT_FOUND);
}

TEST(CApiTest, RefusesNull) {
  tessera_transcript* transcript = nullptr;
  EXPECT_EQ(tessera_transcriber_create(nullptr, nullptr), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_transcribe_file(nullptr, "x", nullptr, &transcript), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_transcribe_file(nullptr, nullptr, nullptr, nullptr), TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_transcribe_samples(nullptr, nullptr, 3, nullptr, &transcript),
            TESSERA_INVALID_ARGUMENT);
  EXPECT_EQ(tessera_cancel(nullptr), TESSERA_INVALID_ARGUMENT);
  EXPECT_STREQ(tessera_transcript_text(nullptr), "");
  EXPECT_EQ(tessera_transcript_segment(nullptr, 0), nullptr);
  EXPECT_EQ(tessera_transcript_num_segments(nullptr), 0u);
  tessera_transcript_free(nullptr);
  tessera_transcriber_free(nullptr);
  EXPECT_STREQ(tessera_status_name(TESSERA_DATA_LOSS), "data_loss");
  EXPECT_STREQ(tessera_status_name(99), "unknown");
}

}  // namespace
