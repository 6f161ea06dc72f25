"""How a head of one's own is made: from a table of texts and labels, on the frozen states of the encoder.

`samantha train encoder head=NAME data=FILE.csv` runs it. Not here: the classifier (`samantha.training.heads`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from samantha.adapters.onnx_encoder import OwnHead, Readout
from samantha.training import heads
from samantha.training.heads import Labelled


class Reads(Protocol):
    def read(self, texts: Sequence[str]) -> Readout: ...


@dataclass(frozen=True, slots=True)
class Run:
    """The head, on all examples; and how many of a fifth a head did right that had not seen them (None: too few)."""

    head: OwnHead
    examples: int
    held_out_accuracy: float | None
    seconds: float  # from the read texts to the head


def run(encoder: Reads, path: Path, *, report: Callable[[Labelled], None] = lambda data: None) -> Run:
    """Train a head on the table at `path`. Raises `TrainingError` where that cannot be done."""
    data = heads.read(path)
    report(data)
    readout, names = encoder.read(data.texts), _names(encoder, data.labels)
    started = time.monotonic()
    accuracy = None
    kept, check = heads.split(data.labels)
    if len(check):
        trial = heads.train(heads.part(readout, kept), [data.labels[number] for number in kept], names)
        accuracy = heads.accuracy(trial, heads.part(readout, check), [data.labels[number] for number in check])
    head = heads.train(readout, data.labels, names)
    return Run(head, len(data.texts), accuracy, round(time.monotonic() - started, 2))


def trainer(encoder: Reads) -> Callable[[Sequence[str], Sequence[str]], OwnHead]:
    """The same from texts and labels at hand, for measuring it."""
    return lambda texts, labels: heads.train(encoder.read(texts), labels, _names(encoder, labels))


def _names(encoder: Reads, labels: Sequence[str]) -> Readout | None:
    """The labels themselves, read as words, where there are few examples of each."""
    if not heads.few_shot(labels):
        return None
    return encoder.read([heads.as_words(name) for name in sorted(set(labels))])
