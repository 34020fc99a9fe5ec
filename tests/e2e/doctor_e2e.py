"""`tessera doctor` on files and on an installed model."""
import json

from harness import ROOT, Harness

h = Harness()
GOLDEN = ROOT / "tests/golden/onnx"
bert = GOLDEN / "bert_sdpa_17.onnx"

result = h.run("doctor", bert, "--target", "snapdragon-x")
h.expect("open dimensions", result, 6, stdout="R1.static-inputs")
h.check("what would help", "what would help" in result.stdout, result.stdout[-800:])
h.expect("unknown target", h.run("doctor", bert, "--target", "tpu"), 2, stderr="snapdragon-x")
h.expect("unknown dimension", h.run("doctor", bert, "--bind", "nothing=1"), 2, stderr="nothing")
h.expect("no number", h.run("doctor", bert, "--bind", "batch=x"), 2, stderr="--bind")
h.expect("no such file", h.run("doctor", "nothing.onnx"), 4, stderr="nothing.onnx")
(h.dir / "broken.onnx").write_bytes(b"\x08\x08\x3a\xff\xff\xff\x7f")
h.expect("no ONNX file", h.run("doctor", "broken.onnx"), 4, stderr="broken.onnx")

dims = sorted({d for i in json.loads(h.run("doctor", bert, "--target", "snapdragon-x", "--json").stdout)["models"][0]["inputs"]
               for d in i[i.index("[") + 1:-1].split(", ") if not d.isdigit()})
bind = ",".join(f"{d}=8" for d in dims)
result = h.run("doctor", bert, "--target", "snapdragon-x", "--bind", bind, "--html", "page.html", "--json")
report = json.loads(result.stdout)
target = report["models"][0]["targets"][0]
h.check("schema", report["schema"] == 1 and target["id"] == "snapdragon-x", result.stdout[:300])
h.check("nearly all on the NPU", target["totals"]["npu_flops"] > 0.95 * target["totals"]["flops"], str(target["totals"]))
h.check("every node has a verdict", all(n["verdict"] and n["rule"] and n["reason"] for n in target["nodes"]))
page = (h.dir / "page.html").read_text()
h.check("a page with a picture", page.startswith("<!doctype html>") and "<svg" in page and "<script" not in page)
h.check("nothing from elsewhere", "http" not in page.replace("http-equiv", "").replace("github.com", ""), page[:200])

result = h.run("doctor", bert, "--target", "all", "--bind", bind, "--fix", "fixed.onnx")
h.check("fixed", (h.dir / "fixed.onnx").exists() and "dimensions fixed" in result.stdout, result.stdout[-600:] + result.stderr)
h.check("proven or said not to be", "equal on" in result.stdout or "not proven equal" in result.stdout, result.stdout[-600:])
h.check("the file holds no open dimension", "R1.static-inputs" not in
        h.run("doctor", "fixed.onnx", "--target", "snapdragon-x").stdout)
h.expect("fixing a file into itself", h.run("doctor", "fixed.onnx", "--fix", "fixed.onnx"), 2, stderr="--fix")

h.model("whisper-base")
result = h.run("doctor", "whisper-base", "--target", "snapdragon-x", "--json")
stages = json.loads(result.stdout)["models"]
h.check("stages", [s["stage"] for s in stages] == ["encoder", "cross_kv", "decoder"], result.stdout[:200])
h.check("all on the NPU in one part", result.returncode == 0 and
        all(s["targets"][0]["totals"]["subgraphs"] == 1 for s in stages), result.stderr)
h.finish()
