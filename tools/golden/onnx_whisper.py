#!/usr/bin/env python3
"""Runs the exported stages of a Whisper model in ONNX Runtime, as a transcription would.

    onnx_whisper.py FOLDER

FOLDER holds encoder.onnx, cross_kv.onnx and decoder.onnx (`tessera models export`), and case.json:
{"mel": FILE of raw f32 [frames, mels], "mels": N, "tokens": [...], "prompt": N, "positions": N, "history": N}. The mel is padded with
zeros to 2 * positions frames. The first `prompt` tokens go in one call and the others one by one; a decoder of fixed shapes gets all
of them one by one. Checks the models with onnx.checker and writes features.npy, cross_key.0.npy ... and logits.npy
[tokens, vocabulary] to FOLDER. Packages: see tools/make_venv.sh onnx.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime


def open_model(path):
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def empty_states(session):
    """One row and one window: every symbol is 1."""
    return {i.name.removeprefix("past_"): np.zeros([size if isinstance(size, int) else 1 for size in i.shape], np.float32)
            for i in session.get_inputs() if i.name.startswith("past_")}


def run(session, inputs, states):
    """Returns the outputs that are no states; `states` are brought up to date."""
    feed = {i.name: states[i.name.removeprefix("past_")] if i.name.startswith("past_") else inputs[i.name]
            for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    results = dict(zip(names, session.run(names, feed)))
    for name in names:
        if name.startswith("present_"):
            states[name.removeprefix("present_")] = results.pop(name)
    return results


def ids(*values):
    return np.asarray(values, np.int32)


def encode(folder, case):
    mel = np.fromfile(folder / case["mel"], np.float32).reshape(-1, case["mels"])
    padded = np.zeros((1, 2 * case["positions"], case["mels"]), np.float32)
    padded[0, :len(mel)] = mel
    positions = np.arange(case["positions"], dtype=np.int32)
    features = run(open_model(folder / "encoder.onnx"), {"mel": padded, "position_ids": positions}, {})["features"]
    np.save(folder / "features.npy", features[0])
    session = open_model(folder / "cross_kv.onnx")
    states = empty_states(session)
    run(session, {"features": features[0], "slot": np.zeros_like(positions), "position": positions}, states)
    for name, value in states.items():
        np.save(folder / f"{name}.npy", value[0])
    return states


def decode(folder, case, cross):
    session = open_model(folder / "decoder.onnx")
    states = empty_states(session) | cross
    fixed = isinstance(next(i for i in session.get_inputs() if i.name == "tokens").shape[0], int)
    logits = []
    begin = 0
    while begin < len(case["tokens"]):
        count = case["prompt"] if begin == 0 and not fixed else 1
        end = begin + count
        step = np.arange(begin, end, dtype=np.int32)
        zeros = np.zeros(count, np.int32)
        rows = run(session, {
            "tokens": ids(*case["tokens"][begin:end]),
            "position": step,
            "slot": zeros,
            "history": np.zeros((count, case["history"] if fixed else end), np.int32),
            "length": step + 1,
            "window": zeros,
            "window_length": zeros + case["positions"],
            "outputs": np.arange(count, dtype=np.int32),
        }, states)["logits"]
        logits.append(rows)
        begin = end
    np.save(folder / "logits.npy", np.concatenate(logits))


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: onnx_whisper.py FOLDER")
    folder = pathlib.Path(sys.argv[1])
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    decode(folder, case, encode(folder, case))


if __name__ == "__main__":
    main()
