#!/usr/bin/env python3
"""Writes src/text/tokenizer_tables.cc: what the `tokenizers` library takes every code point for.

The library mixes several versions of Unicode (its crates for categories, for normal forms and for letters are of different
years), so no one Unicode database has its answers: each table is found by asking the library about all code points.
Combining classes are found by which marks change places in NFD, grapheme clusters by what the normalizer Precompiled takes
together: a cluster of less than six bytes becomes what its beginning is mapped to, a longer one is mapped character by
character.

    pip install tokenizers==0.22.2
    python tools/golden/text_tokenizer_tables.py src/text/tokenizer_tables.cc && clang-format -i src/text/tokenizer_tables.cc
"""
import struct
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
YOTA = 0x345  # the only mark of class 240, the highest


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def changed(normalizer):
    """{code point: its normalized form} where that is another."""
    out = {}
    for c in POINTS:
        s = normalizer.normalize_str(chr(c))
        if s != chr(c):
            out[c] = s
    return out


def bert(**options):
    defaults = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**defaults, **options})


def bert_splits():
    split = pre_tokenizers.BertPreTokenizer()
    spaces, punctuation = [], []
    for c in POINTS:
        pieces = len(split.pre_tokenize_str("a" + chr(c) + "a"))
        if pieces == 2:
            spaces.append(c)
        elif pieces == 3:
            punctuation.append(c)
    return spaces, punctuation


def word_characters():
    """What keeps a single_word token from being found beside it."""
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "#": 1}, unk_token="[UNK]"))
    tokenizer.add_tokens([AddedToken("#", single_word=True, normalized=False)])
    return [c for c in POINTS if len(tokenizer.encode("#" + chr(c)).ids) == 1 and chr(c) != "#"]


def combining_classes(decomposes):
    nfd = normalizers.NFD()

    def before(c, d):  # class(c) < class(d), and class(c) is not 0
        return c != d and nfd.normalize_str("x" + chr(d) + chr(c)) == "x" + chr(c) + chr(d)

    marks = [c for c in POINTS if c not in decomposes and c != YOTA and before(c, YOTA)] + [YOTA]
    anchors = {}  # class by unicodedata -> a mark of that class that every version knows
    for c in marks:
        if unicodedata.combining(chr(c)):
            anchors.setdefault(unicodedata.combining(chr(c)), c)
    classes = {}
    for c in marks:
        fits = [k for k, a in anchors.items() if not before(c, a) and not before(a, c)]
        assert len(fits) == 1, (hex(c), fits)
        classes[c] = fits[0]
        expected = unicodedata.combining(chr(c))
        if expected != fits[0]:
            print(f"class of U+{c:04X}: {fits[0]} here, {expected} in unicodedata {unicodedata.unidata_version}", file=sys.stderr)
    return classes


def class_ranges(classes):
    out = []
    for c in sorted(classes):
        if out and out[-1][1] == c - 1 and out[-1][2] == classes[c]:
            out[-1][1] = c
        else:
            out.append([c, c, classes[c]])
    return out


def darts_unit(label, offset, has_leaf):
    if offset >= 1 << 21:
        assert offset % 256 == 0
        return label | has_leaf << 8 | 1 << 9 | (offset >> 8) << 10
    return label | has_leaf << 8 | offset << 10


def charsmap(texts):
    """A Precompiled that maps each of the texts to X: a double array of nodes of 256 places each, and leaves of one."""
    root = {}
    for text in texts:
        node = root
        for byte in text.encode():
            node = node.setdefault(byte, {})
    nodes = [root]
    for node in nodes:  # grows while it is walked
        nodes += [child for child in node.values() if child]
    base = {id(node): 256 * (i + 1) for i, node in enumerate(nodes)}
    leaf = 256 * (len(nodes) + 1)
    units = {0: darts_unit(0, base[id(root)], False)}
    for node in nodes:
        for label, child in node.items():
            at = base[id(node)] ^ label
            if child:
                units[at] = darts_unit(label, at ^ base[id(child)], False)
            else:
                units[at] = darts_unit(label, at ^ leaf, True)
                units[leaf] = 1 << 31  # the value 0: where the mapped text begins
                leaf += 1
    size = (leaf | 255) + 1
    array = struct.pack(f"<{size}I", *(units.get(i, 0) for i in range(size)))
    return normalizers.Precompiled(struct.pack("<I", len(array)) + array + b"X\0")


