"""Test sets of a few lines, laid out as the public ones, and an encoder that understands them by their words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from samantha.core.types import Emotion, Risk, Understanding
from samantha.core.understanding import ACTS, EMOTIONS, KINDS
from samantha.evaluation.sets import OUT_OF_SCOPE
from samantha.evaluation.subject import Subject

HEADER = "level\tkinds\tact\tsentiment\temotions\ttext\n"


@dataclass
class WordEncoder:
    """Hears the emotion, kind and act that a text names, danger in DIE and HELP, and sentiment in good and bad."""

    heard: list[str] = field(default_factory=list)
    manifest = SimpleNamespace(labels={"kinds": KINDS}, thresholds={"kinds": np.full(len(KINDS), 0.5)})

    def understood(self, texts: Sequence[str], /) -> list[Understanding]:
        self.heard += texts
        return [self._understood(text) for text in texts]

    def read(self, texts: Sequence[str], /) -> SimpleNamespace:
        """The texts in place of their vectors: all that `WordHead` needs."""
        return SimpleNamespace(vector=np.array(texts), pooled=None)

    def _understood(self, text: str) -> Understanding:
        emotions = {name: 0.9 if name in text else 0.01 for name in EMOTIONS}
        return Understanding(
            emotion=Emotion(emotions, 0, 0, tuple(name for name in EMOTIONS if name in text)),
            risk=Risk(
                "crisis" if "DIE" in text else "concern" if "HELP" in text else "none",
                {kind: float(kind in text) for kind in KINDS},
            ),
            sentiment="positive" if "good" in text else "negative" if "bad" in text else "neutral",
            act=next((act for act in ACTS if act in text), "statement"),
            vector=(1.0, 0.0) if "cat" in text else (0.0, 1.0) if "dog" in text else (0.6, 0.8),
        )


@dataclass(frozen=True)
class WordHead:
    """Takes a text for the label that it names, a little for each where it names none."""

    labels: tuple[str, ...]

    def probabilities(self, vector: NDArray[np.str_], pooled: None, /) -> NDArray[np.float64]:
        rows = np.array([[float(label in text) for label in self.labels] for text in vector])
        return np.where(rows.any(axis=1, keepdims=True), rows, 1 / len(self.labels))


def trained(texts: Sequence[str], labels: Sequence[str]) -> WordHead:
    assert len(texts) == len(labels)
    return WordHead(tuple(sorted(set(labels))))


def subject(encoder: WordEncoder | None = None) -> Subject:
    """A subject whose rules know one crisis word."""
    return Subject(
        encoder or WordEncoder(),
        lambda said: "crisis" if "SUICIDE" in said else None,
        dict.fromkeys(KINDS, 0.5),
        trained,
    )


def write_sets(folder: Path) -> Path:
    """One folder for each public set, as a person would lay them beside each other."""
    joy, anger, neutral = (EMOTIONS.index(name) for name in ("joy", "anger", "neutral"))
    comments = [
        ("joy", f"{joy}"),
        ("anger", f"{anger}"),
        ("joy and anger", f"{joy},{anger}"),
        ("neutral", f"{neutral}"),
    ]
    dev = [f"{said}\u2028{number}\t{ids}\tid\n" for number in range(10) for said, ids in comments]
    _write(folder / "goemotions/labels.txt", "\n".join(EMOTIONS))
    _write(folder / "goemotions/train.tsv", f"never measured\t{joy}\tid\n")
    _write(folder / "goemotions/dev.tsv", "".join(dev))
    _write(folder / "goemotions/test.tsv", f"joy\t{joy}\tid\nmisheard\t{anger}\tid\n")
    pairs = [("5.000", 'A "cat', "cat"), ("3.000", "cat", "both"), ("0.500", "cat", "dog")]
    for split in ("dev", "test"):
        lines = [f"main\tnews\t2016\t{n}\t{score}\t{a}\t{b}\n" for n, (score, a, b) in enumerate(pairs)]
        _write(folder / f"stsb/sts-{split}.csv", "".join(lines))
    attempts = [
        {"prompt": "prompt_injection", "label": 1, "source": "PINT_jailbreak"},
        {"prompt": "missed", "label": 1, "source": "PINT_jailbreak"},
        {"prompt": "a prompt_injection of grammar", "label": 0, "source": "NotInject_one"},
        {"prompt": "hello", "label": 0, "source": "WildGuard"},
    ]
    _write(folder / "notinject/valid.json", json.dumps(attempts))
    tests = [
        {"test": "words", "capability": "Vocabulary", "labels": 2, "data": ["good", "fine"]},
        {"test": "not bad", "capability": "Negation", "labels": None, "data": ["good", "fine", "bad"]},
        {"test": "both", "capability": "Negation", "labels": [0, 2], "data": ["bad", "good"]},
        {"test": "lost", "capability": "Negation", "labels": 0, "data": [None, None]},
    ]
    _write(folder / "checklist/sentiment_mft.jsonl", "".join(json.dumps(test) + "\n" for test in tests))
    _write(folder / "checklist/squad_mft.jsonl", "none of ours\n")
    intents = [[f"{intent} {n}", intent] for intent in ("pay", "fly") for n in range(20)]
    parts = {
        "train": intents,
        "oos_train": [["sing", OUT_OF_SCOPE]],
        "val": intents,
        "oos_val": [["jump", OUT_OF_SCOPE]],
    }
    _write(folder / "clinc150/train_val.json", json.dumps(parts))
    _write(folder / "clinc150/domains.json", json.dumps({"bank": ["pay"]}))
    _write(folder / "clinc150/test.json", json.dumps([["please pay", "pay"], ["run", OUT_OF_SCOPE]]))
    rows = "".join(f'"{intent}, {n}",{intent}\n' for intent in ("card", "loan") for n in range(12))
    _write(folder / "banking77/train.csv", "text,category\n" + rows)
    _write(folder / "banking77/test.csv", "text,category\nmy card,card\nhello,loan\n")
    return folder


def write_own(folder: Path) -> Path:
    """Own utterances in both languages."""
    danger = (
        "crisis\tself_harm\tdisclosure\tnegative\tsadness\tself_harm DIE\n"
        "crisis\t-\tdisclosure\tnegative\tsadness\tSUICIDE\n"
        "concern\tself_harm,abuse\tdisclosure\tnegative\tsadness\tHELP\n"
        "none\t-\tstatement\tneutral\tneutral\tThe plants DIE\\nsadly\n"
        "none\t-\tstatement\tneutral\tneutral\tHELP desk\n"
    )
    _write(folder / "danger.en.tsv", HEADER + danger)
    _write(folder / "danger.zh.tsv", HEADER + "none\t-\tstatement\tneutral\tneutral\t累死了\n")
    _write(folder / "acts.en.tsv", HEADER + "none\t-\tgreeting\tneutral\tneutral\tgreeting\n")
    return folder


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
