"""`tessera bench`: usage, the limits alone, a whole run with its JSON, page and drawing, and an interruption. No time is judged."""
import json
import signal
import subprocess
import time
import xml.etree.ElementTree as ET

from harness import SAMPLE, Harness

h = Harness()
SHORT = ("--seconds", "0.01")
SVG = "{http://www.w3.org/2000/svg}"

h.expect("help", h.run("bench", "--help"), 0, stdout="--precision")
h.expect("unknown precision", h.run("bench", "--precision", "fp8"), 2, stderr="--precision")
h.expect("no time", h.run("bench", "--seconds", "0"), 2, stderr="--seconds")
h.expect("model that is not there", h.run("bench", "whisper-bass", *SHORT), 4, stderr="whisper-bass")
h.expect("recording that is not there", h.run("bench", "--audio", "no.wav", *SHORT), 3, stderr="no.wav")

empty = {"TESSERA_MODELS": str(h.dir / "no-models")}
result = h.run("bench", *SHORT, env=empty)
h.expect("limits without a model", result, 0, stdout="models pull whisper-base")
h.check("limits are told", "int8 GOP/s" in result.stdout and "GB/s" in result.stdout, result.stdout)
h.check("no progress without a terminal", result.stderr == "", result.stderr)
result = h.run("bench", *SHORT, "--json", "--threads", "1", env={**empty, "TESSERA_FORCE_ISA": "scalar"})
h.expect("scalar kernels", result, 0)
report = json.loads(result.stdout)
h.check("of the forced instruction set", report["machine"]["isa"] == "scalar" and report["machine"]["threads"] == 1, result.stdout)
h.check("limits are figures", all(report["limits"][k]["best"] > 0 for k in report["limits"] if k != "read_buffer_bytes"),
        result.stdout)
h.check("no model, no stage", report["models"] == [] and len(report["notes"]) >= 2, result.stdout)

h.model("whisper-base")
result = h.run("bench", "whisper-base", *SHORT, "--device", "cpu,no:such", "--json")
h.expect("devices, one of which is not there", result, 5)
devices = json.loads(result.stdout)["devices"]
h.check("our own kernels agree with their f32", [s["id"] for s in devices[0]["stages"]] == ["encoder", "decoder_1"] and
        all(s["cosine"] > 0.99 and s["seconds"]["best"] > 0 for s in devices[0]["stages"]) and "on cpu" in devices[0]["placement"],
        result.stdout)
h.check("and the other says why", devices[1]["stages"] == [] and "no:such" in devices[1]["error"], result.stdout)

page, drawing = h.dir / "bench.html", h.dir / "bench.svg"
result = h.run("bench", "whisper-base", *SHORT, "--precision", "all", "--json", "--html", page, "--svg", drawing, "--audio", SAMPLE)
h.expect("whole run", result, 0)
report = json.loads(result.stdout)
h.check("three precisions", [m["precision"] for m in report["models"]] == ["f32", "bf16", "int8"], result.stdout)
# whisper-base by hand: six layers over 1500 positions of width 512, and the two convolutions over 3000 frames.
linears = 6 * 2 * 1500 * (4 * 512**2 + 2 * 512 * 2048)
attention = 6 * 4 * 1500**2 * 512
convolutions = 2 * 3000 * 512 * (80 * 3) + 2 * 1500 * 512 * (512 * 3)
for model in report["models"]:
    name = model["precision"]
    stages = {stage["id"]: stage for stage in model["stages"]}
    h.check(f"{name}: stages", list(stages) == ["encoder", "cross_states", "decoder_1", "decoder_8"], str(list(stages)))
    operations = stages["encoder"]["operations"]
    h.check(f"{name}: operations of the encoder", sum(operations.values()) == linears + attention + convolutions, str(operations))
    if name != "int8":
        h.check(f"{name}: all in one precision", operations[name] == sum(operations.values()), str(operations))
    else:
        h.check("int8: convolutions in bf16", operations["f32"] == 0 and operations["bf16"] == convolutions, str(operations))
    # A step with r rows: the layers' linears, the vocabulary, and both attentions.
    for rows in (1, 8):
        per_row = 6 * 2 * (3 * 512**2 + 512**2 + 2 * 512**2 + 2 * 512 * 2048) + 2 * 512 * 51865
        per_row += 6 * 4 * 512 * (61 + 1500)
        got = sum(stages[f"decoder_{rows}"]["operations"].values())
        h.check(f"{name}: operations of a step with {rows} rows", got == rows * per_row, f"{got}, expected {rows * per_row}")
    for stage in model["stages"]:
        shares = [s["share_of_limit"] for s in stage["steps"]]
        h.check(f"{name}: {stage['id']} has shares", all(s > 0 for s in shares) and stage["share_of_limit"] > 0, str(stage))
        h.check(f"{name}: {stage['id']} adds up", abs(sum(s["bytes"] for s in stage["steps"]) - stage["bytes"]) < 1, str(stage))
    h.check(f"{name}: end to end in both modes", [e["mode"] for e in model["end_to_end"]] == ["sequential", "batched"] and
            all(10.9 < e["audio_s"] < 11.1 for e in model["end_to_end"]), str(model["end_to_end"]))
weights = {m["precision"]: m["stages"][2]["bytes"] for m in report["models"]}
h.check("fewer bytes in lower precision", weights["f32"] > 1.8 * weights["bf16"] > 3 * weights["int8"], str(weights))

root = ET.parse(drawing).getroot()
texts = ["".join(t.itertext()) for t in root.iter(f"{SVG}text")]
h.check("a panel for each stage", sum(t.startswith("whisper-base in ") for t in texts) == 12, str(texts))
drawn = sum(1 for m in report["models"] for s in m["stages"] for k in s["steps"] if sum(k["operations"].values()))
h.check("a circle for each kind of step", len(list(root.iter(f"{SVG}circle"))) == drawn, str(drawn))
labels = [t for t in root.iter(f"{SVG}text") if t.get("class") == "name"]
# Where circles lie depends on measured times; a label that finds no place among them is left out.
h.check("circles have their labels", drawn / 2 <= len(labels) <= drawn, f"{len(labels)} of {drawn}")
html = page.read_text()
h.check("the page holds the drawing", html.count("<svg") == 1 and "encoder, 30 s window" in html, html[:300])
h.check("the page needs nothing from elsewhere", "<script" not in html and "src=" not in html and "<link" not in html, html[:300])

result = h.run("bench", "whisper-base", *SHORT, "--json", "--audio", __file__)
h.expect("a bad recording", result, 3, stderr="bench_e2e.py")
h.check("does not cost the other figures", len(json.loads(result.stdout)["models"][0]["stages"]) == 4, result.stdout)

# Ctrl-C in the middle: what was measured is told, with the code of an interruption.
process = subprocess.Popen([h.binary, "bench", "whisper-base", "--seconds", "60", "--json"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, cwd=h.dir)
time.sleep(1)
process.send_signal(signal.SIGINT)
out, err = process.communicate(timeout=60)
h.check("interrupted", process.returncode == 130, f"{process.returncode} {err}")
report = json.loads(out)
h.check("what was measured is told", report["interrupted"] and report["limits"]["f32_operations_per_s"]["samples"] > 0 and
        report["limits"]["read_bytes_per_s"] is None and report["models"] == [], out)
h.finish()
