"""Who she is: persona files (TOML), the system text made of one, and the choice of its few-shot examples.

Everything here is a pure function of its arguments, so that the prompt's prefix is the same at every turn.
Not here: finding and writing the files (`samantha.adapters.persona_files`), or imported cards
(`samantha.mind.character_card`).
"""

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

import tomli_w

from samantha.core.errors import PersonaError
from samantha.core.text import Language, text
from samantha.core.types import Message

_SENTENCE_END = re.compile(r"[.!?…][\"'”’*)\]]*(?=\s)|[。！？…][”’」』）]*|\n")
_WORD_END = re.compile(r"(?=\s)|[，；、]")
_FRAME: dict[Language, tuple[str, str]] = {
    "en": ("You are an AI.", "Your name is {name}."),
    "zh": ("你是人工智能。", "你的名字是{name}。"),
}
_CLOSED: dict[str, str] = {"extra": "forbid"}  # read by pydantic: an unknown key is an error


@dataclass(frozen=True, slots=True)
class Example:
    """One exchange that shows how she talks."""

    __pydantic_config__: ClassVar[dict[str, str]] = _CLOSED

    language: Language
    user: str
    reply: str


@dataclass(frozen=True, slots=True)
class Wording:
    """What a persona says about itself in one more language. An empty field keeps the persona's own."""

    __pydantic_config__: ClassVar[dict[str, str]] = _CLOSED

    name: str = ""
    summary: str = ""
    voice: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    boundaries: tuple[str, ...] = ()
    greeting: str = ""


