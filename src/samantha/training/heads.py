"""Heads of one's own: a linear classifier on the frozen states of the encoder, from a few examples a class.

The way of SetFit (Tunstall et al. 2022) without its fine-tuning: the encoder stays as it is, so that one pass serves
every head. Not here: where the head is kept (`samantha.adapters.onnx_encoder`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from samantha.adapters.onnx_encoder import OwnHead, Readout, features_of
from samantha.core.errors import TrainingError
from samantha.training import corpora
from samantha.training.corpora import Tally

FEW = 64  # examples a class up to which its name counts as one more example
STRENGTH = 100.0  # inverse of the L2 penalty; features have unit length, so that little penalty is needed


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts with one label each."""

    texts: list[str]
    labels: list[str]

    @property
    def names(self) -> list[str]:
        return sorted(set(self.labels))


def read(path: Path) -> Labelled:
    """A table with a header that names a text and a label; others of its columns are left aside.

    Raises `TrainingError` where there is no such file, no such columns, a row that is amiss, fewer than two labels, or
    fewer than two examples of one.
    """
    tally = Tally(corrupt="skip")  # `refuse` would advise corrupt=skip, which a head does not know
    rows = list(corpora.labelled_table(path, tally=tally))
    if tally.shown:
        first = tally.shown[0]
        raise TrainingError(
            "{file}, line {line}: {says} Mend or delete it.", file=path, line=first.place.line, says=first.says
        )
    return checked(Labelled([row.text for row in rows], [row.label for row in rows]), source=str(path))


def checked(data: Labelled, *, source: str) -> Labelled:
    """`data`, if a head can be trained on it."""
    counts = Counter(data.labels)
    if len(counts) < 2:
        raise TrainingError("'{source}' has fewer than two labels. A head tells at least two apart.", source=source)
    rarest = min(counts, key=lambda name: counts[name])
    if counts[rarest] < 2:
        raise TrainingError(
            "'{source}' has a single example of the label '{label}'. Give two of each at least; eight are better.",
            source=source,
            label=rarest,
        )
    return data


def train(readout: Readout, labels: Sequence[str], names: Readout | None = None) -> OwnHead:
    """A head for `labels`, one for each text of `readout`.

    `names` reads the labels themselves, in alphabetical order, as words: with few examples a name such as
    "card_arrival" is worth one more.
    """
    classes = sorted(set(labels))
    features, known = features_of(readout.vector, readout.pooled), np.array(labels)
    if names is not None:
        features = np.concatenate([features, features_of(names.vector, names.pooled)])
        known = np.concatenate([known, np.array(classes)])
    mean = features.mean(axis=0)
    length = np.float32(np.linalg.norm(features - mean, axis=1).mean() or 1.0)
    model = LogisticRegression(C=STRENGTH, max_iter=500).fit((features - mean) / length, known)
    weight, bias = np.asarray(model.coef_, np.float32), np.asarray(model.intercept_, np.float32)
    if len(classes) == 2:  # one row for the second class stands for both
        weight, bias = np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    return OwnHead(tuple(classes), mean, np.full_like(mean, length), weight, bias)


def as_words(label: str) -> str:
    """`card_arrival` -> `card arrival`: what a label says when it is read."""
    return label.replace("_", " ").replace("-", " ").strip("? ")


def few_shot(labels: Sequence[str]) -> bool:
    """Whether the names of the labels should be among the examples."""
    return len(labels) <= FEW * len(set(labels))


def split(labels: Sequence[str], *, share: float = 0.2, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and to check with; where a label has fewer than five examples, nothing to check with."""
    everything = np.arange(len(labels))
    if min(Counter(labels).values()) < 5 or len(labels) * share < len(set(labels)):
        return everything, everything[:0]
    kept, checked_with = train_test_split(everything, test_size=share, random_state=seed, stratify=list(labels))
    return kept, checked_with


def part(readout: Readout, rows: NDArray[np.int64]) -> Readout:
    """Some rows of `readout`."""
    return Readout(
        readout.vector[rows], readout.pooled[rows], {head: each[rows] for head, each in readout.probabilities.items()}
    )


def accuracy(head: OwnHead, readout: Readout, labels: Sequence[str]) -> float:
    """Share of `labels` that the head's most probable ones are."""
    found = head.probabilities(readout.vector, readout.pooled).argmax(axis=-1)
    return round(float(np.mean([head.labels[index] == label for index, label in zip(found, labels, strict=True)])), 4)
