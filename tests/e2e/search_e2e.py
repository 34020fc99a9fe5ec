"""`tessera search` on small folders: build, ask, update, interrupt, damage."""
import json
import os
import pathlib
import signal
import subprocess
import time

from harness import Harness

h = Harness()
h.model("all-minilm-l6-v2")
CACHE = {"XDG_CACHE_HOME": str(h.dir / "cache"), "TESSERA_MODELS": os.environ.get("TESSERA_MODELS", "")}
if not CACHE["TESSERA_MODELS"]:
    CACHE["TESSERA_MODELS"] = str(pathlib.Path(h.run("models", "path", "all-minilm-l6-v2").stdout.strip()).parent)


def search(*args, **kwargs):
    return h.run("search", *args, env=CACHE, **kwargs)


def write(name, text):
    path = h.dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_text(text, encoding="utf-8")


def answer(result):
    return next(line for line in h.json_lines(result) if line["type"] == "answer")["hits"]


write("notes/travel.md", "# Travel\n\n## Papers\n\nMy passport is valid until March 2031. The office is in Mill Street.\n\n"
      "## Ferry\n\nThe boat to the island leaves at half past nine, from the old harbour.\n")
write("notes/kitchen.txt", "Bread: 500 g flour, 350 ml water, salt, yeast.\n\nBake it for forty minutes at 230 degrees.\n")
write("notes/office/budget.txt", "The committee agreed to spend twelve thousand on new laptops.\n")
write("notes/photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)))
write("notes/empty.txt", "")

# A folder: built at the first question.
result = search("notes", "when does my passport expire?", "-k", "1")
h.expect("first question to a folder", result, 0, stdout="notes/travel.md:3-5  Travel\n", stderr="3 files, 4 passages: 5 files new")
h.check("the text is shown", "March 2031" in result.stdout, result.stdout)
h.check("no colour in a pipe", "\033" not in result.stdout, repr(result.stdout))
h.check("what is left out is said", "not a text file (photo.jpg)" in result.stderr and "no text in it (empty.txt)" in result.stderr, result.stderr)
result = search("notes", "who pays for computers?", "-k", "2", "--json")
h.expect("as JSON", result, 0)
hits = answer(result)
h.check("by meaning, not by words", hits[0]["path"].endswith("notes/office/budget.txt") and hits[0]["first_line"] == 1 and
        hits[0]["state"] == "current" and 0 < hits[0]["score"] <= 1 and hits[0]["score"] >= hits[1]["score"], str(hits))
result = search("notes", "oven temperature", "boat times", "-k", "1")
h.check("several questions", result.stdout.startswith("# oven temperature\n") and "\n# boat times\n" in result.stdout and
        "230 degrees" in result.stdout and "half past nine" in result.stdout, result.stdout)
h.check("nothing new is said of nothing new", result.stderr == "", result.stderr)
result = h.run("search", "notes", "-", "-k", "1", "--json", env=CACHE, stdin=None, input="oven temperature\n\nboat times\n")
h.check("questions from stdin", [line["question"] for line in h.json_lines(result) if line["type"] == "answer"] == ["oven temperature", "boat times"],
        result.stdout + result.stderr)

# Updates follow edits, moves and deletions.
write("notes/travel.md", "# Travel\n\nA new first paragraph.\n\n## Papers\n\nMy passport was renewed, it is valid until June 2041.\n")
os.remove(h.dir / "notes/kitchen.txt")
os.rename(h.dir / "notes/office/budget.txt", h.dir / "notes/money.txt")
result = search("notes", "--json")
update = h.json_lines(result)[0]
h.check("update", (update["changed"], update["moved"], update["removed"], update["added"]) == (1, 1, 1, 0), str(update))
hits = answer(search("notes", "when does my passport expire?", "--json"))
h.check("the new text", "June 2041" in hits[0]["text"] and hits[0]["first_line"] == 5, str(hits))
h.check("deleted files are gone", not any("kitchen" in hit["path"] for hit in hits), str(hits))

# An index file over several folders changes only when that is asked for.
write("more/a.md", "Tomatoes grow best in full sun.\n")
write("more/skip.log", "tomatoes tomatoes\n")
result = search("my.index", "--add", "notes", "more", "--exclude", "*.log")
h.expect("index file", result, 0, stderr="passages embedded")
h.expect("info", search("my.index", "--info"), 0, stdout="all-minilm-l6-v2, 384 dimensions")
write("more/a.md", "Nothing of this is about vegetables.\n")
result = search("my.index", "where to plant vegetables in the garden", "-k", "1")
h.expect("changed since", result, 0, stdout="changed since it was indexed")
h.check("without its old text", "Tomatoes" not in result.stdout, result.stdout)
hits = answer(search("my.index", "--update", "tomatoes", "--json"))
h.check("a pattern leaves files out", not any(hit["path"].endswith(".log") for hit in hits), str(hits))
h.expect("remove", search("my.index", "--remove", "more"), 0, stderr="1 file gone")
h.expect("remove what is not there", search("my.index", "--remove", "more"), 3, stderr="one of the index's folders")

# Mistakes.
h.expect("nothing there", search("nowhere.index", "what?"), 3, stderr="--add FOLDER builds")
h.expect("a question behind --add", search("my.index", "--add", "notes", "what is it?"), 2, stderr="a question stands before --add")
h.expect("nothing to do", search("my.index"), 2, stderr="expected a question")
h.expect("no index", search("notes/money.txt", "what?"), 3, stderr="another kind of file")
h.expect("and it is not overwritten", search("notes/money.txt", "--add", "more"), 3, stderr="another kind of file")
h.expect("unknown model", search("my.index", "what?", "--model", "all-minilm"), 4, stderr="all-minilm")
h.expect("-k 0", search("my.index", "what?", "-k", "0"), 2)
data = (h.dir / "my.index").read_bytes()
for name, damaged in (("cut", data[:-100]), ("flipped", data[:5000] + bytes([data[5000] ^ 16]) + data[5001:])):
    (h.dir / "bad.index").write_bytes(damaged)
    h.expect(f"{name} index", search("bad.index", "what?"), 3, stderr="build it again")
index = next((h.dir / "cache/tessera/search").iterdir())
index.write_bytes(index.read_bytes()[:-1])
result = search("notes", "laptops", "-k", "1")
h.expect("a folder's damaged index is made anew", result, 0, stdout="money.txt", stderr="made anew")
with open("/dev/full", "w") as full:
    h.expect("full stdout", search("notes", "laptops", stdout=full), 3, stderr="stdout")

# A kill in the middle: the next run goes on where it ended.
write("big/escape.txt", "Terminal \033[31mcolours\033[0m and a bell \007.\n")
for i in range(240):
    write(f"big/n{i:03}.txt", "\n\n".join(f"Entry {i}.{j}: the number {i * j} was drawn, and {i + j} people came to see it "
                                        f"happen in the hall of the old school near the river. " * 2 for j in range(10)))
lock = h.dir / ".big.index.lock"
for how in (signal.SIGINT, signal.SIGKILL):
    process = subprocess.Popen([h.binary, "search", "big.index", "--add", "big", "--json"], cwd=h.dir, env={**os.environ, **CACHE},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not lock.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    if how == signal.SIGINT:
        h.check("interrupted", process.returncode == 130, f"{process.returncode} {err}")
        update = json.loads(out.splitlines()[-1])
        h.check("what is done is kept", update["interrupted"] and update["passages"] == update["embedded"], str(update))
    else:
        h.check("killed while it worked", process.returncode == -signal.SIGKILL and lock.exists(), f"{process.returncode} {err}")
result = search("big.index", "--add", "big", "--json", timeout=600)
update = h.json_lines(result)[0]
h.check("completed", result.returncode == 0 and update["files"] == 241 and not update["interrupted"], result.stdout + result.stderr)
total = update["passages"]
h.check("no lock is left", not lock.exists())
update = h.json_lines(search("big.index", "--update", "--json"))[0]
h.check("nothing is embedded twice", update["embedded"] == 0 and update["passages"] == total, str(update))
result = search("big.index", "colourful terminal bell", "-k", "1")
h.check("no control characters on the terminal", "escape.txt" in result.stdout and "\033" not in result.stdout and "\007" not in result.stdout,
        repr(result.stdout))
h.finish()
