#!/usr/bin/env python3
"""Writes tests/golden/text_tokens.json: what openai-whisper's tokenizer and Python do with many texts and token sequences.

    pip install tiktoken==0.14.0
    python tools/golden/text_tokens.py FOLDER tests/golden/text_tokens.json

FOLDER is the folder `whisper` of the source distribution openai-whisper 20250625 (tokenizer.py and assets); neither torch nor
the package itself is needed. Deterministic.
"""
import base64
import collections
import json
import random
import sys
import zlib

sys.path.insert(0, sys.argv[1])
import tiktoken  # noqa: E402
import tokenizer as whisper_tokenizer  # noqa: E402

PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
RANDOM = random.Random(20250625)

SENTENCES = [
    "", " ", "  ", "a", " a", "  a", "a ", "a  ", " a  b   c ", "The quick brown fox jumps over the lazy dog.",
    " It's what we'd've said: they're, I'm, you'll, she's, don't; IT'S, WE'RE, 's't're've'm'll'd",
    "'s", "'S", "''s", " 's", "x's", "x''s", "'re", "'r", "'v", "'l", "'ll", "'lll", "'", "’s", "it’s", "d'accord l'été",
    "O'Neill's '90s rock 'n' roll", "rock'd", "'tis 'twas", "'dd", "1's", " '", "' s", "'\n's",
    "3.14159 2,71828 1e-5 0x1F 100% $5.00 €3,50 №5 ½ ¾ ² ³ ₄ Ⅷ ⅻ ① ㊿ 一二三 ٣٤٥ ३४५ ๓๔๕ 𝟘𝟙𝟚", "1234567890" * 8,
    "\t", "\n", "\r\n", "\n\n", "\n\n\n", " \n", "\n ", " \n ", "a\nb", "a\n b", "a \nb", "a\n\nb", "a \n \n b", "\ta", "a\t\tb",
    "\x0b\x0c", "\x1c\x1d\x1e\x1f", "a\x1cb", "\x00", "a\x00b", "\x01\x02\x03", "\x7f", "\x80\x85\x9f", "a\x85b", "a\x85\x85b",
    "\xa0", "a\xa0b", "a\xa0\xa0b", " \xa0b", "\u1680\u2000\u2001\u2002\u2003\u2009\u200a\u202f\u205f\u3000x", "a\u3000b\u3000\u3000c",
    "\u200b", "a\u200bb", "\u200c\u200d\u200e\u200f", "\u2028\u2029", "a\u2028b", "\ufeff", "\ufeffabc", "\u180e", "a\u180eb",
    "\ufffd", "\ufffd\ufffd", "a\ufffdb", "\ufffe\uffff", "\U0010ffff", "\ue000\uf8ff", "\U000e0001\U000e0041",
    "e\u0301", "cafe\u0301", "café", "A\u030a", "Å", "\u0301", " \u0301", "a\u0300\u0301\u0302\u0303b", "q\u0307\u0323",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘",
    "ﬁ ﬂ ǆ ß ẞ ſ ı İ ŉ ƛ ª º µ Ω Ω K Å ℵ ℝ ™ © ®", "ʰʱʲ ˀˁ ˂ ˬ ˮ", "ͰͱͲ ᾀ ᾈ", "ᏣᎳᎩ ꮳꮃꭹ", "ⅰⅱ Ⓐⓐ 🄰🅐 🇦", "ﷺ", "𐐀𐐨 𝓗𝓮𝓵𝓵𝓸 𝕏",
    "👍", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈 🏴‍☠️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️ ☺︎ ☺️", "🇩🇪🇫🇷🇯🇵", "1️⃣ #️⃣ *️⃣", "🤷‍♀️ ¯\\_(ツ)_/¯", "😀😃😄😁😆", "text😀text", " 😀 ",
    "♩♪♫♬♭♮♯", "♪♪♪ la la la ♪♪♪", "[MUSIC]", " (APPLAUSE)", "<|endoftext|> is text? not here", "<< >> <<< >>> -- --- -( -[",
    "((( ))) [[ ]] {{ }}", "「こんにちは」『世界』", "~~~ ``` ^^^ ___ ||| \\\\\\", "!!! ??? ... …… —– ‐‑‒–—― «» ‹› „“” ‚‘’",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", " ! \" # $ % & ' ( ) * + , - . /", "http://www.example.org/a?b=c&d=%20#e", "user.name+tag@example.com",
    "for (int i = 0; i < n; ++i) { a[i] += b[i]; }", "    indented\n        more\n\tand a tab", "CamelCase snake_case kebab-case",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ab" * 60, "-" * 130, " " * 90, "\n" * 40, "=" * 65,
    "Guten Morgen, wie spät ist es? Größe, Straße, Übermut, ÄÖÜ.", "¿Dónde está la biblioteca? ¡Mañana será otro día!",
    "Où est l'hôtel ? Ça coûte combien, s'il vous plaît ? Œuvre, naïve.", "Não há pão na padaria; à tarde, talvez.", "Perché no? Così è la vita, più o meno.",
    "Zażółć gęślą jaźń.", "Příliš žluťoučký kůň úpěl ďábelské ódy.", "Árvíztűrő tükörfúrógép.", "Pijamalı hasta yağız şoföre çabucak güvendi.",
    "Hyvää huomenta, mitä kuuluu?", "Hvor er biblioteket på øen? Æble, ål.", "Íslenska þorskurinn ðað.", "Ačiū, kaip sekasi šiandien? Ąžuolas.",
    "Съешь ещё этих мягких французских булок.", "Чи є в тебе ґудзик, їжаче?", "Добро утро, как сте?", "Здраво, шта има ново, љубав и њежност?",
    "Καλημέρα, πώς είσαι σήμερα; Ένα ωραίο ταξίδι.", "שלום, מה שלומך היום?", "שָׁלוֹם עֲלֵיכֶם", "مرحبا، كيف حالك اليوم؟", "السَّلَامُ عَلَيْكُمْ", "سلام، حال شما چطور است؟ می‌خواهم",
    "नमस्ते, आप कैसे हैं? हिन्दी क्षेत्र।", "আপনি কেমন আছেন? বাংলা ভাষা।", "வணக்கம், எப்படி இருக்கிறீர்கள்?", "నమస్కారం, మీరు ఎలా ఉన్నారు?", "ನಮಸ್ಕಾರ, ಹೇಗಿದ್ದೀರಿ?",
    "നമസ്കാരം, സുഖമാണോ?", "ආයුබෝවන්, ඔබට කොහොමද?", "สวัสดีครับ วันนี้อากาศดีมาก", "ສະບາຍດີ ເຈົ້າເປັນແນວໃດ", "မင်္ဂလာပါ နေကောင်းလား", "សួស្តី តើអ្នកសុខសប្បាយទេ",
    "བཀྲ་ཤིས་བདེ་ལེགས།", "გამარჯობა, როგორ ხარ?", "Բարեւ, ինչպե՞ս ես։", "ሰላም፣ እንዴት ነህ?", "你好，今天天气怎么样？我们去图书馆吧。", "繁體中文：歡迎光臨臺灣！", "你食咗飯未呀？", "こんにちは、元気ですか。カタカナとひらがな、漢字も。",
    "ﾊﾝｶｸｶﾀｶﾅ ＦＵＬＬＷＩＤＴＨ １２３", "안녕하세요, 오늘 날씨가 좋네요.", "한글 ᄒ\u1161ᆫ글", "Xin chào, hôm nay thời tiết thế nào? Đường phố Việt Nam.", "Selamat pagi, apa kabar?",
    "Habari za asubuhi, rafiki yangu?", "Ẹ káàárọ̀, báwo ni?", "ʻŌlelo Hawaiʻi", "Kia ora, kei te pēhea koe? Māori", "mixed 日本語 and English と русский и ελληνικά together", "𠮷野家 𩸽 𪚥",
]

