// The weight readers: against files of the libraries that define the formats, and against broken
// ones made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/sha256.h"
#include "formats/ctranslate2.h"
#include "formats/ggml.h"
#include "formats/npy.h"
#include "formats/safetensors.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kGolden = TESSERA_SOURCE_DIR "/tests/golden/formats/";

Bytes AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

template <typename T>
std::vector<T> Values(const View& view) {
  const auto span = view.Span<T>();
  return {span.begin(), span.end()};
}

// Builds little-endian files.
struct Writer {
  std::string text;
  template <typename T>
  Writer& Put(T value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Writer& Name(const std::string& name) {  // CTranslate2's strings
    Put(static_cast<uint16_t>(name.size() + 1));
    text += name + '\0';
    return *this;
  }
};

// No prefix of a good file is good, and none may read beyond its end (the bytes are copied to a
// block of that very size, which the address sanitizer guards).
template <typename Read>
void ExpectEveryPrefixFails(const std::string& good, Read read) {
  ASSERT_TRUE(read(AsBytes(good)).ok()) << read(AsBytes(good)).status().ToString();
  for (size_t size = 0; size < good.size(); ++size) {
    const std::vector<uint8_t> part(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
    const auto result = read(Bytes(part));
    ASSERT_FALSE(result.ok()) << size << " of " << good.size() << " bytes";
    ASSERT_EQ(result.status().code(), StatusCode::kDataLoss)
        << size << ": " << result.status().ToString();
  }
}

// ---- CTranslate2 ----

Result<Ctranslate2Model> ReadCt2(Bytes bytes) { return ReadCtranslate2(bytes, nullptr); }

Writer Ct2Head(uint32_t num_variables) {
  Writer w;
  return w.Put(uint32_t{6}).Name("Spec").Put(uint32_t{3}).Put(num_variables);
}

Writer& Ct2F32(Writer& w, const std::string& name, uint32_t size) {
  w.Name(name).Put(uint8_t{1}).Put(size).Put(uint8_t{0}).Put(size * 4);
  for (uint32_t i = 0; i < size; ++i) w.Put(static_cast<float>(i));
  return w;
}

TEST(Ctranslate2, ReadsVariablesAndAliases) {
  Writer w = Ct2Head(2);
  Ct2F32(w, "a", 3);
  Ct2F32(w, "bc", 1);
  w.Put(uint32_t{1}).Name("same").Name("a");
  const auto model = ReadCt2(AsBytes(w.text));
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  EXPECT_EQ(model->version, 6u);
  EXPECT_EQ(model->spec, "Spec");
  EXPECT_EQ(model->revision, 3u);
  EXPECT_THAT(Values<float>(model->weights.Find("same")->view), ElementsAre(0, 1, 2));
  EXPECT_EQ(model->weights.Find("same")->view.data, model->weights.Find("a")->view.data);
  EXPECT_EQ(model->weights.Find("b"), nullptr);
  ExpectEveryPrefixFails(w.text, ReadCt2);
}

TEST(Ctranslate2, RefusesBrokenFiles) {
  const auto error = [](const Writer& w) { return ReadCt2(AsBytes(w.text)).status().ToString(); };
  EXPECT_THAT(error(Writer().Put(uint32_t{3}).Name("Spec")), HasSubstr("unimplemented"));
  EXPECT_THAT(error(Writer().Put(uint32_t{0x67676d6c}).Name("Spec")),
              HasSubstr("not a CTranslate2 model"));
  EXPECT_THAT(error(Ct2Head(0xFFFFFFFF)), HasSubstr("number of variables"));
  Writer twice = Ct2Head(2);
  Ct2F32(twice, "a", 1);
  Ct2F32(twice, "a", 1);
  twice.Put(uint32_t{0});
  EXPECT_THAT(error(twice), HasSubstr("\"a\" appears twice"));
  EXPECT_THAT(
      error(Ct2Head(1).Name("z").Put(uint8_t{1}).Put(uint32_t{0}).Put(uint8_t{0}).Put(uint32_t{0})),
      HasSubstr("shape [0]"));
  Writer huge = Ct2Head(1).Name("h").Put(uint8_t{8});
  for (int i = 0; i < 8; ++i) huge.Put(uint32_t{0xFFFFFFFF});
  EXPECT_THAT(error(huge.Put(uint8_t{0}).Put(uint32_t{4}).Put(0.0f)), HasSubstr("2^40"));
  EXPECT_THAT(error(Ct2Head(1)
                        .Name("s")
                        .Put(uint8_t{1})
                        .Put(uint32_t{2})
                        .Put(uint8_t{0})
                        .Put(uint32_t{4})
                        .Put(1.0f)),
              HasSubstr("expected 8 bytes"));
  EXPECT_THAT(
      error(Ct2Head(1).Name("t").Put(uint8_t{0}).Put(uint8_t{6}).Put(uint32_t{4}).Put(1.0f)),
      HasSubstr("element type"));
  Writer alias = Ct2Head(1);
  Ct2F32(alias, "a", 1);
  EXPECT_THAT(error(alias.Put(uint32_t{1}).Name("x").Name("nowhere")), HasSubstr("nowhere"));
  Writer more = Ct2Head(0).Put(uint32_t{0}).Put(uint8_t{1});
  EXPECT_THAT(error(more), HasSubstr("1 more bytes"));
  Writer scale = Ct2Head(2);
  scale.Name("w")
      .Put(uint8_t{1})
      .Put(uint32_t{2})
      .Put(uint8_t{1})
      .Put(uint32_t{2})
      .Put(uint16_t{0x0102});
  Ct2F32(scale, "w_scale", 2);  // its first factor is 0
  EXPECT_THAT(error(scale.Put(uint32_t{0})), HasSubstr("positive factors"));
}

// Oracle: files and values by ctranslate2 itself. A row's error is at most half a step of its
// quantisation.
TEST(Ctranslate2, ReadsWhatCtranslate2Wrote) {
  const auto expected = OpenNpy(kGolden + "linear.npy");
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  for (const auto& [file, encoding, steps] :
       {std::tuple("int8.ct2", WeightEncoding::kInt8Row, 127.0f),
        std::tuple("int16.ct2", WeightEncoding::kPlain, 1023.0f),
        std::tuple("f16.ct2", WeightEncoding::kPlain, 1000.0f)}) {
    const auto model = OpenCtranslate2(kGolden + file);
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    EXPECT_EQ(model->spec, "GoldenSpec");
    for (const char* name : {"a/weight", "b/weight"}) {
      const auto weight = model->weights.Get(name, {4, 6});
      ASSERT_TRUE(weight.ok()) << weight.status().ToString();
      EXPECT_EQ((*weight)->encoding, encoding);
      const auto values = ToF32(**weight);
      ASSERT_TRUE(values.ok()) << values.status().ToString();
      float amax = 0;
      for (const float v : expected->Span<float>()) amax = std::max(amax, std::abs(v));
      for (int64_t i = 0; i < 24; ++i) {
        EXPECT_NEAR(values->As<float>()[i], expected->As<float>()[i], 0.51f * amax / steps)
            << file << " " << i;
      }
    }
  }
}

std::string ModelFolder(const std::string& name) {
  const auto folder = ModelsFolder();
  return folder.ok() ? JoinPath(*folder, name) : "";
}

TEST(Ctranslate2, ReadsWhisperBase) {
  const std::string path = ModelFolder("whisper-base") + "/model.bin";
  if (!FileExists(path)) GTEST_SKIP() << "whisper-base is not installed";
  EXPECT_EQ(*Sha256OfFile(path),
            "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57");
  const auto model = OpenCtranslate2(path);
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  EXPECT_EQ(model->spec, "WhisperSpec");
  const WeightFile& weights = model->weights;
  EXPECT_EQ(weights.weights().size(), 215u);
  EXPECT_TRUE(weights.Get("encoder/conv1/weight", {512, 80, 3}).ok());
  EXPECT_TRUE(weights.Get("decoder/embeddings/weight", {51865, 512}).ok());
  EXPECT_TRUE(weights.Get("decoder/layer_5/self_attention/linear_0/weight", {1536, 512}).ok());
  EXPECT_EQ(weights.Find("decoder/projection/weight")->view.data,
            weights.Find("decoder/embeddings/weight")->view.data);
  EXPECT_EQ(weights.Get("encoder/conv3/weight").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(weights.Get("encoder/conv1/weight", {1, 2}).status().code(), StatusCode::kDataLoss);
  // Large float weights are viewed in place, wherever they lie; the others are aligned.
  for (const auto& [name, weight] : weights.weights()) {
    const DType dtype = weight.view.dtype;
    const bool is_float = dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
    if (is_float && weight.view.bytes() > WeightFile::kMaxAlignedCopy) continue;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(weight.view.data) % DTypeSize(dtype), 0u) << name;
  }
}

// ---- safetensors ----

Result<WeightFile> ReadSt(Bytes bytes) { return ReadSafetensors(bytes, nullptr); }

std::string St(const std::string& header, size_t num_data_bytes) {
  Writer w;
  w.Put(static_cast<uint64_t>(header.size()));
  return w.text + header + std::string(num_data_bytes, '\1');
}

TEST(Safetensors, ReadsWhatTheLibraryWrote) {
  const auto file = OpenSafetensors(kGolden + "mixed.safetensors");
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(file->metadata.at("note"), "gru\xc3\x9f");
  EXPECT_THAT(Values<float>(file->Find("f32")->view), ElementsAre(0, .25f, .5f, .75f, 1, 1.25f));
  EXPECT_EQ(file->Find("f32")->shape, (Shape{2, 3}));
  EXPECT_THAT(Values<float>(ToF32(*file->Find("f16"))->ViewOf()), ElementsAre(1.5f, -2.25f));
  EXPECT_THAT(Values<int8_t>(file->Find("i8")->view), ElementsAre(-128, 127, 3));
  EXPECT_THAT(Values<uint8_t>(file->Find("u8")->view), ElementsAre(255));
  EXPECT_THAT(Values<int32_t>(file->Find("i32")->view), ElementsAre(-7, 1 << 30));
  EXPECT_THAT(Values<int64_t>(file->Find("i64")->view), ElementsAre(int64_t{1} << 40, -1));
  EXPECT_THAT(Values<bool>(file->Find("flag")->view), ElementsAre(true, false, true));
  EXPECT_EQ(file->Find("scalar")->shape, Shape{});
  EXPECT_EQ(ToF32(*file->Find("i32")).status().code(), StatusCode::kInvalidArgument);
  const std::string text = *ReadFile(kGolden + "mixed.safetensors", 10000);
  ExpectEveryPrefixFails(text, ReadSt);
}

TEST(Safetensors, CopiesWhatIsNotAligned) {
  const std::string text = St(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})",
      9);
  const auto file = ReadSt(AsBytes(text));
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  const View& b = file->Find("b")->view;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.data) % alignof(float), 0u);
  EXPECT_EQ(std::memcmp(b.data, text.data() + text.size() - 8, 8), 0);
}