def grapheme_classes():
    """What stays with the character before it, ends every cluster, stays with the character behind it; and the names in the
    rules GB11 (pictographs) and GB9c (consonants and linkers)."""
    mark, zwj, ka, virama = "\u0301", "\u200d", "\u0915", "\u094d"
    length = {c: len(chr(c).encode()) for c in POINTS}
    only_a, only_ka, only_copyright = charsmap(["a"]), charsmap([ka]), charsmap(["\u00a9"])
    joined = {c for c in POINTS if only_a.normalize_str("a" + chr(c)) == "X"}
    linkers = [c for c in joined if length[c] == 3 and only_ka.normalize_str(ka + chr(c) + ka + mark).endswith(mark)]
    pictographs = [c for c in POINTS if c not in joined and zwj in only_copyright.normalize_str("\u00a9" + zwj + chr(c))]
    control, prepend, consonants = [], [], []
    for begin in range(0, 0x110000, 4096):
        block = [c for c in POINTS if begin <= c < begin + 4096 and c not in joined and c != 0]
        if not block:
            continue
        normalizer = charsmap(map(chr, block))
        for c in block:
            if length[c] < 4 and normalizer.normalize_str(chr(c) + mark) == "X" + mark:
                control.append(c)  # with four bytes it makes no difference
            elif length[c] == 3 and normalizer.normalize_str(ka + virama + chr(c) + mark).endswith(mark):
                consonants.append(c)
            if normalizer.normalize_str(chr(c) + "a") == "X":
                prepend.append(c)
    return [
        ("GraphemeExtend", "stay with the character before them (Extend, SpacingMark, ZWJ)", joined),
        ("GraphemeControl", "stay with nothing", [0] + control),
        ("GraphemePrepend", "stay with the character behind them", prepend),
        ("Pictograph", "Extended_Pictographic", pictographs),
        ("ConjunctConsonant", "InCB=Consonant", consonants),
        ("ConjunctLinker", "InCB=Linker", linkers),
    ]


def is_hangul(c):
    return 0xAC00 <= c <= 0xD7A3


def mapping(lines, name, about, table):
    """Two arrays: code points with where their mapping begins, and the mappings one after another."""
    offset = 0
    entries, pool = [], []
    for c in sorted(table):
        entries.append(f"{{0x{c:X}, {offset}}},")
        pool += [f"0x{ord(d):X}," for d in table[c]]
        offset += len(table[c])
    entries.append(f"{{0x110000, {offset}}},")
    lines += ["", f"// {about}", f"const char32_t k{name}Pool[] = {{"] + pool + ["};"]
    lines += [f"const MappingEntry k{name}Entries[] = {{"] + entries + ["};"]
    lines += [f"const CodePointMapping k{name} = {{k{name}Entries, {len(table)}, k{name}Pool}};"]


def main():
    nfd = {c: s for c, s in changed(normalizers.NFD()).items() if not is_hangul(c)}
    nfkd = {c: s for c, s in changed(normalizers.NFKD()).items() if not is_hangul(c) and s != nfd.get(c)}
    nfc = normalizers.NFC()
    excluded = [c for c, s in nfd.items() if nfc.normalize_str(chr(c)) != chr(c)]
    cleaned = changed(bert(clean_text=True))
    stripped = changed(bert(strip_accents=True))
    chinese = changed(bert(handle_chinese_chars=True))
    spaces, punctuation = bert_splits()
    assert all(s == f" {chr(c)} " for c, s in chinese.items())
    removed = {c for c, s in cleaned.items() if s == ""}
    assert {c for c, s in cleaned.items() if s == " "} == set(spaces) - removed - {0x20}, "two kinds of white space"
    combining = {c for c, s in changed(normalizers.StripAccents()).items() if s == ""}

    lines = [
        f"// Generated by tools/golden/text_tokenizer_tables.py from the library tokenizers {tokenizers.__version__}; do not edit.",
        '#include "text/tokenizer_tables.h"',
        "",
        "namespace tessera {",
    ]
    for name, about, points in [
        ("BertRemoved", "removed by clean_text", removed),
        ("BertSpace", "white space of Rust", spaces),
        ("BertPunctuation", "pieces of their own", punctuation),
        ("BertChinese", "spaces are put around them", chinese),
        ("NonspacingMark", "Mn, removed by strip_accents", [c for c, s in stripped.items() if s == "" and c not in nfd]),
        ("CombiningMark", "removed by the normalizer StripAccents", combining),
        ("WordCharacter", "\\\\w of Rust's regular expressions".replace("\\\\", "\\"), word_characters()),
        ("CompositionExclusion", "decompose and are never composed", excluded),
        *grapheme_classes(),
    ]:
        table = ranges(points)
        lines += ["", f"// {about}", f"const CodePointRange k{name}Table[] = {{"]
        lines += [f"{{0x{a:X}, 0x{b:X}}}," for a, b in table]
        lines += ["};", f"const CodePointRanges k{name}Ranges = {{k{name}Table, {len(table)}}};"]
        print(name, len(points), "in", len(table), "ranges", file=sys.stderr)
    table = class_ranges(combining_classes(nfd))
    lines += ["", "// canonical combining classes", "const CombiningClassRange kCombiningClassTable[] = {"]
    lines += [f"{{0x{a:X}, 0x{b:X}, {k}}}," for a, b, k in table]
    lines += ["};", f"const CombiningClassRanges kCombiningClasses = {{kCombiningClassTable, {len(table)}}};"]
    for name, about, table in [
        ("Lowercase", "lower case of a character by itself", changed(normalizers.Lowercase())),
        ("CanonicalDecomposition", "NFD of all but the Hangul syllables", nfd),
        ("CompatibilityDecomposition", "NFKD where it is not NFD", nfkd),
    ]:
        mapping(lines, name, about, table)
        print(name, len(table), file=sys.stderr)
    lines += ["", "}  // namespace tessera", ""]
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        f.write("\n".join(lines))


main()
