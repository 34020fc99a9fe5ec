// Prints the segments of a recording as they are found: transcribe FILE [MODEL]
#include <tessera/transcribe.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE [MODEL]\n", argv[0]);
    return 2;
  }
  tessera::ModelOptions model;
  if (argc > 2) model.model = argv[2];
  auto transcriber = tessera::Transcriber::Create(model);
  if (!transcriber.ok()) {
    std::fprintf(stderr, "%s\n", transcriber.status().ToString().c_str());
    return 4;
  }
  tessera::TranscribeCallbacks callbacks;
  callbacks.on_segment = [](const tessera::Segment& segment) {
    std::printf("[%.2f --> %.2f]%s\n", segment.start, segment.end, segment.text.c_str());
  };
  auto transcript = transcriber->TranscribeFile(argv[1], {}, callbacks);
  if (!transcript.ok()) {
    std::fprintf(stderr, "%s\n", transcript.status().ToString().c_str());
    return 3;
  }
  std::printf("%s: %zu segments, %.2f s\n", transcript->language.c_str(),
              transcript->segments.size(), transcript->duration);
  return 0;
}
