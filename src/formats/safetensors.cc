#include "formats/safetensors.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "formats/byte_reader.h"
#include "formats/json.h"

namespace tessera {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the safetensors project
constexpr size_t kMaxRank = 8;
constexpr int kHeaderDepth = 3;
constexpr char kMetadataKey[] = "__metadata__";
constexpr char kSingleName[] = "model.safetensors";
constexpr char kIndexName[] = "model.safetensors.index.json";
constexpr size_t kMaxShards = 1000;

std::optional<DType> ParseDType(std::string_view name) {
  static constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"F32", DType::kF32}, {"F16", DType::kF16}, {"BF16", DType::kBF16}, {"I8", DType::kI8},
      {"U8", DType::kU8},   {"I32", DType::kI32}, {"I64", DType::kI64},   {"BOOL", DType::kBool}};
  for (const auto& [text, type] : kTypes) {
    if (text == name) return type;
  }
  return std::nullopt;
}

struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  uint64_t begin;
  uint64_t end;
};

Result<std::vector<uint64_t>> ReadSizes(const json& object, const char* key, size_t max_count) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array() || it->size() > max_count) {
    return DataLoss("expected a list \"" + std::string(key) + "\" of at most " +
                    std::to_string(max_count) + " numbers");
  }
  std::vector<uint64_t> sizes;
  for (const json& value : *it) {
    if (!value.is_number_unsigned()) {
      return DataLoss("expected non-negative whole numbers in \"" + std::string(key) +
                      "\", found " +
                      value.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60));
    }
    sizes.push_back(value.get<uint64_t>());
  }
  return sizes;
}

Result<Entry> ReadEntry(const std::string& name, const json& object) {
  if (!object.is_object()) return DataLoss("expected an object that describes the tensor");
  const auto type = object.find("dtype");
  if (type == object.end() || !type->is_string()) return DataLoss("expected a string \"dtype\"");
  const auto dtype = ParseDType(type->get_ref<const std::string&>());
  if (!dtype) {
    return Unimplemented("expected a dtype among F32, F16, BF16, I8, U8, I32, I64, BOOL, found \"" +
                         type->get_ref<const std::string&>().substr(0, 20) +
                         "\"; convert the model to one of them");
  }
  TESSERA_ASSIGN_OR_RETURN(const auto sizes, ReadSizes(object, "shape", kMaxRank));
  TESSERA_ASSIGN_OR_RETURN(const auto offsets, ReadSizes(object, "data_offsets", 2));
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    return DataLoss("expected \"data_offsets\" as [begin, end]");
  }
  Entry entry{name, *dtype, {}, offsets[0], offsets[1]};
  for (const uint64_t size : sizes) {
    if (size > INT64_MAX) {
      return DataLoss("expected sizes below 2^63 in \"shape\", found " + std::to_string(size));
    }
    entry.shape.push_back(static_cast<int64_t>(size));
  }
  TESSERA_ASSIGN_OR_RETURN(const uint64_t expected, CheckedBytes(entry.shape, *dtype));
  if (entry.end - entry.begin != expected) {
    return DataLoss("expected " + std::to_string(expected) + " bytes for shape " +
                    ShapeToString(entry.shape) + ", found data_offsets that span " +
                    std::to_string(entry.end - entry.begin));
  }
  return entry;
}

Status ReadMetadata(const json& object, WeightFile& weights) {
  if (!object.is_object()) return DataLoss("expected an object as \"__metadata__\"");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) return DataLoss("expected strings in \"__metadata__\"");
    weights.metadata.emplace(key, value.get_ref<const std::string&>());
  }
  return OkStatus();
}

// The tensors, in order of their place, must follow each other from 0 to the end of the data.
Status CheckCover(const std::vector<Entry>& entries, uint64_t data_size) {
  uint64_t at = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != at) {
      return DataLoss("tensor \"" + entry.name + "\": expected its data at offset " +
                      std::to_string(at) + ", found " + std::to_string(entry.begin) +
                      "; tensors overlap or leave a hole");
    }
    at = entry.end;
  }
  if (at != data_size) {
    return DataLoss("expected " + std::to_string(at) + " bytes of data after the header, found " +
                    std::to_string(data_size) +
                    "; the file is truncated or broken, fetch it again");
  }
  return OkStatus();
}

