// The result of a transcription, under its former name inside the library; the types are public.
#ifndef TESSERA_PIPELINES_TRANSCRIPT_H_
#define TESSERA_PIPELINES_TRANSCRIPT_H_

#include "tessera/transcript.h"  // IWYU pragma: export

#endif  // TESSERA_PIPELINES_TRANSCRIPT_H_
