#!/usr/bin/env python3
"""For each recording whose transcript differs from openai-whisper's: where it parts, and how near the decision was there.

usage: oracle_margins.py CT2_DIR --ours DIR [--suite b1|b5] [--files PATTERN ...] [--json FILE]
  --ours  a folder of our JSON files, as compare_oracle.py --out leaves it

openai-whisper (float32, torch) transcribes the recording again and the deciding numbers of every window are kept. For the first
window in which our tokens differ, the row says what was decided and by how much:
  token        the two highest logits after the filters, and their difference
  timestamp    the rule "timestamps together outweigh the best text token": difference of the two log-probabilities
  cut          beam search: least difference between the last candidate kept and the first one dropped, up to that step
  ranking      beam search: difference of the two best final scores
  fallback     distance of avg_logprob, compression ratio and no_speech_prob to their thresholds
A difference in rounding can turn a decision whose margin is of the size of the logits' float32 error (see docs/accuracy.md);
it cannot turn one that is much larger, unless it works through the audio that was decoded or the prompt before it.
Needs openai-whisper, torch and ffmpeg; run it with one Python that has them.
"""
import argparse
import json
import pathlib
import sys

import torch
import whisper
from whisper import decoding

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "golden"))
import compare_oracle  # noqa: E402
import ct2_weights  # noqa: E402

THRESHOLDS = {"avg_logprob": -1.0, "compression_ratio": 2.4, "no_speech_prob": 0.6}


class Recorder:
    """Keeps the deciding numbers of each call of model.decode."""

    def __init__(self, model):
        self.windows, self.steps, self.finals, self.rule = [], [], [], None
        decode = model.decode

        def recorded(mel, options):
            self.steps, self.finals = [], []
            # transcribe() -> decode_with_fallback() -> here
            seek = sys._getframe(2).f_locals["seek"]
            result = decode(mel, options)
            self.windows.append({"seek": int(seek), "temperature": options.temperature, "result": result,
                                 "steps": self.steps, "finals": self.finals})
            return result

        model.decode = recorded
        self._wrap_rules()
        self._wrap_greedy()
        self._wrap_beam()

    def _wrap_rules(self):
        apply, recorder, functional = decoding.ApplyTimestampRules.apply, self, torch.nn.functional

        def recorded(rules, logits, tokens):
            # What the rule compares is gone after it: keep the log-probabilities that it computes on its way.
            log_softmax, seen = functional.log_softmax, []
            functional.log_softmax = lambda *a, **k: seen.append(log_softmax(*a, **k)) or seen[-1]
            try:
                apply(rules, logits, tokens)
            finally:
                functional.log_softmax = log_softmax
            begin = rules.tokenizer.timestamp_begin
            recorder.rule = (seen[-1][:, begin:].logsumexp(-1) - seen[-1][:, :begin].max(-1).values).abs().tolist()

        decoding.ApplyTimestampRules.apply = recorded

    def _wrap_greedy(self):
        update, recorder = decoding.GreedyDecoder.update, self

        def recorded(decoder, tokens, logits, sum_logprobs):
            top = logits[0].float().topk(2)
            recorder.steps.append({"tokens": top.indices.tolist(), "token": float(top.values[0] - top.values[1]),
                                   "timestamp": recorder.rule[0]})
            return update(decoder, tokens, logits, sum_logprobs)

        decoding.GreedyDecoder.update = recorded

    def _wrap_beam(self):
        update, rank, recorder = decoding.BeamSearchDecoder.update, decoding.MaximumLikelihoodRanker.rank, self

        def recorded(decoder, tokens, logits, sum_logprobs):
            size = decoder.beam_size
            logprobs = torch.log_softmax(logits.float(), dim=-1)
            scores = sum_logprobs[:, None] + logprobs
            if not recorder.steps:
                scores = scores[:1]  # the beams are still equal
            best = scores.flatten().topk(2 * size + 1)
            kept = 0
            for i, index in enumerate((best.indices % scores.shape[1]).tolist()):
                kept += index != decoder.eot
                if kept == size:
                    break
            recorder.steps.append({"cut": float(best.values[i] - best.values[min(i + 1, 2 * size)]),
                                   "timestamp": min(recorder.rule)})
            return update(decoder, tokens, logits, sum_logprobs)

        def ranked(ranker, tokens, sum_logprobs):
            recorder.finals = sorted((s / max(1, len(t)) for t, s in zip(tokens[0], sum_logprobs[0])), reverse=True)
            return rank(ranker, tokens, sum_logprobs)

        decoding.BeamSearchDecoder.update, decoding.MaximumLikelihoodRanker.rank = recorded, ranked


