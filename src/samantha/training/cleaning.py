"""What of a corpus is worth learning from: each step takes values and passes on those that it keeps.

Steps are put one after the other; what one leaves out is counted in the `Tally` of the readers, and a data card says
so. Not here: reading files (`samantha.training.corpora`), and telling languages, which the caller brings along
(`samantha.adapters.language_identification.language_of`).
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from samantha.core.errors import TrainingError
from samantha.core.text import Text, text
from samantha.core.words import words
from samantha.training.corpora import EXCERPT, Dropped, Tally, Value
from samantha.training.files import Place

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

ALIKE = 0.8  # of the runs of words of two texts (Jaccard): beyond it they are one text
RUN = 3  # words
PERMUTATIONS = 128  # hashes of a text: its likeness to another is right to 0.04 (one standard error)
WEIGHTS = (0.1, 0.9)  # of finding too much and too little: what is found is compared again, what is not is lost

V = TypeVar("V", bound=Value)


# -- one text ---------------------------------------------------------------------------------------------------

_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_UNSEEN = re.compile("[\0-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_DAMAGED = re.compile("[\ufffd\ud800-\udfff]")


def normal(said: str) -> str:
    """`said` with one kind of line end, one kind of space, and no characters that nobody sees.

    Letters are composed (NFC), spaces within a line and blank lines in a row become one; what a line is indented by
    stays, and so do the joiners that emoji and Persian need.
    """
    composed = unicodedata.normalize("NFC", _UNSEEN.sub("", _BREAKS.sub("\n", said)))
    lines = re.sub(r"(?<=[^ \t\n])[ \t]+", " ", _SPACES.sub(" ", composed))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", lines, flags=re.MULTILINE)).strip()


def joined(value: Value) -> str:
    """All texts of a value, a line each: what a step judges where it is not told `of` what."""
    return "\n".join(value.texts)


# -- steps ------------------------------------------------------------------------------------------------------


def normalised(values: Iterable[V], *, tally: Tally) -> Iterator[V]:
    """Each value with its texts made `normal`. Left out: what then is empty, or was decoded wrongly before it came."""
    for value in values:
        texts = [normal(said) for said in value.texts]
        if not all(texts):
            _drop(tally, value, "nothing to see", text("Of one of its texts nothing is left without white space."))
        elif any(map(_DAMAGED.search, texts)):
            _drop(tally, value, "damaged characters", text("It has characters that were damaged before."))
        else:
            yield value.with_texts(texts)


def of_length(
    values: Iterable[V], shortest: int, longest: int, *, tally: Tally, of: Callable[[V], str] = joined
) -> Iterator[V]:
    """Those with `shortest` to `longest` characters."""
    for value in values:
        length = len(of(value))
        if length < shortest:
            _drop(
                tally, value, "too short", text("It has {count} characters of {least}.", count=length, least=shortest)
            )
        elif length > longest:
            says = text("It has {count} characters; {most} are the most.", count=length, most=longest)
            _drop(tally, value, "too long", says)
        else:
            yield value


def in_language(
    values: Iterable[V],
    languages: Collection[str],
    *,
    language_of: Callable[[str], str],
    tally: Tally,
    of: Callable[[V], str] = joined,
) -> Iterator[V]:
    """Those in one of `languages` (ISO 639-1), as `language_of` tells; with "und" also what it cannot tell.

    Of pairs each side is asked for by itself: `of=lambda pair: pair.source`.
    """
    for value in values:
        found = language_of(of(value))
        if found in languages:
            yield value
        else:
            _drop(tally, value, "another language", text("Its language is {found}.", found=found))


def distinct(values: Iterable[V], *, tally: Tally) -> Iterator[V]:
    """The first of those with the same texts. What differs in label or speakers is counted apart: it contradicts."""
    seen: dict[bytes, int] = {}
    for value in values:
        key, own = hashlib.blake2b(_bytes("\0".join(value.texts)), digest_size=16).digest(), hash(value)
        if key not in seen:
            seen[key] = own
            yield value
        elif seen[key] == own:
            _drop(tally, value, "duplicate", text("It was there before."))
        else:
            _drop(tally, value, "contradiction", text("It was there before, with another label or other speakers."))


def without_near_duplicates(
    values: Iterable[V], *, tally: Tally, alike: float = ALIKE, seed: int = 1, of: Callable[[V], str] = joined
) -> Iterator[V]:
    """The first of those that share `alike` of their runs of three words, with case and punctuation left aside.

    MinHash (Broder 1997) with locality-sensitive hashing (Indyk and Motwani 1998), so that not all pairs have to be
    compared. It keeps about 4 kB a text in memory.
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=alike, num_perm=PERMUTATIONS, weights=WEIGHTS)
    empty, kept = MinHash(num_perm=PERMUTATIONS, seed=seed), list[tuple[MinHash, Place]]()
    for value in values:
        sketch = empty.copy()
        sketch.update_batch(_runs(of(value)))
        share, before = _nearest(sketch, index, kept)
        if before and share >= alike:
            _drop(
                tally,
                value,
                "near-duplicate",
                text(
                    "It shares {share} with {file}, line {line}.",
                    share=f"{share:.0%}",
                    file=before.file,
                    line=before.line,
                ),
            )
            continue
        index.insert(len(kept), sketch)
        kept.append((sketch, value.place))
        yield value