@dataclass(frozen=True, slots=True)
class Persona:
    """Who she is. The text fields hold whole sentences, addressed to her: "You speak in short sentences."

    `summary`, `voice`, `values` and `boundaries` are what the brain always reads (`system_text`). `background`
    is kept for brains with room for it. `greeting` is what she may open a conversation with. `en` and `zh`
    hold the same persona in that language.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _CLOSED

    name: str
    creator: str = ""  # shown to people; never in the prompt, as character cards want it
    summary: str = ""
    voice: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    boundaries: tuple[str, ...] = ()
    greeting: str = ""
    background: str = ""
    en: Wording = Wording()
    zh: Wording = Wording()
    examples: tuple[Example, ...] = ()


def parse(toml_text: str, *, source: str) -> Persona:
    """The persona that `toml_text` describes. `source` names it in errors.

    Only `name` is required. Raises `PersonaError` on broken TOML, an unknown key, a wrong type, or an empty name.
    """
    try:
        table = tomllib.loads(toml_text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and numbers of thousands of digits
        raise PersonaError("The persona '{source}' is not valid TOML: {reason}.", source=source, reason=error) from None
    return _checked(table, source=source)


def to_toml(persona: Persona) -> str:
    """`persona` as a file that `parse` reads back the same, but for line ends, which become newlines."""
    return tomli_w.dumps(_filled(persona), multiline_strings=True)


def in_language(persona: Persona, language: Language) -> Persona:
    """`persona` with the wording that it has for `language`."""
    wording: Wording = getattr(persona, language)
    return replace(persona, **_filled(wording))


def system_text(persona: Persona, language: Language, *, background: int = 0) -> str:
    """What the brain reads about who she is, in `language` where the persona has that wording.

    It opens with her being an AI and closes with her name, whatever the file says: small brains know the name
    best that they read last. `background` is the room, in characters, for the rest of a long (imported) persona;
    the default brain has none.
    """
    her = in_language(persona, language)
    opening, closing = _FRAME[language]
    who = _paragraph([opening, her.summary, *her.voice, *her.values], language)
    limits = _paragraph([*her.boundaries, closing.format(name=her.name)], language)
    rest = shorten(her.background, background)
    return f"{who}\n\n{rest}\n\n{limits}" if rest else _paragraph([who, limits], language)


def _paragraph(sentences: Sequence[str], language: Language) -> str:
    joint = "" if language == "zh" else " "
    return joint.join(sentence.strip() for sentence in sentences if sentence.strip())


def choose_examples(persona: Persona, first_message: str, language: Language, *, count: int = 3) -> tuple[Example, ...]:
    """At most `count` examples in `language` for a conversation that begins with `first_message`.

    The first in which she says her name is always among them; the others are the most like the message, and
    where none is like it, the first of the file. Deterministic and in the order of the file, so that the
    cached prefix holds. A persona without examples in `language` gives those that it has.
    """
    candidates = [one for one in persona.examples if one.language == language] or list(persona.examples)
    names = {name for name in (persona.name, persona.en.name, persona.zh.name) if name}
    naming = [index for index, one in enumerate(candidates) if any(name in one.reply for name in names)][:1]
    likeness = _likeness(first_message, [one.user for one in candidates])
    others = sorted((i for i in range(len(candidates)) if i not in naming), key=lambda i: (-likeness[i], i))
    return tuple(candidates[index] for index in sorted([*naming, *others][:count]))


def as_messages(examples: Sequence[Example]) -> tuple[Message, ...]:
    """The examples as a conversation that could have been."""
    return tuple(
        message
        for example in examples
        for message in (Message("user", example.user), Message("assistant", example.reply))
    )


def shorten(words: str, limit: int) -> str:
    """`words` cut to at most `limit` characters: after a sentence where one fits, else after a word."""
    words = words.strip()
    if len(words) <= limit:
        return words
    for ending in (_SENTENCE_END, _WORD_END):
        if cuts := [found.end() for found in ending.finditer(words, 0, limit + 1) if found.end() <= limit]:
            return words[: cuts[-1]].rstrip(" \t\r\n,;，；、")
    return words[:limit]


# -- reading the file -------------------------------------------------------------------------------------------

_WANTED = {
    "string_type": text("a text in quotes"),
    "tuple_type": text("a list"),
    "dataclass_type": text("a table"),
    "literal_error": text('"en" or "zh"'),
}


def _checked(table: Mapping[str, Any], *, source: str) -> Persona:
    from pydantic import TypeAdapter, ValidationError  # tens of milliseconds: only for who reads a persona

    try:
        persona = TypeAdapter(Persona).validate_python(table)
    except ValidationError as invalid:
        found = invalid.errors(include_url=False, include_context=False)
        # an unknown key is more telling than the missing one that it was meant to be
        raise _error(min(found, key=lambda one: one["type"] != "unexpected_keyword_argument"), source) from None
    for key, value in _required(persona):
        if not value.strip():
            raise _missing(key, source)
    return persona


def _required(persona: Persona) -> Iterator[tuple[str, str]]:
    yield "name", persona.name
    for number, example in enumerate(persona.examples, 1):
        yield f"examples.{number}.user", example.user
        yield f"examples.{number}.reply", example.reply


def _error(found: Mapping[str, Any], source: str) -> PersonaError:
    key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in found["loc"])
    match found["type"]:
        case "unexpected_keyword_argument":
            return _unknown(key, found["loc"], source)
        case "missing":
            return _missing(key, source)
        case kind:
            return PersonaError(
                "In the persona '{source}', '{key}' must be {wanted}.",
                source=source,
                key=key,
                wanted=_WANTED.get(kind, found["msg"]),
            )


def _unknown(key: str, place: Sequence[str | int], source: str) -> PersonaError:
    table = {"examples": Example, "en": Wording, "zh": Wording}.get(str(place[0]), Persona) if place[1:] else Persona
    known = [field.name for field in fields(table)]
    near = difflib.get_close_matches(str(place[-1]).lower(), known, n=1, cutoff=0.5)
    if near:
        return PersonaError(
            "The persona '{source}' has the unknown key '{key}'. The nearest known one is '{nearest}'.",
            source=source,
            key=key,
            nearest=near[0],
        )
    return PersonaError(
        "The persona '{source}' has the unknown key '{key}'. Known are: {known}.",
        source=source,
        key=key,
        known=", ".join(known),
    )


def _missing(key: str, source: str) -> PersonaError:
    return PersonaError("The persona '{source}' lacks '{key}', or it is empty. Write it.", source=source, key=key)


def _filled(value: Persona | Wording) -> dict[str, Any]:
    """The fields of `value` that hold something, as plain tables."""
    plain = {key: _filled_wording(one) if isinstance(one, dict) else one for key, one in asdict(value).items()}
    return {key: one for key, one in plain.items() if one}


def _filled_wording(table: dict[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in table.items() if one}


# -- likeness ---------------------------------------------------------------------------------------------------

_COMMON = frozenset(
    "a about all am an and any are as at be been but by can could did do does for from get go had has have he her "
    "him his how i if in is it its just like me my no not of on or our out really she should so some that the "
    "their them then there they this to today tonight too up us was we were what when where which who why will "
    "with would you your".split()
)
_COMMON_HAN = frozenset("什么 怎么 我们 你们 他们 一个 没有 不是 可以 就是 这个 那个 有点 觉得 今天 现在".split())
_RUN_OF_HAN = re.compile(r"[\u3400-\u9fff]+")
_WORD = re.compile(r"[a-z]+")


def _likeness(message: str, examples: Sequence[str]) -> list[float]:
    """How much each example shares with `message`: rare features count more than those many examples have."""
    asked, features = _features(message), [_features(one) for one in examples]
    frequency = Counter(feature for found in features for feature in found)
    return [sum(1 / frequency[feature] for feature in sorted(found & asked)) for found in features]


def _features(said: str) -> set[str]:
    """Word stems (five letters are stem enough in English) and pairs of neighbouring Chinese characters."""
    words = {word[:5] for word in _WORD.findall(said.lower().replace("'", "")) if word not in _COMMON}
    pairs = {run[i : i + 2] for run in _RUN_OF_HAN.findall(said) for i in range(len(run) - 1)}
    return words | (pairs - _COMMON_HAN)
