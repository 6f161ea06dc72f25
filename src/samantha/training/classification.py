"""Telling which label a text has: labelled texts as batches, a trunk to start from, what it costs, what it says.

Not here: reading rows (`samantha.training.corpora`), in which stages a classifier learns (`samantha.recipes.classify`).
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from samantha.core.errors import SettingError, TrainingError
from samantha.core.text import text
from samantha.training import cleaning, corpora, data, model_files, objectives, pretrained, tokens
from samantha.training.corpora import EXCERPT, Dropped, LabelledText, Tally
from samantha.training.devices import moved
from samantha.training.models.bert import Shape, TextClassifier

Batch = tuple[Tensor, Tensor, Tensor]  # ids and mask (batch, tokens), index of the label (batch)
Floats = NDArray[np.float32]


# -- texts ------------------------------------------------------------------------------------------------------


def read(path: Path, *, tally: Tally, labels: Sequence[str] | None = None) -> list[LabelledText]:
    """The distinct texts of a table (.csv, .tsv) with the columns text and label, or of lines of a label and a text.

    A label that is not one of `labels` is a fault.
    """
    table = {".csv", ".tsv"} & {suffix.lower() for suffix in path.suffixes}
    reader = corpora.labelled_table if table else corpora.labelled_lines
    rows = reader(path, tally=tally, labels=labels)
    return list(cleaning.distinct(cleaning.normalised(rows, tally=tally), tally=tally))


def read_unlabelled(path: Path, *, tally: Tally) -> list[LabelledText]:
    """The distinct lines of a file, each with an empty label."""
    rows = (LabelledText(line.text, "", line.place) for line in corpora.lines(path, tally=tally))
    return list(cleaning.distinct(cleaning.normalised(rows, tally=tally), tally=tally))


def without(rows: Sequence[LabelledText], others: Sequence[LabelledText], *, tally: Tally) -> list[LabelledText]:
    """`rows` but for those with the text of one of `others`: what measures must not have been learned."""
    known = {row.text for row in others}
    for row in rows:
        if row.text in known:
            says = text("It is also in what measures.")
            tally.drop(Dropped(row.place, "in held or test", says, row.text[:EXCERPT]))
    return [row for row in rows if row.text not in known]


def check_dropout(share: float) -> None:
    """Raises `SettingError` where `share` cannot be left out."""
    if not 0 <= share < 1:
        raise SettingError("dropout is {share}. It has to be 0 at least, and below 1; 0.1 is usual.", share=share)


def readable(positions: int) -> int:
    """How many tokens a model with so many `positions` reads: batches are as long as a multiple of `data.STEP`."""
    return positions // data.STEP * data.STEP


def names_of(rows: Sequence[LabelledText], *, least: int = 2) -> tuple[str, ...]:
    """The labels in order. Raises `TrainingError` where there are not two, or one has fewer than `least` texts."""
    counts = Counter(row.label for row in rows)
    file = rows[0].place.file if rows else ""
    if len(counts) < 2:
        raise TrainingError(
            "'{file}' has {count} usable texts with the labels: {found}. To tell labels apart takes two at least.",
            file=file,
            count=len(rows),
            found=", ".join(counts) or "none",
        )
    rarest = min(counts, key=lambda name: counts[name])
    if counts[rarest] < least:
        raise TrainingError(
            "'{file}' has {count} texts with the label '{label}', and {least} are the fewest. Add some, or leave that "
            "label out.",
            file=file,
            count=counts[rarest],
            label=rarest,
            least=least,
        )
    return tuple(sorted(counts))


def split(rows: Sequence[LabelledText], share: float, *, seed: int) -> tuple[list[LabelledText], list[LabelledText]]:
    """Drawn by chance, the `share` of each label, at least one text of it; and the rest."""
    chance = random.Random(seed)
    first: list[LabelledText] = []
    rest: list[LabelledText] = []
    for name in sorted({row.label for row in rows}):
        order = [row for row in rows if row.label == name]
        chance.shuffle(order)
        cut = min(len(order), max(1, round(share * len(order))))
        first, rest = first + order[:cut], rest + order[cut:]
    return first, rest


def count_cut(rows: Sequence[LabelledText], tokenizer: Tokenizer, *, longest: int) -> int:
    """How many of `rows` are longer than `longest` tokens. Of these the end is not read."""
    encoded = tokenizer.encode_batch([row.text for row in rows])
    return sum(len(one.ids) > longest for one in encoded)


# -- what it starts from ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Shape and tokenizer of a classifier; `trunk` are its pretrained weights, empty where it has none."""

    shape: Shape
    tokenizer: Tokenizer
    trunk: Mapping[str, Tensor]

    def model(self, labels: int, *, dropout: float, seed: int, device: torch.device) -> TextClassifier:
        """A classifier with a random head; what chance decides from here on follows from `seed`."""
        torch.manual_seed(seed)
        made = TextClassifier(self.shape, labels, dropout=dropout)
        if self.trunk:
            made.trunk.load_state_dict(self.trunk)
        return made.to(device)


def from_texts(rows: Sequence[LabelledText], shape: Shape) -> Start:
    """A tokenizer of at most `shape.vocabulary` tokens, learned from `rows`, and nothing else."""
    tokenizer = tokens.byte_level((row.text for row in rows), shape.vocabulary)
    return Start(replace(shape, vocabulary=tokenizer.get_vocab_size()), tokenizer, {})


