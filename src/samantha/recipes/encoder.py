"""How the encoder that ships is made: from all-MiniLM-L6-v2, in two stages, on public and own texts.

1. **Feeling and Chinese.** Emotions from GoEmotions; English vectors stay where the original trunk puts them, and
   Chinese sentences learn to lie where their English translations do (Reimers & Gurevych 2020).
2. **Danger and acts.** The utterances of this project join, and sentences where a negation decides. Chinese
   sentences now also learn the emotions that stage 1 hears in their translations.

Then the weights are rounded to 8 bits, and the logits of the rounded model are calibrated on texts that no stage was
trained on. `samantha train encoder data=DIR` runs it. Not here: what was measured (`samantha eval understanding`).
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from samantha.core.understanding import ACTS, EMOTIONS, KINDS, LEVELS, SENTIMENTS
from samantha.training import calibration, contrast, data, export, objectives
from samantha.training.data import Batch, Example
from samantha.training.loop import Log, Losses, Plan, fit
from samantha.training.models.encoder import Encoder, Shape, trunk_from_bert
from samantha.training.vocabulary import extended, first_embeddings, missing_characters

HEADS = {"emotion": EMOTIONS, "sentiment": SENTIMENTS, "level": LEVELS, "kinds": KINDS, "act": ACTS}
ONE_OF = frozenset({"sentiment", "level", "act"})
HELD_OUT = 2000  # comments of GoEmotions that nothing is trained on: they stop the training and calibrate
BLOCK, OUT_OF = 6, 11  # of the utterances, one block of six lines in eleven is held out: neighbours resemble each other
_PERILOUS = re.compile(r"kill|die|dead|death|suicid|hurt|murder|shoot|gun|rape|死|杀|殺|自尽|伤|傷|枪|槍|打我", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that may be varied."""

    size: int = 48  # texts in a batch
    first: Plan = Plan(steps=4314, rate=1e-4, average=0.998, evaluate_every=719)
    second: Plan = Plan(steps=2600, rate=6e-5, average=0.998, evaluate_every=520)
    shares: tuple[dict[str, float], dict[str, float]] = (
        {"comments": 0.6, "chinese": 0.34, "english": 0.06},
        {"comments": 0.4, "utterances": 0.36, "chinese": 0.14, "english": 0.03, "contrast": 0.07},
    )
    weights: dict[str, float] = field(
        default_factory=lambda: {"vector": 10.0, "emotion": 1.0, "sentiment": 0.5, "level": 2.0, "kinds": 1.0, "act": 0.7}
    )
    characters: int = 3400  # Chinese characters that join the vocabulary, at most: what fits into 26 MB
    contrasts: int = 4000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it: the folder with the files, and the log of both stages."""

    folder: Path
    logs: tuple[Log, Log]
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Material:
    """The texts. A name that ends in `_held` is for stopping and calibrating."""

    comments: list[Example]
    comments_held: list[Example]
    pairs: list[tuple[str, str]]
    utterances: list[Example]
    utterances_held: list[Example]


Report = Callable[[str], None]


def run(
    *, sets: Path, utterances: Path, base: Path, out: Path, work: Path, recipe: Recipe | None = None, report: Report = print
) -> Run:
    """Make the encoder into folder `out`.

    `sets` is the folder of the public data sets, `utterances` that of this project's; `base` holds `model.safetensors`
    and `tokenizer.json` of all-MiniLM-L6-v2. Each stage leaves its weights in `work`, and is not done again while
    they are there.
    """
    recipe = recipe or Recipe()
    torch.manual_seed(recipe.seed)
    material = gather(sets, utterances)
    original = Tokenizer.from_file(str(base / "tokenizer.json"))
    original.no_padding()
    original.no_truncation()
    tensors = load_file(base / "model.safetensors")
    teacher = Encoder(Shape())
    teacher.trunk.load_state_dict(trunk_from_bert(tensors, Shape()))
    chinese = chain((pair[1] for pair in material.pairs), (one.text for one in material.utterances))
    characters = missing_characters(chinese, original, most=recipe.characters)
    tokenizer = extended(original, characters)
    shape = Shape(vocabulary=tokenizer.get_vocab_size(), heads={name: len(labels) for name, labels in HEADS.items()})
    model = Encoder(shape)
    trunk = trunk_from_bert(tensors, Shape())
    new = first_embeddings(material.pairs, characters, original, trunk["tokens.weight"])
    model.trunk.load_state_dict({**trunk, "tokens.weight": torch.cat([trunk["tokens.weight"], new])})
    report(f"{len(characters)} new characters; {sum(map(torch.numel, model.parameters())):,} parameters")
    work.mkdir(parents=True, exist_ok=True)
    taught = taught_by(teacher.eval(), original, material, work / "teacher.npz")
    logs = []
    for number, stage in enumerate((first_stage, second_stage)):
        log = _once(work / f"stage{number + 1}", model, lambda stage=stage: stage(model, tokenizer, taught, recipe, report))  # type: ignore[misc]
        logs.append(log)
    figures = pack(model, tokenizer, taught, out)
    (out / "training.json").write_text(
        json.dumps({"recipe": asdict(recipe), "stages": [asdict(log) for log in logs], "held_out": figures}, indent=1),
        encoding="utf-8",
    )
    return Run(out, (logs[0], logs[1]), figures)


def gather(sets: Path, utterances: Path) -> Material:
    """Read the texts, and set those apart that nothing is trained on."""
    comments = data.goemotions(sets / "goemotions", "train")
    random.Random(1).shuffle(comments)
    own: list[Example] = []
    held: list[Example] = []
    for path in sorted(utterances.glob("*.tsv")):
        for number, example in enumerate(data.utterances(path)):
            if ".en" in path.suffixes:  # its emotions come from GoEmotions, whose annotators draw the lines elsewhere
                example = replace(example, labels={name: is_ for name, is_ in example.labels.items() if name != "emotion"})
            (held if number // BLOCK % OUT_OF == 0 else own).append(example)
    return Material(comments[HELD_OUT:], comments[:HELD_OUT], data.tatoeba(sets / "tatoeba_en_zh"), own, held)


@dataclass(frozen=True, slots=True)
class Taught:
    """The material with the teacher's vectors."""

    comments: list[Example]
    comments_held: list[Example]
    english: list[Example]
    chinese: list[Example]
    utterances: list[Example]
    utterances_held: list[Example]