SCRIPTS = [
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0x09, 0x0D), (0x20, 0x20), (0x30, 0x39), (0xA0, 0xFF), (0x100, 0x17F), (0x250, 0x2FF), (0x300, 0x36F),
    (0x370, 0x3FF), (0x400, 0x4FF), (0x530, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xEFF), (0x1000, 0x109F),
    (0x10A0, 0x10FF), (0x1200, 0x137F), (0x1780, 0x17FF), (0x2000, 0x206F), (0x2070, 0x209F), (0x2100, 0x218F), (0x2460, 0x24FF), (0x2600, 0x26FF),
    (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFE00, 0xFE0F), (0xFF00, 0xFFEF), (0x1D400, 0x1D7FF), (0x1F300, 0x1F6FF),
    (0x20000, 0x2A6DF), (0xE000, 0xF8FF), (0x80, 0x9F), (0x00, 0x1F), (0x16A0, 0x16FF), (0x10000, 0x1FFFF), (0x30000, 0x10FFFF),
]


def random_text():
    text = ""
    for _ in range(RANDOM.randint(1, 5)):
        first, last = RANDOM.choice(SCRIPTS)
        text += "".join(chr(RANDOM.randint(first, last)) for _ in range(RANDOM.randint(1, 5)))
        text += RANDOM.choice(["", "", " ", "  ", "'s", "'", "\n", " '"])
    return text


def random_bytes():
    """Bytes that are mostly no UTF-8: cut and damaged characters, overlong forms, surrogates, stray bytes."""
    pieces = ["é".encode(), "世".encode(), "😀".encode(), b"a", b" ", b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf",
              b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5", b"\xff", b"\xfe", b"\xe2\x82",
              b"\xf0\x9f", b"\xf0\x9f\x98", b"\xc3", b"\xf8\x88\x80\x80\x80", b"\xef\xbf\xbd"]
    return b"".join(RANDOM.choice(pieces) for _ in range(RANDOM.randint(1, 7)))


