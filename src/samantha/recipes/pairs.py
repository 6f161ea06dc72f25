"""What both recipes for pairs share: what may be varied, and what is done, step by step.

Not here: the model, and defaults that go with it (`samantha.recipes.seq2seq_lstm`,
`samantha.recipes.seq2seq_transformer`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samantha.core.errors import SettingError
from samantha.recipes.options import option
from samantha.training import cleaning, pairs, pretrained, ranges, translation
from samantha.training.corpora import Pair, Tally
from samantha.training.decoding import Decoding
from samantha.training.devices import Device, chosen, fitted, moved
from samantha.training.loop import Plan
from samantha.training.model_files import Trained
from samantha.training.pairs import Encoded, Origin
from samantha.training.runs import Run, RunFolder

SAMPLES = 12  # texts that are written at the end, for the eye
TEST = "test.json"
RANGES: dict[str, tuple[float, float]] = {
    "held_out": (0, 0.9),
    "dropout": (0, 0.9),
    "smoothing": (0, 0.9),
    "agreement": (0, 100),
    "batch": (1, 10_000_000),
    "beams": (1, 100),
}


@dataclass(frozen=True, slots=True)
class PairRecipe:
    """Everything that may be varied, whatever the model."""

    source: Path | None = option(None, "A file of texts to read, one a line (.gz may be); target has what they become.")
    target: Path | None = option(None, "A file of texts to write, of as many lines as source.")
    data: Path | None = option(
        None, "Instead of both: a table of two columns (.tsv), or conversations (.jsonl, a folder)."
    )
    held_source: Path | None = option(
        None, "Texts to measure with while it learns, with held_target; else held_out is."
    )
    held_target: Path | None = option(None, "What the texts of held_source become.")
    held_out: float = option(0.02, "The share of the pairs that measures and is not learned from; 0 is none.")
    test_source: Path | None = option(
        None, "Texts to translate at the end, for BLEU and chrF; else those held out are."
    )
    test_target: Path | None = option(None, "What the texts of test_source become.")
    corrupt: Literal["refuse", "skip"] = option("refuse", "What is done with a row that cannot be read.")
    lower_case: bool = option(False, "Whether it only ever sees and writes small letters.")
    vocabulary: int = option(6000, "Pieces of words (byte-level BPE), for both sides together.")
    longest_source: int = option(96, "Tokens that are read at most; what is longer is cut, and counted.")
    longest_target: int = option(
        96, "Tokens of what is written at most: longer replies are shortened, others left out."
    )
    batch: int = option(2048, "Tokens in a batch, on each side.")
    dropout: float = option(0.2, "The share of the inner values that is left out at each step.")
    smoothing: float = option(0.1, "How much of the probability is wanted for other tokens than the right one.")
    agreement: float = option(0.0, "Weight of the agreement of two passes (R-Drop); 0 makes one pass.")
    beams: int = option(5, "How many hypotheses the test is written with.")
    licence: str = option("not stated", "Under which licence the texts are: data.json says it.")
    seed: int = option(0, "Where chance begins.")
    device: Device = option("auto", "cpu, cuda, or auto: a GPU where there is one.")


@dataclass(frozen=True, slots=True)
class Material:
    """Pairs to learn from, to measure with while it learns, and to translate at the end."""

    learned: list[Pair]
    held: list[Pair]
    test: list[Pair]
    talks: bool


def learn(
    recipe: PairRecipe,
    shape: translation.Shape,
    plan: Plan,
    folder: RunFolder,
    *,
    architecture: str,
    encoder: Path | None = None,
    encoder_rate: float = 1.0,
) -> Run:
    """Read, learn pieces of words, train, measure, write samples and the test."""
    device = chosen(recipe.device)
    _check(recipe)
    trunk = pretrained.trunk(encoder, dropout=recipe.dropout) if encoder else None
    if trunk:
        translation.check_length(trunk, recipe.longest_source)
    reads = pretrained.tokenizer(encoder) if encoder else None
    material = _read(recipe, folder)
    codec = pairs.codec(material.learned, recipe.vocabulary, reads=reads)
    model = translation.begin(shape, codec, dropout=recipe.dropout, seed=recipe.seed, device=device, trunk=trunk)
    learned = _encoded(recipe, material.learned, codec, material.talks)
    held = _encoded(recipe, material.held, codec, material.talks).examples if material.held else []

    log = folder.fit(
        "learning",
        model,
        pairs.batches(learned.examples, recipe.batch, seed=recipe.seed, moved=lambda batch: moved(batch, device)),
        translation.losses_of(smoothing=recipe.smoothing, agreement=recipe.agreement),
        fitted(plan, device),
        score=(lambda network: -translation.held_out_loss(network, held, recipe.batch)) if held else None,
        rates={"encoder.": encoder_rate},
        tokens_of=translation.count,
    )
    figures = {
        "pairs": len(learned.examples),
        "sources_cut": learned.sources_cut,
        "targets_shortened": learned.targets_shortened,
        "left_out": learned.left_out,
        "training_loss": log.rows[-1]["loss"],
        "parameters": sum(each.numel() for each in model.parameters()),
        "training_seconds": log.seconds,
    }
    if held:
        figures["held_out_loss"] = translation.held_out_loss(model, held, recipe.batch)
    if material.test:
        figures |= _tested(recipe, model, codec, material.test, folder, name="test")
    elif held and not material.talks:
        figures |= _tested(recipe, model, codec, material.held, folder, name="held_out")
    _samples(recipe, model, codec, material, folder)
    source = None if codec.reads is codec.writes else codec.reads
    trained = Trained(
        architecture,
        model,
        codec.writes,
        "pairs",
        source,
        lower_case=recipe.lower_case,
        longest=recipe.longest_source,
    )
    return folder.finish(trained, figures)


def _check(recipe: PairRecipe) -> None:
    """Raises `SettingError` where a value makes no sense whatever the texts are, and before any are read."""
    if not Origin(recipe.source, recipe.target, recipe.data).given():
        raise SettingError(
            "Say what to learn from: source=FILE target=FILE, data=FILE.tsv, or for conversations data=FILE.jsonl."
        )
    ranges.check(recipe, RANGES)
    for name in ("longest_source", "longest_target"):
        if getattr(recipe, name) < 3:
            raise SettingError(
                "{name} is {value}. A beginning, a token and an end are 3.", name=name, value=getattr(recipe, name)
            )


def _read(recipe: PairRecipe, folder: RunFolder) -> Material:
    """All pairs, of which the folder keeps what they are made of. None that measures is learned from."""
    origins = {
        "learned": Origin(recipe.source, recipe.target, recipe.data),
        "held": Origin(recipe.held_source, recipe.held_target),
        "test": Origin(recipe.test_source, recipe.test_target),
    }
    tallies = {name: Tally(recipe.corrupt) for name, origin in origins.items() if origin.given()}
    found = {
        name: pairs.read(origins[name], tally=tally, lower_case=recipe.lower_case, clean=name != "test")
        for name, tally in tallies.items()
    }
    held, test = found.get("held", []), found.get("test", [])
    learned = pairs.without(found["learned"], [*held, *test], tally=tallies["learned"])
    folder.describe(
        *(cleaning.card(origins[name].name, tally, licence=recipe.licence) for name, tally in tallies.items())
    )
    if not held:
        learned, held = pairs.held_out(learned, recipe.held_out)
    return Material(learned, held, test, origins["learned"].talks)


def _encoded(recipe: PairRecipe, found: list[Pair], codec: pairs.Codec, talks: bool) -> Encoded:
    return pairs.encoded(
        found,
        codec,
        longest_source=recipe.longest_source,
        longest_target=recipe.longest_target,
        shorten=talks,
    )


def _tested(
    recipe: PairRecipe, model: translation.Model, codec: pairs.Codec, test: list[Pair], folder: RunFolder, *, name: str
) -> dict[str, float]:
    """BLEU and chrF of `test`, which is written with beams; `test.json` keeps every text and the settings."""
    how = Decoding(max_tokens=recipe.longest_target, beams=recipe.beams)
    said = translation.written(model, codec, [pair.source for pair in test], how, longest=recipe.longest_source)
    expected = [pair.target for pair in test]
    quality = translation.quality(said, expected, lower_case=recipe.lower_case)
    translation.keep_quality(folder.path / TEST, quality, said, expected)
    return {f"{name}_bleu": quality.bleu, f"{name}_chrf": quality.chrf}


def _samples(
    recipe: PairRecipe, model: translation.Model, codec: pairs.Codec, material: Material, folder: RunFolder
) -> None:
    """What it writes, token by token, to some texts that it did not learn from, if there are any."""
    shown = (material.test or material.held or material.learned)[:SAMPLES]
    how = Decoding(max_tokens=recipe.longest_target)
    said = translation.written(model, codec, [pair.source for pair in shown], how, longest=recipe.longest_source)
    for pair, text in zip(shown, said, strict=True):
        folder.sample(pair.source, text, expected=pair.target)
