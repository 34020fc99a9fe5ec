"""`tessera models export` and `tessera models graph` on an installed model."""
import xml.etree.ElementTree

from harness import Harness

h = Harness()
h.model("whisper-tiny.en")
STAGES = ("encoder", "cross_kv", "decoder")


def size(name):
    return (h.dir / name).stat().st_size


result = h.run("models", "export", "whisper-tiny.en", "-o", "onnx")
h.expect("export", result, 0, stdout="onnx/encoder.onnx\n", stderr="writing")
files = sorted(p.name for p in (h.dir / "onnx").iterdir())
h.check("a model for each stage", {f"{s}.onnx" for s in STAGES} <= set(files), str(files))
h.check("large weights lie outside", all(size(f"onnx/{s}.onnx") < size(f"onnx/{s}.onnx.data") for s in ("encoder", "decoder")),
        str(files))
symbolic = (h.dir / "onnx/decoder.onnx").read_bytes()
h.check("symbols have names", b"tokens" in symbolic and b"history" in symbolic)
result = h.run("models", "export", "whisper-tiny.en", "-o", "fixed", "--stage", "decoder", "--static", "--f16", "-q")
h.expect("export of one stage", result, 0, stdout="fixed/decoder.onnx\n")
h.check("quiet", result.stderr == "", result.stderr)
h.check("f16 takes about half", size("fixed/decoder.onnx.data") < 0.6 * size("onnx/decoder.onnx.data"))
(h.dir / "file").write_text("")
h.expect("a folder that is a file", h.run("models", "export", "whisper-tiny.en", "-o", "file"), 3, stderr="file")
h.expect("unknown stage", h.run("models", "export", "whisper-tiny.en", "--stage", "all,encoder"), 2, stderr="--stage")
h.expect("unknown model", h.run("models", "export", "whisper-bass"), 4, stderr="whisper-bass")

result = h.run("models", "graph", "whisper-tiny.en", "--stage", "decoder")
h.expect("graph as text", result, 0, stdout="layers.3.cross")
h.check("with its states", "self_key.3" in result.stdout and "logits" in result.stdout)
h.expect("graph as drawing", h.run("models", "graph", "whisper-tiny.en", "--svg", "encoder.svg"), 0)
drawing = xml.etree.ElementTree.parse(h.dir / "encoder.svg").getroot()
words = " ".join(e.text or "" for e in drawing.iter())
h.check("the drawing names nodes and costs", drawing.tag.endswith("svg") and "conv1" in words and "FLOP" in words, words[:500])
result = h.run("models", "graph", "whisper-tiny.en", "--stage", "cross_kv", "--svg", "-")
h.expect("drawing on stdout", result, 0, stdout="<svg")
with open("/dev/full", "w") as full:
    h.expect("stdout on a full disk", h.run("models", "graph", "whisper-tiny.en", stdout=full), 3, stderr="stdout")
h.expect("graph of no model", h.run("models", "graph", "./gone"), 4, stderr="gone")
h.finish()
