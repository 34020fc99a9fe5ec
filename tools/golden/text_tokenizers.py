#!/usr/bin/env python3
"""Writes tests/golden/text_tokenizers: small tokenizers of every kind, and what the `tokenizers` library makes of many texts.

  wordpiece.json, vocab.txt      like BERT uncased; the same as the old pair of files
  wordpiece_added.json           cased, accents kept, added tokens of every kind
  unigram.json.gz                like XLM-R and BGE-M3, with the character map that all of these use (nmt_nfkc of SentencePiece)
  unigram_bytes.json             other normalizers, byte_fallback, Metaspace at the first piece only
  expected.json                  hashes of ids, some ids, hashes of normalized text and of pieces for code points
The texts are those of embedding_texts.json and adversarial ones, drawn by a fixed seed. all-minilm-l6-v2 is asked too when its
folder is given.

    pip install tokenizers==0.22.2 sentencepiece==0.2.3 protobuf
    python tools/golden/text_tokenizers.py tests/golden [MODEL_FOLDER]
"""
import base64
import gzip
import io
import json
import os
import random
import sys
import tempfile

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

MARKS = [0x300, 0x301, 0x323, 0x345, 0x302E, 0x1D165, 0x1D16D, 0x5B0, 0x64B, 0x93C, 0x94D, 0x903, 0xE38, 0x20DD, 0xFE0F, 0x200D, 0x20E3]
MARKS += [0x1F3FD, 0x16FF0, 0x3099, 0xF71, 0xF72, 0x1161, 0x11A8, 0x600]
LOOK_ALIKES = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", " [MASK] ", "[mask]", "[", "]", "<s>", "</s>", "<mask>", "  <mask>", "<unk>", "<pad>"]
LOOK_ALIKES += ["<new>", "  <new>  ", "zzz", "Zzz", "ÉCLAIR", "éclair", "E\u0301CLAIR", "two words", "two  words", "##ing", "\u2581", "\u2581\u2581", "<0x41>"]
ODD = ["\r\n", "\x00", "\x1f", "\x85", "\xa0", "\u3000", "\u200b", "\ufeff", "\ufffd", "\u2028", "\u00a9\u200d\u263a", "\u2122\u0301", "\ufdfa", "\u0130", "\u1e9e"]
ODD += ["\u0915\u094d\u0958\u0301", "\u1100\u1161\u11a8", "\uac00\u11a8", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3"]
RECIPES = [["x", 1000000], ["\u5b57", 300000], ["\u0301", 300000], ["ab ", 100000], [" ", 100000], ["[MASK]", 20000], ["\U0001f600", 50000], ["y1", 100000]]
BLOCKS = list(range(0, 0x30000, 4096)) + [0xE0000]
LIMIT = 12


def fnv(data):
    h = 0x811C9DC5
    for b in data:
        h = ((h ^ b) * 0x01000193) & 0xFFFFFFFF
    return h


def hash_ids(ids):
    return fnv(b"".join(i.to_bytes(4, "little") for i in ids))


def adversarial(corpus):
    rng = random.Random(7)
    letters = "".join(corpus)
    texts = []
    for block in range(0, 0x110000, 256):  # a sample of every block of 256 that has characters
        if 0xD800 <= block < 0xE000 or block >= 0x32000 and block not in (0xE0000, 0xE0100, 0xF0000, 0x10FF00):
            continue
        texts.append("".join(chr(rng.randrange(block, block + 256)) for _ in range(8)))
    for _ in range(700):
        out = []
        for _ in range(rng.choice([1, 2, 3, 5, 8, 13, 20])):
            out.append(
                rng.choice(
                    [
                        rng.choice(letters),
                        chr(rng.choice(MARKS)),
                        rng.choice(LOOK_ALIKES),
                        rng.choice(ODD),
                        rng.choice(" \t\n"),
                        chr(rng.randrange(32, 127)),
                        chr(rng.choice([rng.randrange(0xA0, 0xD800), rng.randrange(0xE000, 0x1FFFF)])),
                    ]
                )
            )
        texts.append("".join(out))
    invalid = []
    for _ in range(100):
        b = bytearray(rng.choice(texts).encode()[:40])
        for _ in range(rng.randint(1, 4)):
            b.insert(rng.randrange(len(b) + 1), rng.choice([0x80, 0xFF, 0xC3, 0xED, 0xA0, 0xF0, 0x9F, 0xE2, 0xC0]))
        invalid.append(bytes(b))
    return texts, invalid


def train_wordpiece(corpus):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=2500, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def make_added(plain):
    tokenizer = Tokenizer.from_str(plain.to_str())
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=True)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_tokens(
        [
            AddedToken("<new>", normalized=False, lstrip=True, rstrip=True),
            AddedToken("zzz", single_word=True),
            AddedToken("\u00c9CLAIR", normalized=True),
            AddedToken("two words", rstrip=True),
        ]
    )
    tokenizer.add_special_tokens([AddedToken("[LEFT]", lstrip=True, normalized=True), AddedToken("<mask>", lstrip=True)])
    return tokenizer


