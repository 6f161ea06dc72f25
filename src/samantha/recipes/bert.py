"""A BERT that learns from plain text alone, by finding masked tokens again (Devlin et al. 2019).

`samantha train bert data=FILE out=runs/bert` makes a trunk, which `samantha train classify data=... trunk=runs/bert`
tunes. Not here: telling labels (`samantha.recipes.classify`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samantha.core.errors import SettingError, TrainingError
from samantha.recipes.options import option
from samantha.training import classification, cleaning, corpora, language_modelling, masked_text, tokens
from samantha.training.corpora import Document, Tally
from samantha.training.devices import Device, chosen, fitted
from samantha.training.loop import Plan
from samantha.training.model_files import Trained
from samantha.training.models.bert import Shape
from samantha.training.runs import Run, RunFolder

Form = Literal["text", "lines", "labelled"]
SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that may be varied."""

    data: Path | None = option(None, "A file of text, or a folder of .txt, .md and .jsonl.")
    form: Form = option(
        "text", "text: files as they are; lines: each line is a text; labelled: a table or lines with labels."
    )
    corrupt: Literal["refuse", "skip"] = option("refuse", "What is done with a row that cannot be read.")
    licence: str = option("not stated", "Under which licence the texts are: data.json says it.")
    shape: Shape = option(
        lambda: Shape(vocabulary=8000, width=192, layers=4, attention_heads=6, inner=768, positions=128),
        "Sizes of the model; vocabulary is the most that the tokenizer may have.",
    )
    plan: Plan = option(
        lambda: Plan(
            steps=6000, rate=1e-3, betas=(0.9, 0.98), half=True, evaluate_every=500, patience=5, keep_every=500
        ),
        "How long and how fast.",
    )
    batch: int = option(64, "Texts in a batch.")
    masked: float = option(0.15, "Share of the tokens that it has to find again.")
    dropout: float = option(0.1, "Share of the inner values that are left out while it learns.")
    held_out: float = option(0.02, "Share of the texts that it is measured on, and does not learn.")
    seed: int = option(0, "What chance begins with; the same seed gives the same model.")
    device: Device = option("auto", "cpu, cuda, or auto: a GPU where there is one.")


def run(recipe: Recipe, folder: RunFolder) -> Run:
    """Texts, a tokenizer of their own, and a model that finds masked tokens again."""
    data = _checked(recipe)
    device, longest = chosen(recipe.device), classification.readable(recipe.shape.positions)
    tally = Tally(recipe.corrupt)
    texts = _texts(data, recipe.form, tally)
    folder.describe(cleaning.card(data.name, tally, licence=recipe.licence))
    learned, held = language_modelling.held_out(texts, recipe.held_out)
    tokenizer = tokens.byte_level((said for one in learned for said in one.texts), recipe.shape.vocabulary)
    rows, held_rows = (
        masked_text.rows_of((said for one in part for said in one.texts), tokenizer, longest=longest)
        for part in (learned, held)
    )
    if not rows or not held_rows:
        raise TrainingError("'{data}' is too short to learn from and to measure with. Give more text.", data=data)
    model = masked_text.begin(recipe.shape, tokenizer, dropout=recipe.dropout, seed=recipe.seed, device=device)
    size = model.shape.vocabulary
    held_batches = masked_text.held_batches(held_rows, recipe.batch, size, share=recipe.masked)
    log = folder.fit(
        "masked",
        model,
        masked_text.batches(rows, recipe.batch, size, share=recipe.masked, seed=recipe.seed, device=device),
        masked_text.losses,
        fitted(recipe.plan, device),
        score=lambda network: -masked_text.found(network, held_batches).loss,
        tokens_of=masked_text.count,
    )
    for row in held_rows[:SAMPLES]:
        asked, written = masked_text.filled_in(model, tokenizer, row)
        folder.sample(asked, written, expected=tokens.decode(tokenizer, row))
    result = masked_text.found(model, held_batches)
    figures = {
        "held_out_loss": result.loss,
        "held_out_accuracy": result.accuracy,
        "rows": len(rows),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "minutes": log.seconds / 60,
    }
    return folder.finish(Trained("bert", model, tokenizer, "nothing", longest=longest), figures)


def _checked(recipe: Recipe) -> Path:
    """What can be said before anything is read, and what then is read. Raises `SettingError`."""
    if recipe.data is None:
        raise SettingError("Say what to learn from: data=FILE, or data=FOLDER.")
    if not 0 < recipe.masked < 1:
        raise SettingError("masked is {share}. It has to lie between 0 and 1; 0.15 is usual.", share=recipe.masked)
    classification.check_dropout(recipe.dropout)
    if recipe.batch < 1 or recipe.shape.positions < 8:
        raise SettingError(
            "batch={batch} with shape.positions={positions} holds nothing. Take 1 and 8 at least.",
            batch=recipe.batch,
            positions=recipe.shape.positions,
        )
    return recipe.data


def _texts(data: Path, form: Form, tally: Tally) -> list[Document | corpora.Chat]:
    """The distinct texts, in the form that they were said to have."""
    if form == "labelled":
        return [Document(row.text, row.place) for row in classification.read(data, tally=tally)]
    if form == "lines":
        found = corpora.lines(data, tally=tally)
        return list(cleaning.distinct(cleaning.normalised(found, tally=tally), tally=tally))
    return list(cleaning.normalised(language_modelling.read([data], tally=tally), tally=tally))
