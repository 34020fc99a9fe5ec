#!/usr/bin/env python3
"""What f16, A16W8 and A8W8 cost and keep: sizes and nodes as Qualcomm's compiler made them, and the wrong words of each.

  bench/compare_device_precision.py --data shared/data -o build/precision 'en/librispeech*/*'

Compiles the model once for each precision (tessera compile), then transcribes the recordings on ONNX Runtime's CPU device with the very
models that were compiled (--compiled), which computes what the integer form says; f16 is computed in f32 there. No device is timed. The
recordings of --calibrate decide the ranges and are not counted. Needs tools/make_venv.sh npu (or TESSERA_VENV) and, for the words,
openai-whisper's normalizer as tools/wer.py finds it.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import wer  # noqa: E402

PRECISIONS = ("f16", "a16w8", "a8w8")
AUDIO = {".flac", ".wav", ".mp3", ".ogg", ".wma"}


def run(command, env):
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}: {done.stderr[-2000:]}")
    return done


def compile_model(args, precision, env):
    folder = args.output / precision
    command = [args.tessera, "compile", args.model, "--precision", precision, "-o", folder]
    if precision != "f16":
        command += ["--calibrate", *args.calibrate]
    run(command, env)
    stages = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["stages"]
    size = sum(file["bytes"] for stage in stages for file in stage["files"])
    nodes = [node["provider"] for stage in stages for node in stage["outcome"]["nodes"]]
    return size, sum(name == "QNNExecutionProvider" for name in nodes), len(nodes)


def transcribe(args, precision, recordings, env):
    """Wrong and all words, and the line that says where the stages ran."""
    texts = args.output / f"text-{precision}"
    command = [args.tessera, "transcribe", *recordings, "--device", "onnxruntime:cpu", "--compiled", args.output / precision, "--language", "en",
               "--mode", "sequential", "-f", "txt", "-o", texts]
    done = run(command, env)
    errors = wer.Errors()
    for recording in recordings:
        text = (texts / (recording.stem + ".txt")).read_text(encoding="utf-8")
        errors += wer.errors(recording.with_suffix(".txt").read_text(encoding="utf-8"), text)
    placed = [line for line in done.stderr.splitlines() if "placement:" in line]
    return errors, placed[-1].split("placement: ", 1)[1] if placed else "no placement was printed"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="+", help="recordings below --data, with their texts beside them")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--calibrate", nargs="+", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--tessera", type=pathlib.Path, default=ROOT / "build" / "release" / "tessera")
    args = parser.parse_args()
    env = {"TESSERA_VENV": str(ROOT / ".deps" / "venv-npu"), **os.environ}
    calibrated = {path.resolve() for path in args.calibrate}
    recordings = sorted(path for pattern in args.patterns for path in args.data.glob(pattern)
                        if path.suffix in AUDIO and path.with_suffix(".txt").exists() and path.resolve() not in calibrated)
    if not recordings:
        sys.exit("no recording with a text beside it")
    if len({path.stem for path in recordings}) != len(recordings):
        sys.exit("two recordings have one name")
    wer.normalizer()
    print("| precision | size | nodes on QNN | wrong words | ran on |\n| --- | --- | --- | --- | --- |")
    for precision in PRECISIONS:
        size, on_device, nodes = compile_model(args, precision, env)
        errors, placed = transcribe(args, precision, recordings, env)
        print(f"| {precision} | {size / 1e6:.1f} MB | {on_device} of {nodes} | {errors.rate:.2f} % of {errors.words} | {placed} |", flush=True)


if __name__ == "__main__":
    main()
