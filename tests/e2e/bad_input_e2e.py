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
(h.dir / "folder").mkdir()
(h.dir / "empty.wav").write_bytes(b"")
(h.dir / "text.mp3").write_text("This is no recording.\n" * 50)
(h.dir / "cut.flac").write_bytes(SAMPLE.read_bytes()[:100])
wav(h.dir / "no_channels.wav", channels=0, data=b"\0" * 3200)
wav(h.dir / "no_rate.wav", rate=0, data=b"\0" * 3200)

for name in ["missing.wav", "empty.wav", "folder", "text.mp3", "cut.flac", "no_channels.wav", "no_rate.wav"]:
    result = transcribe(name, good)
    h.expect(f"{name}: code, and the other file is done", result, 3, stderr=name, stdout=TEXT)
    lines = [line for line in result.stderr.splitlines() if name in line]
    h.check(f"{name}: one line", len(lines) == 1, result.stderr)

# Well-formed in part: the samples that are there are read, whatever the header promises.
h.expect("header that promises more than there is",
         transcribe(wav(h.dir / "liar.wav", data=b"\0\0" * 16000, data_size=0x7FFFFFF0)), 0)
# A sample that is no number is silence, as src/audio/pcm.h says.
h.expect("NaN samples", transcribe(wav(h.dir / "nan.wav", tag=3, bits=32, data=struct.pack("<f", float("nan")) * 16000)), 0)

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
weights = open(os.path.join(model_path, "model.bin"), "rb").read(1 << 20)
for name, content in {"truncated": weights, "wrong magic": b"\xff" * 4096, "empty": b"",
                      "hostile size": weights[:4] + b"\xff" * 60}.items():
    (broken / "model.bin").write_bytes(content)
    result = h.run("transcribe", "--model", broken, good)
    h.expect(f"model file {name}", result, 4, stderr="model")
(broken / "model.bin").unlink()
h.expect("model folder without weights", h.run("transcribe", "--model", broken, good), 4, stderr="broken")
h.expect("model path that does not exist", h.run("transcribe", "--model", "./gone", good), 4, stderr="gone")
h.expect("required device", h.run("transcribe", "--model", "whisper-tiny.en", "--require-npu", good), 5, stderr="npu")
h.finish()
