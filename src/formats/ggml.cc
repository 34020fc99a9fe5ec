#include "formats/ggml.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "formats/byte_reader.h"
#include "formats/ggml_blocks.h"

namespace tessera {
namespace {

constexpr uint32_t kMagic = 0x67676d6c;
constexpr int32_t kVersionFactor = 1000;  // ftype = quantisation version * 1000 + type
constexpr int32_t kMaxParam = 1 << 24;
constexpr int32_t kMaxTokens = 1 << 22;
constexpr uint32_t kMaxTokenBytes = 1 << 16;
constexpr int32_t kMaxNameBytes = 512;
constexpr int32_t kMaxRank = 4;
constexpr size_t kMaxWeights = 1u << 16;

struct ElementType {
  DType dtype;
  WeightEncoding encoding;
};

Result<ElementType> ParseType(int32_t type) {
  switch (type) {  // ggml_type
    case 0:
      return ElementType{DType::kF32, WeightEncoding::kPlain};
    case 1:
      return ElementType{DType::kF16, WeightEncoding::kPlain};
    case 2:
      return ElementType{DType::kU8, WeightEncoding::kQ4_0};
    case 3:
      return ElementType{DType::kU8, WeightEncoding::kQ4_1};
    case 6:
      return ElementType{DType::kU8, WeightEncoding::kQ5_0};
    case 7:
      return ElementType{DType::kU8, WeightEncoding::kQ5_1};
    case 8:
      return ElementType{DType::kU8, WeightEncoding::kQ8_0};
    default:
      return Unimplemented(
          "expected an element type among f32, f16, q4_0, q4_1, q5_0, q5_1, q8_0, found ggml's "
          "type " +
          std::to_string(type) + "; quantise the model to one of them");
  }
}

Result<int32_t> ReadBounded(ByteReader& reader, const char* what, int32_t low, int32_t high) {
  TESSERA_ASSIGN_OR_RETURN(const auto value, reader.Read<int32_t>(what));
  if (value < low || value > high) {
    return DataLoss("expected " + std::string(what) + " from " + std::to_string(low) + " to " +
                    std::to_string(high) + ", found " + std::to_string(value) +
                    "; the file is broken, fetch it again");
  }
  return value;
}

Result<GgmlWhisperParams> ReadParams(ByteReader& reader) {
  GgmlWhisperParams p;
  const std::pair<int32_t*, const char*> fields[] = {
      {&p.vocab_size, "vocabulary size"}, {&p.audio_positions, "audio positions"},
      {&p.audio_width, "audio width"},    {&p.audio_heads, "audio heads"},
      {&p.audio_layers, "audio layers"},  {&p.text_positions, "text positions"},
      {&p.text_width, "text width"},      {&p.text_heads, "text heads"},
      {&p.text_layers, "text layers"},    {&p.num_mels, "mel bands"}};
  for (const auto& [field, what] : fields) {
    TESSERA_ASSIGN_OR_RETURN(*field, ReadBounded(reader, what, 1, kMaxParam));
  }
  TESSERA_ASSIGN_OR_RETURN(const int32_t type, ReadBounded(reader, "file type", 0, kMaxParam));
  p.file_type = type % kVersionFactor;
  p.quantization_version = type / kVersionFactor;
  return p;
}

Result<View> ReadMelFilters(ByteReader& reader, int32_t num_mels, WeightFile& weights) {
  TESSERA_ASSIGN_OR_RETURN(const int32_t bands,
                           ReadBounded(reader, "mel filter bands", 1, kMaxParam));
  TESSERA_ASSIGN_OR_RETURN(const int32_t bins,
                           ReadBounded(reader, "mel filter bins", 1, kMaxParam));
  if (bands != num_mels) {
    return DataLoss("expected mel filters for " + std::to_string(num_mels) + " bands, found " +
                    std::to_string(bands));
  }
  const uint64_t num_bytes =
      static_cast<uint64_t>(bands) * static_cast<uint64_t>(bins) * sizeof(float);
  TESSERA_ASSIGN_OR_RETURN(const Bytes data, reader.Take(num_bytes, "mel filters"));
  return weights.AlignedView(data.data(), DType::kF32, {bands, bins});
}

Result<std::vector<std::string>> ReadTokens(ByteReader& reader) {
  TESSERA_ASSIGN_OR_RETURN(const int32_t count,
                           ReadBounded(reader, "number of tokens", 0, kMaxTokens));
  std::vector<std::string> tokens;
  tokens.reserve(
      std::min<size_t>(static_cast<size_t>(count), reader.remaining() / sizeof(uint32_t)));
  for (int32_t i = 0; i < count; ++i) {
    TESSERA_ASSIGN_OR_RETURN(const auto length, reader.Read<uint32_t>("token length"));
    if (length > kMaxTokenBytes) {
      return DataLoss("expected a token of at most " + std::to_string(kMaxTokenBytes) +
                      " bytes, found " + std::to_string(length));
    }
    TESSERA_ASSIGN_OR_RETURN(const Bytes text, reader.Take(length, "token"));
    tokens.emplace_back(text.begin(), text.end());
  }
  return tokens;
}

Status ReadWeight(ByteReader& reader, WeightFile& weights) {
  TESSERA_ASSIGN_OR_RETURN(const int32_t rank,
                           ReadBounded(reader, "rank of a weight", 1, kMaxRank));
  TESSERA_ASSIGN_OR_RETURN(const int32_t name_length,
                           ReadBounded(reader, "name length of a weight", 1, kMaxNameBytes));
  TESSERA_ASSIGN_OR_RETURN(const auto type, reader.Read<int32_t>("type of a weight"));
  Weight weight;
  weight.shape.resize(static_cast<size_t>(rank));
  for (auto size = weight.shape.rbegin(); size != weight.shape.rend(); ++size) {
    TESSERA_ASSIGN_OR_RETURN(*size, ReadBounded(reader, "size of a dimension", 1, INT32_MAX));
  }
  TESSERA_ASSIGN_OR_RETURN(const Bytes raw_name,
                           reader.Take(static_cast<uint64_t>(name_length), "name"));
  std::string name(raw_name.begin(), raw_name.end());
  const auto fail = [&name](Status status) {
    return std::move(status).AddContext("weight \"" + name + "\"");
  };

  auto element = ParseType(type);
  if (!element.ok()) return fail(std::move(element).status());
  weight.encoding = element->encoding;
  Shape stored = weight.shape;
  if (const auto block_bytes = static_cast<int64_t>(BlockBytes(weight.encoding));
      block_bytes != 0) {
    const int64_t row_size = weight.shape.back();
    if (row_size % kGgmlBlockSize != 0) {
      return fail(
          DataLoss("expected rows of a multiple of 32 elements in a quantised weight, found " +
                   std::to_string(row_size)));
    }
    stored.back() = row_size / kGgmlBlockSize * block_bytes;
  }
  auto num_bytes = CheckedBytes(stored, element->dtype);
  if (!num_bytes.ok()) return fail(std::move(num_bytes).status());
  TESSERA_ASSIGN_OR_RETURN(const Bytes data, reader.Take(*num_bytes, "elements"));
  weight.view = weights.AlignedView(data.data(), element->dtype, std::move(stored));
  return weights.Add(std::move(name), std::move(weight));
}

}  // namespace

Result<GgmlWhisperModel> ReadGgmlWhisper(Bytes bytes, std::shared_ptr<const void> owner) {
  ByteReader reader(bytes);
  TESSERA_ASSIGN_OR_RETURN(const auto magic, reader.Read<uint32_t>("magic number"));
  if (magic != kMagic) {
    return DataLoss("expected \"lmgg\" at the start of a whisper.cpp model, found the number " +
                    std::to_string(magic) + "; this is another kind of file");
  }
  GgmlWhisperModel model;
  model.weights = WeightFile(std::move(owner));
  TESSERA_ASSIGN_OR_RETURN(model.params, ReadParams(reader));
  TESSERA_ASSIGN_OR_RETURN(model.mel_filters,
                           ReadMelFilters(reader, model.params.num_mels, model.weights));
  TESSERA_ASSIGN_OR_RETURN(model.tokens, ReadTokens(reader));
  while (reader.remaining() > 0) {
    if (model.weights.weights().size() == kMaxWeights) {
      return DataLoss("expected at most " + std::to_string(kMaxWeights) + " weights, found more");
    }
    TESSERA_RETURN_IF_ERROR(ReadWeight(reader, model.weights));
  }
  return model;
}

Result<GgmlWhisperModel> OpenGgmlWhisper(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  const Bytes bytes = file->bytes();
  auto model = ReadGgmlWhisper(bytes, file);
  if (!model.ok()) return std::move(model).status().AddContext("\"" + path + "\"");
  model->weights.KeepMapping(std::move(file));
  return model;
}

}  // namespace tessera
