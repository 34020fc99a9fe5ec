// Packed weights on disk: the same bits with them as without, and nothing that a file holds does
// harm.
#include "providers/cpu/weight_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/file.h"
#include "graph/builder.h"
#include "providers/cpu/provider.h"

namespace tessera {
namespace {

using cpu::PackedEntry;
using cpu::PackedFile;
using cpu::PackedKind;
using cpu::ReadPackedFile;
using cpu::ReadPackedHeader;
using cpu::SharedPool;
using cpu::WeightCache;
using cpu::WritePackedFile;
using kernels::Precision;

Bytes AsBytes(const std::string& content) {
  return {reinterpret_cast<const uint8_t*>(content.data()), content.size()};
}

constexpr int64_t kWidth = 64, kFrames = 24, kMels = 20;

Tensor Floats(std::mt19937& random, Shape shape, DType dtype = DType::kF32) {
  std::normal_distribution<float> normal(0.0f, 0.2f);
  Tensor t(dtype, std::move(shape));
  for (int64_t i = 0; i < t.size(); ++i) {
    if (dtype == DType::kF32) {
      t.As<float>()[i] = normal(random);
    } else {
      t.As<BF16>()[i] = ToBF16(normal(random));
    }
  }
  return t;
}

// Every kind of weight that lowering keeps: a convolution, a widened table, norms, stacked and
// single layers, with and without bias. `w` changes one value in the middle of the last layer's
// weight.
Graph SmallGraph(float w = 0.5f) {
  std::mt19937 random(3);
  GraphBuilder b("cached");
  ValueId x = b.Input("mel", DType::kF32, {1, Dim("frames", 2), kMels});
  const ValueId rows = b.Input("rows", DType::kI32, {Dim("frames")});
  const auto constant = [&](const std::string& name, Shape shape, DType dtype = DType::kF32) {
    return b.Constant(name, Floats(random, std::move(shape), dtype));
  };
  x = b.Conv1d("conv", x, constant("wc", {kWidth, kMels, 3}, DType::kBF16),
               constant("bc", {kWidth}), {.stride = 2, .padding = 1});
  x = b.Add("embed", x, b.Gather("pos", constant("table", {kFrames, kWidth}, DType::kBF16), rows));
  const ValueId h =
      b.LayerNorm("ln", x, constant("g", {kWidth}, DType::kBF16), constant("be", {kWidth}));
  const ValueId u =
      b.Linear("u", h, constant("wu", {70, kWidth}, DType::kBF16), constant("bu", {70}));
  const ValueId v = b.Linear("v", h, constant("wv", {70, kWidth}));
  Tensor last = Floats(random, {kWidth, 70});
  last.As<float>()[last.size() / 2] = w;
  x = b.Add("sum", x,
            b.Linear("down", b.Gelu("gelu", b.Add("uv", u, v)), b.Constant("wd", std::move(last))));
  b.Output("out", b.LayerNorm("ln2", x, constant("g2", {kWidth}), constant("be2", {kWidth})));
  Result<Graph> graph = b.Build();
  EXPECT_TRUE(graph.ok()) << graph.status().ToString();
  return std::move(graph).value();
}

class WeightCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "tessera-packed-XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    key_ = {JoinPath(folder_, "sub/model.packed"), "weights 1", "/models/a"};
  }
  void TearDown() override { ASSERT_TRUE(RemoveFolder(folder_).ok()); }

