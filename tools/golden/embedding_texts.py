#!/usr/bin/env python3
"""Writes tests/golden/embedding_texts.json: the texts on which tokenizers and text encoders are compared with their references.

All sentences were composed for this file; longer and mixed texts are drawn from them by a fixed seed. 1 character to several
hundred words, some fifty languages and two dozen scripts, names, code, addresses, numbers, mathematics, emoji, untidy spacing.
Every text is valid Unicode in NFC or not, on purpose, and holds no character above what JSON can carry.

    python tools/golden/embedding_texts.py tests/golden/embedding_texts.json
"""
import json
import random
import sys
import unicodedata

ENGLISH = """\
The train to the coast leaves at six and arrives before noon.
She repaired the old radio with a spoon and a great deal of patience.
Nobody in the village remembered when the bridge had been built.
A good index makes a long book short.
The committee postponed its decision until the results are published.
Warm air rises, cools, and gives back the water it carried.
How do I reset the password of my router?
What is the difference between a virus and a bacterium?
Our return policy allows exchanges within thirty days of purchase.
The patient reports mild headaches but no fever or nausea.
Two goals in the last minute turned the match around.
Photosynthesis converts light into chemical energy stored in sugars.
He didn't say he'd come, but he hasn't said he won't either.
Unemployment fell to 4.2 percent, its lowest level since 1998.
The defendant's counsel moved to dismiss the complaint for lack of standing.
Preheat the oven, whisk the eggs, and fold in the flour gently.
Quantum error correction protects information against decoherence.
Please find attached the invoice for the second quarter.
The cat sat on the windowsill and watched the snow.
Best hiking trails near the lake for families with small children
A compiler translates programs; an interpreter executes them.
The museum is closed on Mondays and on public holidays.
Antidisestablishmentarianism is longer than floccinaucinihilipilification is useful.
The river froze early that year, and the mills stood still.
Investors were unimpressed by the quarterly forecast.
Can the battery be replaced without opening the case?
She is a well-known, hard-working, state-of-the-art engineer.
I bought a second-hand bicycle for seventy-five euros.
Is it safe to eat the skin of a kiwi?
The telescope resolved two stars where one had been seen before.
"""