def _nearest(sketch: "MinHash", index: "MinHashLSH", kept: list[tuple["MinHash", Place]]) -> tuple[float, Place | None]:
    """The likest of what was kept, and how alike the two are; the earliest of several."""
    found = ((sketch.jaccard(kept[number][0]), kept[number][1]) for number in sorted(index.query(sketch)))
    return max(found, key=lambda one: one[0], default=(0.0, None))


def _runs(said: str) -> set[bytes]:
    """Runs of three words; a text of fewer is a run by itself, and so is one of signs alone."""
    found = words(said) or [said]
    return {_bytes("\0".join(found[at : at + RUN])) for at in range(max(1, len(found) - RUN + 1))}


def _bytes(said: str) -> bytes:
    return said.encode("utf-8", "surrogatepass")


def _drop(tally: Tally, value: Value, why: str, says: Text) -> None:
    tally.drop(Dropped(value.place, why, says, joined(value)[:EXCERPT]))


# -- the data card ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Card:
    """What a set is made of. `dropped` counts by kind of fault; `examples` are the first of each.

    `left_out` says the same to whoever started it (`Tally.report`); it is empty where nothing was left out.
    """

    name: str
    licence: str
    sources: Mapping[str, int]  # file -> rows in it
    kept: int
    dropped: Mapping[str, int]
    examples: tuple[Dropped, ...]
    left_out: tuple[Text, ...] = ()


def card(name: str, tally: Tally, *, licence: str) -> Card:
    """The card of a set of which all values have been drawn. Raises `TrainingError` where nobody says its licence."""
    if not licence.strip():
        raise TrainingError("Say under which licence '{name}' is, such as CC-BY-4.0, or 'own text'.", name=name)
    left_out = tuple(tally.report()) if tally.dropped else ()
    return Card(name, licence, dict(tally.read), tally.kept, dict(tally.dropped), tuple(tally.shown), left_out)


def plain(one: Card) -> dict[str, Any]:
    """A card as JSON has it. No text of the set is in it, whose licence may forbid that."""
    examples = [
        {"file": row.place.file, "line": row.place.line, "why": row.why, "says": str(row.says)} for row in one.examples
    ]
    return {
        "name": one.name,
        "licence": one.licence,
        "sources": [{"file": file, "rows": rows} for file, rows in one.sources.items()],
        "read": sum(one.sources.values()),
        "kept": one.kept,
        "dropped": dict(one.dropped),
        "examples": examples,
    }