def taught_by(teacher: Encoder, tokenizer: Tokenizer, material: Material, kept: Path) -> Taught:
    """Every English text with the vector that the original trunk gives it; a Chinese one with its translation's."""
    english = [pair[0] for pair in material.pairs]
    comments = [*material.comments_held, *material.comments]
    own = [*material.utterances_held, *material.utterances]
    texts = [*(one.text for one in comments), *english, *(one.text for one in own)]
    key = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    if kept.exists() and str(np.load(kept)["key"]) == key:
        vectors = np.load(kept)["vectors"]
    else:
        vectors = vectors_of(teacher, tokenizer, texts)
        np.savez(kept, vectors=vectors, key=key)
    of_comments, of_english, of_own = np.split(vectors, [len(comments), len(comments) + len(english)])
    comments = data.with_teacher(comments, of_comments)
    own = [
        replace(one, teacher=vector) if one.text.isascii() else one for one, vector in zip(own, of_own, strict=True)
    ]
    held, own_held = len(material.comments_held), len(material.utterances_held)
    return Taught(
        comments[held:],
        comments[:held],
        [Example(text, _harmless(text), vector) for text, vector in zip(english, of_english, strict=True)],
        [Example(text, _harmless(text), vector) for (_, text), vector in zip(material.pairs, of_english, strict=True)],
        own[own_held:],
        own[:own_held],
    )


def _harmless(text: str) -> dict[str, int | tuple[float, ...]]:
    """Sentences of a phrase collection are in earnest about no danger, but for some with a perilous word."""
    return {} if _PERILOUS.search(text) else {"level": 0, "kinds": (0.0,) * len(KINDS)}


