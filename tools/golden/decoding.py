"""Goldens of openai-whisper's decoding and transcription logic, made by its own classes.

Run in a venv with openai-whisper 20250625 and torch 2.8 (CPU):
    python tools/golden/decoding.py
Writes tests/golden/pipelines_decoding.json and tests/golden/pipelines_transcribe.json.

Logits are not stored: both sides compute them with `hash_logits`, whose values are multiples of 1/64 (exact in f32, with
many ties) so that the searches see the same numbers bit for bit.
"""
import dataclasses
import json
import math
import pathlib
import types

import numpy as np
import torch
import whisper
from whisper.decoding import (ApplyTimestampRules, BeamSearchDecoder, DecodingOptions, DecodingResult, DecodingTask,
                              GreedyDecoder, MaximumLikelihoodRanker, SuppressBlank, SuppressTokens)
from whisper.tokenizer import get_tokenizer

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
MASK = (1 << 64) - 1


def mix(x):
    """SplitMix64's output function on uint64 arrays."""
    x = x ^ (x >> np.uint64(30))
    x = x * np.uint64(0xBF58476D1CE4E5B9)
    x = x ^ (x >> np.uint64(27))
    x = x * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hash_logits(seed, history, vocab, levels, eot, eot_bias, timestamp_begin, timestamp_bias, no_bias):
    """f32 [vocab]: a function of the tokens so far. `levels` distinct steps of 1/64 (few: many ties)."""
    with np.errstate(over="ignore"):
        h = np.uint64(seed)
        for t in history:
            h = mix(np.array([h ^ np.uint64(t + 1)], dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))[0]
        ids = np.arange(vocab, dtype=np.uint64)
        bits = mix(ids * np.uint64(0x9E3779B97F4A7C15) + h)
    x = (bits >> np.uint64(40)) % np.uint64(levels)
    # Cubed, so that a few tokens stand out as they do in a real model.
    u = x.astype(np.float64) / levels
    logits = np.floor(u * u * u * u * 16 * 64) / 64
    logits[eot] += eot_bias
    logits[timestamp_begin:] += timestamp_bias
    logits[timestamp_begin - 1] += no_bias
    return logits.astype(np.float32)


class HashInference:
    """Stands for the model: logits of [rows, length, vocab] from the tokens alone."""

    def __init__(self, case, tokenizer, vocab):
        self.case, self.tokenizer, self.vocab = case, tokenizer, vocab

    def logits(self, tokens, audio_features):
        c = self.case
        begin = self.tokenizer.timestamp_begin
        last = [hash_logits(c["seed"], row, self.vocab, c["levels"], self.tokenizer.eot,
                            c["eot_bias"] + c["eot_slope"] * len(row), begin, c["timestamp_bias"], 0.0)
                for row in tokens.tolist()]
        out = torch.zeros((tokens.shape[0], tokens.shape[1], self.vocab))
        out[:, -1] = torch.from_numpy(np.stack(last))
        for i, row in enumerate(tokens.tolist()):
            if self.tokenizer.sot in row:
                p = row.index(self.tokenizer.sot)
                if p < len(row) - 1:
                    out[i, p] = torch.from_numpy(hash_logits(c["seed"], row[:p + 1], self.vocab, c["levels"], self.tokenizer.eot,
                                                             c["eot_bias"] + c["eot_slope"] * (p + 1), begin, c["timestamp_bias"], 0.0))
        return out

    def rearrange_kv_cache(self, source_indices):
        pass

    def cleanup_caching(self):
        pass


def fake_model(multilingual=True, n_text_ctx=448):
    vocab = 51865 if multilingual else 51864
    dims = types.SimpleNamespace(n_text_ctx=n_text_ctx, n_audio_ctx=1500, n_audio_state=4, n_vocab=vocab, n_mels=80)
    return types.SimpleNamespace(dims=dims, decoder=types.SimpleNamespace(blocks=[]), is_multilingual=multilingual, num_languages=99, device=torch.device("cpu"))


