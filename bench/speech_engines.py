#!/usr/bin/env python3
"""One speech engine in one process, driven by lines of JSON: the child side of compare_speech.py.

usage: speech_engines.py ENGINE_JSON     {"engine": KIND, "model": PATH, "threads": N, "precision": ..., "beam": N, "batch": N}
  stdout: {"ready": true, "load_seconds": s, "version": v}, then for each line {"file": PATH} on stdin
          {"text": t, "seconds": s}, and at the end of stdin {"peak_bytes": n}
Recordings are 16 kHz mono 16-bit WAV; the time runs from the path to the last piece of text. English is given, not detected.
"""
import importlib.metadata
import json
import os
import sys
import time
import wave


def read_samples(path):
    import numpy as np
    with wave.open(path) as f:
        if (f.getframerate(), f.getnchannels(), f.getsampwidth()) != (16000, 1, 2):
            raise ValueError(f"{path}: expected 16 kHz mono 16-bit WAV")
        return np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(np.float32) / 32768


def faster_whisper(spec):
    """Sequential as openai-whisper does it; with "batch", its own voice activity detection cuts the windows."""
    import faster_whisper as library

    model = library.WhisperModel(spec["model"], device="cpu", compute_type=spec["precision"], cpu_threads=spec["threads"])
    options = {"language": "en", "beam_size": spec["beam"], "best_of": spec["beam"]}
    transcribe = model.transcribe
    if spec.get("batch"):
        transcribe = library.BatchedInferencePipeline(model).transcribe
        options["batch_size"] = spec["batch"]

    def run(path):
        segments, _ = transcribe(read_samples(path), **options)
        return "".join(segment.text for segment in segments)

    return run, "faster-whisper"


def openvino(spec):
    import openvino_genai

    pipeline = openvino_genai.WhisperPipeline(
        spec["model"], "CPU", INFERENCE_PRECISION_HINT=spec["precision"], INFERENCE_NUM_THREADS=spec["threads"],
        PERFORMANCE_HINT="LATENCY")

    def run(path):
        return str(pipeline.generate(read_samples(path), language="<|en|>", task="transcribe", return_timestamps=True))

    return run, "openvino-genai"


def whisper_cpp(spec):
    from pywhispercpp.model import Model

    beam = spec["beam"]
    model = Model(spec["model"], params_sampling_strategy=int(beam > 1), n_threads=spec["threads"], language="en",
                  print_progress=False, print_realtime=False, redirect_whispercpp_logs_to=None,
                  greedy={"best_of": beam}, beam_search={"beam_size": beam, "patience": -1.0})

    def run(path):
        return " ".join(segment.text for segment in model.transcribe(read_samples(path)))

    return run, "pywhispercpp"


ENGINES = {"faster-whisper": faster_whisper, "openvino": openvino, "whisper.cpp": whisper_cpp}


def peak_bytes():
    with open("/proc/self/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


def main():
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers

    def answer(**values):
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    spec = json.loads(sys.argv[1])
    os.environ["OMP_NUM_THREADS"] = str(spec["threads"])
    start = time.perf_counter()
    run, package = ENGINES[spec["engine"]](spec)
    answer(ready=True, load_seconds=time.perf_counter() - start, version=f"{package} {importlib.metadata.version(package)}")
    for line in sys.stdin:
        path = json.loads(line)["file"]
        start = time.perf_counter()
        text = run(path)
        answer(text=text, seconds=time.perf_counter() - start)
    answer(peak_bytes=peak_bytes())


if __name__ == "__main__":
    main()
