"""KEY=VALUE -> a recipe: the fields of its dataclass are its keys.

A field that is a dataclass itself has keys with a dot (`plan.steps`); the part before the dot may be left out where
only one key ends so. Not here: the recipes.
"""

import difflib
import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import islice
from types import NoneType, UnionType
from typing import Any, TypeVar, Union

from pydantic import TypeAdapter, ValidationError

from samantha.core.errors import SettingError, UsageError

Recipe = TypeVar("Recipe")

PARTS: Mapping[str, str] = {
    # a plan
    "steps": "Steps that are made; it may stop before.",
    "rate": "The learning rate where it is highest.",
    "schedule": "How the rate falls after the warm-up: cosine, stable (it stays, and falls at the end), or constant.",
    "warmup": "The share of the steps over which the rate rises.",
    "fall": "The share of the steps over which the rate falls at the end, with schedule=stable.",
    "accumulate": "Batches whose gradients make one step.",
    "clip": "The largest norm of the gradient; what is longer is shortened to it.",
    "decay": "Weight decay, on matrices alone.",
    "betas": "How slowly AdamW forgets gradients, and their squares.",
    "half": "Whether it multiplies in bfloat16; sums and weights stay in float32.",
    "compile": "Whether torch.compile makes the model faster, which takes a minute or more first.",
    "recompute": "Whether inner values are computed twice instead of kept: slower, in less memory.",
    "average": "Decay of the moving average of the weights, which is what is kept; 0 is off.",
    "evaluate_every": "Steps between two looks at what is held out; 0 never looks.",
    "patience": "Looks without a better score after which it stops.",
    "keep_every": "Steps between two checkpoints; 0 keeps one only when it is interrupted.",
    # a shape
    "vocabulary": "Tokens that there are at most.",
    "width": "Width of the hidden states.",
    "layers": "Layers that are on top of each other.",
    "encoder_layers": "Layers that read, where no pretrained encoder does.",
    "decoder_layers": "Layers that write.",
    "attention_heads": "Heads that share the width.",
    "key_value_heads": "Heads with keys and values of their own; fewer take less memory (grouped-query attention).",
    "inner": "Width of the feed-forward networks.",
    "context": "Tokens that it is trained on at once.",
    "positions": "Tokens that it can read at most.",
    "rotary_base": "How slowly the slowest rotary positions turn; longer contexts want more.",
    "norm_epsilon": "What keeps normalization from dividing by zero.",
    "tie": "Which embeddings are one: nothing, output (that of what is written, and the output), or all.",
}
"""What the fields of a plan and of a shape mean, in whichever recipe."""


def option(default: Any, says: str, *, fixed: tuple[str, ...] = ()) -> Any:
    """A field with a default, or a function that makes it, and a sentence for people.

    Of a dataclass, the fields in `fixed` are no keys: the recipe sets them from what it reads.
    """
    about = {"says": says, "fixed": fixed}
    if callable(default):
        return field(default_factory=default, metadata=about)
    return field(default=default, metadata=about)


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


def _keys_of(kind: type, made: Any, begin: str, *, fixed: tuple[str, ...] = ()) -> Iterator[Key]:
    """What is said of a part stands before what is said of its first key. A mapping is no key: nobody types one."""
    hints = typing.get_type_hints(kind)
    for one in fields(kind):
        name, value = f"{begin}{one.name}", getattr(made, one.name)
        says = one.metadata.get("says") or (PARTS.get(one.name, "") if begin else "")
        if is_dataclass(value) and not isinstance(value, type):
            of_part = _keys_of(type(value), value, f"{name}.", fixed=one.metadata.get("fixed", ()))
            for first in islice(of_part, 1):
                yield replace(first, says=f"{says} {first.says}".strip())
            yield from of_part
        elif one.name not in fixed and not isinstance(value, Mapping):
            yield Key(name, hints[one.name], value, says)


def parsed(recipe: type[Recipe], given: Mapping[str, str]) -> Recipe:
    """A `recipe` with the values `given`. Raises `UsageError` where a key is unknown, `SettingError` where a value is
    of another kind than it has to be, or out of range."""
    known = {key.name: key for key in keys(recipe)}
    values: dict[str, object] = {}
    for name, content in given.items():
        key = known[_full(name, known)]
        adapter: TypeAdapter[Any] = TypeAdapter(key.kind)
        try:
            values[key.name] = _value(adapter, content, kinds=_kinds(key.kind))
        except ValidationError as error:
            raise SettingError(
                "{key} cannot be '{value}': {reason}.", key=key.name, value=content, reason=error.errors()[0]["msg"]
            ) from error
    made: Recipe = _with(recipe(), values)
    return made


def _kinds(kind: Any) -> set[Any]:
    """`tuple[Path, ...] | None` -> tuple, None."""
    several = typing.get_args(kind) if typing.get_origin(kind) in (Union, UnionType) else (kind,)
    return {typing.get_origin(one) or one for one in several}


def _value(adapter: "TypeAdapter[Any]", content: str, *, kinds: set[Any]) -> object:
    """`content` as it is typed: `a,b` and `["a", "b"]` are both several, nothing and `null` are both none."""
    if NoneType in kinds and content in ("", "null"):
        return adapter.validate_python(None)
    if tuple not in kinds:
        return adapter.validate_python(content)
    if content.startswith("["):
        return adapter.validate_json(content)
    return adapter.validate_python(content.split(",") if content else [])


def full(recipe: type, given: Mapping[str, str]) -> dict[str, str]:
    """`given` with each key written in full."""
    known = {key.name: key for key in keys(recipe)}
    return {_full(name, known): content for name, content in given.items()}


def plain(made: Any) -> dict[str, Any]:
    """The options of a recipe as JSON knows them, nested as they are, but for what is fixed."""
    adapter: TypeAdapter[Any] = TypeAdapter(type(made))
    fixed = {one.name: set(one.metadata["fixed"]) for one in fields(made) if one.metadata.get("fixed")}
    return dict(adapter.dump_python(made, mode="json", exclude=fixed))


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