def run_task(case):
    """The whole DecodingTask on the scripted inference."""
    model = fake_model(case["multilingual"])
    options = DecodingOptions(fp16=False, **case["options"])
    task = DecodingTask(model, options)
    task.inference = HashInference(case, task.tokenizer, model.dims.n_vocab)
    if isinstance(task.decoder, BeamSearchDecoder):
        task.decoder.inference = task.inference
    result = task.run(torch.zeros((1, 1500, 4)))[0]
    return {
        "initial_tokens": list(task.initial_tokens),
        "tokens": result.tokens,
        "text": result.text,
        "avg_logprob": result.avg_logprob,
        "no_speech_prob": result.no_speech_prob,
        "compression_ratio": result.compression_ratio,
    }


def task_cases():
    base = dict(multilingual=True, levels=1 << 20, eot_bias=4.0, eot_slope=0.02, timestamp_bias=1.0)
    cases = []

    def add(name, seed, options, **changes):
        cases.append({**base, "name": name, "seed": seed, "options": {"language": "en", **options}, **changes})

    for seed in range(4):
        add(f"greedy_{seed}", seed, {}, eot_bias=8.0)
    add("greedy_ties", 11, {}, levels=24, eot_bias=6.0)
    add("greedy_never_ends", 12, {}, eot_bias=-30.0, eot_slope=0.0)
    add("greedy_sample_len", 13, {"sample_len": 9}, eot_bias=-30.0)
    add("greedy_no_timestamps", 14, {"without_timestamps": True}, eot_bias=8.0)
    add("greedy_no_blank_rule", 15, {"suppress_blank": False}, eot_bias=8.0)
    add("greedy_suppress_none", 16, {"suppress_tokens": ""}, eot_bias=8.0)
    add("greedy_suppress_list", 17, {"suppress_tokens": [100, 200, 300]}, eot_bias=8.0)
    add("greedy_suppress_list_and_set", 18, {"suppress_tokens": [-1, 100, 200]}, eot_bias=8.0)
    add("greedy_free_start", 19, {"max_initial_timestamp": None}, eot_bias=8.0)
    add("greedy_zero_start", 20, {"max_initial_timestamp": 0.0}, eot_bias=8.0)
    add("greedy_late_start", 21, {"max_initial_timestamp": 2.53}, eot_bias=8.0)
    add("greedy_prompt", 22, {"prompt": list(range(1000, 1010))}, eot_bias=8.0)
    add("greedy_long_prompt", 23, {"prompt": list(range(1000, 1300))}, eot_bias=-30.0, eot_slope=0.0)
    add("greedy_prefix", 24, {"prefix": [440, 1723, 322]}, eot_bias=8.0)
    add("greedy_prefix_cut", 25, {"prefix": list(range(400, 420)), "sample_len": 220}, eot_bias=8.0)
    add("greedy_prefix_long_sample", 26, {"prefix": list(range(400, 420)), "sample_len": 230}, eot_bias=8.0)
    add("greedy_translate", 27, {"task": "translate", "language": "de"}, eot_bias=8.0)
    add("greedy_text_only_model", 28, {}, multilingual=False, eot_bias=8.0)
    add("greedy_timestamps_win", 29, {}, timestamp_bias=5.0, eot_bias=8.0)
    for seed in range(6):
        add(f"beam5_{seed}", 40 + seed, {"beam_size": 5})
    for seed in range(4):
        add(f"beam5_ties_{seed}", 50 + seed, {"beam_size": 5}, levels=8, eot_bias=6.0)
    add("beam1", 60, {"beam_size": 1})
    add("beam2_patience2", 61, {"beam_size": 2, "patience": 2.0})
    add("beam5_patience_half", 62, {"beam_size": 5, "patience": 0.5})
    add("beam3_patience_even", 63, {"beam_size": 3, "patience": 1.5})
    add("beam5_patience0", 64, {"beam_size": 5, "patience": 0.0})
    add("beam5_penalty0", 65, {"beam_size": 5, "length_penalty": 0.0})
    add("beam5_penalty06", 66, {"beam_size": 5, "length_penalty": 0.6})
    add("beam5_penalty1", 67, {"beam_size": 5, "length_penalty": 1.0})
    add("beam4_never_ends", 68, {"beam_size": 4, "sample_len": 20}, eot_bias=-30.0, eot_slope=0.0)
    add("beam4_some_end", 69, {"beam_size": 4, "sample_len": 14}, eot_bias=7.5)
    add("beam5_no_timestamps_prompt", 70, {"beam_size": 5, "without_timestamps": True, "prompt": [1000, 1001]})
    add("beam8_english_only", 71, {"beam_size": 8}, multilingual=False)
    # The last step may have only a few allowed tokens: -inf takes part in the top k.
    add("beam16_first_step_short", 72, {"beam_size": 16, "max_initial_timestamp": 0.2})
    return cases


