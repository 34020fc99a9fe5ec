// Text encoders' tokenizers: bytes a second of one thread, for the installed MiniLM (WordPiece) and
// the small unigram tokenizer of the goldens.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "text/text_tokenizer.h"

namespace tessera {
namespace {

constexpr std::string_view kEnglish =
    "The train to the coast leaves at six and arrives before noon. She repaired the old radio with "
    "a spoon and a great deal of patience. Unemployment fell to 4.2 percent, its lowest level "
    "since "
    "1998; investors were unimpressed by the quarterly forecast.\n";
constexpr std::string_view kMixed =
    "Příliš žluťoučký kůň běžel přes řeku. Поезд к побережью отправляется в шесть утра. "
    "海岸行きの電車は朝六時に出発します。 समुद्र तट की ट्रेन सुबह छह बजे निकलती है। 해안으로 가는 기차\n";

std::string Repeat(std::string_view text, size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += text;
  return out;
}

void Run(benchmark::State& state, const Result<std::unique_ptr<const TextTokenizer>>& tokenizer,
         const std::string& text, int64_t max_tokens) {
  if (!tokenizer.ok()) return state.SkipWithError(tokenizer.status().ToString().c_str());
  for (auto _ : state) benchmark::DoNotOptimize((*tokenizer)->Encode(text, max_tokens));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

Result<std::unique_ptr<const TextTokenizer>> MiniLm() {
  const auto folder = ModelsFolder();
  if (!folder.ok()) return folder.status();
  return LoadTextTokenizer(JoinPath(*folder, "all-minilm-l6-v2"));
}

Result<std::unique_ptr<const TextTokenizer>> SmallUnigram() {
  const auto json = ReadFile("tests/golden/text_tokenizers/unigram_bytes.json", 1 << 20);
  if (!json.ok()) return json.status();
  return ParseTextTokenizer(*json);
}

constexpr int64_t kNoLimit = int64_t{1} << 40;

void BM_WordPieceEnglish(benchmark::State& state) {
  Run(state, MiniLm(), Repeat(kEnglish, static_cast<size_t>(state.range(0))), kNoLimit);
}
BENCHMARK(BM_WordPieceEnglish)->Arg(60)->Arg(600)->Arg(1 << 20);

void BM_WordPieceMixed(benchmark::State& state) {
  Run(state, MiniLm(), Repeat(kMixed, static_cast<size_t>(state.range(0))), kNoLimit);
}
BENCHMARK(BM_WordPieceMixed)->Arg(600)->Arg(1 << 20);

// Time does not grow with the text behind the last token.
void BM_WordPieceFirst256Tokens(benchmark::State& state) {
  Run(state, MiniLm(), Repeat(kEnglish, static_cast<size_t>(state.range(0))), 256);
}
BENCHMARK(BM_WordPieceFirst256Tokens)->Arg(1 << 14)->Arg(1 << 20);

void BM_UnigramEnglish(benchmark::State& state) {
  Run(state, SmallUnigram(), Repeat(kEnglish, 1 << 20), kNoLimit);
}
BENCHMARK(BM_UnigramEnglish);

void BM_UnigramMixed(benchmark::State& state) {
  Run(state, SmallUnigram(), Repeat(kMixed, 1 << 20), kNoLimit);
}
BENCHMARK(BM_UnigramMixed);

void BM_LoadMiniLm(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(MiniLm());
}
BENCHMARK(BM_LoadMiniLm)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tessera
