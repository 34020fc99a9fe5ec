#!/usr/bin/env python3
"""The C interface that src/providers/openvino/c_api.h declares is the one of the installed OpenVINO, whose headers come with it.

Usage: openvino_headers_e2e.py TESSERA (not used); exit code 77: no OpenVINO with headers, or no C++20 compiler.
"""
import glob
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SKIPPED = 77


def include_folders():
    """Folders that hold openvino/c/openvino.h, of the environments that TESSERA_VENV names and of this Python."""
    for venv in os.environ.get("TESSERA_VENV", "").split(os.pathsep) + [str(ROOT / ".deps" / "venv-npu"), sys.prefix]:
        yield from glob.glob(os.path.join(venv, "lib", "python3*", "*-packages", "openvino", "include"))


def main():
    include = next((f for f in include_folders() if os.path.exists(os.path.join(f, "openvino", "c", "openvino.h"))), None)
    compiler = next(filter(None, map(shutil.which, ("clang++-19", "clang++", "g++", "c++"))), None)
    if include is None or compiler is None:
        print("skipped: " + ("no C++ compiler" if include else "no OpenVINO with headers (tools/make_venv.sh npu)"))
        return SKIPPED
    command = [compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wno-invalid-offsetof", "-I", str(ROOT / "src"), "-isystem", include,
               str(ROOT / "tests" / "abi" / "openvino_c_api.cc")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if result.returncode != 0:
        print(f"the headers in {include} differ:\n{result.stderr}", file=sys.stderr)
        return 1
    print(f"as declared: {include}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
