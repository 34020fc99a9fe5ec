#!/usr/bin/env python3
"""Embeddings beside the peers: all-MiniLM-L6-v2, in turns on the same machine, outputs compared first.

usage: compare_embed.py [--rounds N] [--texts N] [--threads N] [--engines A,B,...] [--bench PROGRAM]

Measured are 32 texts of 128 tokens and 1 text of 16 (milliseconds; the peers get ids, ours is given text and tokenises it in the
measured time), a corpus of texts of mixed lengths (seconds, from text to vector on all sides), and each process's peak memory.
`pipelines_embed_bench` is built by the preset bench; the peers live in .deps/venv-bench, their forms of the model, written once, in
.deps/bench. Each round asks every engine in turn, the one that begins changes; ratios are of one round.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from compare_speech import HERE, ROOT, install

ENGINES = {
    "tessera-int8": ("tessera", "int8"), "tessera-bf16": ("tessera", "bf16"), "tessera-f32": ("tessera", "f32"),
    "openvino-bf16": ("openvino", "bf16"), "openvino-f32": ("openvino", "f32"), "onnxruntime-f32": ("onnxruntime", "f32"),
}
REFERENCE = "openvino-f32"
SHAPES = ((32, 128), (1, 16))
PAIRS = (("tessera-int8", "openvino-bf16"), ("tessera-bf16", "openvino-bf16"), ("tessera-f32", "openvino-f32"),
         ("tessera-int8", "onnxruntime-f32"), ("tessera-bf16", "onnxruntime-f32"), ("tessera-f32", "onnxruntime-f32"))


def write_corpus(path, count):
    """Texts from 1 to some hundred words: sentences of the goldens and of the STS pairs, alone and put together; always the same."""
    sentences = json.loads((ROOT / "tests/golden/embedding_texts.json").read_text(encoding="utf-8"))["texts"]
    sts = ROOT.parent / "shared/data/sts/stsb_en_dev.tsv"
    if sts.is_file():
        for line in sts.read_text(encoding="utf-8").splitlines():
            sentences += [field for field in line.split("\t") if len(field) > 20]
    sentences = sorted({" ".join(s.split()) for s in sentences if 8 < len(s) < 400 and s.isascii()})
    words = sorted({word for s in sentences for word in s.split()})
    draw = random.Random(20)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(count):
            parts = []
            for _ in range(min(12, 1 + int(draw.expovariate(0.6)))):
                if draw.random() < 0.5:
                    parts.append(draw.choice(sentences))
                else:
                    parts.append(" ".join(draw.choices(words, k=draw.randint(2, 20))))
            file.write(" ".join(parts) + "\n")


class Child:
    def __init__(self, name, args, model, peers):
        kind, precision = ENGINES[name]
        if kind == "tessera":
            command = [args.bench, model, precision, str(args.threads)]
        else:
            command = [install("venv-bench"), HERE / "embed_engines.py", kind, peers, precision, str(args.threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self.answer()["engine"]

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        sys.exit(f"an engine ended: {self.process.args}")

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return next(iter(self.answer().values()))


def export_model(model):
    out = ROOT / ".deps/bench/all-minilm-l6-v2"
    if not (out / "tokenizer.json").is_file():
        out.mkdir(parents=True, exist_ok=True)
        subprocess.run([install("venv-bench-export"), HERE / "embed_engines.py", "export", model, out], check=True)
    return out


def compare_vectors(children, corpus, folder):
    """Least and mean cosine of every engine's vectors to the reference's."""
    import array
    import math

    def vectors(name):
        path = folder / f"{name}.f32"
        children[name].ask("vectors", corpus, path)
        values = array.array("f", path.read_bytes())
        return [values[i:i + 384] for i in range(0, len(values), 384)]

    if REFERENCE not in children:
        return
    reference = vectors(REFERENCE)
    for name in children:
        if name == REFERENCE:
            continue
        cosines = []
        for a, b in zip(vectors(name), reference, strict=True):
            dot, aa, bb = (math.fsum(x * y for x, y in zip(u, v)) for u, v in ((a, b), (a, a), (b, b)))
            cosines.append(dot / math.sqrt(aa * bb))
        print(f"{name:<16} cosine to {REFERENCE}: least {min(cosines):.5f}, mean {statistics.fmean(cosines):.5f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=10000)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--model", default=str(cache / "tessera/models/all-minilm-l6-v2"))
    parser.add_argument("--bench", default=str(ROOT / "build/bench/pipelines_embed_bench"))
    parser.add_argument("--shapes-only", action="store_true", help="leave the corpus out")
    args = parser.parse_args()
    names = args.engines.split(",")
    peers = export_model(args.model)
    results = {name: {} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_corpus(folder / "few", 300)
        write_corpus(folder / "corpus", args.texts)
        children = {name: Child(name, args, args.model, peers) for name in names}
        compare_vectors(children, folder / "few", folder)
        for number in range(args.rounds):
            turn = names[number % len(names):] + names[:number % len(names)]
            for texts, tokens in SHAPES:
                for name in turn:
                    results[name].setdefault(f"{texts} x {tokens}", []).append(children[name].ask("shape", texts, tokens))
            if not args.shapes_only:
                for name in turn:
                    results[name].setdefault("corpus", []).append(children[name].ask("corpus", folder / "corpus"))
            print(f"round {number + 1}: " + "  ".join(
                f"{name} " + "/".join(f"{values[-1]:.2f}" for values in results[name].values()) for name in names), file=sys.stderr)
        memory = {name: child.ask("memory") for name, child in children.items()}
        for child in children.values():
            child.process.stdin.close()
            child.process.wait()

    print(f"{args.threads} threads; " + ", ".join(f"{name}: {child.about}" for name, child in children.items()))
    for name in names:
        cells = []
        for what, values in results[name].items():
            unit = "s" if what == "corpus" else "ms"
            cells.append(f"{what} {statistics.median(values):.2f} {unit} (best {min(values):.2f})")
        print(f"{name:<16} " + ", ".join(cells) + f", peak {memory[name]:.0f} MB")
    for ours, theirs in PAIRS:
        if ours not in results or theirs not in results:
            continue
        cells = []
        for what in results[ours]:
            ratios = [b / a for a, b in zip(results[ours][what], results[theirs][what], strict=True)]
            cells.append(f"{what} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        print(f"{ours} is times as fast as {theirs}: " + ", ".join(cells))


if __name__ == "__main__":
    main()
