/* Prints the segments of a recording as they are found: transcribe FILE [MODEL] */
#include <stdio.h>
#include <tessera/c_api.h>

static void print_segment(const tessera_segment* segment, void* user_data) {
  (void)user_data;
  printf("[%.2f --> %.2f]%s\n", segment->start, segment->end, segment->text);
}

int main(int argc, char** argv) {
  tessera_model_options model;
  tessera_transcribe_options options;
  tessera_transcriber* transcriber = NULL;
  tessera_transcript* transcript = NULL;
  tessera_model_options_init(&model);
  tessera_transcribe_options_init(&options);
  if (argc > 2) model.model = argv[2];
  options.on_segment = print_segment;

  tessera_status status = tessera_transcriber_create(&model, &transcriber);
  if (status == TESSERA_OK) {
    status = tessera_transcribe_file(transcriber, argc > 1 ? argv[1] : "-", &options, &transcript);
  }
  if (status != TESSERA_OK) {
    fprintf(stderr, "%s: %s\n", tessera_status_name(status), tessera_last_error());
  } else {
    printf("%s: %zu segments, %.2f s\n", tessera_transcript_language(transcript),
           tessera_transcript_num_segments(transcript), tessera_transcript_duration(transcript));
  }
  tessera_transcript_free(transcript);
  tessera_transcriber_free(transcriber);
  return status == TESSERA_OK ? 0 : 1;
}
