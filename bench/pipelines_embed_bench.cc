// The embedding pipeline as a child process of compare_embed.py: tokeniser, batches, encoder and
// pooling, measured from within.
//
//   pipelines_embed_bench MODEL f32|bf16|int8 THREADS
// reads commands from stdin, a line each, and answers with a line of JSON:
//   shape TEXTS TOKENS  so many different texts of so many tokens in one call; the best
//                       milliseconds of at least 7 calls and half a second
//   corpus FILE         every line of the file is a text; the seconds of all, in calls of 1024
//   vectors FILE OUT    the same, with the vectors as raw float32 into OUT
//   memory              the most memory the process has used so far, MB
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "tessera/embed.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Every text begins with another word, so that none is a repetition.
double ShapeMilliseconds(const Embedder& embedder, int num_texts, int num_tokens) {
  std::vector<std::string> texts;
  for (int i = 0; i < num_texts; ++i) {
    std::string text(1, static_cast<char>('a' + i % 26));
    text += ' ';
    text += static_cast<char>('a' + i / 26 % 26);
    while (true) {
      const auto ids = embedder.Tokenize(text + " the", {});
      TESSERA_CHECK(ids.ok());
      if (static_cast<int>(ids->size()) > num_tokens) break;
      const bool full = static_cast<int>(ids->size()) == num_tokens;
      text += " the";
      if (full) break;
    }
    texts.push_back(std::move(text));
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  double best = 1e9;
  const auto begin = Clock::now();
  for (int run = 0; run < 8 || Since(begin) < 0.5; ++run) {
    const auto start = Clock::now();
    const auto result = embedder.Embed(views);
    const double seconds = Since(start);
    TESSERA_CHECK(result.ok());
    for (const int32_t tokens : result->num_tokens) TESSERA_CHECK(tokens == num_tokens);
    if (run > 0) best = std::min(best, seconds);
  }
  return best * 1e3;
}

double EmbedFile(const Embedder& embedder, const std::string& path, std::ostream* out) {
  constexpr size_t kTexts = 1024;
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  const std::vector<std::string_view> views(lines.begin(), lines.end());
  const auto start = Clock::now();
  for (size_t i = 0; i < views.size(); i += kTexts) {
    const auto result =
        embedder.Embed(std::span(views).subspan(i, std::min(kTexts, views.size() - i)));
    TESSERA_CHECK(result.ok());
    if (out != nullptr) {
      out->write(reinterpret_cast<const char*>(result->values.data()),
                 static_cast<std::streamsize>(result->values.size() * sizeof(float)));
    }
  }
  return Since(start);
}

double PeakMegabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1e3;
  }
  return 0;
}

int Serve(const Embedder& embedder) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, file, out;
    int texts = 0, tokens = 0;
    words >> command;
    if (command == "shape" && words >> texts >> tokens) {
      std::printf("{\"ms\": %.4f}\n", ShapeMilliseconds(embedder, texts, tokens));
    } else if (command == "corpus" && words >> file) {
      std::printf("{\"seconds\": %.4f}\n", EmbedFile(embedder, file, nullptr));
    } else if (command == "vectors" && words >> file >> out) {
      std::ofstream vectors(out, std::ios::binary);
      std::printf("{\"seconds\": %.4f}\n", EmbedFile(embedder, file, &vectors));
    } else if (command == "memory") {
      std::printf("{\"megabytes\": %.1f}\n", PeakMegabytes());
    } else {
      return 2;
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s MODEL f32|bf16|int8 THREADS\n", argv[0]);
    return 2;
  }
  const std::string precision = argv[2];
  const auto embedder =
      tessera::Embedder::Create({.model = argv[1],
                                 .precision = precision == "f32"    ? tessera::Precision::kF32
                                              : precision == "bf16" ? tessera::Precision::kBF16
                                                                    : tessera::Precision::kInt8,
                                 .threads = std::stoi(argv[3])});
  if (!embedder.ok()) {
    std::fprintf(stderr, "%s\n", embedder.status().ToString().c_str());
    return 1;
  }
  std::printf("{\"engine\": \"tessera\"}\n");
  std::fflush(stdout);
  return tessera::Serve(*embedder);
}
