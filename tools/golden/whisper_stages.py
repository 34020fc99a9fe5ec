#!/usr/bin/env python3
"""Golden tensors of every stage of a Whisper model, by openai-whisper in float32, with error bounds from a float64 run.

usage: whisper_stages.py CT2_DIR OUT_DIR RECORDING... [--mel-dir DIR] [--transcripts RECORDING...]
  writes OUT_DIR/NAME.safetensors per recording (first 30 s window), OUT_DIR/stages.json (what the tensors are, statistics,
  tolerances, versions), DIR/NAME.mel.safetensors (exact model input, shared by models with the same mel) and, for
  --transcripts, OUT_DIR/NAME.transcript.json (greedy `transcribe`, the Python API's defaults).

Needs openai-whisper, torch, safetensors and an `ffmpeg` program.

The tolerance of a stage is 4 x the larger of two measured errors against float64: openai-whisper's own float32 run, and a run
whose every matrix product is a plain sequential float32 sum, the worst order a sound implementation would choose. Both depend
on rounding only, so an implementation in float32 stays below it and a wrong weight, axis or epsilon does not.
"""
import argparse
import dataclasses
import json
import pathlib
import platform

import numpy as np
import torch
import whisper
from safetensors.numpy import save_file
from torch import nn

import ct2_weights

OUTPUT_STRIDE = 50     # encoder output: every 50th of 1500 positions
BLOCK_STRIDE = 250     # inner stages: every 250th
NUM_STEPS = 32         # decoder steps after the start sequence
TOP = 50
NUM_SAMPLED_IDS = 200
FACTOR = 4
MEL_TOLERANCE = 1e-4


def exact_mel(audio, num_mels):
    """Log-mel as openai-whisper defines it, in float64 from the same filters."""
    padded = torch.nn.functional.pad(torch.from_numpy(audio).double(), (0, whisper.audio.N_SAMPLES))
    window = torch.hann_window(whisper.audio.N_FFT, dtype=torch.float64)
    spectrum = torch.stft(padded, whisper.audio.N_FFT, whisper.audio.HOP_LENGTH, window=window, return_complex=True)
    power = spectrum[..., :-1].abs() ** 2
    mel = whisper.audio.mel_filters("cpu", num_mels).double() @ power
    log = torch.clamp(mel, min=1e-10).log10()
    return (torch.maximum(log, log.max() - 8.0) + 4.0) / 4.0


class PlainLayerNorm(nn.LayerNorm):
    """openai-whisper's computes in float32 whatever its input; this one keeps float64."""


def sequential_product(rows, weight, bias):
    """rows [m, k] x weight [n, k] + bias with one float32 accumulator per output, in order of k."""
    total = torch.zeros(rows.shape[0], weight.shape[0])
    columns = weight.t().contiguous()
    for k in range(rows.shape[1]):
        total.addr_(rows[:, k], columns[k])
    return total if bias is None else total + bias


class SequentialLinear(nn.Linear):
    def forward(self, x):
        return sequential_product(x.reshape(-1, x.shape[-1]), self.weight, self.bias).reshape(*x.shape[:-1], -1)


class SequentialConv1d(nn.Conv1d):
    def forward(self, x):
        padded = torch.nn.functional.pad(x, 2 * self.padding)
        patches = padded.unfold(2, self.kernel_size[0], self.stride[0])[0].permute(1, 0, 2)  # [positions, channels, taps]
        out = sequential_product(patches.reshape(patches.shape[0], -1), self.weight.flatten(1), self.bias)
        return out.T[None]


def become(model, kind, replacement):
    for module in model.modules():
        if isinstance(module, kind):
            module.__class__ = replacement