TEST(Safetensors, RefusesBrokenFiles) {
  const auto one = [](const std::string& fields, size_t num_bytes) {
    return ReadSt(AsBytes(St("{\"a\":{" + fields + "}}", num_bytes))).status().ToString();
  };
  EXPECT_EQ(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 4), "ok");
  EXPECT_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 5), HasSubstr("found 5"));
  EXPECT_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])", 8),
              HasSubstr("expected 4 bytes"));
  EXPECT_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", 4),
              HasSubstr("[begin, end]"));
  EXPECT_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", 8), HasSubstr("hole"));
  EXPECT_THAT(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", 4),
              HasSubstr("non-negative"));
  EXPECT_THAT(one(R"("dtype":"F32","shape":[0],"data_offsets":[0,0])", 0),
              HasSubstr("sizes from 1"));
  EXPECT_THAT(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0),
              HasSubstr("2^40"));
  EXPECT_THAT(one(R"("dtype":"F64","shape":[1],"data_offsets":[0,8])", 8),
              HasSubstr("unimplemented"));
  EXPECT_THAT(one(R"("shape":[1],"data_offsets":[0,4])", 4), HasSubstr("dtype"));
  EXPECT_THAT(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615])", 4),
              HasSubstr("span"));
  const std::string overlap = St(
      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
      3);
  EXPECT_THAT(ReadSt(AsBytes(overlap)).status().ToString(), HasSubstr("overlap"));
  const std::string twice = St(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
      2);
  EXPECT_THAT(ReadSt(AsBytes(twice)).status().ToString(), HasSubstr("twice"));
  EXPECT_THAT(ReadSt(AsBytes(Writer().Put(uint64_t{1} << 60).text)).status().ToString(),
              HasSubstr("header"));
}

