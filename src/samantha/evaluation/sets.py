"""Reading test sets: which files of a folder are meant, and what stands in them.

The layouts are those of the public sets as they are published. Not here: what is measured on them
(`samantha.evaluation.suites`), or reading what is trained on (`samantha.training.data`).
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from samantha.core.text import Text, text
from samantha.core.types import Level
from samantha.core.understanding import ACTS, EMOTIONS, KINDS, LEVELS

Split = Literal["dev", "test"]
NAMED = {"dev": {"dev", "val", "valid", "validation"}, "test": {"test"}, "train": {"train"}}
"""Words in a file's name -> the split it holds."""

Example = TypeVar("Example")

OUT_OF_SCOPE = "oos"  # CLINC150's label for what is none of the intents
CLINC_PARTS = frozenset({"train", "val", "test", "oos_train", "oos_val", "oos_test"})


class Unusable(Exception):
    """A set that cannot be measured, and why."""

    def __init__(self, why: Text) -> None:
        self.why = why
        super().__init__(str(why))


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a set that are to be measured. `split` is None where their names say none."""

    paths: tuple[Path, ...]
    split: Split | None


def files_of(folder: Path, pattern: str, split: Split | None) -> Files:
    """The files that match `pattern` and whose names carry `split`, else those whose names carry none.

    Without a `split` it is dev, and test where there is no dev. A set is never measured on another split than the one
    asked for. Raises `Unusable`.
    """
    paths = matching(folder, pattern)
    wanted: tuple[Split, ...] = (split,) if split else ("dev", "test")
    for each in wanted:
        if carrying := tuple(path for path in paths if each in splits_in(path)):
            return Files(carrying, each)
    if unnamed := tuple(path for path in paths if not splits_in(path)):
        return Files(unnamed, None)
    raise Unusable(
        text(
            "No file is of the split {split}; there are {files}.",
            split="/".join(wanted),
            files=", ".join(path.name for path in paths),
        )
    )


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files of `folder` that match `pattern`, at least one, by name. Raises `Unusable`."""
    if found := sorted(folder.glob(pattern)):
        return found
    raise Unusable(text("There is no '{pattern}' in '{folder}'.", pattern=pattern, folder=folder))


def splits_in(path: Path) -> set[str]:
    """The splits that the name of a file carries: `sts-dev.csv` is dev, `train_val.json` is train and dev."""
    words = set(re.split(r"[^a-z]+", path.stem.lower()))
    return {split for split, names in NAMED.items() if words & names}


def read(reader: Callable[[Path], Iterable[Example]], paths: Sequence[Path]) -> list[Example]:
    """The examples of all files in order, at least one. Raises `Unusable` where a file is not as it should be."""
    found: list[Example] = []
    for path in paths:
        try:
            found += reader(path)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
            raise Unusable(
                text(
                    "'{path}' is not laid out as this set is ({kind}: {reason}).",
                    path=path,
                    kind=type(error).__name__,
                    reason=error,
                )
            ) from error
    if not found:
        raise Unusable(text("There are no examples in {files}.", files=", ".join(path.name for path in paths)))
    return found


@dataclass(frozen=True, slots=True)
class Feeling:
    """A comment of GoEmotions (Demszky et al. 2020) and its emotions."""

    text: str
    emotions: frozenset[str]


def goemotions(path: Path) -> list[Feeling]:
    """`text TAB numbers TAB id`; the numbers are lines of `labels.txt` beside it."""
    beside = path.with_name("labels.txt")
    names = beside.read_text(encoding="utf-8").split() if beside.exists() else EMOTIONS
    rows = (line.rsplit("\t", 2) for line in _lines(path))
    return [Feeling(said, frozenset(names[int(number)] for number in ids.split(","))) for said, ids, _ in rows]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences of STS-B (Cer et al. 2017), and how alike people found them, 0..5."""

    first: str
    second: str
    score: float


def stsb(path: Path) -> list[Pair]:
    """Unquoted columns: genre, file, year, id, score, two sentences, and now and then where they come from."""
    rows = (line.split("\t") for line in _lines(path))
    return [Pair(cells[5], cells[6], float(cells[4])) for cells in rows]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A line of an own file; `utterances/README.md` says what the columns mean."""

    text: str
    level: Level
    kinds: frozenset[str]
    act: str


def utterances(path: Path) -> list[Utterance]:
    """Raises `ValueError` where a label is none of ours."""
    header, *lines = _lines(path)
    names = header.split("\t")
    found = []
    for number, line in enumerate(lines, 2):
        cells = dict(zip(names, line.split("\t"), strict=True))
        kinds = frozenset() if cells["kinds"] == "-" else frozenset(cells["kinds"].split(","))
        if kinds - set(KINDS) or cells["act"] not in ACTS:
            raise ValueError(f"line {number}: {cells['kinds']}, {cells['act']}")
        level = LEVELS[LEVELS.index(cells["level"])]
        found.append(Utterance(cells["text"].replace("\\n", "\n"), level, kinds, cells["act"]))
    return found


@dataclass(frozen=True, slots=True)
class Attempt:
    """A prompt, and whether it tries to inject another one."""

    text: str
    injects: bool
    source: str  # the collection it was taken from; "" where that is not said


def injections(path: Path) -> list[Attempt]:
    """NotInject (Li & Liu 2024): objects with `prompt`, `label` (1 injects) and perhaps `source`."""
    stored: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Attempt(one["prompt"], bool(one["label"]), one.get("source", "")) for one in stored]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A minimum functionality test of CheckList (Ribeiro et al. 2020): texts, and what each should be taken for.

    An expectation is 0 negative, 1 neutral, 2 positive, or None for anything but negative.
    """

    name: str
    capability: str
    texts: tuple[str, ...]
    expected: tuple[int | None, ...]


def behaviours(path: Path) -> list[Behaviour]:
    """A test a line; `labels` is one for all of its texts, or a list. A text that is null is left out."""
    found = []
    for test in map(json.loads, _lines(path)):
        labels = test["labels"] if isinstance(test["labels"], list) else [test["labels"]] * len(test["data"])
        kept = [(said, label) for said, label in zip(test["data"], labels, strict=True) if said is not None]
        texts, expected = tuple(said for said, _ in kept), tuple(label for _, label in kept)
        found.append(Behaviour(test["test"], test["capability"], texts, expected))
    return found


@dataclass(frozen=True, slots=True)
class Intent:
    """Something a customer says, what they want, and the part of the set it stands in ("" where there are none)."""

    text: str
    intent: str
    part: str = ""


def clinc150(path: Path) -> list[Intent]:
    """CLINC150 (Larson et al. 2019); the parts are train, val, test, and each with "oos_" before it.

    A file is an object of parts, or the list of the one that its name carries.
    """
    stored = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(stored, list):
        (split,) = splits_in(path)
        stored = {"val" if split == "dev" else split: stored}
    return [
        Intent(said, intent, f"oos_{part}" if intent == OUT_OF_SCOPE and not part.startswith("oos_") else part)
        for part, rows in stored.items()
        if part in CLINC_PARTS  # a list of domains may lie beside them
        for said, intent in rows
    ]


def banking77(path: Path) -> list[Intent]:
    """Banking77 (Casanueva et al. 2020): columns `text` and `category`."""
    with path.open(encoding="utf-8", newline="") as source:
        return [Intent(row["text"], row["category"]) for row in csv.DictReader(source)]


def _lines(path: Path) -> list[str]:
    """Lines as the files mean them: `splitlines` would also break a comment at characters like U+2028."""
    return [line for line in path.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split("\n") if line]
