// The built-in recording: what is heard in it, and the comparison of texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/whisper/probe.h"
#include "pipelines/text_check.h"
#include "runtime/model_store.h"
#include "tessera/transcribe.h"

namespace tessera {
namespace {

TEST(TextCheckTest, TheRecordingIsUnderstood) {
  if (!ModelPath("whisper-tiny.en").ok()) GTEST_SKIP() << "whisper-tiny.en is not installed";
  const Result<Model> model = Model::Load({.model = "whisper-tiny.en", .device = "cpu"});
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const Result<std::string> difference = TextDifference(*model);
  ASSERT_TRUE(difference.ok()) << difference.status().ToString();
  EXPECT_EQ(*difference, "");

  const Result<AudioClip> clip = ProbeClip();
  ASSERT_TRUE(clip.ok()) << clip.status().ToString();
  EXPECT_NEAR(clip->duration_seconds(), 2.9, 0.05);
  std::vector<int16_t> heard(static_cast<size_t>(clip->num_samples()));
  ASSERT_TRUE(clip->Read(0, heard).ok());
  std::vector<float> samples;
  for (const int16_t x : heard) samples.push_back(static_cast<float>(x) / 32768);
  Result<Transcriber> transcriber = Transcriber::Create(*model);
  ASSERT_TRUE(transcriber.ok());
  const Result<Transcript> transcript = transcriber->TranscribeSamples(samples);
  ASSERT_TRUE(transcript.ok());
  EXPECT_THAT(transcript->text, testing::HasSubstr("what you can do for your country"));
}

}  // namespace
}  // namespace tessera
