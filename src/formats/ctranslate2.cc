#include "formats/ctranslate2.h"

#include <map>
#include <utility>

#include "base/check.h"
#include "formats/byte_reader.h"

namespace tessera {
namespace {

constexpr uint32_t kFirstVersion = 4;
constexpr uint32_t kLastVersion = 6;
constexpr uint32_t kMaxVariables = 1u << 20;  // the largest published models have a few thousand
constexpr uint8_t kMaxRank = 8;
constexpr std::string_view kScaleSuffix = "_scale";

// CTranslate2's DataType numbers.
enum FileType : uint8_t {
  kFloat32 = 0,
  kInt8 = 1,
  kInt16 = 2,
  kInt32 = 3,
  kFloat16 = 4,
  kBFloat16 = 5
};

DType ToDType(uint8_t type) {
  switch (type) {
    case kInt8:
      return DType::kI8;
    case kInt32:
      return DType::kI32;
    case kFloat16:
      return DType::kF16;
    case kBFloat16:
      return DType::kBF16;
    default:
      return DType::kF32;
  }
}

// An i16 variable waits for its scale, which may come later in the file.
using PendingInt16 = std::map<std::string, const uint8_t*, std::less<>>;
using Aliases = std::map<std::string, std::string, std::less<>>;

Result<std::string> ReadString(ByteReader& reader, const char* what) {
  TESSERA_ASSIGN_OR_RETURN(const auto length, reader.Read<uint16_t>(what));
  TESSERA_ASSIGN_OR_RETURN(const Bytes raw, reader.Take(length, what));
  std::string text(raw.begin(), raw.end());
  if (text.size() < 2 || text.find('\0') != text.size() - 1) {
    return DataLoss("expected a non-empty NUL-terminated " + std::string(what) + " before offset " +
                    std::to_string(reader.position()) + "; the file is broken, fetch it again");
  }
  text.pop_back();
  return text;
}

Status ReadVariable(ByteReader& reader, WeightFile& weights, PendingInt16& pending) {
  TESSERA_ASSIGN_OR_RETURN(std::string name, ReadString(reader, "variable name"));
  TESSERA_ASSIGN_OR_RETURN(const auto rank, reader.Read<uint8_t>("rank"));
  if (rank > kMaxRank) {
    return DataLoss("variable \"" + name + "\": expected at most " + std::to_string(kMaxRank) +
                    " dimensions, found " + std::to_string(rank));
  }
  Shape shape(rank);
  for (int64_t& size : shape) {
    TESSERA_ASSIGN_OR_RETURN(size, reader.Read<uint32_t>("size of a dimension"));
  }
  TESSERA_ASSIGN_OR_RETURN(const auto type, reader.Read<uint8_t>("element type"));
  TESSERA_ASSIGN_OR_RETURN(const auto num_bytes, reader.Read<uint32_t>("number of bytes"));
  if (type > kBFloat16) {
    return DataLoss("variable \"" + name + "\": expected an element type from 0 to 5, found " +
                    std::to_string(type));
  }
  // There is no i16 among our types; f16 has its size.
  auto expected = CheckedBytes(shape, type == kInt16 ? DType::kF16 : ToDType(type));
  if (!expected.ok()) return std::move(expected).status().AddContext("variable \"" + name + "\"");
  if (*expected != num_bytes) {
    return DataLoss("variable \"" + name + "\": expected " + std::to_string(*expected) +
                    " bytes for shape " + ShapeToString(shape) + ", found " +
                    std::to_string(num_bytes));
  }
  TESSERA_ASSIGN_OR_RETURN(const Bytes data, reader.Take(num_bytes, "elements"));
  Weight weight;
  weight.shape = shape;
  if (type == kInt16) {
    pending.emplace(name, data.data());
  } else {
    weight.view = weights.AlignedView(data.data(), ToDType(type), std::move(shape));
  }
  return weights.Add(std::move(name), std::move(weight));
}

// The factors of `weight`: the variable NAME_scale, one f32 or one a row, inverted. `inverted`
// holds those done before.
Result<View> RowFactors(const Weight& weight, const Weight& scale, WeightFile& weights,
                        std::map<std::pair<const void*, int64_t>, View>& inverted) {
  if (weight.shape.empty() || scale.view.dtype != DType::kF32 || scale.view.data == nullptr ||
      (scale.view.size() != 1 && scale.view.size() != weight.shape[0])) {
    return DataLoss("expected one f32 factor or one for each row of " +
                    ShapeToString(weight.shape) + ", found " +
                    std::string(DTypeName(scale.view.dtype)) + " " + ShapeToString(scale.shape));
  }
  const int64_t num_rows = weight.shape[0];
  const auto [it, inserted] = inverted.try_emplace({scale.view.data, num_rows});
  if (inserted) {
    Tensor factors(DType::kF32, {num_rows});
    for (int64_t row = 0; row < num_rows; ++row) {
      const float inverse =
          LoadFloat(scale.view.data, DType::kF32, scale.view.size() == 1 ? 0 : row);
      if (!(inverse > 0)) {  // also catches NaN
        return DataLoss("expected positive factors, found " + std::to_string(inverse) + " in row " +
                        std::to_string(row));
      }
      factors.As<float>()[row] = 1.0f / inverse;
    }
    it->second = weights.Keep(std::move(factors));
  }
  return it->second;
}

int16_t LoadInt16(const uint8_t* from) {
  int16_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

View WidenInt16(const uint8_t* data, const Shape& shape, WeightFile& weights) {
  Tensor out(DType::kI32, shape);
  const std::span<int32_t> values = out.Span<int32_t>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = LoadInt16(data + i * sizeof(int16_t));
  return weights.Keep(std::move(out));
}

View DequantizeInt16(const uint8_t* data, const Weight& weight, const View& factors,
                     WeightFile& weights) {
  Tensor out(DType::kF32, weight.shape);
  const std::span<float> values = out.Span<float>();
  const size_t row_size = values.size() / static_cast<size_t>(weight.shape[0]);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(LoadInt16(data + i * sizeof(int16_t))) *
                factors.As<float>()[i / row_size];
  }
  return weights.Keep(std::move(out));
}

// The variable NAME_scale, which may itself be an alias.
const Weight* FindScale(const std::string& name, const WeightFile& weights,
                        const Aliases& aliases) {
  const std::string scale_name = name + std::string(kScaleSuffix);
  const auto alias = aliases.find(scale_name);
  return weights.Find(alias == aliases.end() ? scale_name : alias->second);
}

Status ApplyScales(WeightFile& weights, const PendingInt16& pending, const Aliases& aliases) {
  std::map<std::pair<const void*, int64_t>, View> inverted;
  std::vector<std::pair<std::string, Weight>> done;
  for (const auto& [name, weight] : weights.weights()) {
    const auto int16 = pending.find(name);
    const bool is_int16 = int16 != pending.end();
    if (!is_int16 && weight.view.dtype != DType::kI8) continue;
    const Weight* scale = FindScale(name, weights, aliases);
    if (scale == nullptr) {
      // Without factors an i8 is a flag or a number, an i16 a list of numbers (alignment heads).
      if (!is_int16) continue;
      Weight widened = weight;
      widened.view = WidenInt16(int16->second, weight.shape, weights);
      done.emplace_back(name, std::move(widened));
      continue;
    }
    auto factors = RowFactors(weight, *scale, weights, inverted);
    if (!factors.ok()) return std::move(factors).status().AddContext("variable \"" + name + "\"");
    Weight scaled = weight;
    if (is_int16) {
      scaled.view = DequantizeInt16(int16->second, weight, *factors, weights);
    } else {
      scaled.scale = *factors;
      scaled.encoding = WeightEncoding::kInt8Row;
    }
    done.emplace_back(name, std::move(scaled));
  }
  for (auto& [name, weight] : done) weights.Replace(name, std::move(weight));
  return OkStatus();
}

Result<uint32_t> ReadCount(ByteReader& reader, const char* what) {
  TESSERA_ASSIGN_OR_RETURN(const auto count, reader.Read<uint32_t>(what));
  if (count > kMaxVariables) {
    return DataLoss("expected at most " + std::to_string(kMaxVariables) + " as " + what +
                    ", found " + std::to_string(count));
  }
  return count;
}

}  // namespace

Result<Ctranslate2Model> ReadCtranslate2(Bytes bytes, std::shared_ptr<const void> owner) {
  ByteReader reader(bytes);
  Ctranslate2Model model;
  model.weights = WeightFile(std::move(owner));
  TESSERA_ASSIGN_OR_RETURN(model.version, reader.Read<uint32_t>("version"));
  if (model.version < kFirstVersion || model.version > kLastVersion) {
    const std::string found =
        "expected a CTranslate2 model.bin of version 4 to 6, found the number " +
        std::to_string(model.version) + " at its start";
    if (model.version > 0 && model.version < 100) {
      return Unimplemented(found +
                           "; convert the model again with a current ct2-transformers-converter");
    }
    return DataLoss(found + "; this is not a CTranslate2 model");
  }
  TESSERA_ASSIGN_OR_RETURN(model.spec, ReadString(reader, "spec name"));
  TESSERA_ASSIGN_OR_RETURN(model.revision, reader.Read<uint32_t>("spec revision"));

  PendingInt16 pending;
  TESSERA_ASSIGN_OR_RETURN(const uint32_t num_variables, ReadCount(reader, "number of variables"));
  for (uint32_t i = 0; i < num_variables; ++i) {
    TESSERA_RETURN_IF_ERROR(ReadVariable(reader, model.weights, pending));
  }
  Aliases aliases;
  TESSERA_ASSIGN_OR_RETURN(const uint32_t num_aliases, ReadCount(reader, "number of aliases"));
  for (uint32_t i = 0; i < num_aliases; ++i) {
    TESSERA_ASSIGN_OR_RETURN(std::string alias, ReadString(reader, "alias"));
    TESSERA_ASSIGN_OR_RETURN(std::string name, ReadString(reader, "aliased name"));
    if (model.weights.Find(name) == nullptr) {
      return DataLoss("alias \"" + alias + "\" stands for \"" + name +
                      "\", which the file does not have");
    }
    const auto [it, inserted] = aliases.emplace(std::move(alias), std::move(name));
    if (!inserted) return DataLoss("alias \"" + it->first + "\" appears twice");
  }
  if (reader.remaining() != 0) {
    return DataLoss("expected the end of the file at offset " + std::to_string(reader.position()) +
                    ", found " + std::to_string(reader.remaining()) + " more bytes");
  }
  TESSERA_RETURN_IF_ERROR(ApplyScales(model.weights, pending, aliases));
  // Last, so that an alias shares what its variable became.
  for (const auto& [alias, name] : aliases) {
    TESSERA_RETURN_IF_ERROR(model.weights.Add(alias, *model.weights.Find(name)));
  }
  return model;
}

Result<Ctranslate2Model> OpenCtranslate2(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  const Bytes bytes = file->bytes();
  auto model = ReadCtranslate2(bytes, file);
  if (!model.ok()) return std::move(model).status().AddContext("\"" + path + "\"");
  model->weights.KeepMapping(std::move(file));
  return model;
}

}  // namespace tessera