LANGUAGES = """\
de|Der Zug an die Küste fährt um sechs Uhr ab und kommt vor Mittag an.|Wie groß ist die Straße vor dem Häuschen übermäßig?|Die Donaudampfschifffahrtsgesellschaft sucht neue Kapitäne.
fr|Le garçon naïf a reçu un cœur en sucre à Noël.|L'été dernier, nous avons campé près d'une forêt où il n'y avait personne.|Qu'est-ce que c'est que ça ?
es|¿Dónde está la biblioteca más cercana, por favor?|El niño pequeño soñaba con montañas de azúcar.|¡Qué día tan maravilloso para caminar!
pt|A irmã do João não comeu o pão de ontem.|Amanhã haverá reunião às três da tarde.
it|Perché la città è così tranquilla di lunedì?|Il caffè è già freddo, però è buono.
nl|De trein naar de kust vertrekt om zes uur 's ochtends.|Het ijsje van de jongen smolt in de zon; hij huilde een beetje.
sv|Åke älskar räksmörgås på ön i skärgården.|Hur långt är det till närmaste tågstation?
da|Børnene spiste rødgrød med fløde på øen.|Hvor ligger nærmeste apotek?
no|Været på Vestlandet er ofte vått og blåsende.|Blåbærsyltetøy smaker godt til frokost.
fi|Älä unohda ottaa sateenvarjoa mukaan, koska ulkona sataa.|Lentokonesuihkuturbiinimoottori on pitkä sana.
is|Það er ekki auðvelt að læra íslensku á þremur vikum.|Þórður keypti fjórar ær í gær.
et|Õues on külm ja tuuline, jäääär sulab kevadel.
lv|Šķērsojiet ielu tikai pie zaļās gaismas, lūdzu.
lt|Ąžuolas prie upės yra šimto metų senumo.|Įžūlus žvirblis pavogė trupinį.
pl|Zażółć gęślą jaźń, powiedział źle śpiący żółw.|Gdzie mogę kupić bilet na pociąg do Łodzi?
cs|Příliš žluťoučký kůň běžel přes řeku za vesnicí.|Kolik stojí lístek do divadla?
sk|Dážď padal celý deň a ľudia zostali doma.
hu|Az árvíztűrő tükörfúrógép drága, de tartós.|Hol van a legközelebbi vasútállomás?
ro|Țăranul și fiica lui au vândut brânză în piață.|Unde pot găsi o cameră ieftină?
hr|Čovjek u žutom kaputu čita novine svako jutro.
sq|Çdo mëngjes ai shëtit përgjatë bregut të liqenit.
mt|Il-qattus kiel il-ħut li kien fuq il-mejda.
tr|İstanbul'da yağmur yağıyor, ışıklar sönük.|Iğdır'ın şeftalisi çok güzeldir.
az|Uşaqlar bağçada oynayır, günəş isə parlayır.
vi|Hôm nay trời đẹp quá, chúng ta đi dạo ven hồ nhé.|Làm thế nào để đặt lại mật khẩu của tôi?
id|Kereta api ke pantai berangkat pukul enam pagi.
tl|Maganda ang panahon ngayon kaya maglakad tayo sa tabing-dagat.
sw|Watoto wanacheza uwanjani huku mvua ikianza kunyesha.
yo|Ọmọ náà ń kàwé ní ilé ẹ̀kọ́ ní gbogbo ọjọ́.
cy|Mae'r trên yn gadael yr orsaf am chwech o'r gloch y bore.
ga|Tá an aimsir go hálainn inniu cois farraige.
eu|Trena goizeko seietan irteten da kostalderantz.
ca|L'avió que va a l'illa surt a les set del matí; col·loquem les maletes.
eo|Ĉiuj homoj ŝatas ĵaŭdan promenadon ĉe la ĉarma lago.
el|Το τρένο για την ακτή φεύγει στις έξι το πρωί.|Πόσο κοστίζει το εισιτήριο για το μουσείο; Ο Οδυσσέας ΣΙΣΥΦΟΣ.|Ἐν ἀρχῇ ἦν ὁ λόγος, ᾧ ἐπίστευον.
ru|Поезд к побережью отправляется в шесть утра.|Ёжик нашёл в лесу большой гриб и обрадовался.|Как восстановить пароль от почты?
uk|Їжак знайшов гриб у лісі й зрадів, бо був голодний.|Де знаходиться найближча аптека?
bg|Влакът за морето тръгва в шест часа сутринта.
sr|Ђак је јуче купио њену књигу у малој књижари.
mk|Ѓорѓи и Ќире купија џем на пазарот.
kk|Әже немересіне ертегі айтып берді, ол ұйықтап қалды.
mn|Өнөөдөр тэнгэр цэлмэг байна, морьтой явъя.
hy|Գնացքը մեկնում է առավոտյան ժամը վեցին դեպի ծովափ։
ka|მატარებელი სანაპიროსკენ დილის ექვს საათზე გადის.
he|הרכבת לחוף יוצאת בשעה שש בבוקר.|אֵיפֹה הַסִּפְרִיָּה הַקְּרוֹבָה?
ar|يغادر القطار إلى الساحل في الساعة السادسة صباحًا.|أَيْنَ أَقْرَبُ مَكْتَبَةٍ مِنْ فَضْلِكَ؟|الطقس جميل ١٢٣ درجة
fa|قطار ساعت شش صبح به سمت ساحل حرکت می‌کند.|کتاب‌خانه کجاست؟
ur|گاڑی صبح چھ بجے ساحل کی طرف روانہ ہوتی ہے۔
yi|די באַן צום ברעג פֿאָרט אָפּ זעקס אַ זייגער.
am|ባቡሩ ጠዋት በስድስት ሰዓት ወደ ባሕር ዳርቻ ይነሳል።
hi|समुद्र तट की ट्रेन सुबह छह बजे निकलती है।|क्या आप मुझे पुस्तकालय का रास्ता बता सकते हैं?
mr|मुलगा रोज सकाळी नदीकाठी फिरायला जातो.
ne|बिहान छ बजे रेल समुद्रतर्फ जान्छ।
bn|ট্রেনটি সকাল ছয়টায় সমুদ্রতীরের দিকে ছাড়ে।|গ্রন্থাগার কোথায়?
pa|ਗੱਡੀ ਸਵੇਰੇ ਛੇ ਵਜੇ ਸਮੁੰਦਰ ਵੱਲ ਚੱਲਦੀ ਹੈ।
gu|ટ્રેન સવારે છ વાગ્યે દરિયાકિનારે જવા નીકળે છે.
ta|ரயில் காலை ஆறு மணிக்கு கடற்கரைக்குப் புறப்படுகிறது.
te|రైలు ఉదయం ఆరు గంటలకు తీరానికి బయలుదేరుతుంది.
kn|ರೈಲು ಬೆಳಿಗ್ಗೆ ಆರು ಗಂಟೆಗೆ ಕರಾವಳಿಗೆ ಹೊರಡುತ್ತದೆ.
ml|ട്രെയിൻ രാവിലെ ആറു മണിക്ക് തീരത്തേക്ക് പുറപ്പെടുന്നു.
si|දුම්රිය උදේ හයට වෙරළ දෙසට පිටත් වේ.
th|รถไฟไปชายทะเลออกเวลาหกโมงเช้า|ห้องสมุดที่ใกล้ที่สุดอยู่ที่ไหนครับ
lo|ລົດໄຟໄປທະເລອອກເວລາຫົກໂມງເຊົ້າ
km|រថភ្លើងទៅឆ្នេរចេញដំណើរម៉ោងប្រាំមួយព្រឹក។
my|ရထားသည် မနက်ခြောက်နာရီတွင် ကမ်းခြေသို့ ထွက်သည်။
bo|མེ་འཁོར་དེ་ཞོགས་པ་ཆུ་ཚོད་དྲུག་པར་འགྲོ་གི་རེད།
zh|去海边的火车早上六点出发。|请问最近的图书馆在哪里？|數學家們證明了一個長久以來的猜想。|我喜欢喝coffee和茶，价格是25元。
ja|海岸行きの電車は朝六時に出発します。|図書館はどこですか？|カタカナとひらがなとｶﾀｶﾅを混ぜた文章です。|東京タワーの高さは333メートルです。
ko|해안으로 가는 기차는 아침 여섯 시에 출발합니다.|가장 가까운 도서관이 어디에 있나요?|닭볶음탕을 먹고 싶다.
"""

