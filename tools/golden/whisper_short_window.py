#!/usr/bin/env python3
"""Golden logits of a window that the encoder computes shortened, by openai-whisper in float32.

usage: whisper_short_window.py OUT.json CT2_DIR...
  The first 2 s of tests/data/jfk.flac, followed by zeros up to POSITIONS encoder positions: openai-whisper's encoder with the
  first POSITIONS rows of its position table. For each model (named by its folder) the tokens that greedy decoding without
  timestamps gives, and at each step the TOP highest logits.

Needs openai-whisper, torch and an `ffmpeg` program.
"""
import argparse
import json
import pathlib
import platform

import torch
import whisper

import ct2_weights

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 2
POSITIONS = 350
NUM_STEPS = 8
TOP = 10


def shortened_logits(model):
    audio = whisper.load_audio(str(ROOT / "tests/data/jfk.flac"))[:SECONDS * whisper.audio.SAMPLE_RATE]
    mel = whisper.log_mel_spectrogram(audio, model.dims.n_mels, padding=whisper.audio.N_SAMPLES)
    content = mel.shape[1] - whisper.audio.N_FRAMES
    window = whisper.pad_or_trim(mel[:, :content], 2 * POSITIONS)
    model.encoder.positional_embedding = model.encoder.positional_embedding[:POSITIONS]
    features = model.encoder(window[None])
    tokenizer = whisper.tokenizer.get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language="en",
                                                task="transcribe")
    tokens = list(tokenizer.sot_sequence_including_notimestamps)
    steps = []
    for _ in range(NUM_STEPS):
        logits = model.decoder(torch.tensor([tokens]), features)[0, -1]
        values, ids = logits.topk(TOP)
        steps.append({"ids": ids.tolist(), "values": [round(v, 5) for v in values.tolist()]})
        tokens.append(ids[0].item())
    return {"frames": content, "prompt": len(tokens) - NUM_STEPS, "tokens": tokens, "steps": steps}


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("ct2_dirs", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    report = {"versions": {"openai-whisper": whisper.__version__, "torch": torch.__version__, "python": platform.python_version()},
              "positions": POSITIONS, "samples": SECONDS * whisper.audio.SAMPLE_RATE, "models": {}}
    for path in args.ct2_dirs:
        report["models"][path.name] = shortened_logits(ct2_weights.load_openai_model(path))
    args.out.write_text(json.dumps(report) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
