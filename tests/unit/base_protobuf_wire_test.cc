// The protobuf wire format: written, read back, and broken.
#include "base/protobuf_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<WireField> ReadAll(std::string_view data) {
  std::vector<WireField> fields;
  WireReader reader(data);
  while (true) {
    auto field = reader.Next();
    EXPECT_TRUE(field.ok()) << field.status().ToString();
    if (!field.ok() || !*field) return fields;
    fields.push_back(**field);
  }
}

TEST(Wire, RoundTrip) {
  constexpr auto kMin = std::numeric_limits<int64_t>::min(),
                 kMax = std::numeric_limits<int64_t>::max();
  WireWriter writer;
  for (int64_t value :
       {int64_t{0}, int64_t{1}, int64_t{127}, int64_t{128}, int64_t{-1}, kMin, kMax})
    writer.Int(3, value);
  writer.Float(4, -0.1f);
  writer.Bytes((1u << 29) - 1, "abc");
  writer.Bytes(5, "");
  const auto fields = ReadAll(writer.data());
  ASSERT_EQ(fields.size(), 10u);
  std::vector<int64_t> values;
  for (size_t i = 0; i < 7; ++i) values.push_back(fields[i].AsInt());
  EXPECT_THAT(values, ElementsAre(0, 1, 127, 128, -1, kMin, kMax));
  EXPECT_EQ(fields[7].AsFloat(), -0.1f);
  EXPECT_EQ(fields[8].number, (1u << 29) - 1);
  EXPECT_EQ(fields[8].bytes, "abc");
  EXPECT_EQ(fields[9].bytes, "");
}

// The two examples of the public description of the encoding.
TEST(Wire, KnownBytes) {
  WireWriter writer;
  writer.Int(1, 150);
  writer.Bytes(2, "testing");
  EXPECT_EQ(writer.data(), "\x08\x96\x01\x12\x07testing");
}

TEST(Wire, RefusesBrokenData) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"\x08", "ends inside a number"},
      {"\x08\x80", "ends inside a number"},
      {"\x08" + std::string(9, '\xFF') + "\x02", "more than 64 bits"},
      {"\x08" + std::string(10, '\xFF') + "\x01", "more than 64 bits"},
      {"\x12\x05"
       "abcd",
       "a field of 5 bytes passes the end"},
      {"\x12" + std::string(9, '\xFF') + "\x01", "passes the end"},
      {"\x0D"
       "abc",
       "ends inside a number"},
      {"\x09"
       "abcdefg",
       "ends inside a number"},
      {std::string("\x00\x01", 2), "bad field number"},
      {"\x80\x80\x80\x80\x10\x01", "bad field number"},
      {"\x0B", "expected wire type 0, 1, 2 or 5, found 3"},
  };
  for (const auto& [bytes, message] : cases) {
    auto field = WireReader(bytes).Next();
    ASSERT_FALSE(field.ok()) << message;
    EXPECT_EQ(field.status().code(), StatusCode::kDataLoss);
    EXPECT_THAT(field.status().message(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace tessera
