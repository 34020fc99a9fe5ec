#!/usr/bin/env python3
"""Whisper's encoder beside OpenVINO: bf16, and int8 as NNCF quantises it. One 30 s window, milliseconds, alternating.

usage: compare_encoder.py [--rounds N] [--threads N] [--model FOLDER] [--tessera PROGRAM]

Needs the environment and the weights that `compare_speech.py --setup` makes (.deps/venv-bench-export, .deps/bench) and a release
build, whose `tessera bench` measures our side. OpenVINO's encoder is quantised with one real log-mel (tests/golden/whisper_mel), model
type TRANSFORMER, and compiled with bf16 for what is not int8. Both sides take the best of several runs in each round.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEER_PYTHON = ROOT / ".deps/venv-bench-export/bin/python"
PEER_MODEL = ROOT / ".deps/bench/whisper-base/openvino/openvino_encoder_model.xml"
MEL = ROOT / "tests/golden/whisper_mel/jfk.mel.safetensors"
RUNS = 7


def peer(threads):
    """Child process: a line of JSON for each line on stdin, {"openvino-bf16": ms, "openvino-int8": ms}."""
    import time

    import nncf
    import numpy as np
    import openvino
    from safetensors.numpy import load_file

    frames = next(iter(load_file(MEL).values()))
    mel = np.zeros((1, frames.shape[1], 3000), np.float32)
    mel[0, :, :frames.shape[0]] = frames.T
    core = openvino.Core()
    model = core.read_model(PEER_MODEL)
    quantised = nncf.quantize(core.read_model(PEER_MODEL), nncf.Dataset([mel]), model_type=nncf.ModelType.TRANSFORMER, subset_size=1)
    options = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = {"openvino-bf16": core.compile_model(model, "CPU", options), "openvino-int8": core.compile_model(quantised, "CPU", options)}
    requests = {name: c.create_infer_request() for name, c in compiled.items()}
    exact = core.compile_model(model, "CPU", {**options, "INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    exact.infer([mel])
    reference = exact.get_output_tensor().data.ravel().astype(np.float64)
    cosine = {}
    for name, request in requests.items():
        request.infer([mel])
        out = request.get_output_tensor().data.ravel().astype(np.float64)
        cosine[name] = float(out @ reference / np.sqrt((out @ out) * (reference @ reference)))
    print(json.dumps({"version": openvino.__version__, "cosine": cosine}), flush=True)
    for _ in sys.stdin:
        times = {}
        for name, request in requests.items():
            best = float("inf")
            for _ in range(RUNS):
                start = time.perf_counter()
                request.infer([mel])
                best = min(best, time.perf_counter() - start)
            times[name] = best * 1e3
        print(json.dumps(times), flush=True)


def ours(program, model, threads):
    times = {}
    for precision in ("bf16", "int8"):
        command = [program, "bench", model, "--precision", precision, "--threads", str(threads), "--seconds", "0.5", "--json", "--quiet"]
        report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        stages = {stage["id"]: stage for stage in report["models"][0]["stages"]}
        times[f"tessera-{precision}"] = stages["encoder"]["seconds"]["best"] * 1e3
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--model", default=str(cache / "tessera/models/whisper-base"))
    parser.add_argument("--tessera", default=str(ROOT / "build/release/tessera"))
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        peer(args.threads)
        return
    child = subprocess.Popen([PEER_PYTHON, __file__, "--peer", "--threads", str(args.threads)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    lines = (json.loads(line) for line in child.stdout if line.startswith("{"))
    about = next(lines)
    rounds = []
    for number in range(args.rounds):
        child.stdin.write("\n")
        child.stdin.flush()
        rounds.append({**next(lines), **ours(args.tessera, args.model, args.threads)})
        print(f"round {number + 1}: " + "  ".join(f"{n} {ms:.1f}" for n, ms in rounds[-1].items()), file=sys.stderr)
    child.stdin.close()
    child.wait()
    print(f"OpenVINO {about['version']}, cosine to its f32: " + ", ".join(f"{n} {c:.5f}" for n, c in about["cosine"].items()))
    for name in rounds[0]:
        values = [r[name] for r in rounds]
        print(f"{name:<14} {statistics.median(values):7.1f} ms  ({min(values):.1f} to {max(values):.1f})")
    for mine, theirs in (("tessera-int8", "openvino-int8"), ("tessera-int8", "openvino-bf16"), ("tessera-bf16", "openvino-bf16")):
        ratios = [r[theirs] / r[mine] for r in rounds]
        print(f"{mine} is {statistics.median(ratios):.2f} times as fast as {theirs} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