def filter_cases():
    """Which logits stay finite after the three filters, on scripted histories."""
    tokenizer = get_tokenizer(True, num_languages=99, language="en", task="transcribe")
    begin = tokenizer.timestamp_begin
    histories = [[], [begin], [begin, 400], [begin, 400, begin + 30], [begin, 400, begin + 30, begin + 30],
                 [begin, 400, begin + 30, begin + 30, 500], [400, 500], [400], [begin + 1500], [begin, 400, begin + 1500],
                 [begin + 10, 400, begin + 5], [begin, begin], [begin, 400, tokenizer.eot - 1]]
    cases = []
    for n, history in enumerate(histories):
        for bias in (0.0, 6.0):
            logits = torch.from_numpy(hash_logits(n, history, 51865, 1 << 20, tokenizer.eot, 0.0, begin, bias, 0.0))[None]
            tokens = torch.tensor([list(tokenizer.sot_sequence) + history])
            sample_begin = len(tokenizer.sot_sequence)
            SuppressBlank(tokenizer, sample_begin).apply(logits, tokens)
            SuppressTokens([7, 8, 9]).apply(logits, tokens)
            ApplyTimestampRules(tokenizer, sample_begin, 50).apply(logits, tokens)
            finite = torch.isfinite(logits[0]).numpy()
            edges = np.flatnonzero(np.diff(np.concatenate([[0], finite.astype(np.int8), [0]])))
            cases.append({"seed": n, "history": history, "timestamp_bias": bias,
                          "allowed_ranges": edges.reshape(-1, 2).tolist()})
    return cases


def sampling_case():
    """GreedyDecoder above temperature 0: the sums, given the tokens that it drew."""
    tokenizer = get_tokenizer(True, num_languages=99, language="en", task="transcribe")
    torch.manual_seed(0)
    decoder = GreedyDecoder(0.8, tokenizer.eot)
    tokens, sums = torch.tensor([[tokenizer.sot]] * 3), torch.zeros(3)
    for _ in range(12):
        rows = [hash_logits(5, row, 51865, 1 << 20, tokenizer.eot, 11.0, tokenizer.timestamp_begin, 0.0, 0.0) for row in tokens.tolist()]
        tokens, completed = decoder.update(tokens, torch.from_numpy(np.stack(rows)), sums)
    tokens, sums = decoder.finalize(tokens, sums)
    return {"tokens": tokens[:, 1:].tolist(), "sums": sums}


# --- transcribe() on scripted windows ---------------------------------------------------------------------------------------