def train_sentencepiece(corpus, **options):
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as f:
        f.write("\n".join(" ".join(t.split()) for t in corpus if t.strip()))
        f.flush()
        sentencepiece.SentencePieceTrainer.train(
            input=f.name, model_writer=model, model_type="unigram", character_coverage=0.98, max_sentence_length=100000, minloglevel=2, **options
        )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto


def make_unigram(proto, byte_fallback):
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab += [(p.piece, p.score) for p in proto.pieces[3:]] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3, byte_fallback=byte_fallback))
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer


def expect(tokenizer, texts, invalid):
    tokenizer.no_truncation()
    tokenizer.no_padding()
    every = texts + [t.decode("utf-8", "replace") for t in invalid]
    ids = [e.ids for e in tokenizer.encode_batch(every)]
    recipes = [tokenizer.encode(text * count).ids for text, count in RECIPES]
    tokenizer.enable_truncation(LIMIT)
    short = [e.ids for e in tokenizer.encode_batch(every)]
    return {
        "hashes": [hash_ids(i) for i in ids],
        "truncated_hash": hash_ids([i for s in short for i in s]),
        "recipe_hashes": [hash_ids(i) for i in recipes],
        "ids": {str(i): ids[i] for i in range(0, len(ids), 97) if len(ids[i]) < 60},
    }


def code_points(block):
    return "".join(f"a{chr(c)}\u0301{chr(c)}b {chr(c)}" for c in range(block, block + 4096) if not 0xD800 <= c <= 0xDFFF)


def main():
    folder = os.path.join(sys.argv[1], "text_tokenizers")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(sys.argv[1], "embedding_texts.json"), encoding="utf-8") as f:
        corpus = json.load(f)["texts"]
    odd, invalid = adversarial(corpus)
    texts = corpus + odd

    def save(name, tokenizer):
        text = json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
        data = text.encode()
        with open(os.path.join(folder, name), "wb") as f:
            f.write(gzip.compress(data, 9, mtime=0) if name.endswith(".gz") else data)
        # The library reads scores with another rounding than it writes them with.
        return Tokenizer.from_str(text)

    plain = train_wordpiece(corpus)
    made = {"wordpiece.json": save("wordpiece.json", plain)}
    vocab = plain.get_vocab()
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as f:
        f.write("".join(t + "\n" for t in sorted(vocab, key=vocab.get)))
    made["wordpiece_added.json"] = save("wordpiece_added.json", make_added(plain))
    proto = train_sentencepiece(corpus, vocab_size=1500, normalization_rule_name="nmt_nfkc")
    charsmap = proto.normalizer_spec.precompiled_charsmap
    unigram = make_unigram(proto, False)
    unigram.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(charsmap), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "\u2581")]
    )
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    made["unigram.json.gz"] = save("unigram.json.gz", unigram)
    proto = train_sentencepiece(corpus, vocab_size=1500, normalization_rule_name="nfkc_cf", byte_fallback=True)
    unigram = make_unigram(proto, True)
    unigram.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace("--", "\u2014"), normalizers.Replace(Regex("\\s+"), " ")]
    )
    unigram.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    made["unigram_bytes.json"] = save("unigram_bytes.json", unigram)

    expected = {name: expect(t, texts, invalid) for name, t in made.items()}
    if len(sys.argv) > 2:
        model = expect(Tokenizer.from_file(os.path.join(sys.argv[2], "tokenizer.json")), texts, invalid)
        expected["all-minilm-l6-v2"] = model

    def bert(**options):
        return normalizers.BertNormalizer(**options)

    steps = [bert(lowercase=True), bert(lowercase=False), bert(clean_text=False, handle_chinese_chars=False, lowercase=True, strip_accents=False)]
    steps += [normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents()]
    steps += [normalizers.Replace("b ", "--"), normalizers.Replace(Regex("\\s{2,}"), "\u2581"), normalizers.Prepend("x"), normalizers.Strip()]
    by_step = []
    for step in steps:
        spec = json.loads(step.__getstate__())
        by_step.append({"json": spec, "hashes": [fnv(step.normalize_str(code_points(b)).encode()) for b in BLOCKS]})
    step = normalizers.Precompiled(charsmap)
    by_step.append({"json": "unigram.json.gz", "hashes": [fnv(step.normalize_str(code_points(b)).encode()) for b in BLOCKS]})
    cutters = [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Whitespace(), pre_tokenizers.Metaspace()]
    cutters += [pre_tokenizers.Metaspace(prepend_scheme="never", split=False), pre_tokenizers.Metaspace(prepend_scheme="first", replacement="_")]
    cutters += [pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])]
    by_cutter = []
    for cutter in cutters:
        spec = json.loads(cutter.__getstate__())
        hashes = [fnv("\n".join(p for p, _ in cutter.pre_tokenize_str(code_points(b))).encode()) for b in BLOCKS]
        by_cutter.append({"json": spec, "hashes": hashes})

    out = {
        "versions": {"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__},
        "adversarial": odd,
        "invalid_base64": [base64.b64encode(t).decode() for t in invalid],
        "limit": LIMIT,
        "recipes": RECIPES,
        "blocks": BLOCKS,
        "tokenizers": expected,
        "normalizers": by_step,
        "pre_tokenizers": by_cutter,
    }
    with open(os.path.join(folder, "expected.json"), "w", encoding="utf-8") as f:
        json.dump(out, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


main()
