/* The C interface of Tessera: speech to text, and text to vectors. Mirrors tessera/transcribe.h and
 * tessera/embed.h; read there what an option means.
 *
 * Every function that can fail returns a tessera_status; tessera_last_error() then gives the
 * message of the calling thread. Strings are UTF-8 and, where returned, owned by the library: a
 * transcript's live as long as the transcript. A structure begins with its own size (set by its
 * *_init function), so that later versions can add members at the end. No C++ exception crosses;
 * NULL handles and arguments are refused with TESSERA_INVALID_ARGUMENT, and freeing NULL does
 * nothing. A transcriber serves one call at a time; tessera_cancel may come from any thread. */
#ifndef TESSERA_C_API_H_
#define TESSERA_C_API_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tessera_status {
  TESSERA_OK = 0,
  TESSERA_INVALID_ARGUMENT = 1,
  TESSERA_NOT_FOUND = 2,
  TESSERA_DATA_LOSS = 3,
  TESSERA_UNIMPLEMENTED = 4,
  TESSERA_RESOURCE_EXHAUSTED = 5,
  TESSERA_CANCELLED = 6,
  TESSERA_DEADLINE_EXCEEDED = 7,
  TESSERA_UNAVAILABLE = 8,
  TESSERA_PERMISSION_DENIED = 9,
  TESSERA_INTERNAL = 10
} tessera_status;

typedef enum tessera_precision {
  TESSERA_PRECISION_AUTO = 0,
  TESSERA_PRECISION_F32 = 1,
  TESSERA_PRECISION_BF16 = 2,
  TESSERA_PRECISION_INT8 = 3
} tessera_precision;

/* See tessera::TranscribeMode. */
typedef enum tessera_mode {
  TESSERA_MODE_AUTO = 0,
  TESSERA_MODE_SEQUENTIAL = 1,
  TESSERA_MODE_BATCHED = 2
} tessera_mode;

typedef enum tessera_task { TESSERA_TRANSCRIBE = 0, TESSERA_TRANSLATE = 1 } tessera_task;

typedef struct tessera_model_options {
  size_t size;         /* sizeof(tessera_model_options) */
  const char* model;   /* name or path; NULL: the task's own, "whisper-base" for speech */
  int32_t precision;   /* a tessera_precision; other values are refused */
  int32_t threads;     /* 0: all cores */
  const char* device;  /* NULL: "auto" */
  int32_t require_npu; /* 1: TESSERA_UNAVAILABLE rather than anything else than an NPU */
} tessera_model_options;

typedef struct tessera_segment {
  int64_t id;
  double start; /* seconds */
  double end;   /* seconds */
  const char* text;
  const int32_t* tokens;
  size_t num_tokens;
  double temperature;
  double avg_logprob;
  double compression_ratio;
  double no_speech_prob;
} tessera_segment;

typedef struct tessera_transcribe_options {
  size_t size; /* sizeof(tessera_transcribe_options) */
  tessera_task task;
  const char* language;       /* code or name; NULL: detected */
  int32_t beam_size;          /* 0: greedy */
  int32_t best_of;            /* 0: one sample */
  double patience;            /* 0: 1 */
  double length_penalty;      /* negative: mean log-probability */
  const double* temperatures; /* NULL: 0, 0.2, ... 1 */
  size_t num_temperatures;
  /* NaN switches a threshold off. */
  double compression_ratio_threshold;
  double logprob_threshold;
  double no_speech_threshold;
  uint64_t seed;
  int32_t condition_on_previous_text; /* flags are 0 or 1 */
  const char* initial_prompt;         /* NULL: none */
  int32_t carry_initial_prompt;
  const char* prefix; /* NULL: none */
  int32_t suppress_non_speech;
  int32_t suppress_blank;
  int32_t without_timestamps;
  double max_initial_timestamp;  /* seconds; 0: no limit */
  const double* clip_timestamps; /* start, end, ... in seconds; NULL: all */
  size_t num_clip_timestamps;
  /* Called on the transcribing thread with user_data; may be NULL. The segment lives during the
   * call. */
  void (*on_segment)(const tessera_segment* segment, void* user_data);
  void (*on_progress)(double seconds_done, double seconds_total, void* user_data);
  void* user_data;
  int32_t mode;       /* a tessera_mode */
  int32_t batch_size; /* windows decoded at a time in batched mode */
  int32_t exact; /* 1: whole windows, as openai-whisper; 0: short ones where the result is sure;
                    negative: 1 for f32, else 0 */
} tessera_transcribe_options;

typedef struct tessera_transcriber tessera_transcriber;
typedef struct tessera_transcript tessera_transcript;

/* Defaults, size included. */
void tessera_model_options_init(tessera_model_options* options);
void tessera_transcribe_options_init(tessera_transcribe_options* options);

/* options NULL: defaults. *transcriber is NULL after a failure. */
tessera_status tessera_transcriber_create(const tessera_model_options* options,
                                          tessera_transcriber** transcriber);
void tessera_transcriber_free(tessera_transcriber* transcriber);
/* Which device runs which stage of the model, how much of it, and why not another: a JSON object
 * as docs/devices.md describes it. Lives until the next call of this function with the same
 * transcriber; NULL where there is none, or no memory. */
const char* tessera_transcriber_placement(tessera_transcriber* transcriber);