def first_stage(model: Encoder, tokenizer: Tokenizer, taught: Taught, recipe: Recipe, report: Report) -> Log:
    sources = {"comments": taught.comments, "chinese": taught.chinese, "english": taught.english}
    return _trained(model, tokenizer, sources, taught, recipe, stage=0, report=report)


def second_stage(model: Encoder, tokenizer: Tokenizer, taught: Taught, recipe: Recipe, report: Report) -> Log:
    sources = {
        "comments": taught.comments,
        "chinese": with_emotions_heard(model, tokenizer, taught),
        "english": taught.english,
        "utterances": taught.utterances,
        "contrast": contrast.sentences(recipe.contrasts, seed=recipe.seed),
    }
    return _trained(model, tokenizer, sources, taught, recipe, stage=1, report=report)


def with_emotions_heard(model: Encoder, tokenizer: Tokenizer, taught: Taught) -> list[Example]:
    """The Chinese sentences, labelled with the emotions that `model` hears in their translations."""
    logits = logits_of(model, tokenizer, [one.text for one in taught.english])["emotion"]
    heard = 1 / (1 + np.exp(-logits))
    return [
        replace(one, labels={**one.labels, "emotion": tuple(row)})
        for one, row in zip(taught.chinese, heard.tolist(), strict=True)
    ]


def _trained(
    model: Encoder,
    tokenizer: Tokenizer,
    sources: dict[str, list[Example]],
    taught: Taught,
    recipe: Recipe,
    *,
    stage: int,
    report: Report,
) -> Log:
    collate = data.Collator(tokenizer, model.shape.heads, ONE_OF, width=model.shape.width)
    endless = {
        name: data.endless(examples, recipe.size, seed=recipe.seed + number)
        for number, (name, examples) in enumerate(sources.items())
    }
    batches = map(collate, data.mixed(endless, recipe.shares[stage], seed=recipe.seed))
    levels = torch.tensor([float(one.labels["level"]) for one in taught.utterances])  # type: ignore[arg-type]
    rare = objectives.class_weights(torch.bincount(levels.long(), minlength=len(LEVELS)).float())

    def losses(network: torch.nn.Module, batch: Batch) -> Losses:
        output = network(batch.ids, batch.mask)
        parts = {"vector": objectives.same_direction(output.vector, batch.teacher)}
        for head, logits in output.logits.items():
            targets = batch.targets[head]
            if (targets >= 0).any():
                parts[head] = (
                    objectives.one_label(logits, targets, weights=rare if head == "level" else None)
                    if head in ONE_OF
                    else objectives.multi_label(logits, targets)
                )
        return {name: loss * recipe.weights[name] for name, loss in parts.items()}

    def score(network: torch.nn.Module) -> float:
        figures = held_out(network, tokenizer, taught, danger=stage == 1)  # type: ignore[arg-type]
        report(f"  held out: {figures}")
        return sum(figures.values()) / len(figures)

    return fit(
        model,
        batches,
        losses,
        (recipe.first, recipe.second)[stage],
        score=score,
        report=lambda row: report(f"  stage {stage + 1}: {row}"),
        rates={"heads": 5.0},
    )


def held_out(model: Encoder, tokenizer: Tokenizer, taught: Taught, *, danger: bool) -> dict[str, float]:
    """Figures on texts that nothing was trained on, each 0..1."""
    model.eval()
    texts = [one.text for one in taught.comments_held]
    emotion = _labels(taught.comments_held, "emotion")
    logits = logits_of(model, tokenizer, texts)["emotion"]
    figures = {"emotion": calibration.mean_average_precision(emotion, logits)}
    if danger:
        found = logits_of(model, tokenizer, [one.text for one in taught.utterances_held])
        for head in ("level", "act"):
            right = found[head].argmax(-1) == _labels(taught.utterances_held, head)
            figures[head] = float(right.mean())
        figures["kinds"] = calibration.mean_average_precision(_labels(taught.utterances_held, "kinds"), found["kinds"])
    return {name: round(value, 4) for name, value in figures.items()}


