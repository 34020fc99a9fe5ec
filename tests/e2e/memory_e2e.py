"""Memory does not grow with the recording: the peak of twenty minutes is that of four and the samples between."""
import math
import os
import struct
import subprocess

from harness import Harness

RATE = 16000
SLACK = 16 << 20  # allocator, caches of the system's libraries

h = Harness()
h.model("whisper-tiny.en")


def recording(minutes):
    """A tone of a second every ten: there is little to decode."""
    tone = struct.pack(f"<{RATE}h", *(int(8000 * math.sin(2 * math.pi * 440 * i / RATE)) for i in range(RATE)))
    samples = (tone + bytes(9 * 2 * RATE)) * (6 * minutes)
    path = h.dir / f"{minutes}.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " +
                     struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16) + b"data" + struct.pack("<I", len(samples)) + samples)
    return path


def peak(minutes):
    process = subprocess.Popen([h.binary, "transcribe", "--model", "whisper-tiny.en", "--precision", "int8", "--json", "--threads", "2",
                                "--temperature-increment-on-fallback", "None", recording(minutes)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    h.check(f"{minutes} minutes: exit code", os.waitstatus_to_exitcode(status) == 0, str(status))
    return usage.ru_maxrss * 1024


short, long = peak(4), peak(20)
between = 16 * 60 * RATE * 2
print(f"peak {short / 1e6:.1f} MB for 4 minutes, {long / 1e6:.1f} MB for 20 minutes, {between / 1e6:.1f} MB of samples between")
h.check("the peak grows by the samples alone", long - short < between + SLACK)
h.check("the whole fits into 400 MB", long < 400e6)
h.finish()
