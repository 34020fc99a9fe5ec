// What the tests of src/text share: the golden file of tools/golden/text_tokens.py and the
// vocabularies to try.
#ifndef TESSERA_TESTS_UNIT_TEXT_GOLDEN_H_
#define TESSERA_TESTS_UNIT_TEXT_GOLDEN_H_

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tessera {

inline const nlohmann::json& TextGolden() {
  static const nlohmann::json golden =
      nlohmann::json::parse(std::ifstream(TESSERA_SOURCE_DIR "/tests/golden/text_tokens.json"));
  return golden;
}

inline std::string FromBase64(const std::string& text) {
  static const std::string kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = (bits << 6) | static_cast<unsigned>(kDigits.find(c));
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8));
  }
  return bytes;
}

inline std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

// The 600 byte-level tokens on which the golden "small" ids were made.
inline std::vector<std::string> SmallTokens() {
  std::vector<std::string> tokens;
  for (const auto& token : TextGolden()["small"]["tokens"]) tokens.push_back(FromBase64(token));
  return tokens;
}

// Folder of an installed model, or empty.
inline std::string ModelFolder(const std::string& name) {
  namespace fs = std::filesystem;
  fs::path root;
  if (const char* models = std::getenv("TESSERA_MODELS")) {
    root = models;
  } else if (const char* cache = std::getenv("XDG_CACHE_HOME")) {
    root = fs::path(cache) / "tessera/models";
  } else if (const char* home = std::getenv("HOME")) {
    root = fs::path(home) / ".cache/tessera/models";
  }
  std::error_code error;
  return fs::is_directory(root / name, error) ? (root / name).string() : "";
}

}  // namespace tessera

#endif  // TESSERA_TESTS_UNIT_TEXT_GOLDEN_H_
