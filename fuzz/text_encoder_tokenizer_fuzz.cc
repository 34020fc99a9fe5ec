// Hostile tokenizers of text encoders and hostile texts: what is accepted gives ids of the
// vocabulary, no more than asked for, and the same ones when it stops early.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/precompiled_charsmap.h"
#include "text/text_tokenizer.h"
#include "text/utf8.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void Exercise(const tessera::TextTokenizer& tokenizer, std::string_view text) {
  const auto special = static_cast<size_t>(tokenizer.num_special_tokens());
  const tessera::TokenizedText whole = tokenizer.Encode(text, int64_t{1} << 40);
  Require(!whole.truncated && whole.ids.size() >= special);
  for (const int32_t id : whole.ids) Require(id >= 0 && id < tokenizer.vocab_size());
  const size_t limit = special + 3;
  const tessera::TokenizedText cut = tokenizer.Encode(text, static_cast<int64_t>(limit));
  Require(cut.truncated == (whole.ids.size() > limit));
  Require(cut.ids.size() == std::min(whole.ids.size(), limit));
  // The tokens around the text are the same; those of the text are its first.
  size_t same = 0;
  while (same < cut.ids.size() && cut.ids[same] == whole.ids[same]) ++same;
  size_t same_behind = 0;
  while (same_behind < cut.ids.size() &&
         cut.ids.rbegin()[same_behind] == whole.ids.rbegin()[same_behind])
    ++same_behind;
  Require(same + same_behind >= cut.ids.size());
}

}  // namespace

// A byte for the kind of file, the file up to the first zero byte (for a charsmap: 1024 bytes), the
// text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 3 == 2) {
    const auto charsmap = tessera::PrecompiledCharsmap::Create(input.substr(0, 1024));
    if (!charsmap.ok()) return 0;
    std::string text =
        tessera::ReplaceInvalidUtf8(input.substr(std::min<size_t>(input.size(), 1024)));
    (*charsmap)->Normalize({}, &text);
    Require(tessera::IsValidUtf8(text));
    return 0;
  }
  const size_t end = std::min(input.find('\0'), input.size());
  const std::string_view file = input.substr(0, end);
  const std::string_view text = input.substr(std::min(end + 1, input.size()));
  const auto tokenizer =
      data[0] % 3 == 0 ? tessera::ParseTextTokenizer(file) : tessera::ParseVocabTxt(file, "");
  if (tokenizer.ok()) Exercise(**tokenizer, text);
  return 0;
}
