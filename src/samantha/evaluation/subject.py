"""What an evaluation of her understanding is given: the encoder and what stands beside it, as the surface opened them.

Not here: opening them (`samantha.wiring`), or what is measured (`samantha.evaluation.suites`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from samantha.core.types import Level, Understanding

Numbers = NDArray[Any]


class Readout(Protocol):
    """What the encoder reads in some texts; rows are texts."""

    @property
    def vector(self) -> Numbers: ...

    @property
    def pooled(self) -> Numbers: ...


class Encoder(Protocol):
    """The part of the encoder's adapter that is measured."""

    def understood(self, texts: Sequence[str], /) -> list[Understanding]: ...

    def read(self, texts: Sequence[str], /) -> Readout: ...


class Head(Protocol):
    """A classifier on top of what the encoder reads."""

    @property
    def labels(self) -> Sequence[str]: ...

    def probabilities(self, vector: Any, pooled: Any, /) -> Numbers:
        """(texts, labels), of the two parts of a `Readout`."""
        ...


HeadTrainer = Callable[[Sequence[str], Sequence[str]], Head]
"""Texts and the label of each -> a head that tells them apart."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured."""

    encoder: Encoder
    level_of_words: Callable[[str], Level | None]  # the rules for crisis words; None where they say nothing
    kind_thresholds: Mapping[str, float]  # probability from which on a kind of risk counts
    head_trainer: HeadTrainer | None = None  # None where training is not installed
