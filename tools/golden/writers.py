#!/usr/bin/env python3
"""Writes tests/golden/writers.json: the files that openai-whisper's writers make of real and of awkward transcripts.

    python tools/golden/writers.py FOLDER ORACLE tests/golden/writers.json

FOLDER is the folder `whisper` of the source distribution openai-whisper 20250625 (only utils.py is used, which needs nothing but
Python); ORACLE the folder of openai-whisper's own results. Deterministic.
"""
import io
import json
import os
import random
import struct
import sys

sys.path.insert(0, sys.argv[1])
import utils  # noqa: E402

RANDOM = random.Random(20250625)

WRITERS = {"txt": utils.WriteTXT, "vtt": utils.WriteVTT, "srt": utils.WriteSRT, "tsv": utils.WriteTSV, "json": utils.WriteJSON}

OPTIONS = [
    {},
    {"max_line_width": 42},
    {"max_line_width": 42, "max_line_count": 2},
    {"max_line_width": 16, "max_line_count": 1},
    {"max_line_width": 1, "max_line_count": 3},
    {"max_line_count": 1},
    {"max_words_per_line": 1},
    {"max_words_per_line": 4},
    {"max_words_per_line": 3, "max_line_width": 20, "max_line_count": 2},
    {"highlight_words": True},
    {"highlight_words": True, "max_line_width": 20, "max_line_count": 2},
    {"highlight_words": True, "max_words_per_line": 2},
]

WORDS = [" a", " the", " world", " naïve", " don't", "-", ",", " (laughs)", " —", "日本", "語", " 😀", " x-->y", " <u>", " \n", "\n", "a\nb", " a\n", "",
         "  ", "\u00a0wide", " e\u0301", " internationalisation", '"', "\\", "\x1f", "\x7f", "\u2028", " \ttab", " \r"]


def segment(number, start, end, text, words):
    out = {
        "id": number, "seek": 100 * number, "start": start, "end": end, "text": text, "tokens": [RANDOM.randrange(51865) for _ in range(3)],
        "temperature": RANDOM.choice([0.0, 0.2, 0.4, 0.6000000000000001, 1.0]), "avg_logprob": -RANDOM.random() * 10 ** RANDOM.randint(-6, 1),
        "compression_ratio": RANDOM.random() * 3, "no_speech_prob": RANDOM.random() * 10.0 ** RANDOM.randint(-20, 0),
    }
    if words is not None:
        out["words"] = words
    return out


def awkward(with_words):
    segments, now = [], 0.0
    for number in range(7):
        words, begin = [], now
        for _ in range(RANDOM.choice([0, 1, 5, 9])):
            start = now + RANDOM.choice([0, 0, 0, 0.02, 0.5, 3.0, 3.01, 4.5, 1200.0])
            now = round(start + RANDOM.choice([0, 0.1, 0.34, 1.0005]), RANDOM.choice([2, 4]))
            words.append({"word": RANDOM.choice(WORDS), "start": start, "end": now, "probability": RANDOM.random()})
        text = "".join(w["word"] for w in words) or RANDOM.choice(["", " ", "\t tab\tbed \t", " a --> b ----> c", "--->", " Ünïcödé 😀\u3000"])
        segments.append(segment(number, begin, now, text, words if with_words else None))
    return {"text": "".join(s["text"] for s in segments), "segments": segments, "language": RANDOM.choice(["en", "ja", "de"])}


def oracle(name, segments):
    with open(os.path.join(sys.argv[2], name), encoding="utf-8") as f:
        result = json.load(f)
    result["segments"] = result["segments"][:segments]
    return result


def reprs():
    """Bits of doubles and what Python writes for them."""
    values = [0.0, -0.0, 1.0, -1.0, 0.1, 1e15, 1e16, 123456789012345680.0, 9999999999999998.0, 1e-4, 1e-5, 0.00012345, 1.5e-7, 1e22, 1e23, 1e100, 5e-324,
              1.7976931348623157e308, 2.2250738585072014e-308, float("inf"), float("-inf"), float("nan"), 0.3, 2 / 3, 1e21, 100.0, 1234.5]
    values += [struct.unpack("<d", RANDOM.randbytes(8))[0] for _ in range(150)]
    values += [round(RANDOM.random() * 10 ** RANDOM.randint(0, 5), RANDOM.randint(0, 6)) for _ in range(100)]
    return [[struct.pack(">d", v).hex(), json.dumps(v)] for v in values]


def main():
    inputs = {
        "jfk": oracle("jfk.flac.b1.json", 9),
        "jfk_words": oracle("jfk.flac.b1w.json", 9),
        "french_words": oracle("fr_fleursdumal_000.mp3.b1w.json", 2),
        "columbia_words": oracle("en_columbia.wma.b1w.json", 2),
        "portuguese": oracle("fleurs-pt-000.ogg.b1.json", 9),
        "silence": oracle("silence2sec.wav.b1.json", 9),
        "nothing": {"text": "", "segments": [], "language": "en"},
        "awkward": awkward(False),
        "awkward_words_1": awkward(True),
        "awkward_words_2": awkward(True),
        "awkward_words_3": awkward(True),
        "hours": {
            "text": "",
            "segments": [
                segment(0, 3599.9995, 3600.0005, " x", None), segment(1, 360000.0, 3.6e6, "y ", None), segment(2, 0.0005, 0.0015, "z", None),
                segment(3, 2.5e-3, 0.9995, "", []),
            ],
            "language": "en",
        },
    }
    outputs = []
    for name, result in inputs.items():
        has_words = bool(result["segments"]) and "words" in result["segments"][0]
        for extension, writer in WRITERS.items():
            for options in OPTIONS if has_words and extension in ("vtt", "srt") else OPTIONS[:1]:
                if extension == "srt" and len(options) == 1 and "max_line_width" in options:
                    continue  # the same layout as vtt: some are enough
                file = io.StringIO()
                writer("").write_result(result, file, **options)
                outputs.append({"input": name, "format": extension, "options": options, "file": file.getvalue()})
    golden = {"versions": {"openai-whisper": "20250625", "python": sys.version.split()[0]}, "inputs": inputs, "outputs": outputs, "reprs": reprs()}
    with open(sys.argv[3], "w", encoding="utf-8") as f:
        json.dump(golden, f, separators=(",", ":"), ensure_ascii=False)
        f.write("\n")


main()
