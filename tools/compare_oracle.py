#!/usr/bin/env python3
"""Holds Tessera's transcripts against openai-whisper's own, file by file and segment by segment.

usage: compare_oracle.py [--suite b1 [b5 ...]] [--tessera build/release/tessera | --ours DIR] [--out DIR] [options]
  --suite    b1 greedy, b5 beam 5 and best of 5; b1w, b5w the same with word timestamps. One oracle JSON per recording:
             ORACLE/NAME.SUITE.json, the `result` of openai-whisper's transcribe().
  --tessera  runs the program over all recordings that have an oracle (files of equal stem in separate calls, because the JSON
             writer names its output by stem), with --mode sequential and --exact unless --flags says otherwise
  --ours     a folder of JSON outputs instead: NAME.SUITE.json, NAME.json or STEM.json, where NAME has the extension
  --out      keeps our JSON files, report.json and differences.txt there

Prints a table of the files that differ and the lines `SUITE files equal: ...`, `segments equal`, `times`, `WER`. Segments that
openai-whisper sampled (temperature above 0) come from its random numbers and need not repeat: figures are given with and
without the files that have one. Exits 1 where a figure of a suite that ran over every recording is below what is asked.
The WER needs openai-whisper's normaliser (see tools/wer.py); --no-wer leaves it out.
"""
import argparse
import collections
import difflib
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import wer

SUITES = {
    "b1": [],
    "b5": ["--beam_size", "5", "--best_of", "5"],
    "b1w": ["--word_timestamps", "True"],
    "b5w": ["--beam_size", "5", "--best_of", "5", "--word_timestamps", "True"],
}
# Least share of equal files and segments, in percent.
ASKED = {"b1": (95.0, 97.0), "b5": (90.0, 90.0)}
TIME_TOLERANCE = 0.02 + 1e-6   # seconds
WER_TOLERANCE = 0.10           # percentage points
ROOT = pathlib.Path(__file__).resolve().parent.parent


def find_recordings(data, names):
    """Path of each recording that has an oracle, by its name with extension."""
    found = {}
    for path in sorted(data.rglob("*")):
        if path.is_file() and path.name in names:
            if path.name in found:
                raise SystemExit(f"{data}: two recordings are called {path.name}; the oracle cannot tell them apart")
            found[path.name] = path
    return found


def as_openai(flags):
    """openai-whisper's own way, whatever the defaults are, unless the flags ask for another."""
    own = [("--mode", "sequential"), ("--exact", "True")]
    return [word for flag in own if flag[0] not in flags for word in flag] + flags


def run_tessera(args, suite, recordings, folder):
    """Fills `folder` with NAME.SUITE.json; returns the seconds it took and what the program said about failures."""
    by_stem = collections.defaultdict(list)
    for name in recordings:
        by_stem[pathlib.Path(name).stem].append(name)
    rounds = [[names[i] for names in by_stem.values() if i < len(names)] for i in range(max(map(len, by_stem.values())))]
    seconds, complaints = 0.0, []
    for names in rounds:
        with tempfile.TemporaryDirectory() as out:
            command = [args.tessera, "transcribe", "--output_format", "json", "--output_dir", out, "--model", args.model,
                       "--device", "cpu", "--precision", args.precision, "--quiet", *SUITES[suite], *as_openai(args.flags),
                       *(str(recordings[n]) for n in names)]
            start = time.monotonic()
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            seconds += time.monotonic() - start
            if done.returncode:
                complaints.append(f"exit code {done.returncode}: {done.stderr.strip()[-2000:]}")
            for name in names:
                written = pathlib.Path(out) / f"{pathlib.Path(name).stem}.json"
                if written.is_file():
                    (folder / f"{name}.{suite}.json").write_bytes(written.read_bytes())
    return seconds, complaints


def our_result(folder, suite, name):
    for candidate in (f"{name}.{suite}.json", f"{name}.json", f"{pathlib.Path(name).stem}.json"):
        path = folder / candidate
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
    return None


def same_segments(theirs, ours):
    """Index pairs of segments with equal text, in order."""
    matcher = difflib.SequenceMatcher(None, [s["text"] for s in theirs], [s["text"] for s in ours], autojunk=False)
    return [(a + k, b + k) for a, b, n in matcher.get_matching_blocks() for k in range(n)]


def is_sampled(result):
    return any(s["temperature"] > 0 for s in result["segments"])


def first_difference(theirs, ours):
    """Where the token sequences part: our and their next token, and the window's seek in the oracle."""
    seeks = [s["seek"] for s in theirs["segments"] for _ in s["tokens"]]
    a = [t for s in theirs["segments"] for t in s["tokens"]]
    b = [t for s in ours["segments"] for t in s["tokens"]]
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return {"token": i, "seek": seeks[i], "theirs": x, "ours": y}
    if len(a) == len(b):
        return None
    i = min(len(a), len(b))
    return {"token": i, "seek": seeks[min(i, len(seeks) - 1)] if seeks else 0,
            "theirs": a[i] if i < len(a) else None, "ours": b[i] if i < len(b) else None}


