"""A classifier of texts: on a pretrained trunk (MiniLM, or a run of `bert`), or on none.

With `unlabelled` it learns twice: a teacher from the labelled texts, and a student from these and from what the teacher
is sure of in the others (self-training: Yarowsky 1995, with the pseudo-labels of Lee 2013). Not here: the heads of the
encoder that ships (`samantha.recipes.encoder`, `samantha.recipes.head`).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from samantha.core.errors import SettingError, TrainingError
from samantha.recipes.options import option
from samantha.training import classification, cleaning, perturbation
from samantha.training.classification import Start
from samantha.training.corpora import LabelledText, Tally
from samantha.training.devices import Device, chosen, fitted
from samantha.training.loop import Plan
from samantha.training.model_files import Trained
from samantha.training.models.bert import Shape, TextClassifier
from samantha.training.runs import Run, RunFolder

LEAST_STEPS = 200  # a few hundred texts need more rounds than thousands do
SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that may be varied."""

    data: Path | None = option(
        None, "Labelled texts: a .csv or .tsv with the columns text and label, or lines: LABEL TEXT."
    )
    held: Path | None = option(None, "Labelled texts that say when to stop; left out, a share of data does.")
    held_share: float = option(
        0.1, "Share of data that says when to stop, where held is not given; 0 never stops early."
    )
    test: Path | None = option(
        None, "Labelled texts that are looked at once, at the end; left out, the figures are of held."
    )
    trunk: Path | None = option(
        None, "What it starts from: the folder of all-MiniLM-L6-v2, or a run of bert or classify."
    )
    fresh: bool = option(
        False, "Take shape and tokenizer of the trunk, and not its weights: to see what they are worth."
    )
    shape: Shape = option(
        lambda: Shape(vocabulary=8000, width=192, layers=4, attention_heads=6, inner=768, positions=128),
        "Sizes of the model where there is no trunk; vocabulary is the most that the tokenizer may have.",
    )
    labelled_share: float = option(1.0, "Share of data whose labels are used.")
    unlabelled: str = option("none", "Texts without labels to learn from: none, rest (of data), or a file of lines.")
    confidence: float = option(0.9, "How sure the teacher has to be of what a text without a label is taken for.")
    rounds: int = option(1, "How often a student becomes the next one's teacher.")
    agreement: float = option(0.0, "Weight of R-Drop: two readings of a text have to agree; 1 is usual, 0 is off.")
    adversarial: float = option(0.0, "How far a text is moved to where the loss rises, of its length (FGM); 0 is off.")
    smoothing: float = option(0.0, "Share of a label that is spread over all of them.")
    batch: int = option(32, "Texts in a batch.")
    epochs: float = option(3.0, "Rounds over the texts, where plan.steps is 0.")
    longest: int = option(128, "Tokens of a text that are read; what is beyond is cut off, and counted.")
    head_rate: float = option(5.0, "How much faster the new head learns than a pretrained trunk.")
    plan: Plan = option(
        lambda: Plan(steps=0, rate=5e-5, average=0.99, half=True, patience=4),
        "How long and how fast.",
    )
    dropout: float = option(0.1, "Share of the inner values that are left out while it learns.")
    corrupt: Literal["refuse", "skip"] = option("refuse", "What is done with a row that cannot be read.")
    licence: str = option("not stated", "Under which licence the texts are: data.json says it.")
    seed: int = option(0, "What chance begins with; the same seed gives the same model.")
    device: Device = option("auto", "cpu, cuda, or auto: a GPU where there is one.")


@dataclass(frozen=True, slots=True)
class Texts:
    """What is learned from, with and without labels, what says when to stop, and what is looked at in the end."""

    names: tuple[str, ...]
    labelled: list[LabelledText]
    unlabelled: list[LabelledText]  # whatever label they have is not used
    held: list[LabelledText]
    test: list[LabelledText]

    @property
    def measuring(self) -> list[LabelledText]:
        return self.test or self.held