def from_folder(folder: Path) -> Start:
    """The trunk of a run of the recipes `bert` or `classify`, or of a BERT from Hugging Face such as MiniLM.

    Raises `TrainingError` where there is none.
    """
    if (folder / model_files.MODEL).exists():
        trained = model_files.read(folder)
        if trained.architecture not in ("bert", "classifier"):
            raise TrainingError(
                "'{folder}' is a {architecture}, which has no trunk to classify with. Give a run of bert or classify.",
                folder=folder,
                architecture=trained.architecture,
            )
        trunk = {
            name.removeprefix("trunk."): tensor
            for name, tensor in trained.model.state_dict().items()
            if name.startswith("trunk.")
        }
        return Start(trained.model.shape, trained.tokenizer, trunk)  # type: ignore[arg-type]  # both have one
    found = pretrained.trunk(folder)
    return Start(found.shape, pretrained.tokenizer(folder), found.state_dict())


# -- learning ---------------------------------------------------------------------------------------------------


def batches(
    rows: Sequence[LabelledText],
    names: Sequence[str],
    tokenizer: Tokenizer,
    size: int,
    *,
    longest: int,
    seed: int,
    device: torch.device,
) -> Iterator[Batch]:
    """Batches of `size` texts for ever, those of like length together, each cut to `longest` tokens."""
    numbers = {name: number for number, name in enumerate(names)}
    examples = [data.Example(row.text, {"label": numbers[row.label]}) for row in rows]
    for drawn in data.endless(examples, size, seed=seed):
        ids, mask = data.padded(tokenizer, [one.text for one in drawn], longest=longest)
        yield moved((ids, mask, torch.tensor([one.labels["label"] for one in drawn])), device)


def count(batch: Batch) -> int:
    """Tokens that are read."""
    return int(batch[1].sum())


def losses_of(
    *, agreement: float = 0.0, adversarial: float = 0.0, smoothing: float = 0.0
) -> Callable[[TextClassifier, Batch], dict[str, Tensor]]:
    """Cross-entropy of the label, and what is asked for beside it.

    `agreement` weighs how far two readings of a text differ (R-Drop); `adversarial` is how far a text is moved, and
    what that costs counts as much as the text itself.
    """

    def losses(model: TextClassifier, batch: Batch) -> dict[str, Tensor]:
        ids, mask, targets = batch

        def label() -> Tensor:
            return objectives.one_label(model(ids, mask), targets, smoothing=smoothing)

        parts = {}
        if adversarial:
            parts["label"], parts["adversarial"] = objectives.adversarial(model.trunk.tokens, label, size=adversarial)
        if agreement:
            first, second = (model(ids, mask) for _ in range(2))
            both = (objectives.one_label(each, targets, smoothing=smoothing) for each in (first, second))
            parts["label"] = sum(both, parts.get("label", first.new_zeros(()))) / 2
            parts["agreement"] = agreement * objectives.agreement(first, second, targets >= 0)
        return parts or {"label": label()}

    return losses


def pseudo_labelled(
    rows: Sequence[LabelledText], probabilities: Floats, names: Sequence[str], *, confidence: float
) -> list[LabelledText]:
    """Those of `rows` of which a teacher is sure, with the label that it gives them (Lee 2013).

    `probabilities` (rows, labels). Where it is sure of one label more often than of another, no more are kept than
    half as many again as of the rarest: a student of lopsided labels leans further.
    """
    best, sure = probabilities.argmax(-1), probabilities.max(-1)
    kept: list[int] = []
    places = [np.flatnonzero((best == number) & (sure >= confidence)) for number in range(len(names))]
    most = round(1.5 * min((len(each) for each in places if len(each)), default=0))
    for each in places:
        kept += sorted(each[np.argsort(-sure[each], kind="stable")][:most].tolist())
    return [replace(rows[number], label=names[best[number]]) for number in sorted(kept)]


# -- what it says -----------------------------------------------------------------------------------------------


@torch.inference_mode()
def probabilities(
    model: TextClassifier, tokenizer: Tokenizer, texts: Sequence[str], *, longest: int, size: int = 128
) -> Floats:
    """How probable each label is for each text (texts, labels)."""
    device = next(model.parameters()).device
    order = sorted(range(len(texts)), key=lambda number: len(texts[number].encode()))
    found = np.zeros((len(texts), model.classifier.head.labels.out_features), np.float32)
    for start in range(0, len(order), size):
        at = order[start : start + size]
        ids, mask = moved(data.padded(tokenizer, [texts[number] for number in at], longest=longest), device)
        found[at] = torch.softmax(model(ids, mask).float(), -1).cpu().numpy()
    return found


def scores(found: Floats, labels: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Accuracy, and the mean of the labels' F1 (those that occur), 0..1. `found` (texts, labels)."""
    truth, said = np.array([names.index(label) for label in labels]), found.argmax(-1)
    each = [
        2 * ((said == number) & (truth == number)).sum() / ((said == number).sum() + (truth == number).sum())
        for number in sorted(set(truth.tolist()))
    ]
    return {"accuracy": float((said == truth).mean()), "macro_f1": float(np.mean(each))}