TEST(Safetensors, ReadsAShardedFolder) {
  std::string folder = JoinPath(testing::TempDir(), "tessera-shards-XXXXXX");
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string a = St(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1);
  const std::string b = St(R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2);
  ASSERT_TRUE(WriteFileAtomically(JoinPath(folder, "m-1.safetensors"), a).ok());
  ASSERT_TRUE(WriteFileAtomically(JoinPath(folder, "m-2.safetensors"), b).ok());
  const auto open_with = [&folder](const std::string& map) {
    EXPECT_TRUE(WriteFileAtomically(JoinPath(folder, "model.safetensors.index.json"),
                                    "{\"weight_map\":" + map + "}")
                    .ok());
    return OpenSafetensors(folder);
  };
  EXPECT_EQ(OpenSafetensors(folder).status().code(), StatusCode::kNotFound);
  const auto both = open_with(R"({"a":"m-1.safetensors","b":"m-2.safetensors"})");
  ASSERT_TRUE(both.ok()) << both.status().ToString();
  EXPECT_THAT(Values<uint8_t>(both->Find("b")->view), ElementsAre(1, 1));
  EXPECT_THAT(Values<uint8_t>(both->Find("a")->view), ElementsAre(1));
  EXPECT_THAT(open_with(R"({"c":"m-1.safetensors"})").status().ToString(),
              HasSubstr("no weight \"c\""));
  EXPECT_THAT(open_with(R"({"a":"../m-1.safetensors"})").status().ToString(),
              HasSubstr("same folder"));
  EXPECT_EQ(open_with(R"({"a":"m-3.safetensors"})").status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(RemoveFolder(folder).ok());
}

// ---- ggml ----

Result<GgmlWhisperModel> ReadGg(Bytes bytes) { return ReadGgmlWhisper(bytes, nullptr); }

TEST(Ggml, DequantisesAsGguf) {
  const auto model = OpenGgmlWhisper(kGolden + "blocks.ggml");
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  EXPECT_EQ(model->params.vocab_size, 5);
  EXPECT_EQ(model->params.text_layers, 1);
  EXPECT_EQ(model->params.file_type, 8);
  EXPECT_EQ(model->params.quantization_version, 2);
  EXPECT_EQ(model->mel_filters.shape, (Shape{2, 3}));
  EXPECT_THAT(Values<float>(model->mel_filters), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(model->tokens, ElementsAre("a", "", "\xc3\xa9"));
  for (const char* name : {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0"}) {
    const auto weight = model->weights.Get(name, {3, 64});
    ASSERT_TRUE(weight.ok()) << weight.status().ToString();
    EXPECT_EQ(WeightEncodingName((*weight)->encoding), name);
    const auto values = ToF32(**weight);
    const auto expected = OpenNpy(kGolden + name + ".npy");
    ASSERT_TRUE(values.ok() && expected.ok());
    for (int64_t i = 0; i < 3 * 64; ++i) {
      ASSERT_FLOAT_EQ(values->As<float>()[i], expected->As<float>()[i]) << name << " " << i;
    }
  }
  EXPECT_EQ(model->weights.Find("half")->shape, (Shape{2, 1}));
  EXPECT_THAT(Values<float>(ToF32(*model->weights.Find("half"))->ViewOf()),
              ElementsAre(1.0f, -0.5f));
}

Writer GgmlHead(int32_t vocab_size = 5) {
  Writer w;
  w.Put(uint32_t{0x67676d6c}).Put(vocab_size);
  for (int i = 0; i < 9; ++i) w.Put(int32_t{1});
  w.Put(int32_t{0}).Put(int32_t{1}).Put(int32_t{1}).Put(0.5f);
  return w.Put(int32_t{1}).Put(uint32_t{1}).Put('t');
}

TEST(Ggml, RefusesBrokenFiles) {
  const auto error = [](const Writer& w) { return ReadGg(AsBytes(w.text)).status().ToString(); };
  EXPECT_EQ(error(GgmlHead()), "ok");
  EXPECT_THAT(error(GgmlHead(-1)), HasSubstr("vocabulary size"));
  EXPECT_THAT(error(GgmlHead().Put(int32_t{1})), HasSubstr("name length"));
  const auto weight = [&error](int32_t rank, int32_t type, int32_t size, const std::string& data) {
    Writer w = GgmlHead();
    w.Put(rank).Put(int32_t{1}).Put(type).Put(size).Put('n');
    w.text += data;
    return error(w);
  };
  EXPECT_EQ(weight(1, 0, 1, "1234"), "ok");
  EXPECT_THAT(weight(1, 0, 2, "1234"), HasSubstr("truncated"));
  EXPECT_THAT(weight(1, 0, -2, "1234"), HasSubstr("size of a dimension"));
  EXPECT_THAT(weight(1, 0, 0, ""), HasSubstr("size of a dimension"));
  EXPECT_THAT(weight(5, 0, 1, "1234"), HasSubstr("rank"));
  EXPECT_THAT(weight(1, 99, 1, "1234"), HasSubstr("unimplemented"));
  EXPECT_THAT(weight(1, 8, 33, std::string(36, 'x')), HasSubstr("multiple of 32"));
  EXPECT_THAT(error(Writer().Put(uint32_t{1})), HasSubstr("lmgg"));
  const std::string head = GgmlHead().text;
  for (size_t size = 0; size < head.size(); ++size)
    EXPECT_FALSE(ReadGg(AsBytes(head.substr(0, size))).ok()) << size;
}

// ---- npy ----

TEST(Npy, RefusesBrokenFiles) {
  const auto read = [](const std::string& header, size_t num_bytes) {
    Writer w;
    w.text = "\x93NUMPY";
    w.Put(uint8_t{1}).Put(uint8_t{0}).Put(static_cast<uint16_t>(header.size()));
    return ReadNpy(AsBytes(w.text + header + std::string(num_bytes, '\1')));
  };
  const auto good = read("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 1), }\n", 8);
  ASSERT_TRUE(good.ok()) << good.status().ToString();
  EXPECT_EQ(good->shape(), (Shape{2, 1}));
  EXPECT_THAT(good->Span<int32_t>(), ElementsAre(0x01010101, 0x01010101));
  EXPECT_EQ(read("{'descr': '<f2', 'fortran_order': False, 'shape': (), }", 2)->shape(), Shape{});
  EXPECT_EQ(read("{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }", 6)->shape(),
            Shape{3});
  EXPECT_FALSE(read("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 1), }", 9).ok());
  EXPECT_FALSE(read("{'descr': '<i4', 'fortran_order': True, 'shape': (2, 1), }", 8).ok());
  EXPECT_FALSE(read("{'descr': '>i4', 'fortran_order': False, 'shape': (2, 1), }", 8).ok());
  EXPECT_FALSE(read("{'descr': '<i4', 'fortran_order': False, 'shape': (2 1), }", 8).ok());
  EXPECT_FALSE(read("{'descr': '<i4', 'fortran_order': False, 'shape': (-2, -1), }", 8).ok());
  EXPECT_FALSE(read("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 1", 8).ok());
  EXPECT_FALSE(
      read("{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 8).ok());
}

}  // namespace
}  // namespace tessera
