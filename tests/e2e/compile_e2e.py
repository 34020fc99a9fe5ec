#!/usr/bin/env python3
"""tessera compile from end to end: a text encoder for Snapdragon X, then run on the emulator from what was compiled."""
import json
import os
import sys

from harness import ROOT, SKIPPED, Harness

t = Harness()
t.model("all-minilm-l6-v2")
venv = {"TESSERA_VENV": os.environ.get("TESSERA_VENV", str(ROOT / ".deps" / "venv-npu"))}

t.expect("an unknown target is a usage error", t.run("compile", "all-minilm-l6-v2", "--target", "z80", "-o", "out"), 2, "z80")
nothing = t.run("compile", "all-minilm-l6-v2", "-o", "out", "--qnn", "/no/such/folder", env=venv)
t.expect("a missing compiler is named with its remedy", nothing, 4)

t.expect("integers want recordings or texts", t.run("compile", "all-minilm-l6-v2", "--precision", "a16w8", "-o", "out"), 2, "--calibrate")
t.expect("floats want none", t.run("compile", "all-minilm-l6-v2", "--calibrate", __file__, "-o", "out"), 2, "--calibrate")

compiled = t.run("compile", "all-minilm-l6-v2", "--target", "snapdragon-x", "-o", "out", env=venv)
if compiled.returncode == 4 and ("was not found" in compiled.stderr or "no ONNX Runtime support" in compiled.stderr):
    print(f"skipped: {compiled.stderr.strip()}")
    sys.exit(SKIPPED)
t.expect("it compiles", compiled, 0, stdout="QNNExecutionProvider")
t.check("nothing is left to the CPU", "CPUExecutionProvider" not in compiled.stdout, compiled.stdout)
t.check("stdout holds the stages alone", len(compiled.stdout.splitlines()) == 5, compiled.stdout)

manifest = json.loads((t.dir / "out" / "manifest.json").read_text())
t.check("a stage for each length of texts", len(manifest["stages"]) == 5, str(len(manifest["stages"])))
for stage in manifest["stages"]:
    for file in stage["files"]:
        size = (t.dir / "out" / stage["folder"] / file["name"]).stat().st_size
        t.check("files are as the manifest says", size == file["bytes"], f"{file}: {size} bytes")

(t.dir / "in.txt").write_text("A bridge over the river\n")
embed = ("embed", "in.txt", "-m", "all-minilm-l6-v2", "--quiet", "--precision", "f32")
emulated = t.run(*embed, "--device", "onnxruntime:qnn", "--compiled", "out", "--placement", "placement.json", env=venv)
on_cpu = t.run(*embed, "--device", "cpu")
t.expect("it runs from what was compiled", emulated, 0)
t.expect("the CPU runs too", on_cpu, 0)
if emulated.returncode == 0 and on_cpu.returncode == 0:
    a, b = (t.json_lines(result)[0]["embedding"] for result in (emulated, on_cpu))
    cosine = sum(x * y for x, y in zip(a, b))
    t.check("the vector is the CPU's", cosine >= 0.999, f"cosine {cosine}")
    placement = json.loads((t.dir / "placement.json").read_text())
    t.check("an emulator is no NPU", placement["all_on_npu"] is False, str(placement))
    t.check("it ran there", placement["stages"][0]["provider"] == "onnxruntime:qnn", str(placement))

texts = ["A bridge over the river", "The kitten naps on a couch.", "Rates rose by half a percent in May.", "Wie komme ich zum Bahnhof?"]
(t.dir / "texts.txt").write_text("\n".join(texts * 8) + "\n")
integers = t.run("compile", "all-minilm-l6-v2", "--precision", "a16w8", "--calibrate", "texts.txt", "-o", "a16w8", env=venv)
t.expect("it compiles in integers", integers, 0, stdout="QNNExecutionProvider")
t.check("nothing of them is left to the CPU", "CPUExecutionProvider" not in integers.stdout, integers.stdout)
# On a device that computes what the form says, without an emulator's time.
found = t.run(*embed, "--device", "onnxruntime:cpu", "--compiled", "a16w8", "--placement", "integers.json", env=venv)
t.expect("it runs in integers", found, 0)
if found.returncode == 0 and on_cpu.returncode == 0:
    a, b = (t.json_lines(result)[0]["embedding"] for result in (found, on_cpu))
    cosine = sum(x * y for x, y in zip(a, b))
    t.check("the vector is near the CPU's", cosine >= 0.98, f"cosine {cosine}")
    stage = json.loads((t.dir / "integers.json").read_text())["stages"][0]
    t.check("it ran in integers", stage.get("precision") == "a16w8", str(stage))
t.finish()