/* options NULL: defaults. After a cancel the result is TESSERA_OK and
 * tessera_transcript_cancelled() says 1: what was done is there. *transcript is NULL after a
 * failure. */
tessera_status tessera_transcribe_file(tessera_transcriber* transcriber, const char* path,
                                       const tessera_transcribe_options* options,
                                       tessera_transcript** transcript);
/* Mono, 16 kHz, full scale [-1, 1). */
tessera_status tessera_transcribe_samples(tessera_transcriber* transcriber, const float* samples,
                                          size_t num_samples,
                                          const tessera_transcribe_options* options,
                                          tessera_transcript** transcript);
/* Stops the call that runs now, if any, between two steps; from any thread, also from a callback.
 * The next call runs. */
tessera_status tessera_cancel(tessera_transcriber* transcriber);

const char* tessera_transcript_text(const tessera_transcript* transcript);
const char* tessera_transcript_language(const tessera_transcript* transcript);
double tessera_transcript_duration(const tessera_transcript* transcript);
int tessera_transcript_cancelled(const tessera_transcript* transcript);
size_t tessera_transcript_num_segments(const tessera_transcript* transcript);
/* NULL when index is out of range. */
const tessera_segment* tessera_transcript_segment(const tessera_transcript* transcript,
                                                  size_t index);
void tessera_transcript_free(tessera_transcript* transcript);

/* --- Text to vectors; read tessera/embed.h for what an option means. ------------------------- */

/* See tessera::EmbedKind. */
typedef enum tessera_embed_kind {
  TESSERA_EMBED_PLAIN = 0,
  TESSERA_EMBED_QUERY = 1,
  TESSERA_EMBED_PASSAGE = 2
} tessera_embed_kind;

/* See tessera::EmbedPooling. */
typedef enum tessera_embed_pooling {
  TESSERA_POOLING_MODEL = 0, /* what the model says */
  TESSERA_POOLING_MEAN = 1,
  TESSERA_POOLING_CLS = 2,
  TESSERA_POOLING_LAST = 3
} tessera_embed_pooling;

typedef struct tessera_embed_options {
  size_t size;        /* sizeof(tessera_embed_options) */
  int32_t kind;       /* a tessera_embed_kind; other values are refused */
  const char* prompt; /* put before every text; NULL: the model's own */
  int32_t pooling;    /* a tessera_embed_pooling; other values are refused */
  int32_t normalize;  /* 0 or 1; negative: as the model says */
  int64_t dimensions; /* 0: all */
  int64_t max_tokens; /* 0: the model's longest */
} tessera_embed_options;

typedef struct tessera_embedder_info {
  size_t size; /* sizeof(tessera_embedder_info) */
  int64_t dimensions;
  int64_t max_tokens;
  int32_t pooling;          /* a tessera_embed_pooling */
  int32_t normalize;        /* 0 or 1 */
  const char* query_prompt; /* "": none; both live as long as the embedder */
  const char* passage_prompt;
} tessera_embedder_info;

/* Unlike a transcriber, an embedder serves any number of calls at a time; they share batches. */
typedef struct tessera_embedder tessera_embedder;
typedef struct tessera_embeddings tessera_embeddings;

void tessera_embed_options_init(tessera_embed_options* options);
void tessera_embedder_info_init(tessera_embedder_info* info);

/* options NULL: defaults; its model NULL: "all-minilm-l6-v2". *embedder is NULL after a failure. */
tessera_status tessera_embedder_create(const tessera_model_options* options,
                                       tessera_embedder** embedder);
void tessera_embedder_free(tessera_embedder* embedder);
/* As tessera_transcriber_placement. */
const char* tessera_embedder_placement(tessera_embedder* embedder);
/* Fills as many members as the caller's info->size has. */
tessera_status tessera_embedder_get_info(const tessera_embedder* embedder,
                                         tessera_embedder_info* info);

/* Vectors of num_texts texts. lengths, in bytes, may be NULL: the texts end with a zero byte.
 * options NULL: defaults. *embeddings is NULL after a failure; TESSERA_CANCELLED after a cancel. */
tessera_status tessera_embed(tessera_embedder* embedder, const char* const* texts,
                             const size_t* lengths, size_t num_texts,
                             const tessera_embed_options* options, tessera_embeddings** embeddings);
/* Stops all calls that run now; from any thread. Later calls run. */
tessera_status tessera_embedder_cancel(tessera_embedder* embedder);

size_t tessera_embeddings_count(const tessera_embeddings* embeddings);
int64_t tessera_embeddings_dimensions(const tessera_embeddings* embeddings);
/* [count, dimensions] row-major, in the order of the texts; lives as long as the embeddings. */
const float* tessera_embeddings_values(const tessera_embeddings* embeddings);
/* As it was run; 0 when index is out of range. */
int32_t tessera_embeddings_num_tokens(const tessera_embeddings* embeddings, size_t index);
/* 1 for a text that was cut. */
int tessera_embeddings_truncated(const tessera_embeddings* embeddings, size_t index);
void tessera_embeddings_free(tessera_embeddings* embeddings);

/* Message of the last failure on this thread; "" when there was none. Valid until the next call on
 * this thread. */
const char* tessera_last_error(void);
/* Lower-case name such as "data_loss". */
const char* tessera_status_name(int32_t status);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* TESSERA_C_API_H_ */
