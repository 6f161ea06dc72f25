"""A sentence for a person, kept apart from the values in it so that it can be said in another language.

The English text is written where it is needed; `samantha.language` finds its translation.
Not here: the catalogues, and the choice of a language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Language = Literal["en", "zh"]
"""The languages that sentences for a person exist in (ISO 639-1)."""


@dataclass(frozen=True, slots=True)
class Text:
    """An English template with named values, e.g. ``Text("No file at '{path}'.", {"path": path})``."""

    template: str
    values: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        return self.template.format(**self.values) if self.values else self.template


def text(template: str, /, **values: object) -> Text:
    """Shorthand for `Text`; the repository test collects the literal templates given to it."""
    return Text(template, values)