@torch.no_grad()
def run_stages(model, mel, tokens):
    """Every stage as one tensor [positions, width], from one pass of the encoder and one of the decoder."""
    stages, handles = {}, []

    def keep(name, module):
        handles.append(module.register_forward_hook(lambda _m, _i, out: stages.__setitem__(name, out[0].detach())))

    dtype = model.encoder.conv1.weight.dtype
    keep("encoder.conv2", model.encoder.conv2)  # before its GELU, [width, positions]
    for i, block in enumerate(model.encoder.blocks):
        keep(f"encoder.block{i}", block)
    layers = len(model.decoder.blocks)
    for i in sorted({0, layers // 2 - 1 + layers % 2, layers - 1}):
        keep(f"cross{i}.key", model.decoder.blocks[i].cross_attn.key)
        keep(f"cross{i}.value", model.decoder.blocks[i].cross_attn.value)
    for i, block in enumerate(model.decoder.blocks):
        keep(f"decoder.block{i}", block)
    keep("decoder.ln", model.decoder.ln)
    stages["encoder.output"] = model.encoder(mel[None].to(dtype))[0]
    model.decoder(torch.tensor([tokens]), stages["encoder.output"][None])
    for handle in handles:
        handle.remove()
    stages["encoder.conv2"] = torch.nn.functional.gelu(stages["encoder.conv2"]).T
    # The model's own last step rounds to float32 even in float64.
    stages["decoder.logits"] = stages.pop("decoder.ln") @ model.decoder.token_embedding.weight.T
    return stages


def kept_positions(name):
    """Stride of the positions written, or "last"."""
    if name.startswith("decoder.block"):
        return "last"
    return {"encoder.output": OUTPUT_STRIDE, "decoder.logits": 1}.get(name, BLOCK_STRIDE)


def statistics(tensor):
    t = tensor.double()
    return {"mean": t.mean().item(), "rms": t.pow(2).mean().sqrt().item(), "norm": t.norm().item(),
            "max_abs": t.abs().max().item(), "shape": list(tensor.shape)}


def worst(a, b):
    return (a.double() - b.double()).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct2_dir", type=pathlib.Path)
    parser.add_argument("out_dir", type=pathlib.Path)
    parser.add_argument("recordings", type=pathlib.Path, nargs="+")
    parser.add_argument("--mel-dir", type=pathlib.Path, help="default: OUT_DIR")
    parser.add_argument("--transcripts", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    mel_dir = args.mel_dir or args.out_dir
    for folder in (args.out_dir, mel_dir):
        folder.mkdir(parents=True, exist_ok=True)

    model = ct2_weights.load_openai_model(args.ct2_dir)
    exact = ct2_weights.load_openai_model(args.ct2_dir, torch.float64)
    become(exact, whisper.model.LayerNorm, PlainLayerNorm)
    sequential = ct2_weights.load_openai_model(args.ct2_dir)
    become(sequential, whisper.model.Linear, SequentialLinear)
    become(sequential, whisper.model.Conv1d, SequentialConv1d)
    tokenizer = whisper.tokenizer.get_tokenizer(
        model.is_multilingual, num_languages=model.num_languages, language="en", task="transcribe")

    report = {
        "model": args.ct2_dir.name, "sizes": dataclasses.asdict(model.dims),
        "versions": {"openai-whisper": whisper.__version__, "torch": torch.__version__, "numpy": np.__version__,
                     "python": platform.python_version()},
        "kept": "stride of the positions in the file (0, stride, ...) or its last one; statistics are of the whole tensor",
        "tolerance": f"{FACTOR} x max(float32_error, sequential_float32_error), both max |difference| to float64 over the "
                     "whole tensor; mel_float32_effect is what the float32 mel alone changes in a float64 run",
        "recordings": {}}

    for recording in args.recordings:
        audio = whisper.load_audio(str(recording))
        mel = whisper.log_mel_spectrogram(audio, model.dims.n_mels, padding=whisper.audio.N_SAMPLES)
        mel64 = exact_mel(audio, model.dims.n_mels)
        content = min(mel.shape[-1] - whisper.audio.N_FRAMES, whisper.audio.N_FRAMES)
        window = whisper.pad_or_trim(mel[:, :content], whisper.audio.N_FRAMES)
        window64 = whisper.pad_or_trim(mel64[:, :content], whisper.audio.N_FRAMES)

        options = whisper.DecodingOptions(language="en", fp16=False, temperature=0.0)
        decoded = whisper.decode(model, window, options)
        text = decoded.tokens + [tokenizer.eot]
        forced = (text * (NUM_STEPS // len(text) + 1))[:NUM_STEPS]
        tokens = list(tokenizer.sot_sequence) + forced

        stages = run_stages(model, window, tokens)
        from_mel64 = run_stages(exact, window64, tokens)
        same_mel = run_stages(exact, window, tokens)
        sequential_stages = run_stages(sequential, window, tokens)

        tensors = {}
        described = {"mel": {**statistics(window), "float32_error": worst(window, window64), "tolerance": MEL_TOLERANCE}}
        for name, value in stages.items():
            error, order = worst(value, same_mel[name]), worst(sequential_stages[name], same_mel[name])
            kept = kept_positions(name)
            described[name] = {
                **statistics(value), "kept": kept, "float32_error": error, "sequential_float32_error": order,
                "mel_float32_effect": worst(from_mel64[name], same_mel[name]), "tolerance": FACTOR * max(error, order)}
            if kept == "last":
                tensors[name] = value[-1:].contiguous().numpy()
            elif name != "decoder.logits":
                tensors[name] = value[::kept].contiguous().numpy()

        logits = stages["decoder.logits"]
        top = logits.topk(TOP, dim=-1)
        generator = np.random.default_rng(20250625)
        sampled = np.sort(generator.choice(model.dims.n_vocab, NUM_SAMPLED_IDS, replace=False)).astype(np.int32)
        tensors["tokens"] = np.array(tokens, np.int32)
        tensors["logits.top_ids"] = top.indices.numpy().astype(np.int32)
        tensors["logits.top_values"] = top.values.contiguous().numpy()
        tensors["logits.logsumexp"] = logits.double().logsumexp(-1).float().numpy()
        tensors["logits.sampled_ids"] = sampled
        tensors["logits.sampled_values"] = logits[:, torch.from_numpy(sampled).long()].contiguous().numpy()

        entry = {"content_frames": content, "sot_length": len(tokenizer.sot_sequence), "greedy_tokens": decoded.tokens,
                 "greedy_text": decoded.text, "avg_logprob": decoded.avg_logprob, "no_speech_prob": decoded.no_speech_prob,
                 "compression_ratio": decoded.compression_ratio, "stages": described}
        if model.is_multilingual:
            _, probabilities = whisper.detect_language(model, window, tokenizer)
            entry["language_probabilities"] = dict(sorted(probabilities.items(), key=lambda p: -p[1])[:5])
        report["recordings"][recording.name] = entry
        save_file(tensors, args.out_dir / f"{recording.stem}.safetensors",
                  metadata={"layout": "[positions, width]; logits row r follows tokens[0..r]"})
        save_file({"mel": window[:, :content].T.contiguous().numpy()}, mel_dir / f"{recording.stem}.mel.safetensors",
                  metadata={"layout": "[frames, mels], the rest of the 3000 frames is zero"})

    (args.out_dir / "stages.json").write_text(json.dumps(report, indent=1) + "\n")
    for recording in args.transcripts:
        result = model.transcribe(str(recording), fp16=False)
        if any(segment["temperature"] > 0 for segment in result["segments"]):
            raise SystemExit(f"{recording}: a segment came from sampling and cannot be a golden; choose another recording")
        (args.out_dir / f"{recording.name}.transcript.json").write_text(json.dumps(result, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
