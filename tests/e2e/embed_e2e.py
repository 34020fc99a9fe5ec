#!/usr/bin/env python3
"""tessera embed from end to end: formats, folders, bad input, a kill in the middle and --resume, memory over 20,000 texts."""
import array
import json
import math
import os
import pathlib
import signal
import subprocess
import time

from harness import Harness

t = Harness()
t.model("all-minilm-l6-v2")


def vector(row):
    return row["embedding"]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b))


def texts(count, words=4):
    names = ("river", "engine", "garden", "music", "winter", "letter", "bridge", "market", "doctor", "island", "window", "teacher")
    return [f"{i} " + " ".join(names[(i * 7 + k * k * 5 + k) % len(names)] for k in range(words)) for i in range(count)]


def read_npy(path):
    content = path.read_bytes()
    size = int.from_bytes(content[8:10], "little")
    header = content[10:10 + size].decode()
    rows, columns = (int(x) for x in header.split("(")[1].split(")")[0].split(","))
    values = array.array("f", content[10 + size:10 + size + rows * columns * 4])
    return [list(values[i * columns:(i + 1) * columns]) for i in range(rows)]


# --- Texts of the command line, and what vectors are ------------------------------------------------------------------------
r = t.run("embed", "--text", "A cat sleeps on the sofa.", "--text", "The kitten naps on a couch.", "--text", "Stock prices fell.")
t.expect("texts of the command line", r, 0, stderr="3 texts")
rows = t.json_lines(r)
t.check("length 1", all(abs(math.hypot(*vector(x)) - 1) < 1e-5 for x in rows))
t.check("similar texts are near", cosine(vector(rows[0]), vector(rows[1])) > cosine(vector(rows[0]), vector(rows[2])) + 0.3)
t.check("order and tokens", [x["index"] for x in rows] == [0, 1, 2] and rows[0]["tokens"] == 9)

# --- Files of every kind ----------------------------------------------------------------------------------------------------
(t.dir / "a.txt").write_text("first line\n\nsecond line\n")
(t.dir / "b.jsonl").write_text('{"text": "first line", "id": 4}\n{"text": "x", "id": "five"}\n')
(t.dir / "c.csv").write_text('id,text\n1,"first line"\n2,"second\nline"\n')
r = t.run("embed", "a.txt", "b.jsonl", "c.csv", "--id-field", "id", "--with-text", "-q")
rows = t.json_lines(r)
t.expect("files", r, 0)
t.check("texts", [x["text"] for x in rows] == ["first line", "second line", "first line", "x", "first line", "second\nline"])
t.check("lines", [x["line"] for x in rows] == [1, 3, 1, 2, 2, 3])
t.check("ids", [x.get("id") for x in rows] == [None, None, 4, "five", "1", "2"])
t.check("the same bits in any file", vector(rows[0]) == vector(rows[2]) == vector(rows[4]))
t.check("and the same hash", rows[0]["hash"] == rows[2]["hash"] != rows[1]["hash"])

(t.dir / "docs/deep").mkdir(parents=True)
(t.dir / "docs/one.md").write_text("# One\n\nfirst\n")
(t.dir / "docs/deep/two.txt").write_text("second")
(t.dir / "docs/picture.png").write_bytes(b"\x89PNG")
r = t.run("embed", "docs", "-q", "--with-text")
t.check("a folder: whole files", [x["text"] for x in t.json_lines(r)] == ["# One\n\nfirst"])
r = t.run("embed", "docs", "-r", "-q", "--per", "line")
t.check("recursive, by line", [pathlib.Path(x["source"]).name for x in t.json_lines(r)] == ["two.txt", "one.md", "one.md"])

with open(t.dir / "a.txt") as stdin:
    r = t.run("embed", "-", "-o", "out.csv", "--dimensions", "3", "--json", "-q", stdin=stdin)
t.expect("stdin to CSV", r, 0, stdout='"embedded":2')
lines = (t.dir / "out.csv").read_text().splitlines()
t.check("CSV", len(lines) == 3 and lines[0].endswith(",truncated,0,1,2") and len(lines[1].split(",")) == 10)

# --- Hostile input ----------------------------------------------------------------------------------------------------------
(t.dir / "bad.jsonl").write_bytes(b'{"text": "good"}\n{broken\n{"other": 1}\n' + b"[" * 100000 + b'\n{"text": "\xff\\u0000"}\n')
r = t.run("embed", "bad.jsonl", "-q")
t.expect("bad lines are said, the others done", r, 3, stderr="line 2: expected JSON")
t.check("what is wrong", 'line 3: expected the field "text", found "other"' in r.stderr and "line 4" in r.stderr)
t.check("good lines", [x["line"] for x in t.json_lines(r)] == [1, 5])
(t.dir / "huge.txt").write_bytes(b"word " * (2 << 20) + b"\n" + b"x" * (10 << 20) + b"\n\x00\xff\n")
r = t.run("embed", "huge.txt", "-q")
t.expect("10 MB lines", r, 0)
t.check("are cut", [x.get("truncated", False) for x in t.json_lines(r)] == [True, False, False])
for name, args, code, message in (
        ("missing column", ["c.csv", "--field", "body"], 3, 'a column "body"'),
        ("missing file", ["no.txt"], 3, "no.txt"),
        ("text for a file name", ["a text"], 3, "--text"),
        ("one missing, one there", ["no.txt", "a.txt"], 3, "no.txt"),
        ("empty folder", ["docs/deep", "--input-format", "jsonl"], 3, "line 1"),
        ("too many dimensions", ["a.txt", "--dimensions", "385"], 2, "1 to 384"),
        ("too many tokens", ["a.txt", "--max-tokens", "257"], 2, "256"),
        ("a speech model", ["a.txt", "-m", "silero-vad"], 4, None),
        ("no such model", ["a.txt", "-m", "no-such"], 4, "no-such"),
        ("no device", ["a.txt", "--device", "abacus"], 5, "abacus"),
        ("output into a folder", ["a.txt", "-o", "docs", "--output-format", "csv"], 3, "folder"),
        ("input is output", ["b.jsonl", "-o", "./b.jsonl"], 2, "input too")):
    t.expect(name, t.run("embed", "-q", *args), code, stderr=message)
