"""How well she understands: emotions, likeness of meaning, danger, kinds of utterance, injection, sentiment.

Everything is measured as shipped, by what the encoder's own `Understanding` says, except where thresholds are tuned on
one half of a set and scored on the other. Heads of one's own are in `own_heads`. Not here: reading the sets
(`samantha.evaluation.sets`).
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from samantha.core.text import text
from samantha.core.types import Risk
from samantha.core.understanding import EKMAN, EMOTIONS, KINDS, LEVELS, SENTIMENTS
from samantha.evaluation import metrics, sets
from samantha.evaluation.metrics import Flags, Floats
from samantha.evaluation.report import Report, Row, Skipped, report, row
from samantha.evaluation.sets import Split, Unusable
from samantha.evaluation.subject import Subject
from samantha.evaluation.suites import own_heads

OWN = Path(__file__).parents[1] / "utterances"  # written apart from what trains and from the rules
HALVES_SEED = 3
LANGUAGES = {"en": "English", "zh": "Chinese"}

TRUNK_STSB = {"dev": 0.865, "test": 0.820}
"""Spearman of the trunk that the encoder began as, all-MiniLM-L6-v2."""
STSB_LOSS = 0.02  # that the sentence vector may have against it

CRISIS_RECALL = {"en": 0.97, "zh": 0.92}
CRISIS_FALSE_ALARMS = {"en": 0.03, "zh": 0.05}
CHECKLIST_FAILURES = {"Negation": 0.10, "Vocabulary": 0.10}  # by capability; the others are only reported

Found = Iterator[Row | Skipped]
Value = TypeVar("Value")


def understanding(
    subject: Subject,
    *,
    data: Path | None,
    split: Split | None = None,
    own: Path = OWN,
    measuring: Callable[[str], None] = lambda name: None,
) -> Report:
    """Measure `subject` on the sets in `data` and on the utterances in `own`; `measuring` is told of each set.

    A set that is not there, or cannot be read, is among the skipped. The same input gives the same report.
    """
    found: list[Row | Skipped] = []
    for name, measure in MEASURES.items():
        try:
            folder = own if name in OF_OURS else _folder(data, name)
            measuring(name)
            found += measure(subject, folder, split)
        except Unusable as unusable:
            found.append(Skipped(name, unusable.why))
    return report("understanding", None if data is None else str(data), found)


def _folder(data: Path | None, name: str) -> Path:
    if data is None:
        raise Unusable(text("No folder of test sets was given; say `--data DIR`."))
    if not (data / name).is_dir():
        raise Unusable(text("There is no folder '{folder}'.", folder=data / name))
    return data / name


def emotions(subject: Subject, folder: Path, split: Split | None) -> Found:
    """GoEmotions: F1 of the labels and of Ekman's groups, and whether the probabilities mean what they say."""
    files = sets.files_of(folder, "*.tsv", split)
    examples = sets.read(sets.goemotions, files.paths)
    felt = [_known(one.emotion) for one in subject.encoder.understood([each.text for each in examples])]
    probabilities = np.array([[one.probabilities[name] for name in EMOTIONS] for one in felt])
    shipped = np.array([[name in one.labels for name in EMOTIONS] for one in felt])
    truth = np.array([[name in each.emotions for name in EMOTIONS] for each in examples])
    name, n = _named("GoEmotions", files.split), len(examples)
    as_shipped = metrics.macro_f1(shipped, truth), metrics.macro_f1(grouped(shipped) > 0, grouped(truth) > 0)
    bars: tuple[float | None, ...] = (0.53, 0.62)
    if files.split == "dev":  # here the bars are for thresholds from the other half
        halves = _across_halves(probabilities, truth), _across_halves(grouped(probabilities), grouped(truth) > 0)
        yield from _macro_f1(f"{name}, thresholds from the other half", halves, bars, n)
        bars = (None, None)
    yield from _macro_f1(f"{name}, thresholds as shipped", as_shipped, bars, n)
    yield from _calibration(name, probabilities, truth)


def _macro_f1(told: str, scores: Sequence[float], bars: Sequence[float | None], n: int) -> Found:
    for what, score, bar in zip(("28 labels", "Ekman's groups"), scores, bars, strict=True):
        yield row(f"{told}, macro-F1 of {what}", score, n, at_least=bar)


