"""The utterances that train, and those that measure: all readable, and apart from each other."""

from collections import defaultdict
from pathlib import Path

import pytest

from samantha.core.words import words
from samantha.training import data

SIZE, SAME = 4, 0.25  # words of a run; share of the runs (Jaccard) from which on two utterances are one


def texts(folder: Path) -> list[str]:
    return [one.text for path in sorted(folder.glob("*.tsv")) for one in data.utterances(path)]


def runs(said: str) -> set[tuple[str, ...]]:
    found = words(said)
    return {tuple(found[at : at + SIZE]) for at in range(len(found) - SIZE + 1)}


@pytest.fixture(scope="module")
def trains(repository: Path) -> list[str]:
    return texts(repository / "utterances")


def test_no_utterance_is_there_twice(trains: list[str]) -> None:
    assert len(trains) == len(set(trains))


def test_what_measures_is_not_what_trains(trains: list[str], repository: Path) -> None:
    measured = texts(repository / "src" / "samantha" / "evaluation" / "utterances")
    holders: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for said in measured:
        for run in runs(said):
            holders[run].append(said)
    plain = {tuple(words(said)) for said in measured}
    assert [said for said in trains if tuple(words(said)) in plain] == []
    alike = [
        (said, other)
        for said in trains
        for other in {other for run in runs(said) for other in holders.get(run, [])}
        if len(runs(said) & runs(other)) > SAME * len(runs(said) | runs(other))
    ]
    assert alike == []
