"""`tessera transcribe` on the sample: text, every output format, batches, foreign flags, stdin, interruption."""
import json
import signal
import subprocess
import time

from harness import Harness, SAMPLE
import shutil

h = Harness()
h.model("whisper-tiny.en")
MODEL = ("--model", "whisper-tiny.en")
TEXT = "ask not what your country can do for you"
for name in ("one", "two", "sub/three"):
    (h.dir / "talks" / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(SAMPLE, h.dir / "talks" / f"{name}.flac")
one = "talks/one.flac"

result = h.run("transcribe", *MODEL, one)
h.expect("text on stdout", result, 0, stdout=TEXT, stderr="real time")
h.check("stdout is the transcript alone", "-->" not in result.stdout and "tessera" not in result.stdout, result.stdout)
h.expect("times on stdout", h.run("transcribe", *MODEL, one, "--verbose", "True"), 0, stdout="[00:00.000 --> ")
h.check("quiet", h.run("transcribe", *MODEL, one, "-q").stderr == "")
with open(h.dir / one, "rb") as file:
    h.expect("stdin", h.run("transcribe", *MODEL, "-", stdin=file), 0, stdout=TEXT)

h.expect("openai-whisper's flags", h.run("transcribe", one, "--model", "whisper-tiny.en", "--language", "English",
                                         "--output_format", "all", "--output_dir", "out", "--beam_size", "2", "--fp16", "False",
                                         "--condition_on_previous_text", "True", "--verbose", "False"), 0)
h.check("all is five files", sorted(p.name for p in (h.dir / "out").iterdir()) ==
        [f"one.{e}" for e in ("json", "srt", "tsv", "txt", "vtt")], str(list((h.dir / "out").iterdir())))
h.check("json has openai-whisper's keys", {"text", "segments", "language"} <= set(json.loads((h.dir / "out/one.json").read_text())))
h.expect("whisper-cli's flags", h.run("transcribe", "-m", "whisper-tiny.en", "-f", one, "-l", "en", "-t", "1", "-osrt", "-olrc",
                                      "-of", "cli/base", "-np", "-d", "5000"), 0)
h.check("whisper-cli's outputs", sorted(p.name for p in (h.dir / "cli").iterdir()) == ["base.lrc", "base.srt"])
h.expect("srt on stdout", h.run("transcribe", *MODEL, one, "--output-format", "srt", "-o", "-"), 0, stdout="00:00:00,000 --> ")

# A clip of 2 s says the same on a window of 2 s as on one of 30 s.
clip = ("--clip-timestamps", "8.2,10.4")
shortened, whole = (h.run("transcribe", *MODEL, one, *clip, "--exact", exact) for exact in ("False", "True"))
h.expect("a short clip", shortened, 0, stdout="do for your country")
h.check("says the same with --exact", shortened.stdout == whole.stdout, f"{shortened.stdout} / {whole.stdout}")

result = h.run("transcribe", *MODEL, "talks", "-r", "-o", "batch", "--output-format", "txt", "--json")
h.expect("folder with sub-folders", result, 0, stderr="3 files")
lines = h.json_lines(result)
h.check("json lines", [line["type"] for line in lines] == ["file", "file", "file", "summary"] and lines[-1]["done"] == 3 and
        all(TEXT in line["text"] for line in lines[:3]), result.stdout)
h.check("sub-folder kept", (h.dir / "batch/sub/three.txt").exists())
result = h.run("transcribe", *MODEL, "talks", "-r", "-o", "batch", "--output-format", "txt", "--skip-existing")
h.expect("nothing left to do", result, 0, stderr="3 skipped")
result = h.run("transcribe", *MODEL, "talks/*.flac")
h.expect("glob", result, 0, stdout="==> talks/two.flac <==")
h.expect("language of an English model", h.run("transcribe", *MODEL, one, "--task", "translate"), 2, stderr="multilingual")
h.expect("clip past the end", h.run("transcribe", *MODEL, one, "--clip-timestamps", "900,901"), 0)

# Batched mode: all files in one stream, results in their order, a bad file among them.
(h.dir / "talks/bad.flac").write_bytes(b"fLaC" + bytes(100))
batched = ("--mode", "batched", "--batch-size", "3")
result = h.run("transcribe", *MODEL, *batched, one, "talks/bad.flac", "talks/two.flac", "talks/sub/three.flac", "--json",
               "--output-format", "txt", "-o", "together")
h.expect("batched with a bad file", result, 3, stderr="bad.flac")
lines = h.json_lines(result)
h.check("batched results in order", [line.get("path", "").split("/")[-1] for line in lines] ==
        ["one.flac", "bad.flac", "two.flac", "three.flac", ""] and lines[-1]["done"] == 3 and lines[-1]["failed"] == 1, result.stdout)
h.check("batched text is the sequential one", (h.dir / "together/three.txt").read_text() == (h.dir / "batch/one.txt").read_text())
(h.dir / "talks/bad.flac").unlink()
result = h.run("transcribe", *MODEL, *batched, "talks/*.flac")
h.check("batched text on stdout in order", result.stdout.index("one.flac") < result.stdout.index(TEXT) <
        result.stdout.index("two.flac") < result.stdout.rindex(TEXT), result.stdout)

# Ctrl-C during a long batch: what is done stays, the code says so.
long_batch = h.dir / "long"
long_batch.mkdir()
for i in range(200):
    (long_batch / f"{i:03}.flac").symlink_to(SAMPLE)
for mode in ("sequential", "batched"):
    kept = f"kept-{mode}"
    process = subprocess.Popen([h.binary, "transcribe", *MODEL, "--mode", mode, "long", "-o", kept, "--output-format", "txt"], cwd=h.dir,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not (h.dir / kept / "000.txt").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    h.check(f"interrupted, {mode}", process.returncode == 130 and "interrupted" in stderr, f"{process.returncode} {stderr}")
    h.check("what is done is kept", TEXT in (h.dir / kept / "000.txt").read_text())
    h.check("and no more", not (h.dir / kept / "199.txt").exists())
h.finish()
