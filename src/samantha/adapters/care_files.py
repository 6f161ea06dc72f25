"""The texts and the lines of help that come with her (`samantha/care/`), read and checked once.

Pydantic checks the form, and a mistake in these files is a defect that the tests find, not something a person can do
something about. Not here: what any of it is for (`samantha.mind.care`).
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from samantha.core.countries import COUNTRIES
from samantha.core.text import Language
from samantha.mind.care import Care, Country, Elsewhere, Line, Situation, Topic, Words

Number = Annotated[str, StringConstraints(pattern=r"^[*#]?\d[\d -]*$")]
Address = Annotated[str, StringConstraints(pattern=r"^https://[^\s/]+\.[^\s]+$")]
Month = Annotated[str, StringConstraints(pattern=r"^20\d\d-(0[1-9]|1[0-2])$")]
Said = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
SLOTS = {"line": "", "emergency": ""}


class _Entry(BaseModel):
    """Something that can change in the world: where to look it up, and when that was last done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Address
    checked: Month | None = None
    taken: Month | None = None

    @model_validator(mode="after")
    def _dated(self) -> "_Entry":
        if (self.checked is None) == (self.taken is None):
            raise ValueError("an entry was either checked against its source or taken from elsewhere")
        return self


class LineEntry(_Entry):
    name: Said
    name_zh: str = ""  # empty where the name is the same
    call: Number | Literal[""] = ""
    text: Number | Literal[""] = ""
    word: str = ""
    site: Address | Literal[""] = ""
    hours: str = ""
    hours_zh: str = ""
    languages: frozenset[Annotated[str, StringConstraints(pattern="^[a-z]{2}$")]]
    kinds: frozenset[Situation] = frozenset()

    @model_validator(mode="after")
    def _reachable(self) -> "LineEntry":
        if not (self.call or self.text or self.site):
            raise ValueError("a line can be called, texted or visited")
        if self.hours not in ("", "24/7") and not self.hours_zh:
            raise ValueError("hours are said in both languages")
        return self

    def line(self) -> Line:
        always = self.hours == "24/7"
        return Line(
            name=Words(self.name, self.name_zh or self.name),
            call=self.call,
            text=self.text,
            word=self.word,
            site=self.site,
            always=always,
            hours=Words("", "") if always else Words(self.hours, self.hours_zh),
            languages=self.languages,
            kinds=self.kinds,
        )


class CountryEntry(_Entry):
    code: str
    police: Number
    ambulance: Number
    lines: tuple[LineEntry, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> "CountryEntry":
        if self.code not in COUNTRIES:
            raise ValueError(f"{self.code} is no code of ISO 3166")
        return self


class ElsewhereEntry(_Entry):
    line: Said
    line_zh: Said
    emergency: Said
    emergency_zh: Said


class Referrals(BaseModel):
    """`referrals.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    countries: tuple[CountryEntry, ...]
    elsewhere: ElsewhereEntry


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    en: Annotated[tuple[Said, ...], Field(min_length=1)]
    zh: Annotated[tuple[Said, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _filled(self) -> "_Group":
        for said in (*self.en, *self.zh):
            said.format(**SLOTS)  # KeyError and ValueError: a slot that nothing fills
        return self


@cache
def load() -> Care:
    """All of it."""
    known = referrals()
    groups = {topic: _Group.model_validate(group) for topic, group in _read("texts.toml").items()}
    if set(groups) != _topics():
        raise ValueError(f"texts.toml has not the topics that are known: {sorted(set(groups) ^ _topics())}")
    texts: dict[Topic, dict[Language, tuple[str, ...]]] = {
        topic: {"en": groups[topic].en, "zh": groups[topic].zh} for topic in sorted(_topics())
    }
    elsewhere = known.elsewhere
    return Care(
        texts=texts,
        countries={
            one.code: Country(one.police, one.ambulance, tuple(entry.line() for entry in one.lines))
            for one in known.countries
        },
        elsewhere=Elsewhere(
            line=Words(elsewhere.line, elsewhere.line_zh),
            emergency=Words(elsewhere.emergency, elsewhere.emergency_zh),
        ),
    )


def referrals() -> Referrals:
    """The lines of help with their sources and dates."""
    return Referrals.model_validate(_read("referrals.toml"))


def _topics() -> set[Topic]:
    return set(get_args(Topic))


def _read(name: str) -> dict[str, object]:
    return tomllib.loads(files("samantha").joinpath("care", name).read_text(encoding="utf-8"))