def run(recipe: Recipe, folder: RunFolder) -> Run:
    """Read, take up the trunk, learn (and with unlabelled texts teach a student), measure."""
    data = _checked(recipe)
    texts = _texts(recipe, data, folder)
    start = _start(recipe, texts)
    recipe = replace(recipe, longest=min(recipe.longest, classification.readable(start.shape.positions)))
    model = _fitted("labelled", texts.labelled, texts, start, recipe, folder)
    figures: dict[str, float] = {}
    for number in range(1, recipe.rounds + 1 if texts.unlabelled else 1):
        if number == 1:
            figures["teacher_accuracy"] = _scores(model, texts.measuring, texts, start, recipe)["accuracy"]
        sure = _taught(model, texts, start, recipe)
        figures["pseudo_labels"] = len(sure)
        if recipe.unlabelled == "rest" and sure:
            figures["pseudo_labels_right"] = sum(one.label == other.label for one, other in sure) / len(sure)
        rows = [*texts.labelled, *(one for one, _ in sure)]
        model = _fitted(f"student{number}", rows, texts, start, recipe, folder)
    figures |= _measured(model, texts, start, recipe, folder)
    return folder.finish(
        Trained("classifier", model, start.tokenizer, "nothing", labels=texts.names, longest=recipe.longest), figures
    )


def _checked(recipe: Recipe) -> Path:
    """What can be said before anything is read, and what then is read. Raises `SettingError`."""
    if recipe.data is None:
        raise SettingError("Say what to learn from: data=FILE with a label and a text in each row.")
    for key, share, least in (("held_share", recipe.held_share, 0.0), ("labelled_share", recipe.labelled_share, 1e-6)):
        if not least <= share <= 1 or (key == "held_share" and share == 1):
            raise SettingError("{key} is {share}. It has to lie between 0 and 1.", key=key, share=share)
    if recipe.held is None and recipe.test is None and not recipe.held_share:
        raise SettingError("Nothing measures what was learned. Give test=FILE or held=FILE, or a held_share above 0.")
    if recipe.unlabelled == "rest" and recipe.labelled_share == 1:
        raise SettingError("unlabelled=rest has nothing to take where labelled_share is 1. Set labelled_share=0.05.")
    if recipe.fresh and recipe.trunk is None:
        raise SettingError("fresh=true takes its shape from a trunk. Give trunk=FOLDER, or leave fresh out.")
    classification.check_dropout(recipe.dropout)
    if not (recipe.batch >= 1 and recipe.longest >= 3 and 0 < recipe.epochs < math.inf and recipe.rounds >= 1):
        raise SettingError("batch, rounds and epochs have to be above 0, and longest 3 at least.")
    if recipe.trunk is None and recipe.shape.positions < 8:
        raise SettingError("shape.positions is {count}. Take 8 at least.", count=recipe.shape.positions)
    return recipe.data


def _texts(recipe: Recipe, data: Path, folder: RunFolder) -> Texts:
    """Read everything, and keep the cards of it. What measures is nowhere among what is learned from."""
    tallies = {name: Tally(recipe.corrupt) for name in ("data", "held", "test", "unlabelled")}
    rows = classification.read(data, tally=tallies["data"])
    names = classification.names_of(rows)
    held, test = (
        classification.read(path, tally=tallies[name], labels=names) if path else []
        for name, path in (("held", recipe.held), ("test", recipe.test))
    )
    rows = classification.without(rows, [*held, *test], tally=tallies["data"])
    if not held and recipe.held_share:
        held, rows = classification.split(rows, recipe.held_share, seed=recipe.seed)
    labelled, rest = classification.split(rows, recipe.labelled_share, seed=recipe.seed)
    if recipe.unlabelled not in ("none", "rest"):
        found = classification.read_unlabelled(Path(recipe.unlabelled), tally=tallies["unlabelled"])
        rest = classification.without(found, [*held, *test], tally=tallies["unlabelled"])
        if not rest:
            raise TrainingError(
                "Of '{file}' nothing is left to learn from: all of it is also in what measures. Give other texts.",
                file=recipe.unlabelled,
            )
    classification.names_of(labelled, least=1)
    read = {name: tally for name, tally in tallies.items() if tally.read}
    folder.describe(*(cleaning.card(name, tally, licence=recipe.licence) for name, tally in read.items()))
    return Texts(names, labelled, rest if recipe.unlabelled != "none" else [], held, test)