def _labels(examples: Sequence[Example], head: str) -> NDArray[np.float32]:
    return np.array([one.labels[head] for one in examples], np.float32)


def vectors_of(model: Encoder, tokenizer: Tokenizer, texts: Sequence[str]) -> NDArray[np.float32]:
    """(texts, width), of unit length."""
    return _outputs(model, tokenizer, texts)["vector"]


def logits_of(model: Encoder, tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Head -> (texts, labels)."""
    return _outputs(model, tokenizer, texts)


def _outputs(model: Encoder, tokenizer: Tokenizer, texts: Sequence[str], size: int = 128) -> dict[str, NDArray[np.float32]]:
    order = sorted(range(len(texts)), key=lambda number: len(texts[number].encode()))
    found: dict[str, NDArray[np.float32]] = {}
    with torch.inference_mode():
        for start in range(0, len(order), size):
            at = order[start : start + size]
            output = model(*data.padded(tokenizer, [texts[number] for number in at]))
            for name, values in {"vector": output.vector, **output.logits}.items():
                found.setdefault(name, np.zeros((len(texts), values.shape[1]), np.float32))[at] = values.numpy()
    return found


def pack(model: Encoder, tokenizer: Tokenizer, taught: Taught, out: Path) -> dict[str, float]:
    """Write model, tokenizer and manifest; figures of the rounded model on the held-out texts."""
    from samantha.adapters.onnx_encoder import MANIFEST, MODEL, TOKENIZER

    out.mkdir(parents=True, exist_ok=True)
    export.write_onnx(model.state_dict(), model.shape, out / MODEL)
    tokenizer.save(str(out / TOKENIZER), pretty=False)
    rounded = export.Rounded(out / MODEL, tokenizer)
    comments, own = rounded.logits(one.text for one in taught.comments_held), rounded.logits(one.text for one in taught.utterances_held)
    fitted = {}
    for head in HEADS:
        examples, found = (taught.comments_held, comments) if head == "emotion" else (taught.utterances_held, own)
        labels = _labels(examples, head)
        fitted[head] = (
            calibration.temperature(found[head], labels.astype(np.int64)) if head in ONE_OF else calibration.platt(found[head], labels)
        )
    emotion = fitted["emotion"].sigmoid(comments["emotion"])
    levels = fitted["level"].softmax(own["level"])
    truth = _labels(taught.utterances_held, "level").astype(np.int64)
    thresholds = {
        "emotion": calibration.best_thresholds(_labels(taught.comments_held, "emotion"), emotion),
        "level": [1.0, *calibration.level_thresholds(levels, truth)],
        "kinds": [0.5] * len(KINDS),
    }
    manifest: dict[str, Any] = {
        "sha256": hashlib.sha256((out / MODEL).read_bytes()).hexdigest(),
        "window": export.POSITIONS,
        "labels": HEADS,
        "calibration": {head: one.plain() for head, one in fitted.items()},
        "thresholds": {head: [round(float(each), 4) for each in values] for head, values in thresholds.items()},
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return {
        "emotion_average_precision": calibration.mean_average_precision(_labels(taught.comments_held, "emotion"), comments["emotion"]),
        **calibration.danger_figures(levels, truth, thresholds["level"]),
    }


def _once(place: Path, model: Encoder, work: Callable[[], Log]) -> Log:
    """Do `work` on `model`, or take what it left in `place` the last time."""
    weights, log = place.with_suffix(".safetensors"), place.with_suffix(".json")
    if weights.exists() and log.exists():
        model.load_state_dict(load_file(weights))
        model.eval()
        return Log(**json.loads(log.read_text(encoding="utf-8")))
    done = work()
    save_file(model.state_dict(), weights)
    log.write_text(json.dumps(asdict(done)), encoding="utf-8")
    return done
