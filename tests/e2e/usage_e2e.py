"""What the command line says without a model: help, version, usage errors, devices, models."""
import json

from harness import Harness

h = Harness()
h.expect("no command", h.run(), 2, stderr="Usage: tessera")
h.expect("help", h.run("--help"), 0, stdout="transcribe")
h.expect("version", h.run("--version"), 0, stdout="tessera 0.")
h.expect("unknown command", h.run("trancsribe"), 2, stderr="did you mean transcribe?")
h.expect("command help", h.run("transcribe", "--help"), 0, stdout="--output-format")
h.expect("no input", h.run("transcribe"), 2, stderr="no input")
h.expect("unknown flag", h.run("transcribe", "a.wav", "--beam-sise", "5"), 2, stderr="did you mean --beam-size?")
h.expect("unsupported flag", h.run("transcribe", "a.wav", "--word_timestamps", "True"), 2, stderr="word times")
h.expect("bad value", h.run("transcribe", "a.wav", "--beam-size", "0"), 2, stderr="--beam-size")
h.expect("bad format", h.run("transcribe", "a.wav", "--output_format", "doc"), 2, stderr="doc")
h.expect("models without sub-command", h.run("models"), 2, stderr="--help")
h.expect("unknown model", h.run("models", "path", "whisper-bass"), 4, stderr="whisper-bass")
h.expect("forced instruction set that does not exist", h.run("devices", env={"TESSERA_FORCE_ISA": "mmx"}), 2, stderr="mmx")

result = h.run("devices", "--json")
h.expect("devices", result, 0)
devices = json.loads(result.stdout)["devices"]
h.check("the CPU is usable", devices[0]["kind"] == "cpu" and devices[0]["usable"] and devices[0]["isa"], result.stdout)
h.check("what is unusable says why", all(d["usable"] or d["reason"] for d in devices), result.stdout)

empty = {"TESSERA_MODELS": str(h.dir / "no-models")}
h.expect("model that is not installed", h.run("transcribe", __file__, env=empty), 4, stderr="models pull")
result = h.run("models", "list", "--json", env=empty)
h.check("models list", any(m["name"] == "whisper-base" and m["state"] == "absent" for m in json.loads(result.stdout)["models"]),
        result.stdout)
h.finish()