t.check("the input was left alone", len((t.dir / "b.jsonl").read_text().splitlines()) == 2)

# --- Interrupted and resumed ------------------------------------------------------------------------------------------------
COUNT = 2000
(t.dir / "many.txt").write_text("\n".join(texts(COUNT)) + "\n")
for name in ("jsonl", "csv", "npy"):
    whole = t.dir / f"whole.{name}"
    out = t.dir / f"killed.{name}"
    arguments = ["embed", "many.txt", "--batch", "50", "-q"]
    t.expect(f"{name} at once", t.run(*arguments, "-o", whole), 0)
    for kill in (signal.SIGKILL, signal.SIGTERM):
        child = subprocess.Popen([t.binary, *arguments, "-o", str(out), "--resume"], cwd=t.dir, stderr=subprocess.DEVNULL)
        before = out.stat().st_size if out.exists() else 0
        while child.poll() is None and (not out.exists() or out.stat().st_size < before + 100000):
            time.sleep(0.002)
        child.send_signal(kill)
        code = child.wait()
        t.check(f"{name}: stopped by {kill.name} in the middle", code == (-9 if kill == signal.SIGKILL else 130), code)
        # As a kill inside a write leaves it.
        if kill == signal.SIGKILL:
            for file in (out, pathlib.Path(f"{out}.jsonl")):
                if file.exists():
                    os.truncate(file, file.stat().st_size - 7)
    done = t.run(*arguments[:-1], "-o", out, "--resume", "--json", "-q")
    summary = t.json_lines(done)[-1]
    t.check(f"{name}: some were there, some were done", summary["kept"] > 0 and summary["embedded"] > 0
            and summary["kept"] + summary["embedded"] == COUNT, summary)
    t.check(f"{name}: nothing lost, nothing twice", out.read_bytes() == whole.read_bytes())
    again = t.json_lines(t.run(*arguments, "-o", out, "--resume", "--json"))[-1]
    t.check(f"{name}: once more is no work", again["kept"] == COUNT and again["embedded"] == 0
            and out.read_bytes() == whole.read_bytes(), again)
npy = read_npy(t.dir / "killed.npy")
rows = [json.loads(line) for line in (t.dir / "killed.jsonl").read_text().splitlines()]
side = [json.loads(line) for line in (t.dir / "killed.npy.jsonl").read_text().splitlines()]
t.check("the same floats in .npy and JSON", [array.array("f", vector(r)).tolist() for r in rows] == npy)
t.check("rows beside the .npy file", [r["line"] for r in side] == list(range(1, COUNT + 1)))

t.expect("other options are not continued", t.run("embed", "many.txt", "-o", "killed.jsonl", "--resume", "--no-normalize"), 3,
         stderr="row 0 was made from another text")
(t.dir / "fewer.txt").write_text("\n".join(texts(COUNT - 1)) + "\n")
t.expect("fewer texts are not continued", t.run("embed", "fewer.txt", "-o", "killed.jsonl", "--resume"), 3, stderr="2000 rows")
t.check("and change nothing", (t.dir / "killed.jsonl").read_bytes() == (t.dir / "whole.jsonl").read_bytes())
(t.dir / "notes.jsonl").write_text("my notes\n")
t.expect("another file is not continued", t.run("embed", "many.txt", "-o", "notes.jsonl", "--resume"), 3, stderr="another content")
t.check("nor touched", (t.dir / "notes.jsonl").read_text() == "my notes\n")
(t.dir / "more.txt").write_text("\n".join(texts(COUNT) + ["one more"]) + "\n")
summary = t.json_lines(t.run("embed", "more.txt", "-o", "killed.npy", "--resume", "--json", "-q"))[-1]
t.check("texts added at the end", summary["embedded"] == 1 and len(read_npy(t.dir / "killed.npy")) == COUNT + 1, summary)


# --- Memory -----------------------------------------------------------------------------------------------------------------
def peak_megabytes(count):
    path = t.dir / "long.txt"
    path.write_text("\n".join(texts(count, 1)) + "\n")
    child = subprocess.Popen([t.binary, "embed", path, "-o", t.dir / "long.npy", "-q"])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    t.check(f"{count} texts", child.returncode == 0)
    return usage.ru_maxrss / 1024


few, many = peak_megabytes(4000), peak_megabytes(20000)
t.check("memory does not grow with the texts", many < few + 8, f"{few:.0f} MB with 4000, {many:.0f} MB with 20000")
t.check("memory", many < 150, f"{many:.0f} MB")
t.finish()
