"""How the encoder that ships is made: from all-MiniLM-L6-v2, in three stages, on public and own texts.

1. **Listening.** A copy of the encoder learns emotions alone. What it hears in an English text is half of what the
   encoder is then taught of a comment, and all that it is taught of a text without labels, or of a Chinese sentence
   through its translation (born-again networks, Furlanello et al. 2018; several copies are heard together).
2. **Feeling and Chinese.** Emotions; English vectors stay where the original trunk puts them, and Chinese sentences
   learn to lie where their English translations do (Reimers & Gurevych 2020).
3. **Danger and acts.** The utterances of this project join, sentences where a negation decides, comments with
   perilous words whose level somebody has read, and longer passages made of all these.

Then the weights are rounded to 8 bits, and the logits of the rounded model are calibrated on texts that no stage was
trained on. `samantha train encoder data=DIR` runs it. Not here: what was measured (`samantha eval understanding`).
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from samantha.adapters.onnx_encoder import MANIFEST, MODEL, ONE_OF, TOKENIZER, OnnxEncoder
from samantha.core.understanding import ACTS, EMOTIONS, KINDS, LEVELS, SENTIMENTS
from samantha.training import calibration, contrast, data, export
from samantha.training.calibration import Fitted
from samantha.training.checkpoints import Folder
from samantha.training.data import Example
from samantha.training.loop import Log, Plan, fit
from samantha.training.models.encoder import Encoder, Shape
from samantha.training.passages import passages
from samantha.training.understanding import Beginning, begin, losses_of, outputs, tokenizer_of
from samantha.training.vocabulary import missing_characters

HEADS = {"emotion": EMOTIONS, "sentiment": SENTIMENTS, "level": LEVELS, "kinds": KINDS, "act": ACTS}
BLOCK, OUT_OF = 6, 11  # of the utterances, one block of six lines in eleven is held out: neighbours resemble each other
_PERILOUS = re.compile(
    r"kill|die|dead|death|suicid|hurt|murder|shoot|gun|rape|abus|harm|overdos|starv|bleed|blood|drown|hang|jump|alive"
    r"|pills|hopeless|worthless|burden|myself|end it|give up|no point|死|杀|殺|自尽|伤|傷|枪|槍|打我",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that may be varied."""

    trunk: Shape = field(default_factory=Shape)  # of all-MiniLM-L6-v2
    held_out: int = 2000  # comments that nothing is trained on: they stop the training and calibrate
    size: int = 48  # texts in a batch
    listeners: int = 1
    listening: Plan = field(
        default_factory=lambda: Plan(
            steps=2200, rate=1e-4, average=0.998, evaluate_every=1100, keep_every=500, half=True
        )
    )
    feeling: Plan = field(
        default_factory=lambda: Plan(
            steps=3000, rate=1e-4, average=0.998, evaluate_every=750, keep_every=500, half=True
        )
    )
    danger: Plan = field(
        default_factory=lambda: Plan(
            steps=3200, rate=1e-4, average=0.998, evaluate_every=800, keep_every=500, half=True
        )
    )
    heard: float = 0.5  # share of what the listeners hear in what a comment's emotions are said to be
    shares: tuple[dict[str, float], dict[str, float]] = (
        {"comments": 0.54, "chinese": 0.32, "english": 0.14},
        {
            "comments": 0.26,
            "perilous": 0.06,
            "utterances": 0.44,
            "passages": 0.04,
            "chinese": 0.1,
            "english": 0.05,
            "contrast": 0.05,
        },
    )
    weights: dict[str, float] = field(
        default_factory=lambda: {
            "vector": 12.0,
            "emotion": 1.0,
            "sentiment": 0.5,
            "level": 2.0,
            "agreement": 0.0,
            "kinds": 1.0,
            "act": 0.7,
        }
    )
    characters: int = 3400  # Chinese characters that join the vocabulary, at most: what fits into 26 MB
    contrasts: int = 4000
    passages: int = 4000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it: the folder with the files, and the log of each stage."""

    folder: Path
    logs: tuple[Log, ...]
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
Rows = NDArray[np.float32]  # of texts


def run(
    *,
    sets: Path,
    utterances: Path,
    base: Path,
    out: Path,
    work: Path,
    recipe: Recipe | None = None,
    report: Report = print,
) -> Run:
    """Make the encoder into folder `out`.

    `sets` is the folder of the public data sets, `utterances` that of this project's; `base` holds `model.safetensors`
    and `tokenizer.json` of all-MiniLM-L6-v2. Each stage leaves its weights in `work`, and is not done again while they
    are there; one that is interrupted goes on where it was.
    """
    recipe = recipe or Recipe()
    work.mkdir(parents=True, exist_ok=True)
    material = gather(sets, utterances, held_out=recipe.held_out)
    chinese = chain((pair[1] for pair in material.pairs), (one.text for one in material.utterances))
    characters = missing_characters(chinese, tokenizer_of(base), most=recipe.characters)
    sizes = {name: len(labels) for name, labels in HEADS.items()}

    def beginning(seed: int) -> Beginning:
        return begin(base, recipe.trunk, pairs=material.pairs, characters=characters, heads=sizes, seed=seed)

    start = beginning(recipe.seed)
    model, tokenizer = start.encoder, start.tokenizer
    report(f"{len(characters)} new characters; {sum(each.numel() for each in model.parameters()):,} parameters")
    vectors = vectors_of(start.teacher, start.teacher_tokenizer, material, work / "vectors.npz")
    logs, heard = [], []
    for number in range(1, recipe.listeners + 1):
        other = replace(recipe, seed=recipe.seed + number)
        listener, place = beginning(other.seed).encoder, work / f"listener{number}"
        logs.append(_once(place, listener, partial(listening_stage, listener, tokenizer, material, other, report)))
        heard.append(_kept(place.with_suffix(".npz"), texts_of(material), partial(emotions_in, listener, tokenizer)))
    taught = taught_from(material, vectors, np.mean(heard, axis=0), share=recipe.heard)
    for name, stage in {"feeling": feeling_stage, "danger": danger_stage}.items():
        logs.append(_once(work / name, model, partial(stage, model, tokenizer, taught, recipe, report)))
    figures = pack(model, tokenizer, taught, out)
    (out / "training.json").write_text(
        json.dumps({"recipe": asdict(recipe), "stages": [asdict(log) for log in logs], "held_out": figures}, indent=1),
        encoding="utf-8",
    )
    return Run(out, tuple(logs), figures)


def gather(sets: Path, utterances: Path, *, held_out: int) -> Material:
    """Read the texts, and set those apart that nothing is trained on."""
    levels = data.levels_read(utterances / "goemotions_levels.csv")
    comments = data.goemotions(sets / "goemotions", "train", levels=levels, perilous=_PERILOUS)
    random.Random(1).shuffle(comments)
    own: list[Example] = []
    held: list[Example] = []
    for path in sorted(utterances.glob("*.tsv")):
        for number, example in enumerate(data.utterances(path)):
            if ".en" in path.suffixes:  # its emotions come from GoEmotions, whose annotators draw the lines elsewhere
                example = replace(
                    example, labels={name: is_ for name, is_ in example.labels.items() if name != "emotion"}
                )
            (held if number // BLOCK % OUT_OF == 0 else own).append(example)
    return Material(comments[held_out:], comments[:held_out], data.tatoeba(sets / "tatoeba_en_zh"), own, held)


def texts_of(material: Material) -> list[str]:
    """The English texts, in an order that `taught_from` relies on: comments, then sentences, then utterances."""
    comments = (one.text for one in (*material.comments_held, *material.comments))
    own = (one.text for one in (*material.utterances_held, *material.utterances))
    return [*comments, *(pair[0] for pair in material.pairs), *own]


def listening_stage(
    model: Encoder, tokenizer: Tokenizer, material: Material, recipe: Recipe, report: Report, left: Folder
) -> Log:
    """Emotions and sentiment of the comments, and nothing else."""
    collate = data.Collator(tokenizer, model.shape.heads, ONE_OF, width=model.shape.width)
    batches = map(collate, data.endless(material.comments, recipe.size, seed=recipe.seed))
    held, truth = [one.text for one in material.comments_held], _labels(material.comments_held, "emotion")

    def score(network: Encoder) -> float:
        return calibration.mean_average_precision(truth, outputs(network, tokenizer, held)["emotion"])

    return fit(
        model,
        batches,
        losses_of({head: recipe.weights[head] for head in ("emotion", "sentiment")}, one_of=ONE_OF),
        recipe.listening,
        score=score,
        report=lambda row: report(f"  listening: {row}"),
        rates={"heads": 5.0},
        place=left,
    )


def emotions_in(model: Encoder, tokenizer: Tokenizer, texts: Sequence[str]) -> Rows:
    """(texts, 28): how probable `model` holds each emotion."""
    return np.asarray(1 / (1 + np.exp(-outputs(model, tokenizer, texts)["emotion"])), np.float32)


def vectors_of(original: Encoder, tokenizer: Tokenizer, material: Material, kept: Path) -> Rows:
    """Where the original trunk puts each of `texts_of(material)`."""
    return _kept(kept, texts_of(material), lambda texts: outputs(original, tokenizer, texts)["vector"])


def _kept(file: Path, texts: Sequence[str], make: Callable[[Sequence[str]], Rows]) -> Rows:
    """What `make` makes of `texts`, or what it made of the same texts the last time."""
    key = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    if file.exists() and str(np.load(file)["key"]) == key:
        return np.asarray(np.load(file)["rows"], np.float32)
    rows = make(texts)
    np.savez(file, rows=rows, key=key)
    return rows


@dataclass(frozen=True, slots=True)
class Taught:
    """The material with the vectors of the original trunk and the emotions that the listeners hear."""

    comments: list[Example]
    comments_held: list[Example]
    english: list[Example]
    chinese: list[Example]
    utterances: list[Example]
    utterances_held: list[Example]


def taught_from(material: Material, vectors: Rows, heard: Rows, *, share: float) -> Taught:
    """Every English text with its vector and what is heard in it, a Chinese sentence with those of its translation.

    Of a comment's emotions `share` is what is heard and the rest its label; of a held-out one they are its label.
    """
    comments = [*material.comments_held, *material.comments]
    own = [*material.utterances_held, *material.utterances]
    places = [len(comments), len(comments) + len(material.pairs)]
    (of_comments, of_pairs, of_own), (in_comments, in_pairs, in_own) = (
        np.split(rows, places) for rows in (vectors, heard)
    )
    held, own_held = len(material.comments_held), len(material.utterances_held)
    mixed = [_with_emotion(one, each, share) for one, each in zip(comments[held:], in_comments[held:], strict=True)]
    comments = data.with_teacher([*comments[:held], *mixed], of_comments)
    own = [
        replace(_with_emotion(one, each, 1.0), teacher=vector) if one.text.isascii() else one
        for one, each, vector in zip(own, in_own, of_own, strict=True)
    ]
    english, chinese = (
        [
            _with_emotion(Example(pair[side], _harmless(pair[side]), vector), each, 1.0)
            for pair, each, vector in zip(material.pairs, in_pairs, of_pairs, strict=True)
        ]
        for side in (0, 1)
    )
    return Taught(comments[held:], comments[:held], english, chinese, own[own_held:], own[:own_held])


def _with_emotion(example: Example, heard: Rows, share: float) -> Example:
    labelled = np.array(example.labels.get("emotion", heard), np.float32)
    emotion = (1 - share) * labelled + share * heard
    return replace(example, labels={**example.labels, "emotion": tuple(emotion.tolist())})


def _harmless(text: str) -> dict[str, int | tuple[float, ...]]:
    """Sentences of a phrase collection are in earnest about no danger, but for some with a perilous word."""
    return {} if _PERILOUS.search(text) else {"level": 0, "kinds": (0.0,) * len(KINDS)}


def feeling_stage(
    model: Encoder, tokenizer: Tokenizer, taught: Taught, recipe: Recipe, report: Report, left: Folder
) -> Log:
    sources = {"comments": taught.comments, "chinese": taught.chinese, "english": taught.english}
    return _trained(model, tokenizer, sources, taught, recipe, stage=0, report=report, left=left)


def danger_stage(
    model: Encoder, tokenizer: Tokenizer, taught: Taught, recipe: Recipe, report: Report, left: Folder
) -> Log:
    sources = {
        "comments": taught.comments,
        "perilous": [one for one in taught.comments if "level" in one.labels and _PERILOUS.search(one.text)],
        "chinese": taught.chinese,
        "english": taught.english,
        "utterances": taught.utterances,
        "contrast": contrast.sentences(recipe.contrasts, seed=recipe.seed),
        "passages": passages([*taught.comments, *taught.utterances], recipe.passages, seed=recipe.seed),
    }
    return _trained(model, tokenizer, sources, taught, recipe, stage=1, report=report, left=left)


def _trained(
    model: Encoder,
    tokenizer: Tokenizer,
    sources: dict[str, list[Example]],
    taught: Taught,
    recipe: Recipe,
    *,
    stage: int,
    report: Report,
    left: Folder,
) -> Log:
    collate = data.Collator(tokenizer, model.shape.heads, ONE_OF, width=model.shape.width)
    endless = {
        name: data.endless(examples, recipe.size, seed=recipe.seed + number)
        for number, (name, examples) in enumerate(sources.items())
    }
    batches = map(collate, data.mixed(endless, recipe.shares[stage], seed=recipe.seed))
    levels = [one.labels["level"] for one in taught.utterances]

    def score(network: Encoder) -> float:
        figures = held_out(network, tokenizer, taught, danger=stage == 1)
        report(f"  held out: {figures}")
        return sum(figures.values()) / len(figures)

    return fit(
        model,
        batches,
        losses_of(recipe.weights, one_of=ONE_OF, of_levels=levels),  # type: ignore[arg-type]
        (recipe.feeling, recipe.danger)[stage],
        score=score,
        report=lambda row: report(f"  {('feeling', 'danger')[stage]}: {row}"),
        rates={"heads": 5.0},
        place=left,
    )


def held_out(model: Encoder, tokenizer: Tokenizer, taught: Taught, *, danger: bool) -> dict[str, float]:
    """Figures on texts that nothing was trained on, each 0..1."""
    texts = [one.text for one in taught.comments_held]
    emotion = _labels(taught.comments_held, "emotion")
    logits = outputs(model, tokenizer, texts)["emotion"]
    figures = {"emotion": calibration.mean_average_precision(emotion, logits)}
    if danger:
        found = outputs(model, tokenizer, [one.text for one in taught.utterances_held])
        for head in ("level", "act"):
            right = found[head].argmax(-1) == _labels(taught.utterances_held, head)
            figures[head] = float(right.mean())
        figures["kinds"] = calibration.mean_average_precision(_labels(taught.utterances_held, "kinds"), found["kinds"])
    return {name: round(value, 4) for name, value in figures.items()}


def _labels(examples: Sequence[Example], head: str) -> Rows:
    return np.array([one.labels[head] for one in examples], np.float32)


def pack(model: Encoder, tokenizer: Tokenizer, taught: Taught, out: Path) -> dict[str, float]:
    """Write model, tokenizer and manifest; figures of the rounded model on the held-out texts."""
    out.mkdir(parents=True, exist_ok=True)
    export.write_onnx(model.state_dict(), model.shape, out / MODEL)
    tokenizer.save(str(out / TOKENIZER), pretty=False)
    _write_manifest(out, {}, {})  # it can be read, and is not calibrated yet
    rounded = OnnxEncoder.open(out)
    comments = rounded.logits([one.text for one in taught.comments_held])
    own = rounded.logits([one.text for one in taught.utterances_held])
    fitted = {
        head: calibration.temperature(own[head], _labels(taught.utterances_held, head).astype(np.int64))
        if head in ONE_OF
        else calibration.platt(own[head], _labels(taught.utterances_held, head))
        for head in HEADS
        if head != "emotion"
    }
    truth = _labels(taught.comments_held, "emotion")
    fitted["emotion"] = calibration.platt(comments["emotion"], truth)
    levels = fitted["level"].softmax(own["level"])
    true_levels = _labels(taught.utterances_held, "level").astype(np.int64)
    thresholds = {
        "emotion": calibration.best_thresholds(truth, fitted["emotion"].sigmoid(comments["emotion"])),
        "level": [1.0, *calibration.level_thresholds(levels, true_levels, fitted["level"].softmax(comments["level"]))],
        "kinds": [0.5] * len(KINDS),
    }
    _write_manifest(out, fitted, thresholds)
    return {
        "emotion_average_precision": calibration.mean_average_precision(truth, comments["emotion"]),
        **calibration.danger_figures(levels, true_levels, thresholds["level"]),
    }


def _write_manifest(out: Path, fitted: Mapping[str, Fitted], thresholds: Mapping[str, Sequence[float]]) -> None:
    manifest: dict[str, Any] = {
        "sha256": hashlib.sha256((out / MODEL).read_bytes()).hexdigest(),
        "window": export.POSITIONS,
        "labels": HEADS,
        "calibration": {head: one.plain() for head, one in fitted.items()},
        "thresholds": {head: [round(float(each), 4) for each in values] for head, values in thresholds.items()},
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _once(place: Path, model: Encoder, work: Callable[[Folder], Log]) -> Log:
    """Do `work` on `model`, or go on with it where it was left, or take what came of it the last time."""
    weights, log = place.with_suffix(".safetensors"), place.with_suffix(".json")
    if weights.exists() and log.exists():
        model.load_state_dict(load_file(weights))
        model.eval()
        return Log(**json.loads(log.read_text(encoding="utf-8")))
    left = Folder(place, made_for=place.name)
    done = work(left)
    save_file(model.state_dict(), weights)
    log.write_text(json.dumps(asdict(done)), encoding="utf-8")
    left.clear()
    return done