def transcribe_case(name, seconds, script, *, multilingual=True, language="en", **kwargs):
    """`script`: per decode call a dict of tokens, avg_logprob, no_speech_prob, compression_ratio; the last one repeats."""
    model = fake_model(multilingual)
    tokenizer = get_tokenizer(multilingual, num_languages=99, language="en", task="transcribe")
    calls = []

    def decode(segment, options):
        step = script[min(len(calls), len(script) - 1)]
        zeros = (segment == 0).all(dim=0).int()
        frames = int(segment.shape[-1] - zeros.sum())
        calls.append({"temperature": options.temperature, "prompt": list(options.prompt), "num_frames": frames,
                      "beam_size": options.beam_size, "best_of": options.best_of, "language": options.language,
                      "task": options.task})
        tokens = step["tokens"]
        text = tokenizer.decode(tokens).strip()
        return DecodingResult(audio_features=None, language=options.language, tokens=tokens, text=text,
                              avg_logprob=step.get("avg_logprob", -0.3), no_speech_prob=step.get("no_speech_prob", 0.01),
                              temperature=options.temperature, compression_ratio=step.get("compression_ratio", 1.5))

    model.decode = decode
    model.detect_language = lambda mel: (None, {"en": 0.2, "de": 0.7, "fr": 0.1})
    rng = np.random.default_rng(0)
    audio = (rng.standard_normal(int(seconds * 16000)) * 0.1).astype(np.float32)
    arguments = dict(kwargs)
    if language is not None:
        arguments["language"] = language
    result = whisper.transcribe(model, audio, **arguments)
    return {"name": name, "num_samples": len(audio), "multilingual": multilingual, "language": language, "options": kwargs,
            "script": script, "calls": calls, "text": result["text"], "result_language": result["language"],
            "segments": [{k: v for k, v in s.items()} for s in result["segments"]]}


