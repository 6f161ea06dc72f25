"""KEY=VALUE -> a recipe: the fields of its dataclass are its keys.

A field that is a dataclass itself has keys with a dot (`plan.steps`); the part before the dot may be left out where
only one key ends so. Not here: the recipes.
"""

import difflib
import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from samantha.core.errors import SettingError, UsageError

Recipe = TypeVar("Recipe")


def option(default: Any, says: str) -> Any:
    """A field with a default, or a function that makes it, and a sentence for people."""
    if callable(default):
        return field(default_factory=default, metadata={"says": says})
    return field(default=default, metadata={"says": says})


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a recipe."""

    name: str
    kind: Any
    default: Any
    says: str


def keys(recipe: type, begin: str = "") -> Iterator[Key]:
    """Every key of `recipe`, a dataclass, in its order."""
    yield from _keys_of(recipe, recipe(), begin)  # every field has a default


def _keys_of(kind: type, made: Any, begin: str) -> Iterator[Key]:
    hints = typing.get_type_hints(kind)
    for one in fields(kind):
        value = getattr(made, one.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from _keys_of(type(value), value, f"{begin}{one.name}.")
        else:
            yield Key(f"{begin}{one.name}", hints[one.name], value, one.metadata.get("says", ""))


def parsed(recipe: type[Recipe], given: Mapping[str, str]) -> Recipe:
    """A `recipe` with the values `given`. Raises `UsageError` where a key is unknown, `SettingError` where a value is
    of another kind than it has to be, or out of range."""
    known = {key.name: key for key in keys(recipe)}
    values: dict[str, object] = {}
    for name, content in given.items():
        key = known[_full(name, known)]
        adapter: TypeAdapter[Any] = TypeAdapter(key.kind)
        try:
            values[key.name] = _value(adapter, content, several=typing.get_origin(key.kind) is tuple)
        except ValidationError as error:
            raise SettingError(
                "{key} cannot be '{value}': {reason}.", key=key.name, value=content, reason=error.errors()[0]["msg"]
            ) from error
    made: Recipe = _with(recipe(), values)
    return made


def _value(adapter: "TypeAdapter[Any]", content: str, *, several: bool) -> object:
    """`content` as it is typed: `a,b` and `["a", "b"]` are both several."""
    if content == "null" or content.startswith("["):
        return adapter.validate_json(content)
    return adapter.validate_python(content.split(",") if several else content)


def full(recipe: type, given: Mapping[str, str]) -> dict[str, str]:
    """`given` with each key written in full."""
    known = {key.name: key for key in keys(recipe)}
    return {_full(name, known): content for name, content in given.items()}


def plain(made: Any) -> dict[str, Any]:
    """The options of a recipe as JSON knows them, nested as they are."""
    adapter: TypeAdapter[Any] = TypeAdapter(type(made))
    return dict(adapter.dump_python(made, mode="json"))


def texts_of(options: Mapping[str, Any], begin: str = "") -> dict[str, str]:
    """`plain` options as they are typed: what `parsed` reads back."""
    found: dict[str, str] = {}
    for name, value in options.items():
        if isinstance(value, dict):
            found |= texts_of(value, f"{begin}{name}.")
        else:
            found[f"{begin}{name}"] = json.dumps(value) if isinstance(value, list | None) else str(value)
    return found


def _full(name: str, known: Mapping[str, Key]) -> str:
    """The key that `name` means."""
    if name in known:
        return name
    ending = [key for key in known if key.endswith(f".{name}")]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise UsageError("'{name}' may be any of these: {known}. Write which.", name=name, known=", ".join(ending))
    near = difflib.get_close_matches(name, [*known, *(key.rpartition(".")[2] for key in known)], n=1)
    if near:
        raise UsageError("There is no option '{name}'. Did you mean {near}?", name=name, near=near[0])
    raise UsageError("There is no option '{name}'. There is: {known}.", name=name, known=", ".join(known))


def _with(made: Any, values: Mapping[str, object], begin: str = "") -> Any:
    """`made` with all `values` at once, so that a part is only checked when it is whole."""
    changes: dict[str, object] = {}
    for one in fields(made):
        key, before = f"{begin}{one.name}", getattr(made, one.name)
        if key in values:
            changes[one.name] = values[key]
        elif any(name.startswith(f"{key}.") for name in values):
            changes[one.name] = _with(before, values, f"{key}.")
    return replace(made, **changes)
