"""The words of a text, as they are counted and compared.

Not here: the words that a reply is spoken in (`samantha.mind.pieces`), and the tokens of a model.
"""

import re

_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+(?:['’][^\W_]+)*")


def words(said: str) -> list[str]:
    """The words of `said` in small letters; a Chinese character or a kana is a word of its own."""
    return _WORDS.findall(said.lower())
