"""Text that conversations share with data sets: eight words in a row.

Eight words are seldom the same by chance, and a sentence that was copied has them (Brown et al. 2020 took 13 for
evaluation sets). Not here: repetition within the conversations (`samantha.dialogues.checks`).
"""

import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from samantha.core.text import text
from samantha.core.words import words
from samantha.dialogues.checks import Finding
from samantha.dialogues.shape import Dialogue

SIZE = 8
SUFFIXES = frozenset((".txt", ".tsv", ".csv", ".json", ".jsonl", ".gz"))


def shared(
    dialogues: Sequence[Dialogue], folder: Path, *, reading: Callable[[Path], None] = lambda file: None
) -> Iterator[Finding]:
    """For each conversation the first run of `SIZE` words that also stands in a file under `folder`, if any."""
    own: dict[tuple[str, ...], str] = {}
    for one in dialogues:
        for message in one.messages:
            for run in _runs(words(message.text)):
                own.setdefault(run, one.id)
    told: set[str] = set()
    for file in sorted(folder.rglob("*")):
        if file.suffix not in SUFFIXES or not file.is_file():
            continue
        reading(file)
        for run in _runs(words(_text(file))):
            if (id := own.get(run)) and id not in told:
                told.add(id)
                same = " ".join(run)
                yield Finding(
                    id, "overlap", text("'{same}' also stands in {file}.", same=same, file=file.relative_to(folder))
                )


def _runs(found: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(found[at : at + SIZE]) for at in range(len(found) - SIZE + 1))


def _text(file: Path) -> str:
    raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return raw.decode("utf-8", errors="replace").replace("\\n", " ").replace("\\u2019", "’")