TECHNICAL = """\
for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
SELECT name, COUNT(*) FROM orders WHERE price >= 9.99 GROUP BY name ORDER BY 2 DESC;
std::unique_ptr<const Foo> foo = std::make_unique<Foo>(bar->baz());
{"id": 17, "tags": ["a", "b"], "nested": {"ok": true, "x": null}}
<div class="card"><a href="/about?ref=top&amp;lang=en">About</a></div>
curl -s -X POST https://api.example.com/v1/items -H 'Accept: application/json'
https://www.example.org/path/to/page.html?query=caf%C3%A9&sort=asc#section-2
first.last+tag@mail.example.co.uk
C:\\Users\\Public\\Documents\\report_final(2).docx
/usr/local/lib/python3.11/site-packages/__init__.py
192.168.0.1:8080 fe80::1ff:fe23:4567:890a%eth2
git commit -m "fix: off-by-one in parse_header()"
Error 0x80070057: the parameter is incorrect.
SHA-256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
+1 (555) 010-9999 ext. 42
ISBN 978-3-16-148410-0
$1,234.56 €99,95 £0.01 ¥5000 ₹250 ₿0.5
2024-02-29T23:59:59.999Z
E = mc², ∑_{i=1}^{n} i = n(n+1)/2, ∀x∈ℝ: x² ≥ 0
H₂SO₄ + 2 NaOH → Na₂SO₄ + 2 H₂O
3.14159265358979323846264338327950288419716939937510
λx.λy.x ⇒ α→β→α
½ + ¼ = ¾; 10⁻³; №5; ℃; ™; ©; ﬁne ﬂow; Ⅷ
#hashtag @user_name RT: lol!!! omg??? sooooo goooood
CamelCaseIdentifier snake_case_identifier kebab-case-identifier SCREAMING_CASE
import numpy as np\n\nx = np.zeros((3, 4), dtype=np.float32)\nprint(x.shape)
| col a | col b |\n|-------|:-----:|\n| 1     | **2** |
^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]+)@(?:[a-z0-9-]+\\.)+[a-z]{2,}$
\\frac{\\partial u}{\\partial t} = \\alpha \\nabla^2 u
"""

NAMES = (
    "Ada Lovelace|Søren Kierkegaard|Björk Guðmundsdóttir|Nguyễn Thị Minh Khai|José Martí y Pérez|Zoë Müller-Lüdenscheidt|Siobhán O'Neill|"
    "Łukasz Żółkiewski|Мария Склодовская|Αριστοτέλης|村上春樹|김연아|李白|محمد بن موسى الخوارزمي|רחל כהן|श्रीनिवास रामानुजन|D'Artagnan|"
    "McDonald’s|Jean-Luc Picard|Dr. h.c. A. B. C. van der Berg, Jr."
).split("|")

EMOJI = (
    "I love it 😍😍😍|👨‍👩‍👧‍👦 family trip to 🇯🇵 and 🇫🇷|👍🏽 ok, 👍 ok, 👍🏿 ok|☕️ or 🍵?|🏳️‍🌈🏴󠁧󠁢󠁥󠁮󠁧󠁿|❤️ vs ❤ vs ♥|1️⃣ 2️⃣ 3️⃣|🤷🏻‍♀️ whatever…|🎉🎉 Happy New Year 2025 🎉🎉|"
    "(╯°□°)╯︵ ┻━┻|¯\\_(ツ)_/¯|:-) ;-P <3 xD|★★★★☆ great product ✔|→ next ← back ↑↓"
).split("|")

