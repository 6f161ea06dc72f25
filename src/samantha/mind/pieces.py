"""Cutting a reply into pieces that can be checked, journalled and spoken while the rest is still being written.

A piece ends with its sentence, or with a clause of eight words or more. Not here: the checking.
"""

import re
from dataclasses import dataclass

LONG_CLAUSE = 8  # words; a shorter clause waits for its sentence, or speech would stutter
LONGEST = 240  # characters without any punctuation, after which a space will do

_WORD = re.compile(r"[^\W\d_]+|\d+", re.UNICODE)
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:[A-Za-z]|Dr|Mr|Mrs|Ms|Prof|St|vs|etc|e\.g|i\.e|a\.m|p\.m|No)\.$")
_SENTENCE_END = frozenset(".!?…\n。！？")
_CLAUSE_END = frozenset(",;:—，；：、")
_AMBIGUOUS = frozenset(".,:")  # between digits these belong to a number


@dataclass(slots=True)
class Pieces:
    """Takes text as it is written and gives it back in pieces; `"".join` of all pieces is the text.

    A piece is given back with the very character that ends it, not one token later: the closing quote of a
    sentence may open the next piece, and the first words are heard a token sooner.
    """

    _pending: str = ""
    _scanned: int = 0

    def feed(self, text: str) -> list[str]:
        """The pieces that `text` completes."""
        self._pending += text
        done: list[str] = []
        while (end := self._next_end()) is not None:
            done.append(self._pending[:end])
            self._pending, self._scanned = self._pending[end:], 0
        return done

    def flush(self) -> str:
        """What is left at the end of the reply; may be empty."""
        rest, self._pending, self._scanned = self._pending, "", 0
        return rest

    def _next_end(self) -> int | None:
        for index in range(self._scanned, len(self._pending)):
            if self._ends_at(index):
                return index + 1
        self._scanned = len(self._pending)
        return None

    def _ends_at(self, index: int) -> bool:
        character = self._pending[index]
        before = self._pending[:index]
        if character in _AMBIGUOUS and before[-1:].isdigit():
            return False
        if character == ".":
            return not _ABBREVIATION.search(before[-8:] + ".") and not before.endswith(".")
        if character in _SENTENCE_END:
            return bool(before.strip())
        if character in _CLAUSE_END:
            return words(before) >= LONG_CLAUSE
        return character == " " and index >= LONGEST


def words(text: str) -> int:
    """How many words `text` has; two Chinese characters count as one word, as they do on average."""
    han = len(_HAN.findall(text))
    return len(_WORD.findall(_HAN.sub(" ", text))) + (han + 1) // 2