  struct Outcome {
    std::vector<float> out;
    int found = 0, made = 0;
    Result<bool> written = false;
  };
  Outcome RunWith(const CompileCacheKey* key, Precision precision = Precision::kF32,
                  const Graph& graph = SmallGraph()) {
    const CpuProvider provider(2);
    CompileOptions options;
    options.precision = precision;
    options.max_dims = {{"frames", kFrames}};
    if (key != nullptr) options.cache = provider.OpenCache(*key);
    auto program = provider.Compile(graph, options);
    EXPECT_TRUE(program.ok()) << program.status().ToString();
    Outcome outcome;
    if (options.cache != nullptr) {
      const auto& cache = static_cast<const WeightCache&>(*options.cache);
      outcome.found = cache.num_found();
      outcome.made = cache.num_made();
      outcome.written = options.cache->Commit();
      options.cache.reset();
    }
    std::mt19937 random(5);
    const Tensor mel = Floats(random, {1, 2 * kFrames, kMels});
    Tensor rows(DType::kI32, {kFrames}), out(DType::kF32, {1, kFrames, kWidth});
    for (int i = 0; i < kFrames; ++i) rows.As<int32_t>()[i] = (i * 5) % kFrames;
    const NamedView in[] = {{"mel", mel.ViewOf()}, {"rows", rows.ViewOf()}};
    const NamedMutableView result[] = {{"out", out.MutableViewOf()}};
    const auto context = (*program)->NewContext();
    EXPECT_TRUE((*program)->Run(*context, nullptr, {in, result}, {}).ok());
    const auto values = out.Span<float>();
    outcome.out.assign(values.begin(), values.end());
    return outcome;
  }
  std::string FileContent() const { return *ReadFile(key_.file, 1 << 24); }
  void Overwrite(const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(key_.file, content).ok());
  }

  std::string folder_;
  CompileCacheKey key_;
};

// conv, stacked u + v, down; table, g, be, g2, be2; in int8 the factors of what u and v read.
int Entries(Precision precision) { return precision == Precision::kInt8 ? 9 : 8; }

TEST_F(WeightCacheTest, GivesTheSameBitsAsPackingDoes) {
  for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
    ASSERT_TRUE(RemoveFile(key_.file).ok());
    const Outcome without = RunWith(nullptr, precision);
    const Outcome first = RunWith(&key_, precision);
    EXPECT_EQ(first.found, 0);
    EXPECT_EQ(first.made, Entries(precision));
    ASSERT_TRUE(first.written.ok()) << first.written.status().ToString();
    EXPECT_TRUE(*first.written);
    const std::string content = FileContent();
    const Outcome second = RunWith(&key_, precision);
    EXPECT_EQ(second.found, Entries(precision));
    EXPECT_EQ(second.made, 0);
    EXPECT_FALSE(*second.written);
    EXPECT_EQ(FileContent(), content);
    EXPECT_EQ(first.out, without.out);
    EXPECT_EQ(second.out, without.out);
  }
}

TEST_F(WeightCacheTest, MakesAgainWhatIsOfOtherWeights) {
  const Outcome first = RunWith(&key_);
  CompileCacheKey other = key_;
  other.identity = "weights 2";
  const Graph changed = SmallGraph(0.25f);
  // The change is none that a fingerprint sees: only the identity tells.
  EXPECT_EQ(RunWith(&key_, Precision::kF32, changed).found, Entries(Precision::kF32));
  const Outcome again = RunWith(&other, Precision::kF32, changed);
  EXPECT_EQ(again.found, 0);
  EXPECT_TRUE(*again.written);
  EXPECT_EQ(again.out, RunWith(nullptr, Precision::kF32, changed).out);
  EXPECT_NE(again.out, first.out);
  EXPECT_EQ(RunWith(&other, Precision::kF32, changed).found, Entries(Precision::kF32));
}

TEST_F(WeightCacheTest, AnotherPrecisionKeepsWhatIsF32AndMakesTheRest) {
  RunWith(&key_, Precision::kF32);
  const Outcome other = RunWith(&key_, Precision::kInt8);
  EXPECT_EQ(other.found, 5);
  EXPECT_EQ(other.made, 4);
  EXPECT_EQ(other.out, RunWith(nullptr, Precision::kInt8).out);
  EXPECT_EQ(RunWith(&key_, Precision::kInt8).found, Entries(Precision::kInt8));
}

TEST_F(WeightCacheTest, AFingerprintSeesTypesShapesAndFirstValues) {
  const float values[32] = {1, 2, 3, 4};
  const auto of = [](View view) { return cpu::Fingerprint(std::span<const View>(&view, 1)); };
  const View view{values, DType::kF32, {4, 8}};
  const uint64_t sum = of(view);
  EXPECT_EQ(of(view), sum);
  EXPECT_NE(of({values, DType::kF32, {8, 4}}), sum);
  EXPECT_NE(of({values, DType::kI32, {4, 8}}), sum);
  EXPECT_NE(of({values + 1, DType::kF32, {4, 7}}), of({values, DType::kF32, {4, 7}}));
  EXPECT_NE(of({}), sum);
  const kernels::LinearSource with{view, view}, without{view, {}};
  EXPECT_NE(cpu::Fingerprint(std::span(&with, 1)), cpu::Fingerprint(std::span(&without, 1)));
}