def compare(name, theirs, ours):
    """One file's row of the report."""
    pairs = same_segments(theirs["segments"], ours["segments"])
    worst, off, words, word_off = 0.0, 0, 0, 0
    for i, j in pairs:
        a, b = theirs["segments"][i], ours["segments"][j]
        gap = max(abs(a["start"] - b["start"]), abs(a["end"] - b["end"]))
        worst, off = max(worst, gap), off + (gap > TIME_TOLERANCE)
        for x, y in itertools.zip_longest(a.get("words", []), b.get("words", []) if "words" in a else []):
            words += x is not None
            word_off += (x is None or y is None or x["word"] != y["word"] or abs(x["start"] - y["start"]) > TIME_TOLERANCE or
                         abs(x["end"] - y["end"]) > TIME_TOLERANCE)
    gap_of = lambda key: max((abs(theirs["segments"][i][key] - ours["segments"][j][key]) for i, j in pairs), default=0.0)
    return {
        "name": name, "sampled": is_sampled(theirs), "text_equal": theirs["text"] == ours["text"], "language_equal": theirs["language"] == ours["language"],
        "segments": len(theirs["segments"]), "our_segments": len(ours["segments"]), "segments_equal": len(pairs),
        "times_off": off, "worst_time": worst, "words": words, "words_off": word_off,
        "worst_avg_logprob": gap_of("avg_logprob"), "worst_no_speech_prob": gap_of("no_speech_prob"),
        "worst_compression_ratio": gap_of("compression_ratio"),
        "differs_at": None if theirs["text"] == ours["text"] else first_difference(theirs, ours)}


def describe(row, theirs, ours):
    """The differing segments of a file as a diff, times in front."""
    lines = lambda r: [f"[{s['start']:7.2f} {s['end']:7.2f}] T={s['temperature']:.1f} {s['text'].strip()}" for s in r["segments"]]
    head = f"{row['name']}{' (sampled by the oracle)' if row['sampled'] else ''}: first differing token {row['differs_at']}"
    if not row["language_equal"]:
        head += f"; language {theirs['language']} there, {ours['language']} here"
    return "\n".join([head, *difflib.unified_diff(lines(theirs), lines(ours), "openai-whisper", "tessera", lineterm="", n=0)])


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def word_errors(recordings, results):
    """Errors over the LibriSpeech files with a reference, for {name: text}."""
    total = wer.Errors()
    for name, text in results.items():
        reference = recordings[name].with_suffix(".txt")
        if "librispeech" in str(recordings[name].parent).lower() and reference.is_file():
            total += wer.errors(reference.read_text(encoding="utf-8"), text)
    return total


def run_suite(args, suite, keep):
    names = {p.name[:-len(f".{suite}.json")] for p in args.oracle.glob(f"*.{suite}.json")}
    if args.files:
        names = {n for n in names if any(pathlib.PurePath(n).match(pattern) for pattern in args.files)}
    recordings = find_recordings(args.data, names)
    missing = sorted(names - recordings.keys())
    if missing:
        print(f"{suite}: no recording in {args.data} for {', '.join(missing)}", file=sys.stderr)
    if not recordings:
        raise SystemExit(f"compare_oracle: expected recordings with an oracle for {suite}, found none in {args.data}")

    report = {"suite": suite, "recordings": len(recordings), "files": []}
    folder = args.ours
    if folder is None:
        folder = keep
        report["seconds"], report["complaints"] = run_tessera(args, suite, recordings, folder)
        for complaint in report["complaints"]:
            print(f"{suite}: {complaint}", file=sys.stderr)

    differences, theirs_text, ours_text = [], {}, {}
    for name in sorted(recordings):
        theirs = json.loads((args.oracle / f"{name}.{suite}.json").read_text(encoding="utf-8"))
        ours = our_result(folder, suite, name)
        if ours is None:
            report["files"].append(
                {"name": name, "absent": True, "sampled": is_sampled(theirs), "segments": len(theirs["segments"])})
            differences.append(f"{name}: no output of ours")
            continue
        row = compare(name, theirs, ours)
        report["files"].append(row)
        theirs_text[name], ours_text[name] = theirs["text"], ours["text"]
        if not row["text_equal"] or not row["language_equal"] or row["segments_equal"] != row["segments"]:
            differences.append(describe(row, theirs, ours))

    rows = [r for r in report["files"] if not r.get("absent")]
    for label, chosen in (("all", report["files"]), ("unsampled", [r for r in report["files"] if not r["sampled"]])):
        total = lambda key: sum(r.get(key, 0) for r in chosen)
        report[label] = {
            "files": len(chosen), "files_equal": total("text_equal"),
            "files_equal_percent": percent(total("text_equal"), len(chosen)),
            "segments": total("segments"), "segments_equal": total("segments_equal"),
            "segments_equal_percent": percent(total("segments_equal"), total("segments")),
            "times_off": total("times_off"), "worst_time": max((r.get("worst_time", 0.0) for r in chosen), default=0.0),
            "words": total("words"), "words_off": total("words_off")}
    report["languages_equal"] = sum(r["language_equal"] for r in rows)
    if not args.no_wer:
        a, b = word_errors(recordings, theirs_text), word_errors(recordings, ours_text)
        if a.words:
            report["wer"] = {"oracle": a.rate, "ours": b.rate, "difference": b.rate - a.rate, "words": a.words}
    report["meets"] = verdict(report) if not args.files else None
    return report, differences


