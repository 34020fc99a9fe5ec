#!/usr/bin/env python3
"""Writes tests/golden/silero_vad.bin: speech probabilities of the silero-vad package's own ONNX model, run chunk by chunk.

    python3 tools/golden/silero_vad.py SHARED_DATA silero_vad.onnx tests/golden/silero_vad.bin

Made with Python 3.11, numpy 2.4.6, onnxruntime 1.31.1, soundfile 0.14.0 and silero_vad.onnx of silero-vad 6.2.3
(sha256 1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3).
The file: for each recording a little-endian i32 count, then that many f32, in the order of RECORDINGS.
"""
import hashlib
import pathlib
import struct
import sys

import numpy as np
import onnxruntime
import soundfile

SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
CHUNK, CONTEXT = 512, 64
RECORDINGS = [
    "en/librispeech_test_other/1688-142285-0000.flac",  # read speech
    "nonspeech/sb_noise1.wav",
    "en/film/30s_i_wont_open_this_door_again.wav",  # speech under noise
    "nonspeech/speech_music_sample.wav",
]


def read(path):
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000 and samples.ndim == 1, path
    return samples.astype(np.float32) / 32768


def probabilities(session, samples):
    samples = np.pad(samples, (CONTEXT, -len(samples) % CHUNK))
    state = np.zeros((2, 1, 128), np.float32)
    found = []
    for begin in range(0, len(samples) - CONTEXT, CHUNK):
        chunk = samples[None, begin : begin + CONTEXT + CHUNK]
        p, state = session.run(None, {"input": chunk, "state": state, "sr": np.array(16000, np.int64)})
        found.append(p[0, 0])
    return np.array(found, "<f4")


def main(data, model, target):
    digest = hashlib.sha256(pathlib.Path(model).read_bytes()).hexdigest()
    assert digest == SHA256, f"another model: {digest}"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    with open(target, "wb") as out:
        for name in RECORDINGS:
            p = probabilities(session, read(pathlib.Path(data) / name))
            out.write(struct.pack("<i", len(p)) + p.tobytes())
            print(f"{name}: {len(p)} chunks, {int((p > 0.5).sum())} of speech")


main(*sys.argv[1:])
