// The result of a transcription: what the transcribe pipeline fills and every writer reads.
//
// Names, units and meaning follow openai-whisper's `result` dictionary, so that a Transcript and
// that dictionary can be compared field by field. Plain values; thread-compatible.
#ifndef TESSERA_TRANSCRIPT_H_
#define TESSERA_TRANSCRIPT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tessera {

// One word of a segment. `word` keeps its leading space and attached punctuation, as decoded.
struct Word {
  std::string word;
  double start = 0;        // seconds from the start of the recording
  double end = 0;          // seconds, >= start
  double probability = 0;  // mean probability of the word's text tokens, 0..1

  bool operator==(const Word&) const = default;
};

struct Segment {
  int64_t id = 0;    // position in Transcript::segments
  int64_t seek = 0;  // first mel frame (10 ms each) of the window that the segment came from
  double start = 0;  // seconds from the start of the recording
  double end = 0;    // seconds, >= start
  std::string text;  // UTF-8, with its leading space; empty where the segment was cleared
  std::vector<int> tokens;
  double temperature = 0;        // of the decode that was kept
  double avg_logprob = 0;        // of the window
  double compression_ratio = 0;  // of the window's text
  double no_speech_prob = 0;     // of the window, 0..1
  // True where words were asked for; openai-whisper also sets an empty list on every cleared
  // segment. Decides whether the JSON has the key "words", and (by the first segment) whether
  // subtitles are laid out from words.
  bool has_words = false;
  std::vector<Word> words;

  bool operator==(const Segment&) const = default;
};

struct Transcript {
  std::string text;      // the segments' texts joined, UTF-8, with the leading space of the first
  std::string language;  // code such as "en"
  double duration = 0;   // seconds of audio read
  std::vector<Segment> segments;
  // Probability of every language code, highest first; empty where the language was given or the
  // model knows only English.
  std::vector<std::pair<std::string, double>> language_probs;
  bool cancelled =
      false;  // a stop was requested: the segments before it are complete, the rest is absent

  bool operator==(const Transcript&) const = default;
};

}  // namespace tessera

#endif  // TESSERA_TRANSCRIPT_H_
