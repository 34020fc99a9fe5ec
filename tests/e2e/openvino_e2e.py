"""Whole models on OpenVINO's CPU device: the text of Tessera's own f32 kernels, the same vectors, an honest placement; and what a
machine without Intel's NPU is told. OpenVINO is that of TESSERA_VENV, else of .deps/venv-npu."""
import glob
import json
import os
import pathlib
import sys

from harness import ROOT, SAMPLE, SKIPPED, Harness

h = Harness()
VENV = os.environ.get("TESSERA_VENV") or str(ROOT / ".deps" / "venv-npu")
if not glob.glob(os.path.join(VENV, "lib", "python3*", "site-packages", "openvino", "libs", "libopenvino_c.so*")):
    print(f"skipped: no OpenVINO in {VENV} (tools/make_venv.sh npu)")
    sys.exit(SKIPPED)
WHISPER = pathlib.Path(h.model("whisper-base"))
ENV = {"TESSERA_MODELS": str(WHISPER.parent), "XDG_CACHE_HOME": str(h.dir / "cache"), "TESSERA_NO_CACHE": "", "TESSERA_VENV": VENV}
WORDS = ("And so, my fellow Americans,", "ask not")


def transcribe(name, device, *more):
    placement = h.dir / f"{name}.json"
    result = h.run("transcribe", "--model", "whisper-base", "--precision", "f32", "--json", "--device", device, "--placement",
                   placement, *more, SAMPLE, env=ENV, timeout=600)
    h.expect(name, result, 0)
    if result.returncode != 0:
        return None, {"stages": []}
    return json.loads(result.stdout.splitlines()[0])["segments"], json.loads(placement.read_text())


def text_of(segments):
    return [(s["text"], s["tokens"] if "tokens" in s else None) for s in segments or []]


own, _ = transcribe("own kernels", "cpu")
h.check("there is text", bool(own) and "ask not what your country" in "".join(s["text"] for s in own).lower(), str(own))
theirs, placement = transcribe("OpenVINO", "openvino:cpu")
h.check("the same text and tokens", text_of(own) == text_of(theirs), f"{own}\n{theirs}")
times = [(a["start"] - b["start"], a["end"] - b["end"]) for a, b in zip(own or [], theirs or [])]
h.check("the same times", all(abs(x) < 1e-6 for pair in times for x in pair), str(times))
h.check("three stages", [s["stage"] for s in placement["stages"]] == ["whisper.encoder", "whisper.cross_kv", "whisper.decoder"])
for stage in placement["stages"]:
    h.check(f"{stage['stage']} ran there", stage["provider"] == "openvino:cpu" and stage["nodes_on_device"] == stage["nodes"] > 0
            and stage["device"]["kind"] == "cpu" and not stage["from_cache"], str(stage))
h.check("a CPU is no NPU", placement.get("all_on_npu") is False, str(placement.get("all_on_npu")))

again, placement = transcribe("OpenVINO again", "openvino:cpu")
h.check("the same text from what was kept", text_of(own) == text_of(again))
h.check("nothing is compiled twice", placement["stages"] and all(s["from_cache"] for s in placement["stages"]), str(placement))

devices = h.run("devices", "--json", env=ENV)
h.expect("devices", devices, 0)
h.check("openvino:cpu is listed", "openvino:cpu" in devices.stdout, devices.stdout)

if h.run("models", "path", "all-minilm-l6-v2").returncode == 0:
    texts = ["A cat sleeps on the sofa.", "x", "Der Zug nach Köln fährt um sieben Uhr vom anderen Bahnsteig ab. " * 6]
    vectors = {}
    for device in ("cpu", "openvino:cpu"):
        arguments = [a for text in texts for a in ("--text", text)]
        result = h.run("embed", "--precision", "f32", "--device", device, *arguments, env=ENV, timeout=600)
        h.expect(f"embed on {device}", result, 0)
        vectors[device] = [line["embedding"] for line in h.json_lines(result) if "embedding" in line]
    h.check("as many vectors", len(vectors["cpu"]) == len(vectors["openvino:cpu"]) == len(texts), str({k: len(v) for k, v in vectors.items()}))
    worst = max((abs(a - b) for u, v in zip(*vectors.values()) for a, b in zip(u, v)), default=1)
    h.check("the same vectors to 1e-4", worst < 1e-4, str(worst))

if not glob.glob("/sys/class/accel/accel*"):
    absent = h.run("transcribe", "--device", "openvino:npu", SAMPLE, env=ENV)
    h.expect("no NPU", absent, 5, stderr="openvino:npu")
    h.check("and what helps", "tessera devices" in absent.stderr, absent.stderr)
missing = h.run("transcribe", "--device", "openvino:cpu", SAMPLE, env={**ENV, "TESSERA_OPENVINO": str(h.dir)})
h.expect("no OpenVINO", missing, 5, stderr="pip install openvino")
h.finish()