TEST_F(WeightCacheTest, ADamagedFileIsMadeAgain) {
  const Outcome whole = RunWith(&key_, Precision::kInt8);
  const std::string content = FileContent();
  ASSERT_EQ(content.size() % 4096, 0u);
  std::vector<std::string> damaged = {"",
                                      content.substr(0, 20),
                                      content.substr(0, 4096),
                                      content.substr(0, content.size() - 4096),
                                      content + std::string(4096, '\0'),
                                      std::string(content.size(), '\xff')};
  // Bits of each field of the head, of the table, and of all parts of the payload.
  uint32_t header_bytes;
  std::memcpy(&header_bytes, content.data() + 32, sizeof(header_bytes));
  ASSERT_LT(header_bytes, 4096u);
  for (size_t at = 0; at < header_bytes; at += 3) {
    damaged.push_back(content);
    damaged.back()[at] ^= static_cast<char>(1 << (at % 8));
  }
  for (size_t at = 4096; at < content.size(); at += 1361) {
    damaged.push_back(content);
    damaged.back()[at] ^= static_cast<char>(1 << (at % 8));
  }
  SharedPool pool(2);
  for (const std::string& bytes : damaged)
    EXPECT_FALSE(ReadPackedFile(AsBytes(bytes), pool.pool).ok());
  // And through the whole way, for a few of them.
  for (size_t i = 0; i < damaged.size(); i += damaged.size() / 8) {
    Overwrite(damaged[i]);
    const Outcome again = RunWith(&key_, Precision::kInt8);
    EXPECT_EQ(again.found, 0);
    EXPECT_EQ(again.out, whole.out);
    EXPECT_EQ(FileContent(), content);
  }
}

// A header that was put together on purpose, with its checksum right.
TEST_F(WeightCacheTest, AnEntryNeverLeavesTheFile) {
  RunWith(&key_);
  const std::string content = FileContent();
  uint32_t header_bytes, identity_bytes, source_bytes;
  std::memcpy(&header_bytes, content.data() + 32, 4);
  std::memcpy(&identity_bytes, content.data() + 36, 4);
  std::memcpy(&source_bytes, content.data() + 40, 4);
  const size_t entry = 48 + identity_bytes + source_bytes;
  const auto with = [&](size_t at, const void* field, size_t size) {
    std::string bytes = content;
    std::memcpy(bytes.data() + at, field, size);
    std::memset(bytes.data() + 8, 0, 8);
    const uint64_t sum = Checksum64({reinterpret_cast<const uint8_t*>(bytes.data()), header_bytes});
    std::memcpy(bytes.data() + 8, &sum, 8);
    SharedPool pool(1);
    return ReadPackedFile(AsBytes(bytes), pool.pool).ok();
  };
  uint64_t offset, bytes;
  std::memcpy(&offset, content.data() + entry + 8, 8);
  std::memcpy(&bytes, content.data() + entry + 16, 8);
  EXPECT_TRUE(with(entry + 8, &offset, 8));
  for (const uint64_t value :
       {uint64_t{0}, offset + 4, offset - 64, static_cast<uint64_t>(content.size()), ~uint64_t{0},
        ~uint64_t{63}}) {
    EXPECT_FALSE(with(entry + 8, &value, 8)) << "offset " << value;
  }
  for (const uint64_t value :
       {uint64_t{0}, bytes + 4, static_cast<uint64_t>(content.size()), ~uint64_t{0}}) {
    EXPECT_FALSE(with(entry + 16, &value, 8)) << "bytes " << value;
    EXPECT_FALSE(with(entry + 24, &value, 8)) << "n " << value;
    EXPECT_FALSE(with(entry + 32, &value, 8)) << "k " << value;
  }
  const uint32_t many = 0xffffffff, none = 0;
  for (const size_t at : {size_t{36}, size_t{40}, size_t{44}, entry + 40}) {
    EXPECT_FALSE(with(at, &many, 4)) << "at " << at;
    EXPECT_FALSE(with(at, &none, 4)) << "at " << at;
  }
  EXPECT_FALSE(with(entry + 44, &many, 1)) << "kind";
  EXPECT_FALSE(with(entry + 45, &many, 1)) << "precision";
  for (const uint64_t value : {uint64_t{0}, uint64_t{4097}, uint64_t{1} << 60, ~uint64_t{0}}) {
    EXPECT_FALSE(with(16, &value, 8)) << "file bytes " << value;
    EXPECT_FALSE(with(24, &value, 8)) << "payload " << value;
  }
}

