/* How alike two texts are: embed TEXT TEXT [MODEL] */
#include <stdio.h>
#include <tessera/c_api.h>

int main(int argc, char** argv) {
  tessera_model_options model;
  tessera_embedder* embedder = NULL;
  tessera_embeddings* embeddings = NULL;
  if (argc < 3) {
    fprintf(stderr, "usage: %s TEXT TEXT [MODEL]\n", argv[0]);
    return 2;
  }
  tessera_model_options_init(&model);
  if (argc > 3) model.model = argv[3];

  tessera_status status = tessera_embedder_create(&model, &embedder);
  if (status == TESSERA_OK) {
    status = tessera_embed(embedder, (const char* const*)(argv + 1), NULL, 2, NULL, &embeddings);
  }
  if (status != TESSERA_OK) {
    fprintf(stderr, "%s: %s\n", tessera_status_name(status), tessera_last_error());
  } else {
    const int64_t dimensions = tessera_embeddings_dimensions(embeddings);
    const float* values = tessera_embeddings_values(embeddings);
    double cosine = 0;
    for (int64_t i = 0; i < dimensions; ++i) cosine += values[i] * values[dimensions + i];
    printf("%.4f\n", cosine);
  }
  tessera_embeddings_free(embeddings);
  tessera_embedder_free(embedder);
  return status == TESSERA_OK ? 0 : 1;
}