def verdict(report):
    """What is asked of the suite, each with whether it holds."""
    suite = report["suite"].removesuffix("w")
    files, segments = ASKED[suite]
    result = {"files": report["all"]["files_equal_percent"] >= files,
              "segments": report["all"]["segments_equal_percent"] >= segments, "times": report["all"]["times_off"] == 0}
    if "wer" in report:
        result["wer"] = abs(report["wer"]["difference"]) <= WER_TOLERANCE
    return result


def print_report(report):
    suite = report["suite"]
    different = [r for r in report["files"] if r.get("absent") or not r["text_equal"] or r["times_off"] or r["words_off"]]
    if different:
        print(f"{'file':42} {'text':6} {'segments':>11} {'times off':>9} {'worst s':>8} {'words off':>9}")
    for r in different:
        if r.get("absent"):
            print(f"{r['name']:42} absent")
            continue
        print(f"{r['name'][:42]:42} {'equal' if r['text_equal'] else 'differs':7}{r['segments_equal']:>5}/{r['segments']:<5} "
              f"{r['times_off']:9d} {r['worst_time']:8.2f} {r['words_off']:9d}{'  sampled' if r['sampled'] else ''}")
    for label, note in (("all", ""), ("unsampled", " without the files that openai-whisper sampled")):
        t = report[label]
        print(f"{suite} files equal: {t['files_equal']}/{t['files']} = {t['files_equal_percent']:.1f} %{note}")
        print(f"{suite} segments equal: {t['segments_equal']}/{t['segments']} = {t['segments_equal_percent']:.1f} %{note}")
    t = report["all"]
    print(f"{suite} times: {t['segments_equal'] - t['times_off']} of {t['segments_equal']} equal segments within 0.02 s, "
          f"worst {t['worst_time']:.2f} s")
    if t["words"]:
        print(f"{suite} words: {t['words'] - t['words_off']} of {t['words']} in equal segments with equal text and times within 0.02 s")
    print(f"{suite} languages equal: {report['languages_equal']}/{len(report['files'])}")
    if "wer" in report:
        w = report["wer"]
        print(f"{suite} WER on LibriSpeech test-other ({w['words']} words): oracle {w['oracle']:.2f} %, ours {w['ours']:.2f} %, "
              f"difference {w['difference']:+.2f}")
    if report["meets"]:
        print(f"{suite} asked: " + ", ".join(f"{k} {'met' if v else 'NOT MET'}" for k, v in report["meets"].items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=["b1"])
    parser.add_argument("--tessera", default=str(ROOT / "build/release/tessera"))
    parser.add_argument("--ours", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--oracle", type=pathlib.Path, default=ROOT.parent / "shared/oracle")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--flags", nargs=argparse.REMAINDER, default=[], help="further flags for tessera; last")
    parser.add_argument("--files", nargs="+", metavar="PATTERN", help="only recordings whose name matches")
    parser.add_argument("--no-wer", action="store_true")
    args = parser.parse_args()

    if not args.no_wer:
        wer.normalizer()  # absent: say so before the long run
    reports, failed = [], False
    with tempfile.TemporaryDirectory() as scratch:
        keep = args.out or pathlib.Path(scratch)
        keep.mkdir(parents=True, exist_ok=True)
        text = []
        for suite in args.suite:
            report, differences = run_suite(args, suite, keep)
            print_report(report)
            reports.append(report)
            text.append(f"== {suite}\n" + "\n\n".join(differences) + "\n")
            failed = failed or bool(report["meets"]) and not all(report["meets"].values())
        if args.out:
            (args.out / "report.json").write_text(json.dumps(reports, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            (args.out / "differences.txt").write_text("\n".join(text), encoding="utf-8")
        else:
            print("\n".join(text))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
