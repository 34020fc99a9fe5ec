#!/usr/bin/env python3
"""Writes tests/golden/audio_log_mel_*.bin and audio_mel_filters.txt with openai-whisper itself (whisper/audio.py, torch on the CPU).

Usage: audio_log_mel.py SHARED_DATA OUT_DIR        (made with openai-whisper 20250625, torch 2.x, numpy 2.x)

Each .bin is float32 [frames, num_mels]: every 50th frame of the spectrogram with padding 480000, frame-major.
The synthetic signal (Synthetic() in tests/unit/audio_log_mel_test.cc) is integer arithmetic, so it is the same everywhere.
"""
import os
import sys

import numpy as np
import torch
import whisper
from whisper.audio import N_SAMPLES, load_audio, log_mel_spectrogram

STEP = 50
FILES = {"libri": "en/librispeech_test_other/1688-142285-0000.flac", "ami": "diar/ami_dev00.wav"}


def synthetic(count: int) -> np.ndarray:
    """Noise of a linear congruential generator whose level rises and falls over five orders of magnitude of power."""
    state, out = 12345, []
    for n in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        shift = (n // 1600) % 10
        out.append(((state >> 8) % 65536 - 32768) >> shift)
    return np.array(out, np.int16).astype(np.float32) / 32768


def main() -> None:
    data, out = sys.argv[1:]
    print("torch", torch.__version__, "numpy", np.__version__, "whisper", whisper.__version__)
    signals = {name: load_audio(os.path.join(data, path)) for name, path in FILES.items()}
    signals["synthetic"] = synthetic(40000)
    for name, audio in signals.items():
        for num_mels in (80, 128):
            mel = log_mel_spectrogram(audio, num_mels, padding=N_SAMPLES).numpy().T
            mel[::STEP].astype("<f4").tofile(os.path.join(out, f"audio_log_mel_{name}_{num_mels}.bin"))
    assets = os.path.join(os.path.dirname(whisper.__file__), "assets", "mel_filters.npz")
    with np.load(assets, allow_pickle=False) as npz, open(os.path.join(out, "audio_mel_filters.txt"), "w") as text:
        text.write("# num_mels mel bin weight: every weight of openai-whisper's mel_filters.npz that is not 0\n")
        for num_mels in (80, 128):
            weights = npz[f"mel_{num_mels}"]
            for mel, frequency in zip(*np.nonzero(weights)):
                text.write(f"{num_mels} {mel} {frequency} {weights[mel, frequency]:.9g}\n")


if __name__ == "__main__":
    main()
