from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from samantha.core.errors import SettingError, UsageError
from samantha.recipes import options
from samantha.recipes.options import option


@dataclass(frozen=True)
class Pace:
    steps: int = 10
    rate: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass(frozen=True)
class Recipe:
    data: Path = option(Path(), "Where the texts are.")
    more: tuple[Path, ...] = option((), "Other texts.")
    corrupt: Literal["refuse", "skip"] = option("refuse", "What is done with bad rows.")
    first: Pace = option(Pace, "")
    second: Pace = option(lambda: Pace(steps=20), "")


def test_a_key_with_a_dot_changes_a_part() -> None:
    made = options.parsed(Recipe, {"second.steps": "7", "data": "here.txt"})
    assert (made.second.steps, made.first.steps, made.data) == (7, 10, Path("here.txt"))


def test_several_values_are_given_with_commas_or_as_a_list() -> None:
    made = options.parsed(Recipe, {"more": "a.txt,b.txt", "first.betas": "[0.5, 0.6]"})
    assert (made.more, made.first.betas) == ((Path("a.txt"), Path("b.txt")), (0.5, 0.6))


def test_a_part_that_two_have_has_to_be_named() -> None:
    with pytest.raises(UsageError, match=r"any of these: first\.steps, second\.steps"):
        options.parsed(Recipe, {"steps": "7"})


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean corrupt"):
        options.parsed(Recipe, {"corupt": "skip"})


@pytest.mark.parametrize(("key", "value"), [("first.steps", "many"), ("corrupt", "keep"), ("first.rate", "")])
def test_a_value_of_another_kind_is_refused(key: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{key} cannot be '{value}'"):
        options.parsed(Recipe, {key: value})


def test_what_was_asked_for_can_be_asked_for_again() -> None:
    made = options.parsed(Recipe, {"more": "a,b", "second.rate": "3"})
    assert options.parsed(Recipe, options.texts_of(options.plain(made))) == made


def test_each_key_has_its_default_and_a_sentence() -> None:
    found = {key.name: (key.default, key.says) for key in options.keys(Recipe)}
    assert found["data"] == (Path(), "Where the texts are.")
    assert found["second.steps"] == (20, "")