def _start(recipe: Recipe, texts: Texts) -> Start:
    """The trunk that was asked for; without one, a tokenizer of the texts and a shape."""
    if recipe.trunk is None:
        return classification.from_texts([*texts.labelled, *texts.unlabelled], recipe.shape)
    start = classification.from_folder(recipe.trunk)
    return replace(start, trunk={}) if recipe.fresh else start


def _fitted(
    stage: str, rows: Sequence[LabelledText], texts: Texts, start: Start, recipe: Recipe, folder: RunFolder
) -> TextClassifier:
    """A new classifier that has learned `rows`."""
    device = chosen(recipe.device)
    model = start.model(len(texts.names), dropout=recipe.dropout, seed=recipe.seed, device=device)
    steps = recipe.plan.steps or max(LEAST_STEPS, math.ceil(recipe.epochs * len(rows) / recipe.batch))
    plan = replace(recipe.plan, steps=steps, evaluate_every=recipe.plan.evaluate_every or max(1, steps // 8))

    def score(network: TextClassifier) -> float:
        return _scores(network, texts.held, texts, start, recipe)["accuracy"]

    folder.fit(
        stage,
        model,
        classification.batches(
            rows, texts.names, start.tokenizer, recipe.batch, longest=recipe.longest, seed=recipe.seed, device=device
        ),
        classification.losses_of(
            agreement=recipe.agreement, adversarial=recipe.adversarial, smoothing=recipe.smoothing
        ),
        fitted(plan, device),
        score=score if texts.held else None,
        rates={"classifier": recipe.head_rate} if start.trunk else None,
        tokens_of=classification.count,
    )
    return model


def _taught(
    teacher: TextClassifier, texts: Texts, start: Start, recipe: Recipe
) -> list[tuple[LabelledText, LabelledText]]:
    """What the teacher is sure of, each with the row that it was, whose label nobody used."""
    found = _probabilities(teacher, texts.unlabelled, start, recipe)
    before = {row.place: row for row in texts.unlabelled}
    sure = classification.pseudo_labelled(texts.unlabelled, found, texts.names, confidence=recipe.confidence)
    return [(row, before[row.place]) for row in sure]


def _measured(model: TextClassifier, texts: Texts, start: Start, recipe: Recipe, folder: RunFolder) -> dict[str, float]:
    """The figures, on the test texts where there are any: as they are, with typing errors, and in other words."""
    rows, of = texts.measuring, "test" if texts.test else "held"
    figures = {f"{of}_{name}": value for name, value in _scores(model, rows, texts, start, recipe).items()}
    for change, said in perturbation.each([row.text for row in rows], seed=0).items():
        changed = [row.with_texts([other]) for row, other in zip(rows, said, strict=True)]
        figures[f"{of}_accuracy_{change}"] = _scores(model, changed, texts, start, recipe)["accuracy"]
    shown = rows[:SAMPLES]
    for row, probable in zip(shown, _probabilities(model, shown, start, recipe), strict=True):
        folder.sample(row.text, texts.names[probable.argmax()], expected=row.label)
    return figures | {
        "most_frequent_label": max(Counter(row.label for row in rows).values()) / len(rows),
        "learned": len(texts.labelled),
        "measured": len(rows),
        "cut": classification.count_cut([*texts.labelled, *rows], start.tokenizer, longest=recipe.longest),
    }


def _scores(
    model: TextClassifier, rows: Sequence[LabelledText], texts: Texts, start: Start, recipe: Recipe
) -> dict[str, float]:
    found = _probabilities(model, rows, start, recipe)
    return classification.scores(found, [row.label for row in rows], texts.names)


def _probabilities(
    model: TextClassifier, rows: Sequence[LabelledText], start: Start, recipe: Recipe
) -> classification.Floats:
    return classification.probabilities(model, start.tokenizer, [row.text for row in rows], longest=recipe.longest)
