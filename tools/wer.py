#!/usr/bin/env python3
"""Word error rate with openai-whisper's own text normaliser, without importing torch.

usage: wer.py REFERENCE.txt HYPOTHESIS.txt [REFERENCE.txt HYPOTHESIS.txt ...] [--language en] [--json]
  Sums over all pairs: WER = (substitutions + deletions + insertions) / reference words.

The normaliser is openai-whisper's package folder `whisper/normalizers`, loaded from its path so that the rest of the package
(and torch) stays out: `pip install --no-deps openai-whisper && pip install more-itertools regex`. It is looked for on sys.path
and in TESSERA_ORACLE_SITE (a site-packages folder).
"""
import argparse
import dataclasses
import importlib.util
import json
import os
import pathlib
import sys


def load_normalizers():
    """The module openai-whisper installs as `whisper.normalizers`."""
    places = [p for p in (os.environ.get("TESSERA_ORACLE_SITE"), *sys.path) if p]
    for place in places:
        folder = pathlib.Path(place) / "whisper" / "normalizers"
        if (folder / "english.json").is_file():
            break
    else:
        raise SystemExit(
            "wer: expected openai-whisper's folder whisper/normalizers on sys.path or in TESSERA_ORACLE_SITE, found none; "
            "pip install --no-deps openai-whisper, and more-itertools and regex")
    if str(folder.parent.parent) not in sys.path:
        sys.path.append(str(folder.parent.parent))  # more_itertools and regex lie beside it
    spec = importlib.util.spec_from_file_location(
        "openai_whisper_normalizers", folder / "__init__.py", submodule_search_locations=[str(folder)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_normalizers = {}


def normalizer(language="en"):
    """Text -> normalised text. English has its own rules; others lose symbols, and are split by character where a language
    writes no spaces."""
    kind = "en" if language == "en" else "characters" if language in ("zh", "ja", "th", "lo", "my", "yue") else "basic"
    if kind not in _normalizers:
        module = load_normalizers()
        _normalizers[kind] = (module.EnglishTextNormalizer() if kind == "en" else
                              module.BasicTextNormalizer(split_letters=kind == "characters"))
    return _normalizers[kind]


@dataclasses.dataclass
class Errors:
    """Word edits against a reference; sums with +."""
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    words: int = 0

    def __add__(self, other):
        return Errors(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other))))

    @property
    def edits(self):
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self):
        """Percent; a text against no reference words counts each word as one error of one."""
        return 100.0 * self.edits / max(self.words, 1)


def align(reference, hypothesis):
    """Fewest word edits that turn `reference` into `hypothesis` (lists of words). Of equals, the fewest insertions."""
    row = [(j, 0, 0, j) for j in range(len(hypothesis) + 1)]  # (edits, substitutions, deletions, insertions)
    for word in reference:
        before, row = row, [(row[0][0] + 1, 0, row[0][2] + 1, 0)]
        for j, other in enumerate(hypothesis, 1):
            if word == other:
                row.append(before[j - 1])
                continue
            e, s, d, i = before[j - 1]
            best = (e + 1, s + 1, d, i)
            e, s, d, i = before[j]
            best = min(best, (e + 1, s, d + 1, i))
            e, s, d, i = row[j - 1]
            row.append(min(best, (e + 1, s, d, i + 1)))
    _, s, d, i = row[-1]
    return Errors(s, d, i, len(reference))


def errors(reference, hypothesis, language="en"):
    """Errors between two texts after normalising both."""
    normalize = normalizer(language)
    return align(normalize(reference).split(), normalize(hypothesis).split())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", type=pathlib.Path, metavar="REFERENCE HYPOTHESIS")
    parser.add_argument("--language", default="en")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if len(args.texts) % 2:
        parser.error("expected pairs of files: a reference, then its hypothesis")
    total, rows = Errors(), []
    for reference, hypothesis in zip(args.texts[::2], args.texts[1::2]):
        found = errors(reference.read_text(encoding="utf-8"), hypothesis.read_text(encoding="utf-8"), args.language)
        total += found
        rows.append({"file": str(hypothesis), **dataclasses.asdict(found), "wer": found.rate})
    if args.json:
        print(json.dumps({"files": rows, **dataclasses.asdict(total), "wer": total.rate}))
        return
    for row in rows:
        print(f"{row['wer']:7.2f} %  {row['words']:5d} words  {row['file']}")
    print(f"{total.rate:7.2f} %  {total.words:5d} words  all: {total.substitutions} substituted, {total.deletions} missing, "
          f"{total.insertions} added")


if __name__ == "__main__":
    main()