Result<WeightFile> OpenFile(const std::string& path) {
  TESSERA_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  const Bytes bytes = file->bytes();
  auto weights = ReadSafetensors(bytes, file);
  if (!weights.ok()) return std::move(weights).status().AddContext("\"" + path + "\"");
  weights->KeepMapping(std::move(file));
  return weights;
}

// A shard is a plain file name: an index cannot point elsewhere.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

Result<WeightFile> OpenSharded(const std::string& index_path) {
  TESSERA_ASSIGN_OR_RETURN(const json index, ParseJsonFile(index_path, kHeaderDepth, kMaxHeader));
  const auto broken = [&index_path](const std::string& what) {
    return DataLoss("\"" + index_path + "\": " + what + "; fetch the model again");
  };
  const auto map = index.find("weight_map");  // end() when the index is no object
  if (map == index.end() || !map->is_object() || map->empty()) {
    return broken("expected an object \"weight_map\" from weights to files");
  }
  std::map<std::string, std::vector<std::string>> names_of;
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string() || !IsPlainName(file.get_ref<const std::string&>())) {
      return broken("expected the name of a file in the same folder for weight \"" + name + "\"");
    }
    names_of[file.get_ref<const std::string&>()].push_back(name);
  }
  if (names_of.size() > kMaxShards)
    return broken("more than " + std::to_string(kMaxShards) + " files");
  const std::string folder = index_path.substr(0, index_path.size() - BaseName(index_path).size());
  WeightFile all;
  for (const auto& [file, names] : names_of) {
    TESSERA_ASSIGN_OR_RETURN(WeightFile shard, OpenFile(folder + file));
    for (const std::string& name : names) {
      if (shard.Find(name) == nullptr)
        return broken("\"" + file + "\" has no weight \"" + name + "\"");
    }
    auto merged = all.Merge(std::move(shard));
    if (!merged.ok()) return std::move(merged).AddContext("\"" + folder + file + "\"");
  }
  return all;
}

}  // namespace

Result<WeightFile> ReadSafetensors(Bytes bytes, std::shared_ptr<const void> owner) {
  ByteReader reader(bytes);
  TESSERA_ASSIGN_OR_RETURN(const auto header_size, reader.Read<uint64_t>("header length"));
  if (header_size < 2 || header_size > kMaxHeader) {
    return DataLoss("expected a safetensors header of 2 to " + std::to_string(kMaxHeader) +
                    " bytes, found the length " + std::to_string(header_size) +
                    "; this is not a safetensors file, or it is broken");
  }
  TESSERA_ASSIGN_OR_RETURN(const Bytes header, reader.Take(header_size, "header"));
  const Bytes data = bytes.subspan(reader.position());
  auto parsed = ParseJson({reinterpret_cast<const char*>(header.data()), header.size()},
                          kHeaderDepth, kMaxHeader);
  if (!parsed.ok()) return std::move(parsed).status().AddContext("safetensors header");
  if (!parsed->is_object()) return DataLoss("expected a JSON object as the safetensors header");

  WeightFile weights(std::move(owner));
  std::vector<Entry> entries;
  for (const auto& [name, object] : parsed->items()) {
    if (name == kMetadataKey) {
      TESSERA_RETURN_IF_ERROR(ReadMetadata(object, weights));
      continue;
    }
    auto entry = ReadEntry(name, object);
    if (!entry.ok())
      return std::move(entry).status().AddContext("tensor \"" + name.substr(0, 200) + "\"");
    entries.push_back(std::move(entry).value());
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
  TESSERA_RETURN_IF_ERROR(CheckCover(entries, data.size()));
  for (Entry& entry : entries) {
    Weight weight;
    weight.view = weights.AlignedView(data.data() + entry.begin, entry.dtype, entry.shape);
    weight.shape = std::move(entry.shape);
    TESSERA_RETURN_IF_ERROR(weights.Add(std::move(entry.name), std::move(weight)));
  }
  return weights;
}

Result<WeightFile> OpenSafetensors(const std::string& path) {
  if (!FolderExists(path)) {
    return path.ends_with(".index.json") ? OpenSharded(path) : OpenFile(path);
  }
  if (const std::string single = JoinPath(path, kSingleName); FileExists(single))
    return OpenFile(single);
  if (const std::string index = JoinPath(path, kIndexName); FileExists(index))
    return OpenSharded(index);
  return NotFound("expected \"" + std::string(kSingleName) + "\" or \"" + kIndexName + "\" in \"" +
                  path + "\", found neither");
}

}  // namespace tessera
