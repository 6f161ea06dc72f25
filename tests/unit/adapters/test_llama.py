"""What the llama adapter decides without an engine."""

import pytest

from samantha.adapters import llama
from samantha.adapters.llama import choose_threads


@pytest.mark.parametrize(
    ("cores", "load", "neighbours", "expected"),
    [(2, 0.0, 0, 2), (2, 0.3, 0, 2), (2, 1.0, 0, 1), (8, 0.0, 1, 7), (8, 3.2, 1, 4), (2, 9.0, 1, 1)],
)
def test_the_engine_leaves_a_core_to_each_busy_neighbour(
    cores: int, load: float, neighbours: int, expected: int
) -> None:
    assert choose_threads(cores, load=load, neighbours=neighbours) == expected


def test_the_load_is_what_the_others_used_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([{"1": 100, "2": 50}, {"1": 103, "2": 50, "3": 40}])
    monkeypatch.setattr(llama, "_processor_times", lambda: next(looks))
    monkeypatch.setattr(llama.os, "sysconf", lambda _: 100)
    assert llama._load(seconds=0.01) == pytest.approx(3.0)


def test_a_machine_that_does_not_tell_is_taken_as_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama, "_processor_times", dict)
    assert llama._load(seconds=0) == 0.0
