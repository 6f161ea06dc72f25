"""Which of the two languages of Samantha a text is in, told from its characters alone.

Not here: translating, and what a person's machine is set to (`samantha.language`).
"""

import re

from samantha.core.text import Language

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile(r"[\u3041-\u30ff]")
_LATIN_WORD = re.compile(r"[^\W\d_\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")


def language_of(text: str, *, default: Language = "en") -> Language:
    """The language of `text`; `default` where it holds no letters at all ("👍", "12:30").

    A Chinese character carries about as much as a Latin word, so the two are counted against each other:
    "我用 Python 写代码" is Chinese, "What does 你好 mean?" is not. Kana make it Japanese, which is not Chinese.
    """
    han, words = len(_HAN.findall(text)), len(_LATIN_WORD.findall(text)) + len(_KANA.findall(text))
    if not han and not words:
        return default
    return "zh" if han >= words else "en"