def _calibration(name: str, probabilities: Floats, truth: Flags) -> Found:
    n, labels = truth.shape
    top, rows = probabilities.argmax(axis=1), np.arange(n)
    precision = [metrics.average_precision(probabilities[:, label], truth[:, label]) for label in range(labels)]
    error = metrics.expected_calibration_error(probabilities[rows, top], truth[rows, top])
    bins = f"{metrics.BINS} bins of equal numbers"
    yield row(f"{name}, mean average precision of {labels} labels", float(np.mean(precision)), n)
    yield row(f"{name}, expected calibration error of the top label, {bins}", error, n, at_most=0.05)
    yield row(f"{name}, Brier skill over the prevalence", metrics.brier_skill(probabilities, truth), n, above=0.2)


def grouped(probabilities: NDArray[Any]) -> Floats:
    """(n, 28) -> (n, 7): that at least one label of an Ekman group is true, as if they were independent (noisy or)."""
    none_of = [
        np.prod(1.0 - probabilities[:, [EMOTIONS.index(name) for name in names]], axis=1) for names in EKMAN.values()
    ]
    return np.asarray(1 - np.stack(none_of, axis=1), np.float64)


def _across_halves(probabilities: Floats, truth: Flags) -> float:
    """Macro-F1 of each half with the thresholds of the other; the mean of both."""
    order = random.Random(HALVES_SEED).sample(range(len(truth)), len(truth))
    first, second = np.array_split(np.array(order), 2)
    scores = []
    for tuned, scored in ((first, second), (second, first)):
        thresholds = metrics.best_thresholds(probabilities[tuned], truth[tuned])
        scores.append(metrics.macro_f1(probabilities[scored] >= thresholds, truth[scored]))
    return sum(scores) / 2


def likeness(subject: Subject, folder: Path, split: Split | None) -> Found:
    """STS-B: whether texts that mean the same have vectors that point the same way."""
    files = sets.files_of(folder, "*.csv", split)
    pairs = sets.read(sets.stsb, files.paths)
    first, second = (
        _vectors(subject, texts) for texts in zip(*((one.first, one.second) for one in pairs), strict=True)
    )
    found = metrics.spearman((first * second).sum(axis=1), [pair.score for pair in pairs])
    bar = None if files.split is None else TRUNK_STSB[files.split] - STSB_LOSS
    yield row(f"{_named('STS-B', files.split)}, Spearman of the cosine", found, len(pairs), at_least=bar)


def _vectors(subject: Subject, texts: Sequence[str]) -> Floats:
    return np.array([_known(one.vector) for one in subject.encoder.understood(texts)], np.float64)


def danger(subject: Subject, folder: Path, split: Split | None) -> Found:
    """Own utterances: danger that is seen, look-alikes that are left alone, kinds of risk. They have one split."""
    for path in sets.matching(folder, "danger.*.tsv"):
        language = path.suffixes[0][1:]
        lines = sets.read(sets.utterances, [path])
        risks = [_known(one.risk) for one in subject.encoder.understood([line.text for line in lines])]
        worse = [
            max(LEVELS.index(risk.level), LEVELS.index(subject.level_of_words(line.text) or "none"))
            for risk, line in zip(risks, lines, strict=True)
        ]
        true = np.array([LEVELS.index(line.level) for line in lines])
        yield from _levels(np.array(worse), true, language)
        yield from _kinds(subject.kind_thresholds, risks, lines, LANGUAGES.get(language, language))


def _levels(found: NDArray[np.int64], true: NDArray[np.int64], language: str) -> Found:
    """`found` and `true` are indices of `LEVELS`; what is found is the worse of the encoder's and of the words'."""
    none, concern, crisis = (true == level for level in range(len(LEVELS)))
    told = LANGUAGES.get(language, language)
    if crisis.any():
        recall, bar = metrics.share(found[crisis] == 2), CRISIS_RECALL.get(language)
        yield row(f"crisis recall, {told}", recall, int(crisis.sum()), at_least=bar)
    if none.any():
        alarms, bar = metrics.share(found[none] == 2), CRISIS_FALSE_ALARMS.get(language)
        yield row(f"crisis false alarms on look-alikes, {told}", alarms, int(none.sum()), at_most=bar)
        yield row(f"look-alikes taken for concern, {told}", metrics.share(found[none] == 1), int(none.sum()))
    if concern.any():
        recall = metrics.share(found[concern] >= 1)
        yield row(f"concern recall, as concern or crisis, {told}", recall, int(concern.sum()))


