from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import pytest

from samantha.core.errors import SettingError, UsageError
from samantha.recipes import bert, classify, gpt, options, raise_samantha, seq2seq_lstm, seq2seq_transformer
from samantha.recipes.options import option
from samantha.training.loop import Plan


@dataclass(frozen=True)
class Pace:
    steps: int = 10
    rate: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    size: int = 0
    heads: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    data: Path = option(Path(), "Where the texts are.")
    more: tuple[Path, ...] = option((), "Other texts.")
    corrupt: Literal["refuse", "skip"] = option("refuse", "What is done with bad rows.")
    trunk: Path | None = option(None, "What it starts from.")
    prompt: str = option("", "What it goes on with.")
    first: Pace = option(Pace, "", fixed=("size",))
    second: Pace = option(lambda: Pace(steps=20), "Once more.", fixed=("size",))


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
    assert found["second.rate"] == (0.1, "The learning rate where it is highest.")


def test_what_is_said_of_a_part_stands_at_its_first_key() -> None:
    found = {key.name: key.says for key in options.keys(Recipe)}
    assert found["first.steps"] == options.PARTS["steps"]
    assert found["second.steps"] == f"Once more. {options.PARTS['steps']}"


def test_every_field_of_a_plan_is_explained() -> None:
    assert {one.name for one in fields(Plan)} <= set(options.PARTS)


@pytest.mark.parametrize("recipe", [bert, classify, gpt, raise_samantha, seq2seq_lstm, seq2seq_transformer])
def test_every_key_of_a_recipe_is_explained(recipe: Any) -> None:
    assert [key.name for key in options.keys(recipe.Recipe) if not key.says] == []


def test_what_the_recipe_sets_itself_is_no_key_and_is_not_kept() -> None:
    assert not {"first.size", "second.size", "first.heads"} & {key.name for key in options.keys(Recipe)}
    assert "size" not in options.plain(Recipe())["first"]
    with pytest.raises(UsageError, match=r"no option 'first\.size'"):
        options.parsed(Recipe, {"first.size": "5"})


@pytest.mark.parametrize("said", ["null", "[draft]", "[", ""])
def test_a_text_may_look_like_a_list_or_like_nothing(said: str) -> None:
    made = options.parsed(Recipe, {"prompt": said})
    assert made.prompt == said
    assert options.parsed(Recipe, options.texts_of(options.plain(made))) == made


@pytest.mark.parametrize(("said", "means"), [("null", None), ("", None), (".", Path()), ("[draft]", Path("[draft]"))])
def test_a_path_that_may_be_missing_is_none_or_a_path(said: str, means: Path | None) -> None:
    made = options.parsed(Recipe, {"trunk": said})
    assert made.trunk == means
    assert options.parsed(Recipe, options.texts_of(options.plain(made))) == made


def test_several_of_nothing_are_none() -> None:
    assert options.parsed(Recipe, {"more": ""}).more == ()
