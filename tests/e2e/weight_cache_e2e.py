"""Packed weights on disk: the same transcript with, without and in spite of them; TESSERA_NO_CACHE; `tessera models cache`."""
import json
import os
import pathlib

from harness import SAMPLE, Harness

h = Harness()
MODEL = pathlib.Path(h.model("whisper-tiny.en"))
ENV = {"TESSERA_MODELS": str(MODEL.parent), "XDG_CACHE_HOME": str(h.dir / "cache"), "TESSERA_NO_CACHE": "", "TESSERA_LOG": "debug"}
PACKED = h.dir / "cache" / "tessera" / "packed"


def transcribe(precision="int8", **env):
    return h.run("transcribe", "--model", MODEL.name, "--precision", precision, "--json", SAMPLE, env={**ENV, **env})


def segments(result):
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return lines[0].get("segments") if result.returncode == 0 else None


without = transcribe(TESSERA_NO_CACHE="1")
h.expect("without a cache", without, 0)
h.check("nothing is kept", not PACKED.exists())
wanted = segments(without)
h.check("there is text", bool(wanted), without.stdout)

h.check("a first start", segments(transcribe()) == wanted)
files = sorted(PACKED.iterdir())
h.check("one file", len(files) == 1 and files[0].name.startswith("whisper-tiny.en-cpu-int8-"), str(files))
stamp = files[0].stat()
second = transcribe()
h.check("a second start", segments(second) == wanted and "debug" not in second.stderr, second.stderr)
h.check("the file is used as it is", files[0].stat().st_mtime_ns == stamp.st_mtime_ns and files[0].stat().st_ino == stamp.st_ino)
transcribe("f32")
h.check("one file for each precision", len(list(PACKED.iterdir())) == 2)

content = files[0].read_bytes()
for name, damaged in (("truncated", content[:-5000]), ("empty", b""), ("one bit", content[:-100001] + b"\x55" + content[-100000:])):
    os.chmod(files[0], 0o644)
    replacement = h.dir / "replacement"
    replacement.write_bytes(damaged)
    replacement.rename(files[0])
    result = transcribe()
    h.check(f"{name}: the same text", segments(result) == wanted, result.stderr)
    h.check(f"{name}: said at debug level", "made again" in result.stderr, result.stderr)
    h.check(f"{name}: made again", files[0].read_bytes() == content)

result = transcribe(XDG_CACHE_HOME="/proc/nowhere")
h.check("nowhere to write", segments(result) == wanted and "not kept" in result.stderr, result.stderr)
h.check("silent unless asked", "debug" not in transcribe(XDG_CACHE_HOME="/proc/nowhere", TESSERA_LOG="").stderr)

listed = h.run("models", "cache", "--json", env=ENV)
h.expect("list", listed, 0)
entries = json.loads(listed.stdout)["files"]
h.check("two files of the model", len(entries) == 2 and all(e["model"].endswith("model.bin") for e in entries), listed.stdout)
h.check("with their sizes", sum(e["bytes"] for e in entries) == sum(f.stat().st_size for f in PACKED.iterdir()))
h.expect("as text", h.run("models", "cache", env=ENV), 0, stdout="whisper-tiny.en-cpu-f32-")
h.expect("clear", h.run("models", "cache", "clear", env=ENV), 0, stderr="removed")
h.check("they are gone", not list(PACKED.iterdir()))
h.expect("nothing to clear", h.run("models", "cache", "clear", env=ENV), 0)
h.finish()