def tokens_by_seek(result):
    grouped = {}
    for segment in result["segments"]:
        grouped.setdefault(segment["seek"], []).extend(segment["tokens"])
    return grouped


def finite(value):
    return value is not None and value < float("inf")


def explain(windows, theirs, ours):
    """The deciding numbers of the first window that differs."""
    a, b = tokens_by_seek(theirs), tokens_by_seek(ours)
    seek = next((s for s in sorted(a.keys() | b.keys()) if a.get(s) != b.get(s)), None)
    if seek is None:
        return {"note": "equal tokens"}
    tries = [w for w in windows if w["seek"] == seek]
    if not tries:
        return {"seek": seek, "note": "openai-whisper has no window here: an earlier window's end differs"}
    mine, other = a.get(seek, []), b.get(seek, [])
    first = next((i for i, (x, y) in enumerate(zip(mine, other)) if x != y), min(len(mine), len(other)))
    row = {"seek": seek, "step": first, "theirs": mine[first:first + 3], "ours": other[first:first + 3],
           "temperatures": [w["temperature"] for w in tries]}
    window = tries[0]  # temperature 0: the later ones are random
    steps = window["steps"]
    if first < len(steps):
        row |= {k: v for k, v in steps[first].items() if k != "cut" and (k == "tokens" or finite(v))}
    if steps and "cut" in steps[0]:
        cuts = [s["cut"] for s in steps[:first + 1] if finite(s["cut"])]
        row["cut"] = min(cuts, default=None)
        if len(window["finals"]) > 1:
            row["ranking"] = window["finals"][0] - window["finals"][1]
    row["fallback"] = {k: getattr(window["result"], k) - limit for k, limit in THRESHOLDS.items()}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct2_dir", type=pathlib.Path)
    parser.add_argument("--ours", type=pathlib.Path, required=True)
    parser.add_argument("--suite", choices=("b1", "b5"), default="b1")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--oracle", type=pathlib.Path, default=ROOT.parent / "shared/oracle")
    parser.add_argument("--files", nargs="+", metavar="PATTERN")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    names = {p.name[:-len(f".{args.suite}.json")] for p in args.oracle.glob(f"*.{args.suite}.json")}
    if args.files:
        names = {n for n in names if any(pathlib.PurePath(n).match(pattern) for pattern in args.files)}
    recordings = compare_oracle.find_recordings(args.data, names)
    model = ct2_weights.load_openai_model(args.ct2_dir)
    recorder = Recorder(model)
    options = {"beam_size": 5, "best_of": 5} if args.suite == "b5" else {}
    report = {}
    for name in sorted(recordings):
        theirs = json.loads((args.oracle / f"{name}.{args.suite}.json").read_text(encoding="utf-8"))
        ours = compare_oracle.our_result(args.ours, args.suite, name)
        if ours is None or ours["text"] == theirs["text"]:
            continue
        recorder.windows = []
        again = model.transcribe(str(recordings[name]), fp16=False, **options)
        row = explain(recorder.windows, again, ours)
        row["repeats"] = again["text"] == theirs["text"]  # whether this run of openai-whisper repeats the oracle's text
        row["sampled"] = compare_oracle.is_sampled(theirs)
        report[name] = row
        print(name, json.dumps(row), flush=True)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
