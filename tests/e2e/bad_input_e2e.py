"""Bad input: exit code 3, one clear line, and the other files still done. Broken models: exit code 4."""
import os
import struct
import subprocess
import shutil

from harness import Harness, SAMPLE

h = Harness()
model_path = h.model("whisper-tiny.en")
TEXT = "ask what you can do for your country"


def wav(path, channels=1, rate=16000, bits=16, tag=1, data=b"", data_size=None):
    size = len(data) if data_size is None else data_size
    block = channels * bits // 8
    path.write_bytes(b"RIFF" + struct.pack("<I", (36 + size) & 0xFFFFFFFF) + b"WAVEfmt " +
                     struct.pack("<IHHIIHH", 16, tag, channels, rate, rate * block, block, bits) +
                     b"data" + struct.pack("<I", size & 0xFFFFFFFF) + data)
    return path


def transcribe(*args, **kwargs):
    return h.run("transcribe", "--model", "whisper-tiny.en", *args, **kwargs)


good = h.dir / "good.flac"
shutil.copy(SAMPLE, good)
(h.dir / "talks").mkdir()
(h.dir / "empty.wav").write_bytes(b"")
(h.dir / "text.mp3").write_text("This is no recording.\n" * 50)
(h.dir / "cut.flac").write_bytes(SAMPLE.read_bytes()[:100])
(h.dir / "noise.ogg").write_bytes(b"OggS" + bytes(range(256)) * 20)
(h.dir / "noise.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(range(256)) * 20)
(h.dir / "zeros.mp3").touch()
os.truncate(h.dir / "zeros.mp3", 1 << 30)
wav(h.dir / "no_samples.wav", data_size=0x7FFFFFF0)
wav(h.dir / "no_channels.wav", channels=0, data=b"\0" * 3200)
wav(h.dir / "no_rate.wav", rate=0, data=b"\0" * 3200)
samples = [0.1] * 32000
samples[17600] = float("nan")
wav(h.dir / "nan.wav", tag=3, bits=32, data=struct.pack("<32000f", *samples))
samples[17600] = float("-inf")
wav(h.dir / "infinite.wav", tag=3, bits=64, data=struct.pack("<32000d", *samples))

# Name and what its line must say.
BAD = {"missing.wav": "no such file", "empty.wav": "empty", "talks": "holds no audio", "text.mp3": "", "cut.flac": "", "noise.ogg": "",
       "noise.m4a": "", "zeros.mp3": "zeros", "no_samples.wav": "no audio samples", "no_channels.wav": "", "no_rate.wav": "",
       "nan.wav": "the sample at 1.100 s is not a number", "infinite.wav": "the sample at 1.100 s is infinite"}
result = transcribe(*BAD, good, "--output-format", "txt", "-o", "out")
h.expect("a batch of bad files: code", result, 3, stderr=f"{len(BAD) + 1} files")
h.check("and the good one is done", TEXT in (h.dir / "out" / "good.txt").read_text())
h.check("nothing else is written", [p.name for p in (h.dir / "out").iterdir()] == ["good.txt"])
for name, says in BAD.items():
    lines = [line for line in result.stderr.splitlines() if name in line]
    h.check(f"{name}: one line", len(lines) == 1, result.stderr)
    h.check(f"{name}: says why, and its name once", lines and says in lines[0] and lines[0].count(name) == 1, str(lines))
h.check("no addresses of ffmpeg's objects", " @ 0x" not in result.stderr, result.stderr)
h.check("nothing but these lines, the placement and the summary", len(result.stderr.splitlines()) == len(BAD) + 2, result.stderr)

# Well-formed in part: the samples that are there are read, whatever the header promises.
h.expect("header that promises more than there is",
         transcribe(wav(h.dir / "liar.wav", data=b"\0\0" * 16000, data_size=0x7FFFFFF0)), 0)
(h.dir / "half.flac").write_bytes(SAMPLE.read_bytes()[:SAMPLE.stat().st_size // 2])
h.expect("a file that breaks off", transcribe("half.flac"), 0, stdout="my fellow Americans")
h.expect("stdin that is closed", transcribe("-", good, preexec_fn=lambda: os.close(0)), 3, stderr="stdin", stdout=TEXT)
h.expect("stdin that is empty", transcribe("-", good), 3, stderr="stdin", stdout=TEXT)

if os.geteuid() != 0:  # root reads and writes everything
    (h.dir / "locked.wav").write_bytes(b"x")
    (h.dir / "locked.wav").chmod(0)
    h.expect("unreadable", transcribe("locked.wav"), 3, stderr="locked.wav")
    (h.dir / "sealed").mkdir(mode=0o555)
    h.expect("unwritable folder", transcribe(good, "-o", "sealed"), 3, stderr="sealed")

h.expect("output folder is a file", transcribe(good, "-o", "text.mp3"), 3, stderr="text.mp3")
with open("/dev/full", "w") as full:
    h.expect("stdout on a full disk", transcribe(good, stdout=full), 3, stderr="could not write to stdout")
tiny = h.dir / "tiny_disk"
tiny.mkdir()
mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=8", "none", str(tiny)],
                                               capture_output=True).returncode == 0
if mounted:
    try:
        (tiny / "fill").write_bytes(b"x" * 4096)
        h.expect("full disk", transcribe(good, "-o", tiny, "--output-format", "json"), 3, stderr="good.json")
        h.check("no half-written result", sorted(p.name for p in tiny.iterdir()) == ["fill"], str(list(tiny.iterdir())))
    finally:
        subprocess.run(["umount", str(tiny)], check=True)

# Broken models.
broken = h.dir / "broken"
broken.mkdir()
for name in os.listdir(model_path):
    if name != "model.bin":
        shutil.copy(os.path.join(model_path, name), broken / name)
with open(os.path.join(model_path, "model.bin"), "rb") as file:
    weights = file.read()


def first_matrix():
    """Where the sizes of the first variable of two dimensions lie (the layout is in src/formats/ctranslate2.h)."""
    at = 4 + 2 + struct.unpack_from("<H", weights, 4)[0] + 8  # version, model kind, revision, number of variables
    while True:
        at += 2 + struct.unpack_from("<H", weights, at)[0]  # name
        rank, sizes = weights[at], at + 1
        if rank == 2:
            return sizes
        at = sizes + 4 * rank + 1
        at += 4 + struct.unpack_from("<I", weights, at)[0]


sizes = first_matrix()
rows, columns = struct.unpack_from("<II", weights, sizes)
for name, content in {"truncated": weights[:1 << 20], "wrong magic": b"\xff" * 4096, "empty": b"",
                      "hostile lengths": weights[:4] + b"\xff" * 60,
                      "hostile sizes": weights[:sizes] + b"\xff" * 8 + weights[sizes + 8:],
                      "wrong shapes": weights[:sizes] + struct.pack("<II", columns, rows) + weights[sizes + 8:]}.items():
    (broken / "model.bin").write_bytes(content)
    result = h.run("transcribe", "--model", broken, good)
    h.expect(f"model file {name}", result, 4)
    h.check(f"model file {name}: one line that names it once",
            len(result.stderr.splitlines()) == 1 and result.stderr.count(str(broken)) == 1, result.stderr)
(broken / "model.bin").unlink()
h.expect("model folder without weights", h.run("transcribe", "--model", broken, good), 4, stderr="broken")
h.expect("model path that does not exist", h.run("transcribe", "--model", "./gone", good), 4, stderr="gone")
h.expect("required device", h.run("transcribe", "--model", "whisper-tiny.en", "--require-npu", good), 5, stderr="npu")
h.finish()