TEST_F(WeightCacheTest, AFolderThatCannotBeWrittenDoesNotMatter) {
  const Outcome without = RunWith(nullptr);
  ASSERT_TRUE(
      WriteFileAtomically(JoinPath(folder_, "sub"), "a file where the folder should be").ok());
  const Outcome blocked = RunWith(&key_);
  EXPECT_FALSE(blocked.written.ok());
  EXPECT_EQ(blocked.out, without.out);
  ASSERT_TRUE(RemoveFile(JoinPath(folder_, "sub")).ok());

  ASSERT_TRUE(MakeFolders(JoinPath(folder_, "sub")).ok());
  ASSERT_EQ(chmod(JoinPath(folder_, "sub").c_str(), 0555), 0);
  const Outcome read_only = RunWith(&key_);
  EXPECT_EQ(read_only.out, without.out);
  if (geteuid() != 0) EXPECT_FALSE(read_only.written.ok());  // the superuser writes anyway
  ASSERT_EQ(chmod(JoinPath(folder_, "sub").c_str(), 0755), 0);

  // A folder in the file's place: neither read nor replaced.
  ASSERT_TRUE(RemoveFile(key_.file).ok());
  ASSERT_TRUE(MakeFolders(key_.file).ok());
  const Outcome folder = RunWith(&key_);
  EXPECT_FALSE(folder.written.ok());
  EXPECT_EQ(folder.out, without.out);
}

// Two writers of different contents and two readers that never see anything but one of them whole.
TEST_F(WeightCacheTest, WritersAtTheSameTimeLeaveAWholeFile) {
  const std::string path = JoinPath(folder_, "shared.packed");
  const auto write = [&](float value) {
    const std::vector<float> values(700000, value);
    const PackedFile file{
        std::to_string(value),
        "",
        {{"a",
          PackedKind::kFloats,
          Precision::kF32,
          700000,
          1,
          0,
          {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)}}}};
    ThreadPool pool(1);
    return WritePackedFile(path, file, pool);
  };
  ASSERT_TRUE(write(1).ok());
  std::atomic<int> writing = 2;
  std::vector<std::jthread> threads;
  for (const float value : {1.0f, 2.0f})
    threads.emplace_back([&, value] {
      for (int i = 0; i < 15; ++i) EXPECT_TRUE(write(value).ok());
      --writing;
    });
  for (int reader = 0; reader < 2; ++reader)
    threads.emplace_back([&] {
      ThreadPool pool(1);
      while (writing > 0) {
        const auto mapped = MappedFile::Open(path);
        ASSERT_TRUE(mapped.ok()) << mapped.status().ToString();
        const Result<PackedFile> file = ReadPackedFile((*mapped)->bytes(), pool);
        ASSERT_TRUE(file.ok()) << file.status().ToString();
        const auto* values = reinterpret_cast<const float*>(file->entries[0].bytes.data());
        ASSERT_EQ(file->identity, std::to_string(values[0]));
        ASSERT_EQ(values[699999], values[0]);
      }
    });
  threads.clear();
  EXPECT_EQ(ListFolder(folder_)->size(), 1u) << "temporary files remain";
}

