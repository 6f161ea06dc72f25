"""Texts with labels, read from files, and batches of them.

Every example may know all, some or none of the labels. Not here: what is trained on them (the recipes).
"""

import csv
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from samantha.core.understanding import ACTS, EMOTIONS, KINDS, LEVELS, SENTIMENT_OF_EMOTION, SENTIMENTS

LONGEST = 96  # tokens that a training text may have; 99.9 % of them do
STEP = 8  # batches are as long as a multiple of it: kernels are prepared anew for each length that comes up

Labels = Mapping[str, int | tuple[float, ...]]  # head -> index of the label, or a probability for each


@dataclass(frozen=True, slots=True)
class Example:
    """A text, what is known of it, and the vector that it should have (its teacher's; None where there is none)."""

    text: str
    labels: Labels = field(default_factory=dict)
    teacher: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids, mask (batch, tokens), targets by head ((batch) or (batch, labels); -1 is unknown), teacher vectors."""

    ids: Tensor
    mask: Tensor
    targets: dict[str, Tensor]
    teacher: Tensor  # (batch, width); zeros where there is none


def goemotions(
    folder: Path, split: str, *, levels: Mapping[str, str] | None = None, perilous: re.Pattern[str] | None = None
) -> list[Example]:
    """GoEmotions (Demszky et al. 2020): Reddit comments with one or more of 28 emotions. `split` is train or dev.

    With `perilous`, a comment also has a level of danger: that in `levels`, if it was read; none, if no word of it is
    perilous; and no label otherwise.
    """
    names = (folder / "labels.txt").read_text(encoding="utf-8").split()
    examples = []
    for line in (folder / f"{split}.tsv").read_text(encoding="utf-8").splitlines():
        said, ids, comment = line.rsplit("\t", 2)
        found = {names[int(number)] for number in ids.split(",")}
        labels: dict[str, int | tuple[float, ...]] = {"emotion": one_hot(found, EMOTIONS), **_sentiment(found)}
        if perilous and (level := (levels or {}).get(comment, None if perilous.search(said) else "none")):
            labels["level"] = LEVELS.index(level)
        examples.append(Example(said, labels))
    return examples


def levels_read(file: Path) -> dict[str, str]:
    """Which danger the writers of some comments of GoEmotions are in, by the comment's identifier.

    The comments themselves are not in the file; each was read for this project.
    """
    with file.open(encoding="utf-8", newline="") as source:
        return {row["comment"]: row["level"] for row in csv.DictReader(source)}


def tatoeba(folder: Path) -> list[tuple[str, str]]:
    """Pairs of a sentence in English and in Chinese (CC BY 2.0 FR; each line names its authors)."""
    lines = (folder / "train.tsv").read_text(encoding="utf-8").splitlines()
    return [(english, chinese) for english, chinese, _ in (line.split("\t", 2) for line in lines)]


def utterances(file: Path) -> list[Example]:
    """Utterances written for this project; `utterances/README.md` says what the columns mean."""
    with file.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Example(
            row["text"].replace("\\n", "\n"),
            {
                "level": LEVELS.index(row["level"]),
                "kinds": one_hot(_names(row["kinds"]), KINDS),
                "act": ACTS.index(row["act"]),
                "sentiment": SENTIMENTS.index(row["sentiment"]),
                "emotion": one_hot(_names(row["emotions"]), EMOTIONS),
            },
        )
        for row in rows
    ]


def one_hot(found: set[str], names: Sequence[str]) -> tuple[float, ...]:
    """1 for each of `names` that was found. Raises `ValueError` where one is not a name."""
    if unknown := found - set(names):
        raise ValueError(f"{', '.join(sorted(unknown))}: no such label; there are {', '.join(names)}")
    return tuple(float(name in found) for name in names)


def _names(cell: str) -> set[str]:
    return set() if cell == "-" else set(cell.split(","))


def _sentiment(emotions: set[str]) -> dict[str, int]:
    """The sentiment that a comment's emotions agree on; nothing where they do not."""
    found = {SENTIMENT_OF_EMOTION[name] for name in emotions} - {None}
    return {"sentiment": SENTIMENTS.index(found.pop())} if len(found) == 1 else {}


@dataclass(frozen=True)
class Collator:
    """Makes batches. `sizes` has the number of labels of each head, and 0 for a head of which one label is true."""

    tokenizer: Tokenizer
    sizes: Mapping[str, int]
    one_of: frozenset[str]  # heads of which exactly one label is true
    width: int = 384

    def __call__(self, examples: Sequence[Example]) -> Batch:
        ids, mask = padded(self.tokenizer, [example.text for example in examples])
        targets: dict[str, Tensor] = {}
        for head, size in self.sizes.items():
            if head in self.one_of:
                targets[head] = torch.tensor([example.labels.get(head, -1) for example in examples])
            else:
                unknown = (-1.0,) * size
                targets[head] = torch.tensor([example.labels.get(head, unknown) for example in examples])
        nothing = np.zeros(self.width, np.float32)
        teacher = np.stack([nothing if one.teacher is None else one.teacher for one in examples])
        return Batch(ids, mask, targets, torch.from_numpy(teacher))


def padded(tokenizer: Tokenizer, texts: Sequence[str], *, longest: int = LONGEST) -> tuple[Tensor, Tensor]:
    """Ids and mask of `texts`, each cut to `longest` tokens; as long as the longest of them, in steps of `STEP`."""
    encoded = [one.ids for one in tokenizer.encode_batch(list(texts))]
    return filled_up([ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]] for ids in encoded])


def filled_up(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask (batch, tokens) of `rows`, as long as the longest of them, in steps of `STEP`."""
    ids = torch.zeros(len(rows), -(-max(map(len, rows)) // STEP) * STEP, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask


def endless(examples: Sequence[Example], size: int, *, seed: int, pool: int = 16) -> Iterator[list[Example]]:
    """Batches of `size` for ever, shuffled anew each round; texts of like length come together.

    Within a pool of `pool` batches the texts are ordered by length, so that little is padding.
    """
    chance = random.Random(seed)
    while True:
        order = chance.sample(examples, len(examples))
        for start in range(0, len(order), size * pool):
            near = sorted(order[start : start + size * pool], key=lambda example: len(example.text.encode()))
            batches = [near[at : at + size] for at in range(0, len(near), size)]
            yield from chance.sample(batches, len(batches))


def mixed(
    sources: Mapping[str, Iterator[list[Example]]], shares: Mapping[str, float], *, seed: int
) -> Iterator[list[Example]]:
    """Batches for ever from several sources, drawn in proportion to their shares (multi-task sampling)."""
    chance, names = random.Random(seed), list(sources)
    while True:
        (name,) = chance.choices(names, [shares[name] for name in names])
        yield next(sources[name])


def with_teacher(examples: Sequence[Example], vectors: NDArray[np.float32]) -> list[Example]:
    """`examples`, each with its row of `vectors` as the one to keep close to."""
    return [replace(example, teacher=vector) for example, vector in zip(examples, vectors, strict=True)]
