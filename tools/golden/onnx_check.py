#!/usr/bin/env python3
"""Checks exported models with onnx.checker and ONNX Runtime against expected tensors.

    onnx_check.py FOLDER...

Each folder holds model.onnx, tensors.txt and raw little-endian files. A line of tensors.txt is
`input|output NAME TYPE SHAPE FILE`, SHAPE as 2x3x4 or `scalar`. Prints one line an output with its largest error; the exit code is
1 when one passes the tolerance of 2e-5 * (1 + largest expected magnitude), or a model is not valid.
Packages: see tools/make_venv.sh onnx.
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

TYPES = {"f32": np.float32, "f16": np.float16, "i32": np.int32, "i64": np.int64}
TOLERANCE = 2e-5


def read_tensors(folder):
    tensors = {"input": {}, "output": {}}
    for line in (folder / "tensors.txt").read_text(encoding="utf-8").splitlines():
        role, name, kind, shape, file = line.split()
        sizes = [] if shape == "scalar" else [int(size) for size in shape.split("x")]
        tensors[role][name] = np.fromfile(folder / file, TYPES[kind]).reshape(sizes)
    return tensors["input"], tensors["output"]


def check(folder):
    path = folder / "model.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs, expected = read_tensors(folder)
    names = [output.name for output in session.get_outputs()]
    if sorted(names) != sorted(expected):
        print(f"FAIL {folder.name}: expected outputs {sorted(expected)}, found {sorted(names)}")
        return False
    good = True
    for name, found in zip(names, session.run(names, inputs)):
        want = expected[name]
        if found.shape != want.shape or found.dtype != want.dtype:
            print(f"FAIL {folder.name} {name}: expected {want.dtype}{want.shape}, found {found.dtype}{found.shape}")
            good = False
            continue
        found, want = found.astype(np.float64), want.astype(np.float64)
        error = float(np.abs(found - want).max(initial=0.0))
        limit = TOLERANCE * (1.0 + float(np.abs(want).max(initial=0.0)))
        fits = bool(np.isfinite(found).all()) and error <= limit
        good &= fits
        print(f"{'ok  ' if fits else 'FAIL'} {folder.name} {name} {want.shape}: max error {error:.3g}, limit {limit:.3g}")
    return good


def main(folders):
    if not folders:
        sys.exit("usage: onnx_check.py FOLDER...")
    good = True
    for folder in map(pathlib.Path, folders):
        try:
            good &= check(folder)
        except Exception as error:  # the checker and the runtime raise their own types
            print(f"FAIL {folder.name}: {type(error).__name__}: {error}")
            good = False
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