TEST_F(WeightCacheTest, HeaderAloneTellsWhatAFileIsFor) {
  RunWith(&key_);
  const std::string content = FileContent();
  const Bytes bytes(reinterpret_cast<const uint8_t*>(content.data()), content.size());
  const Result<PackedFile> header = ReadPackedHeader(bytes.first(8192));
  ASSERT_TRUE(header.ok()) << header.status().ToString();
  EXPECT_EQ(header->source, "/models/a");
  EXPECT_THAT(header->identity, testing::StartsWith("weights 1\npacking "));
  EXPECT_TRUE(header->entries.empty());
}

TEST_F(WeightCacheTest, LayoutIsPagesForLayersAndLinesForTheRest) {
  RunWith(&key_);
  const auto mapped = *MappedFile::Open(key_.file);
  SharedPool pool(3);
  const Result<PackedFile> file = ReadPackedFile(mapped->bytes(), pool.pool);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_EQ(file->entries.size(), static_cast<size_t>(Entries(Precision::kF32)));
  for (const PackedEntry& entry : file->entries) {
    const auto offset = static_cast<uint64_t>(entry.bytes.data() - mapped->bytes().data());
    EXPECT_EQ(offset % (entry.bytes.size() >= 4096 ? 4096 : 64), 0u) << entry.name;
    EXPECT_LE(offset + entry.bytes.size() + 64, mapped->bytes().size());
  }
  EXPECT_EQ(file->entries[0].name, "cached/be");
  EXPECT_EQ(file->entries[5].name, "cached/g2");
  EXPECT_EQ(file->entries[5].kind, PackedKind::kFloats);
}

TEST_F(WeightCacheTest, PayloadsOfManyBlocksAreWholeAndEachBlockIsWatched) {
  std::mt19937 random(9);
  std::vector<std::vector<float>> arrays;
  PackedFile file{"id", "source", {}};
  for (const size_t size : {300000u, 7u, 500000u, 1u}) {
    arrays.emplace_back(size);
    for (float& x : arrays.back()) x = static_cast<float>(random());
  }
  for (size_t i = 0; i < arrays.size(); ++i)
    file.entries.push_back(
        {"array " + std::to_string(i),
         PackedKind::kFloats,
         Precision::kF32,
         static_cast<int64_t>(arrays[i].size()),
         1,
         i,
         {reinterpret_cast<const uint8_t*>(arrays[i].data()), arrays[i].size() * 4}});
  const std::string path = JoinPath(folder_, "blocks.packed");
  SharedPool pool(2);
  ASSERT_TRUE(WritePackedFile(path, file, pool.pool).ok());
  {
    const auto mapped = *MappedFile::Open(path);
    const Result<PackedFile> read = ReadPackedFile(mapped->bytes(), pool.pool);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    ASSERT_EQ(read->entries.size(), arrays.size());
    for (size_t i = 0; i < arrays.size(); ++i) {
      EXPECT_EQ(read->entries[i].fingerprint, i);
      ASSERT_EQ(read->entries[i].bytes.size(), arrays[i].size() * 4);
      EXPECT_EQ(0,
                std::memcmp(read->entries[i].bytes.data(), arrays[i].data(), arrays[i].size() * 4));
    }
  }
  const std::string content = *ReadFile(path, 1 << 24);
  constexpr size_t kBlock = 1 << 20;
  const size_t payload = 4096;
  ASSERT_GT(content.size(), payload + 3 * kBlock);
  std::string exchanged = content;
  std::swap_ranges(exchanged.begin() + payload, exchanged.begin() + payload + kBlock,
                   exchanged.begin() + payload + kBlock);
  ASSERT_TRUE(WriteFileAtomically(path, exchanged).ok());
  EXPECT_FALSE(ReadPackedFile((*MappedFile::Open(path))->bytes(), pool.pool).ok());

  file.entries.push_back(file.entries[0]);
  ASSERT_TRUE(WritePackedFile(path, file, pool.pool).ok());
  EXPECT_THAT(ReadPackedFile((*MappedFile::Open(path))->bytes(), pool.pool).status().message(),
              testing::HasSubstr("array 0 appears twice"));
  file.entries[0].name = "";
  EXPECT_EQ(WritePackedFile(path, file, pool.pool).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tessera
