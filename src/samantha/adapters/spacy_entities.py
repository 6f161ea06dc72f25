"""Names, places, dates and sentences of English texts, by spaCy.

The model is a folder that the weights catalogue names; it is loaded when the first text comes. Texts in other
languages have no model. Not here: fetching it (`samantha.weights`), or telling the language.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from samantha.core.errors import ModelDamaged
from samantha.core.types import Entity

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

PART = 20_000  # characters that spaCy reads at once, which takes 60 MB
LEFT_OUT = ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer")  # neither names nor sentences need them


class SpacyEntities:
    """Finds entities and sentences. Raises `ModelDamaged` where the folder holds no model."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def entities(self, text: str) -> list[Entity]:
        """In their order; dates and times among them."""
        return [
            Entity(found.text, found.label_, start + found.start_char, start + found.end_char)
            for start, read in self._read(text)
            for found in read.ents
        ]

    def sentences(self, text: str) -> list[str]:
        return [sentence for _, read in self._read(text) for each in read.sents if (sentence := each.text.strip())]

    def _read(self, text: str) -> Iterator[tuple[int, "Doc"]]:
        """Each part of `text`, read, and where it begins."""
        for start, part in parts(text):
            yield start, self._spacy(part)

    @cached_property
    def _spacy(self) -> "Language":
        import spacy

        try:
            language = spacy.load(self._folder, exclude=LEFT_OUT)
            language.enable_pipe("senter")
        except Exception as error:  # whatever comes of a file that is not what it was
            raise ModelDamaged(
                "The model '{path}' cannot be opened: {reason}. Delete it; it is fetched again when it is needed.",
                path=self._folder,
                reason=error,
            ) from error
        return language


def parts(text: str, *, size: int = PART) -> Iterator[tuple[int, str]]:
    """`text` in parts of at most `size` characters, each with where it begins: cut at line ends, else at spaces."""
    start = 0
    while len(text) - start > size:
        window = text[start : start + size]
        cut = max(window.rfind("\n"), window.rfind(". ") + 1) + 1
        cut = cut if cut > size // 2 else window.rfind(" ") + 1
        yield start, window[: cut or size]
        start += cut or size
    yield start, text[start:]