def _kinds(thresholds: Mapping[str, float], risks: Sequence[Risk], lines: Sequence[sets.Utterance], told: str) -> Found:
    """F1 over the kinds that occur: one that does not could only be wrong."""
    occurring = [kind for kind in KINDS if any(kind in line.kinds for line in lines)]
    if occurring:
        found = [[risk.kinds[kind] >= thresholds[kind] for kind in occurring] for risk in risks]
        true = [[kind in line.kinds for kind in occurring] for line in lines]
        score = metrics.macro_f1(found, true)
        yield row(f"kinds of risk, macro-F1 of the {len(occurring)} that occur, {told}", score, len(lines))


def acts(subject: Subject, folder: Path, split: Split | None) -> Found:
    """Own utterances: what kind each is. They have one split."""
    for path in sets.matching(folder, "acts.*.tsv"):
        language = path.suffixes[0][1:]
        lines = sets.read(sets.utterances, [path])
        found = [_known(one.act) for one in subject.encoder.understood([line.text for line in lines])]
        right = [act == line.act for act, line in zip(found, lines, strict=True)]
        yield row(f"kind of utterance, accuracy, {LANGUAGES.get(language, language)}", metrics.share(right), len(lines))


def injection(subject: Subject, folder: Path, split: Split | None) -> Found:
    """NotInject: injections that are seen, and harmless prompts that are not taken for one."""
    files = sets.files_of(folder, "*.json", split)
    attempts = sets.read(sets.injections, files.paths)
    risks = [_known(one.risk) for one in subject.encoder.understood([each.text for each in attempts])]
    threshold = subject.kind_thresholds["prompt_injection"]
    found = np.array([risk.kinds["prompt_injection"] >= threshold for risk in risks])
    injects = np.array([each.injects for each in attempts])
    baited = np.array([each.source.startswith("NotInject") for each in attempts])  # harmless, in the words of an attack
    for what, which in (
        ("recall", injects),
        ("over-defence: harmless prompts in its words that are taken for one", baited & ~injects),
        ("other harmless prompts that are taken for one", ~baited & ~injects),
    ):
        if which.any():
            yield row(f"prompt injection, {what}", metrics.share(found[which]), int(which.sum()))


def behaviour(subject: Subject, folder: Path, split: Split | None) -> Found:
    """CheckList: how often the sentiment of sentences that leave no doubt is wrong."""
    files = sets.files_of(folder, "*sentiment*.jsonl", split)
    by_capability: dict[str, list[bool]] = {}
    for test in sets.read(sets.behaviours, files.paths):
        what = f"CheckList failures, {test.capability}: {test.name}"
        if not test.texts:
            yield Skipped(what, text("The file has no texts for it."))
            continue
        failed = _failures(subject, test)
        by_capability.setdefault(test.capability, []).extend(failed)
        yield row(what, metrics.share(failed), len(failed))
    for capability, failed in by_capability.items():
        bar = CHECKLIST_FAILURES.get(capability)
        yield row(f"CheckList failures, {capability}", metrics.share(failed), len(failed), at_most=bar)


def _failures(subject: Subject, test: sets.Behaviour) -> list[bool]:
    """CheckList's numbers are the places in `SENTIMENTS`; where it has none, all but negative is right."""
    found = [SENTIMENTS.index(_known(one.sentiment)) for one in subject.encoder.understood(test.texts)]
    return [
        sentiment == 0 if wanted is None else sentiment != wanted
        for sentiment, wanted in zip(found, test.expected, strict=True)
    ]


def _named(name: str, split: Split | None) -> str:
    return f"{name} {split}" if split else name


def _known(value: Value | None) -> Value:
    """`value`; raises `Unusable` where the encoder has no head for it."""
    if value is None:
        raise Unusable(text("The encoder has no head for it."))
    return value


Measure = Callable[[Subject, Path, Split | None], Iterator[Row | Skipped]]
OF_OURS = frozenset({"danger", "acts"})
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "goemotions": emotions,
        "stsb": likeness,
        "danger": danger,
        "acts": acts,
        "notinject": injection,
        "checklist": behaviour,
        "clinc150": own_heads.clinc150,
        "banking77": own_heads.banking77,
    }
)
"""Folder of the set -> what is measured on it; those `OF_OURS` lie in one folder of our own."""
