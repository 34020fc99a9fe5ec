// Which of some texts is nearest to a question: embed QUESTION TEXT... (model: EMBED_MODEL or the
// default)
#include <tessera/embed.h>

#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string_view>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s QUESTION TEXT...\n", argv[0]);
    return 2;
  }
  tessera::ModelOptions model;
  if (const char* name = std::getenv("EMBED_MODEL")) model.model = name;
  auto embedder = tessera::Embedder::Create(model);
  if (!embedder.ok()) {
    std::fprintf(stderr, "%s\n", embedder.status().ToString().c_str());
    return 4;
  }
  const std::vector<std::string_view> question = {argv[1]};
  const std::vector<std::string_view> texts(argv + 2, argv + argc);
  auto asked = embedder->Embed(question, {.kind = tessera::EmbedKind::kQuery});
  auto found = embedder->Embed(texts, {.kind = tessera::EmbedKind::kPassage});
  if (!asked.ok() || !found.ok()) return 1;
  const auto query = asked->vector(0);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto text = found->vector(i);
    const float cosine = std::inner_product(query.begin(), query.end(), text.begin(), 0.0F);
    std::printf("%.4f  %s\n", cosine, argv[2 + i]);
  }
  return 0;
}