def transcribe_cases():
    B = 50364
    E = 50363  # English-only timestamps begin one lower
    hello, world, again = [2425, 11], [1002, 13], [1236, 797]
    pair = lambda a, text, b: [B + a] + text + [B + b]
    one = {"tokens": pair(0, hello, 100) + pair(100, world, 250) + [B + 250, 400, 500]}
    closed = {"tokens": pair(0, hello, 100) + pair(110, world, 1400)}
    cases = []
    add = lambda *a, **k: cases.append(transcribe_case(*a, **k))
    add("consecutive_then_unfinished", 62.0, [one, one, closed])
    add("single_ending", 75.3, [closed])
    add("pair_ending", 40.0, [{"tokens": pair(0, hello, 100) + [B + 100]}, closed])
    add("no_timestamps", 61.37, [{"tokens": hello + world}])
    add("one_timestamp_at_end", 45.0, [{"tokens": pair(0, hello, 320)}])
    add("only_zero_timestamp", 45.0, [{"tokens": [B] + hello}])
    add("timestamp_alone", 45.0, [{"tokens": [B + 30]}])
    add("empty_result", 45.0, [{"tokens": []}])
    add("start_equals_end", 45.0, [{"tokens": pair(50, hello, 50) + pair(50, world, 200) + [B + 200]}, closed])
    add("blank_text", 45.0, [{"tokens": pair(0, [220], 100) + pair(100, world, 200) + [B + 200]}, closed])
    add("split_characters", 31.0, [{"tokens": pair(0, [13252], 100) + [B + 100, 105] + [B + 200]}, closed])
    add("special_tokens_in_text", 31.0, [{"tokens": pair(0, hello + [50259] + world, 100) + [B + 100]}, closed])
    bad = {"tokens": closed["tokens"], "avg_logprob": -1.5}
    loop = {"tokens": closed["tokens"], "compression_ratio": 3.1}
    add("fallback_second", 29.0, [bad, closed])
    add("fallback_chain", 29.0, [bad, loop, bad, loop, bad, bad])
    add("fallback_high_temperature_resets_prompt", 100.0, [closed, bad, bad, bad, closed, closed])
    add("fallback_low_temperature_keeps_prompt", 100.0, [closed, bad, bad, closed, closed])
    add("fallback_repeats_at_silence", 40.0, [{**loop, "no_speech_prob": 0.9, "avg_logprob": -1.2}, closed])
    add("fallback_one_temperature", 40.0, [bad], temperature=0.0)
    add("fallback_off", 40.0, [{**bad, "compression_ratio": 9.0}], logprob_threshold=None, compression_ratio_threshold=None)
    add("fallback_beam_best_of", 40.0, [bad, closed], beam_size=5, best_of=3, patience=2.0)
    add("silence_skipped", 100.0, [{**closed, "no_speech_prob": 0.9, "avg_logprob": -1.2}, closed])
    add("silence_sure_text", 40.0, [{**closed, "no_speech_prob": 0.9, "avg_logprob": -0.4}])
    add("silence_no_logprob_threshold", 70.0, [{**closed, "no_speech_prob": 0.9}, closed], logprob_threshold=None)
    add("silence_off", 40.0, [{**closed, "no_speech_prob": 0.9, "avg_logprob": -1.2}], no_speech_threshold=None)
    add("silence_equal_thresholds", 40.0, [{**closed, "no_speech_prob": 0.6, "avg_logprob": -1.0}])
    add("clips", 100.0, [closed], clip_timestamps="1.234,20,40.005,80.5")
    add("clip_open_end", 70.0, [closed], clip_timestamps="12.345")
    add("clip_list", 70.0, [one, closed], clip_timestamps=[5.0, 10.0, 8.0, 50.0])
    add("clip_reversed", 50.0, [closed], clip_timestamps=[20.0, 10.0, 30.0, 40.0])
    add("clip_start_after_end", 20.0, [closed], clip_timestamps=[25.0])
    add("tail", 33.337, [closed])
    add("shorter_than_a_frame", 0.005, [closed])
    add("short", 1.004, [closed])
    add("timestamp_past_tail", 34.0, [closed, {"tokens": pair(0, hello, 600) + [B + 600]}])
    long_text = pair(0, list(range(1000, 1120)), 1400)
    add("prompt_overflow", 120.0, [{"tokens": long_text}])
    add("no_condition", 90.0, [closed], condition_on_previous_text=False)
    add("initial_prompt", 90.0, [closed], initial_prompt=" Tessera, NPU. ")
    add("initial_prompt_empty", 40.0, [closed], initial_prompt="")
    add("initial_prompt_carried", 150.0, [{"tokens": long_text}], initial_prompt="Tessera, NPU.", carry_initial_prompt=True)
    add("initial_prompt_carried_reset", 120.0, [closed, bad, bad, bad, bad, closed], initial_prompt="Tessera", carry_initial_prompt=True)
    add("initial_prompt_fills", 90.0, [closed], initial_prompt="word " * 223, carry_initial_prompt=True)
    add("initial_prompt_overfills", 90.0, [closed], initial_prompt="word " * 230, carry_initial_prompt=True)
    add("initial_prompt_no_condition", 90.0, [closed], initial_prompt="Tessera", condition_on_previous_text=False)
    add("language_detected", 40.0, [closed], language=None)
    add("language_by_name", 40.0, [closed], language="German")
    add("translate", 40.0, [closed], language="de", task="translate")
    en_closed = {"tokens": [E] + hello + [E + 100, E + 100] + world + [E + 1400]}
    add("english_only", 40.0, [en_closed], multilingual=False, language=None)
    return cases


def main():
    torch.set_num_threads(1)
    versions = {"openai-whisper": whisper.__version__, "torch": torch.__version__, "numpy": np.__version__}
    tasks = [{**case, "result": run_task(case)} for case in task_cases()]
    decoding = {"versions": versions, "tasks": tasks, "filters": filter_cases(), "sampling": sampling_case()}
    (OUT / "pipelines_decoding.json").write_text(json.dumps(decoding, separators=(",", ":")) + "\n")
    transcribe = {"versions": versions, "cases": transcribe_cases()}
    (OUT / "pipelines_transcribe.json").write_text(json.dumps(transcribe, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
