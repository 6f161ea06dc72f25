"""What there is to say when somebody may be in danger: reviewed texts, and where a person can turn to by country.

A value that `samantha.adapters.care_files` reads, and how a text is filled with a line of help. Not here: when any of
it is said (`samantha.mind.safety`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from samantha.core.text import Language
from samantha.core.types import Message

Situation = Literal["self_harm", "attempt", "abuse", "violence", "eating_disorder", "minors", "other"]
"""What a crisis is about. Five are kinds of risk; `attempt` is self-harm that has happened, `other` is somebody who is
afraid for another person's life."""

Topic = Literal[Situation, "self_harm_again", "concern", "after"]
"""What a group of texts is for; `self_harm_again` goes on with a crisis, `after` is asked soon after one."""

_SLOT_OR_END = re.compile(r"\{|(?<=[.?!。？！])")
_BETWEEN_HAN = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef]) +(?=[\u3000-\u9fff\uff00-\uffef])")


@dataclass(frozen=True, slots=True)
class Words:
    """A few words in both languages."""

    en: str
    zh: str

    def __getitem__(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


_ANY_TIME = Words("day and night", "昼夜都有人")


@dataclass(frozen=True, slots=True)
class Line:
    """Somebody who listens, `always` or at `hours`; neither where nobody knows when."""

    name: Words
    call: str = ""
    text: str = ""
    word: str = ""  # with which a text message must begin
    site: str = ""  # an address, https://...
    always: bool = False
    hours: Words = Words("", "")
    languages: frozenset[str] = frozenset()  # ISO 639-1, as far as known
    kinds: frozenset[str] = frozenset()  # situations that it is for; empty is any distress

    def words(self, language: Language) -> str:
        """The line with the ways to reach it: "Samaritans (call 116 123, day and night)"."""
        parts = filter(None, (*self._ways(language), (_ANY_TIME if self.always else self.hours)[language]))
        name = self.name[language]
        return f"{name}（{'，'.join(parts)}）" if language == "zh" else f"{name} ({', '.join(parts)})"

    def _ways(self, language: Language) -> Iterable[str]:
        chinese = language == "zh"
        if self.call and self.call == self.text:
            yield f"电话或短信 {self.call}" if chinese else f"call or text {self.call}"
        else:
            if self.call:
                yield f"电话 {self.call}" if chinese else f"call {self.call}"
            if self.word:
                yield f"发短信 {self.word} 到 {self.text}" if chinese else f"text {self.word} to {self.text}"
            elif self.text:
                yield f"短信 {self.text}" if chinese else f"text {self.text}"
        if self.site:
            address = re.sub(r"^https://(www\.)?", "", self.site)
            yield f"网上 {address}" if chinese else f"chat at {address}"


@dataclass(frozen=True, slots=True)
class Country:
    """The numbers of one country."""

    police: str
    ambulance: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is said where the country is unknown, or has no line in the table."""

    line: Words
    emergency: Words


@dataclass(frozen=True, slots=True)
class Care:
    """All texts by topic and language, and all countries by their code."""

    texts: Mapping[Topic, Mapping[Language, tuple[str, ...]]]
    countries: Mapping[str, Country]
    elsewhere: Elsewhere

    def filled(self, template: str, situation: Situation, *, country: str, language: Language) -> str:
        """`template` with the line and the emergency number that fit."""
        line = self.line(situation, country=country, language=language)
        emergency = self.emergency(situation, country=country, language=language)
        said = template.format(line=line, emergency=emergency)
        return _BETWEEN_HAN.sub("", said)

    def line(self, situation: Situation, *, country: str, language: Language) -> str:
        """Who listens; beside a line of limited hours also one for any distress."""
        here = self.countries.get(country)
        lines = here.lines if here else ()
        special = _first([line for line in lines if situation in line.kinds], language)
        general = _first([line for line in lines if not line.kinds], language)
        anybody = general.words(language) if general else self.elsewhere.line[language]
        if special is None:
            return anybody
        if special.always:
            return special.words(language)
        return f"{special.words(language)}{'，或者 ' if language == 'zh' else ', or '}{anybody}"

    def emergency(self, situation: Situation, *, country: str, language: Language) -> str:
        """The number to call: the ambulance's, the police's, or both where either may be needed."""
        here = self.countries.get(country)
        if here is None:
            return self.elsewhere.emergency[language]
        if here.police == here.ambulance or situation in ("attempt", "eating_disorder"):
            return here.ambulance
        if situation in ("abuse", "violence", "minors"):
            return here.police
        if language == "zh":
            return f"{here.ambulance}（急救）或 {here.police}（报警）"
        return f"{here.ambulance} (ambulance) or {here.police} (police)"

    def was_said(self, topics: Iterable[Topic], message: Message) -> bool:
        """Whether `message`, or its end, is one of these texts."""
        return any(opening(text) in message.text for topic in topics for text in self.all_texts(topic))

    def all_texts(self, topic: Topic) -> tuple[str, ...]:
        return tuple(text for texts in self.texts[topic].values() for text in texts)


@cache
def opening(template: str) -> str:
    """What a text begins with, up to its first slot or the end of its first sentence; no two texts share it."""
    return _SLOT_OR_END.split(template, maxsplit=1)[0].strip()


def _first(lines: Sequence[Line], language: Language) -> Line | None:
    spoken = [line for line in lines if language in line.languages]
    return next(iter(spoken or lines), None)
