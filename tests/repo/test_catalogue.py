"""Everything that is said to a person can be said in Chinese, with the same values in it."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter

import click
from source import SOURCE, modules

from samantha.core import errors
from samantha.weights import catalogue

ERRORS = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
SPEAKERS = ERRORS | {"text", "Text", "translate"}
DEFINERS = {"samantha.core.errors", "samantha.core.text", "samantha.language"}  # they pass templates on


@dataclass(frozen=True)
class Template:
    english: str
    values: frozenset[str] | None  # names given with it; None where they cannot be told
    place: str


def templates() -> Iterator[Template]:
    """The literal templates of the source, and where they stand."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and module not in DEFINERS:
                yield from _templates_of_call(node, f"{module}:{node.lineno}")


def _templates_of_call(call: ast.Call, place: str) -> Iterator[Template]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name in SPEAKERS and call.args:
        told = name in ERRORS | {"text"} and all(keyword.arg for keyword in call.keywords)
        values = frozenset(str(keyword.arg) for keyword in call.keywords) if told else None
        yield from (Template(english, values, place) for english in _literals(call.args[0]))
    if name == "Field":
        for keyword in call.keywords:
            if keyword.arg == "description":
                yield from (Template(english, frozenset(), place) for english in _literals(keyword.value))


def _literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)


def help_texts() -> Iterator[str]:
    """The help of every command and option, by paragraphs."""
    from samantha.surfaces import manage
    from samantha.surfaces.cli import samantha

    manage.attach(samantha)
    waiting: list[click.Command] = [samantha]
    while waiting:
        command = waiting.pop()
        yield from (" ".join(part.split()) for part in (command.help or "").split("\n\n"))
        yield from (each.help for each in command.params if isinstance(each, click.Option) and each.help)
        waiting += command.commands.values() if isinstance(command, click.Group) else []


def entries() -> list[dict[str, str]]:
    found: list[dict[str, str]] = tomllib.loads((SOURCE / "locale" / "zh.toml").read_text(encoding="utf-8"))["text"]
    return found


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_the_templates_are_found() -> None:
    assert len(list(templates())) > 50


def test_an_error_is_never_built_from_an_f_string() -> None:
    built = [
        f"{module}:{node.lineno}"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS | {"text"}
        if node.args and isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
    ]
    assert not built


def test_a_template_is_given_the_values_it_names() -> None:
    known = [each for each in templates() if each.values is not None]
    wrong = {each.place: each.english for each in known if placeholders(each.english) != each.values}
    assert not wrong


def test_every_template_has_a_chinese_entry() -> None:
    known = {entry["en"] for entry in entries()}
    missing = {each.english: each.place for each in templates() if each.english not in known}
    assert not missing


def test_every_help_text_has_a_chinese_entry() -> None:
    assert not {each for each in help_texts() if each} - {entry["en"] for entry in entries()}


def test_every_brain_is_described_in_chinese() -> None:
    assert not {each.description for each in catalogue()} - {entry["en"] for entry in entries()}


def test_no_entry_is_unused() -> None:
    constants = {
        node.value
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    used = constants | set(help_texts()) | {each.description for each in catalogue()}
    assert not {entry["en"] for entry in entries()} - used


def test_no_entry_stands_twice() -> None:
    seen = [entry["en"] for entry in entries()]
    assert len(seen) == len(set(seen))


def test_both_languages_have_the_same_values() -> None:
    wrong = [entry for entry in entries() if placeholders(entry["en"]) != placeholders(entry["zh"])]
    assert not wrong


def test_every_entry_is_in_chinese() -> None:
    assert not [entry for entry in entries() if not re.search("[\u4e00-\u9fff]", entry["zh"])]
