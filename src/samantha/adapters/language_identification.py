"""The language of a text: the script tells first, and py3langid among the languages that share it.

Not here: in which of her two languages Samantha answers (`samantha.mind.language_of_text`).
"""

import unicodedata
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNKNOWN = "und"  # ISO 639-2 for "undetermined"
LEAST = 0.15  # probability, below which nothing is said: a single word of Latin letters is seldom told
ENGLISH = 3.0  # times as likely as any other language before it is read: short English is mistaken for small languages
SYLLABLE = 3  # letters of an alphabet that a Chinese character, a kana or a hangul counts for, about
KANA_SHARE = 1 / 6  # of the Chinese characters, from which on a text is Japanese

ALONE = {
    "ARMENIAN": "hy", "BENGALI": "bn", "ETHIOPIC": "am", "GEORGIAN": "ka", "GREEK": "el", "GUJARATI": "gu",
    "GURMUKHI": "pa", "HANGUL": "ko", "HEBREW": "he", "KANNADA": "kn", "KHMER": "km", "LAO": "lo", "MALAYALAM": "ml",
    "MYANMAR": "my", "SINHALA": "si", "TAMIL": "ta", "TELUGU": "te", "THAI": "th",
}  # fmt: skip
"""Scripts that nearly always mean one language."""

SHARED = {
    "ARABIC": frozenset("ar fa ps ug ur".split()),
    "CYRILLIC": frozenset("be bg kk ky mk mn ru sr tg uk".split()),
    "DEVANAGARI": frozenset("hi mr ne".split()),
    "LATIN": frozenset(
        """
        af az ca cs cy da de en eo es et eu fi fr ga gl ha hr hu id is it la lt lv ms nl no pl pt ro sk sl so sq sv sw
        tl tr uz vi yo zu zxx
        """.split()
    ),
}
"""Scripts of several languages, and those that are told apart; zxx is no language: code, or keys hit at random."""

BY_SYLLABLES = frozenset({"CJK", "HANGUL", "KANA"})


def language_of(text: str) -> str:
    """ISO 639-1 code of the language of `text`; "und" where it has no letters or cannot be told."""
    letters = _letters(text)
    if not letters:
        return UNKNOWN
    chinese = letters["CJK"] + letters["KANA"]
    script, most = letters.most_common(1)[0]
    if chinese >= most:
        return "ja" if letters["KANA"] > letters["CJK"] * KANA_SHARE else "zh"
    if script in SHARED:
        return _likeliest(text, SHARED[script])
    return ALONE.get(script, UNKNOWN)


def _letters(text: str) -> Counter[str]:
    """Script -> how many letters of `text` are of it."""
    letters: Counter[str] = Counter()
    for character, times in Counter(text).items():
        if character.isalpha():
            script = unicodedata.name(character, "?").split()[0].partition("-")[0]
            script = "KANA" if script in ("HIRAGANA", "KATAKANA") else script
            letters[script] += times * (SYLLABLE if script in BY_SYLLABLES else 1)
    return letters


def _likeliest(text: str, languages: frozenset[str]) -> str:
    found: dict[str, float] = {
        language: probability * (ENGLISH if language == "en" else 1)
        for language, probability in _identifier().rank(text)
        if language in languages
    }
    likeliest = max(found, key=lambda language: found[language])
    if likeliest == "zxx" or found[likeliest] < LEAST * sum(found.values()):
        return UNKNOWN
    return likeliest


@cache
def _identifier() -> "LanguageIdentifier":
    """Takes half a second, once."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