def train_small_vocabulary(texts, size):
    """A byte-level vocabulary of `size` tokens by plain BPE training, so that most tests need no model."""
    splitter = tiktoken.Encoding(name="split", pat_str=PATTERN, mergeable_ranks={bytes([b]): b for b in range(256)}, special_tokens={})
    words = collections.Counter()
    for text in texts:
        for word in text.split():
            words[tuple(bytes([b]) for b in splitter.encode_ordinary(" " + word))] += 1
    order = [*range(33, 127), *range(161, 173), *range(174, 256)]
    order += [b for b in range(256) if b not in order]
    tokens = [bytes([b]) for b in order]
    while len(tokens) < size:
        pairs = collections.Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        tokens.append(best[0] + best[1])
        merged = collections.Counter()
        for word, count in words.items():
            parts = []
            for part in word:
                if parts and (parts[-1], part) == best:
                    parts[-1] += part
                    # A merged part must not merge again with the next in this round.
                    parts.append(b"")
                else:
                    parts.append(part)
            merged[tuple(p for p in parts if p)] += count
        words = merged
    return tokens


def split_cases(tok, texts):
    cases = []
    for language in ["en", "ja", "zh", "th", "fr"]:
        for text in texts:
            ids = tok.encode(text, disallowed_special=())
            begin = RANDOM.choice([0, 0, 0, 1, 2])
            ids = ids[begin : len(ids) - RANDOM.choice([0, 0, 0, 1])]
            if RANDOM.random() < 0.3:
                ids.insert(RANDOM.randint(0, len(ids)), tok.timestamp_begin + RANDOM.randint(0, 1500))
            if RANDOM.random() < 0.5:
                ids.append(tok.eot)
            tok.language = language if tok.eot == 50257 else None  # an English-only tokenizer has none
            try:
                words, word_tokens = tok.split_to_word_tokens(ids)
            except IndexError:
                continue  # a defect of openai-whisper: no answer to compare with
            cases.append({"language": language, "ids": ids, "words": words, "counts": [len(t) for t in word_tokens]})
    return cases


def main():
    texts = SENTENCES + [random_text() for _ in range(300)]
    texts += ["".join(RANDOM.choice(SENTENCES)[:12] for _ in range(3)) for _ in range(60)]
    texts = list(dict.fromkeys(texts))
    byte_texts = [random_bytes() for _ in range(150)]
    small = train_small_vocabulary(SENTENCES, 600)
    small_encoding = tiktoken.Encoding(name="small", pat_str=PATTERN, mergeable_ranks={t: i for i, t in enumerate(small)}, special_tokens={})

    golden = {
        "versions": {"tiktoken": tiktoken.__version__, "python": sys.version.split()[0], "zlib": zlib.ZLIB_RUNTIME_VERSION},
        "texts": texts,
        "small": {
            "tokens": [base64.b64encode(t).decode() for t in small],
            "ids": [small_encoding.encode_ordinary(t) for t in texts],
        },
        "bytes": [
            {"hex": b.hex(), "text": b.decode("utf-8", "replace"), "ids": small_encoding.encode_ordinary(b.decode("utf-8", "replace"))}
            for b in byte_texts
        ],
        "strip": [[t, t.strip()] for t in texts if t != t.strip()],
        "compression_ratio": [[t, len(t.encode()) / len(zlib.compress(t.encode()))] for t in texts[:40] + ["so " * 300, "\U0001f600" * 50]],
        "languages": [[c, n] for c, n in whisper_tokenizer.LANGUAGES.items()],
        "to_language_code": whisper_tokenizer.TO_LANGUAGE_CODE,
    }
    for name, multilingual, num_languages in [("multilingual", True, 99), ("gpt2", False, 99), ("multilingual100", True, 100)]:
        tok = whisper_tokenizer.get_tokenizer(multilingual, num_languages=num_languages, language="en" if multilingual else None)
        out = golden[name] = {
            "specials": {k: getattr(tok, k) for k in ["eot", "sot", "translate", "transcribe", "sot_lm", "sot_prev", "no_speech", "no_timestamps", "timestamp_begin"]},
            "vocab_size": tok.encoding.n_vocab,
            "language_tokens": sorted(tok.all_language_tokens),
            "sot_sequence": list(tok.sot_sequence),
            "sot_sequence_including_notimestamps": list(tok.sot_sequence_including_notimestamps),
            "non_speech_tokens": list(tok.non_speech_tokens),
        }
        if num_languages == 100:
            continue
        out["ids"] = [tok.encode(t, disallowed_special=()) for t in texts]
        sequences = []
        for _ in range(150):
            kinds = [tok.eot, 256, tok.encoding.n_vocab]
            sequences.append([RANDOM.randrange(RANDOM.choice(kinds)) for _ in range(RANDOM.randint(1, 8))])
        out["decode"] = [{"ids": s, "text": tok.decode(s), "timestamps": tok.decode_with_timestamps(s)} for s in sequences]
        out["split"] = split_cases(tok, RANDOM.sample(texts[:200], 24))
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        json.dump(golden, f, separators=(",", ":"), ensure_ascii=False)
        f.write("\n")


main()