UNTIDY = [
    " leading space", "trailing space ", "  double  spaces   everywhere  ", "tab\tseparated\tvalues", "line\nbreaks\r\nof all\rkinds",
    "no\u00a0break\u00a0space", "thin\u2009and\u3000ideographic\u2003space", "zero\u200bwidth\u200bspace", "soft\u00adhyphen", "\ufeffbyte order mark",
    "e\u0301cole de\u0301compose\u0301e", "A\u030angstro\u0308m", "q\u0323\u0307 and s\u0307\u0323", "Z\u0351\u036b\u0343\u036aa\u0302\u0310l\u030dg\u0343o\u0301 text", "ｆｕｌｌｗｉｄｔｈ　ＬＡＴＩＮ １２３",
    "𝒎𝒂𝒕𝒉 𝔣𝔯𝔞𝔨𝔱𝔲𝔯 𝟙𝟚𝟛", "ⓒⓘⓡⓒⓛⓔⓓ", "\u1112\u1161\u11ab\u1100\u1173\u11af", "\u202eright to left override\u202c", "[CLS] hello [SEP] [MASK] [UNK] [PAD]",
    "<s> hello </s> <mask> <unk> <pad>", "##ing ##s ▁the ▁", "[mask] [Mask]", "....", "!!!", "-", "—", "…", "'", "\"\"", "a", "I", "é", "ß", "字", "あ", "ア", "한", "я", "ω", "א", "ع", "ก", "अ", "7", "%", "€", "😀", "\u0301",
    "ok", "The", "THE QUICK BROWN FOX", "tHe QuIcK bRoWn FoX", "x" * 99, "y" * 100, "z" * 101, "ab" * 200, "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz",
]


def unescape(line):
    return line.replace("\\n", "\n").replace("\\\\", "\\")


def main():
    rng = random.Random(20240229)
    english = ENGLISH.splitlines()
    foreign = {}
    for line in LANGUAGES.splitlines():
        code, *sentences = line.split("|")
        foreign[code] = sentences
    technical = [unescape(line) for line in TECHNICAL.splitlines()]
    texts = english + [s for ss in foreign.values() for s in ss] + technical + NAMES + EMOJI + UNTIDY

    words = [w for s in english for w in s.split()]
    everything = english + [s for ss in foreign.values() for s in ss] + technical + NAMES + EMOJI
    # Short English queries, 1 to 12 words out of order.
    for _ in range(200):
        texts.append(" ".join(rng.choices(words, k=rng.randint(1, 12))))
    # Paragraphs of one language.
    for code, sentences in foreign.items():
        for count in (3, 8):
            texts.append(" ".join(rng.choices(sentences, k=count)))
    # English paragraphs of 2 to 20 sentences, three longer than any model's limit.
    for _ in range(60):
        texts.append(" ".join(rng.choices(english, k=rng.randint(2, 20))))
    for count in (50, 60, 70):
        texts.append(" ".join(rng.choices(english, k=count)))
    # Several languages in one text.
    for _ in range(120):
        texts.append(rng.choice([" ", "\n", ", ", " / ", ""]).join(rng.choices(everything, k=rng.randint(2, 5))))
    # Changes of case and of normal form.
    for _ in range(100):
        texts.append(rng.choice([str.upper, str.lower, str.title, str.swapcase])(rng.choice(everything)))
    for form in ("NFD", "NFKC", "NFKD"):
        for s in rng.sample(everything, 30):
            texts.append(unicodedata.normalize(form, s))
    # Pieces of sentences that begin and end anywhere.
    for _ in range(120):
        s = rng.choice(everything)
        a = rng.randrange(len(s))
        texts.append(s[a : a + rng.randint(1, 40)])
    # Numbers.
    for _ in range(40):
        texts.append(rng.choice(["%d", "%.3f", "%e", "%x", "no. %d", "%d%%", "-%d", "(%d)", "%d,000"]).replace("%x", "%#x") % rng.randint(0, 10**9))

    unique = list(dict.fromkeys(texts))
    out = {
        "about": "Texts for goldens of tokenizers and text encoders; written by tools/golden/embedding_texts.py, composed for it.",
        "texts": unique,
    }
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump(out, f, ensure_ascii=False, indent=0)
        f.write("\n")
    print(len(unique), "texts,", sum(len(t) for t in unique), "characters", file=sys.stderr)


main()
