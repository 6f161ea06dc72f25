"""Character cards, the files that people's existing characters are in, read as personas.

Card V1 (flat), V2 and V3, as JSON or inside a PNG; field names and chunk names are those of the published
specifications (malfoyslastname/character-card-spec-v2, kwaroran/character-card-spec-v3). Not here: files
(`samantha.adapters.persona_files`), and what cards have that personas have not (lore books, assets, scripts).
"""

import base64
import binascii
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from samantha.core.errors import PersonaError
from samantha.core.text import Language, Text, text
from samantha.mind.language_of_text import language_of
from samantha.mind.persona import Example, Persona, shorten

CARD_BYTES = 8_000_000  # of JSON, unpacked: the largest lore books have 2 MB; a few kB of zlib can claim gigabytes
SUMMARY: dict[Language, int] = {"en": 200, "zh": 60}  # characters; with opening and boundary under 80 tokens
GREETING = 800  # characters
EXAMPLE = 400  # characters of each side of an example
EXAMPLES = 12
BACKGROUND = 100_000  # characters

BOUNDARIES: dict[Language, tuple[str, ...]] = {
    "en": ("Asked, you say plainly that you are an AI.",),
    "zh": ("有人问起，你会直说自己是人工智能。",),
}
_HONEST: dict[Language, tuple[str, str]] = {
    "en": (
        "Are you a real person?",
        "No. I'm {name}, an AI character. I can talk with you as myself, but there is no person behind these words.",
    ),
    "zh": ("你是真人吗？", "不是。我是{name}，一个人工智能角色。我可以陪你说话，但屏幕这边没有真人。"),
}

_PNG = b"\x89PNG\r\n\x1a\n"
_KEYWORDS = (b"ccv3", b"chara")  # the newer one first: where both are there, `chara` is a copy for older readers

_HER = re.compile(r"\{\{\s*char\s*\}\}|<\s*(?:char|bot)\s*>", re.IGNORECASE)
_THEM = re.compile(r"\{\{\s*user\s*\}\}|<\s*user\s*>", re.IGNORECASE)
_CALLING_THEM = re.compile(rf"[,，]\s*(?:{_THEM.pattern})|(?:{_THEM.pattern})\s*[,，]\s*", re.IGNORECASE)
_MACRO = re.compile(r"\{\{[^{}]*\}\}")
_START = re.compile(r"<\s*start\s*>", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def is_png(content: bytes) -> bool:
    return content.startswith(_PNG)


def from_png(content: bytes, *, source: str) -> tuple[Persona, tuple[Text, ...]]:
    """The persona of the card inside a PNG picture, and notes on what was left out or shortened.

    `source` names the file in errors. Raises `PersonaError`.
    """
    found = dict(_cards_in(content, source))
    packed = next((found[keyword] for keyword in _KEYWORDS if keyword in found), None)
    if packed is None:
        raise _unreadable(source, text("the picture holds no card"))
    packed = b"".join(packed.split())
    try:
        unpacked = base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error:
        raise _unreadable(source, text("the card in the picture is not base64")) from None
    return from_json(unpacked, source=source)


def from_json(content: bytes, *, source: str) -> tuple[Persona, tuple[Text, ...]]:
    """The persona of a card in JSON (UTF-8), and notes on what was left out or shortened.

    The rule that she says she is an AI is added to every card. Raises `PersonaError`.
    """
    if len(content) > CARD_BYTES:
        raise _unreadable(source, text("it is larger than {limit} MB", limit=CARD_BYTES // 10**6))
    try:
        table = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _unreadable(source, text("it is not UTF-8 text")) from None
    except (ValueError, RecursionError):
        raise _unreadable(source, text("it is not valid JSON")) from None
    return _Card.of(table, source).persona()


# -- the card ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Card:
    """A card's texts, cleaned and with the placeholders for names still in them."""

    name: str
    full_name: str
    creator: str
    description: str
    personality: str
    scenario: str
    greeting: str
    dialogue: str
    instructions: tuple[str, ...]
    left_out: tuple[Text, ...]

    @classmethod
    def of(cls, table: object, source: str) -> "_Card":
        data, notes = _data(table, source)
        full_name = _field(data, "name", source)
        name = _field(data, "nickname", source) or full_name
        if not name:
            raise _unreadable(source, text("the character has no name"))
        return cls(
            name=shorten(name.replace("\n", " "), 60),
            full_name=full_name,
            creator=_field(data, "creator", source),
            description=_field(data, "description", source),
            personality=_field(data, "personality", source),
            scenario=_field(data, "scenario", source),
            greeting=_field(data, "first_mes", source),
            dialogue=_field(data, "mes_example", source),
            instructions=tuple(_field(data, key, source) for key in ("system_prompt", "post_history_instructions")),
            left_out=(*notes, *_left_out(data, name, full_name)),
        )

    @property
    def language(self) -> Language:
        return language_of(f"{self.description}\n{self.personality}\n{self.greeting}\n{self.dialogue}")

    def persona(self) -> tuple[Persona, tuple[Text, ...]]:
        language, notes = self.language, [*self.left_out]
        summary, voice = self._summary(language, notes)
        persona = Persona(
            name=self.name,
            creator=self.creator,
            summary=summary,
            voice=voice,
            boundaries=BOUNDARIES[language],
            greeting=self._greeting(language, notes),
            background=self._background(language, notes),
            examples=(_honest_example(self.name, language), *self._examples(language, notes)),
        )
        if any(_MACRO.search(_THEM.sub("", _HER.sub("", part))) for part in self._texts()):
            notes.append(text("Macros in double braces, other than the two names, were left out."))
        return persona, tuple(notes)

    def _summary(self, language: Language, notes: list[Text]) -> tuple[str, tuple[str, ...]]:
        """Description and personality, cut to what a small brain can always have in view."""
        room = SUMMARY[language]
        description, personality = self._telling(self.description, language), self._telling(self.personality, language)
        manner = shorten(personality, room // 3 if description else room)
        label = "性格：" if language == "zh" else "Personality: "
        summary = shorten(description, room - len(manner))
        if len(summary) < len(description) or len(manner) < len(personality):
            notes.append(
                text(
                    "The description was shortened from {before} to {after} characters. "
                    "The file keeps all of it as 'background'.",
                    before=len(description) + len(personality),
                    after=len(summary) + len(manner),
                )
            )
        return _ended(summary, language), (_ended(f"{label}{manner}", language),) if manner else ()

    def _greeting(self, language: Language, notes: list[Text]) -> str:
        whole = self._speech(self.greeting, language)
        greeting = shorten(whole, GREETING)
        if len(greeting) < len(whole):
            notes.append(
                text(
                    "The greeting was shortened to {count} characters. The file keeps all of it as 'background'.",
                    count=len(greeting),
                )
            )
        return greeting

    def _examples(self, language: Language, notes: list[Text]) -> list[Example]:
        spoken = [(self._speech(one, language), self._speech(other, language)) for one, other in self._exchanges()]
        whole = [Example(language, said, answer) for said, answer in spoken if said and answer]
        kept = [replace(one, user=shorten(one.user, EXAMPLE), reply=shorten(one.reply, EXAMPLE)) for one in whole]
        if kept != whole:
            notes.append(text("Long example messages were shortened to {count} characters.", count=EXAMPLE))
        if len(kept) > EXAMPLES:
            notes.append(
                text("Of {count} example exchanges the first {kept} were taken.", count=len(kept), kept=EXAMPLES)
            )
        return kept[:EXAMPLES]

    def _exchanges(self) -> Iterator[tuple[str, str]]:
        """What the person said and what she answered, from the blocks between ``<START>`` marks."""
        names = "|".join(re.escape(name) for name in {self.name, self.full_name} if name)
        speaker = re.compile(
            rf"^[ \t*]*(?:(?P<them>{_THEM.pattern}|you|user)|(?P<her>{_HER.pattern}|{names}))[ \t*]*[:：]",
            re.IGNORECASE | re.MULTILINE,
        )
        for block in _START.split(self.dialogue):
            marks = list(speaker.finditer(block))
            said = ""
            for mark, following in zip_longest(marks, marks[1:]):
                words = block[mark.end() : following.start() if following else len(block)].strip()
                if mark["them"]:
                    said = f"{said}\n{words}" if said else words
                elif said:
                    yield said, words
                    said = ""

    def _background(self, language: Language, notes: list[Text]) -> str:
        """The card's whole text, for brains with room for it."""
        parts = (self.description, self.personality, self.scenario, *self.instructions)
        told = [self._telling(part, language) for part in parts]
        spoken = [self._speech(self.greeting, language)] if len(self.greeting) > GREETING else []
        whole = "\n\n".join(part for part in (*told, *spoken) if part)
        background = shorten(whole, BACKGROUND)
        if len(background) < len(whole):
            notes.append(text("The card's text was cut after {count} characters.", count=len(background)))
        return background

    def _texts(self) -> tuple[str, ...]:
        return (self.description, self.personality, self.scenario, self.greeting, self.dialogue, *self.instructions)

    def _telling(self, words: str, language: Language) -> str:
        """Words about her: the person is somebody else in them."""
        return self._named(words, "对方" if language == "zh" else "the person")

    def _speech(self, words: str, language: Language) -> str:
        """Words that are said to the person, whose name is not known: "Hello, {{user}}!" becomes "Hello!"."""
        return self._named(_CALLING_THEM.sub("", words), "你" if language == "zh" else "you")

    def _named(self, words: str, them: str) -> str:
        named = _THEM.sub(them, _HER.sub(lambda _: self.name, words))
        return re.sub(r"\n{3,}", "\n\n", _MACRO.sub("", named)).strip()


def _data(table: object, source: str) -> tuple[Mapping[str, Any], tuple[Text, ...]]:
    """Where the fields are: under `data` since V2, at the top in V1."""
    if not isinstance(table, dict):
        raise _unreadable(source, text("it is not a JSON object"))
    spec = table.get("spec")
    data = table.get("data", table) if spec is None else table.get("data")
    if not isinstance(data, dict) or not data.keys() & {"name", "nickname"}:
        raise _unreadable(source, text("it has none of the fields of a character"))
    if spec in (None, "chara_card_v2", "chara_card_v3"):
        return data, ()
    return data, (text("The card is of an unknown kind, '{spec}'. What is known of it was read.", spec=spec),)


def _field(data: Mapping[str, Any], key: str, source: str) -> str:
    value = data.get(key)
    if value is None:  # the specifications forbid it; writers of cards do it all the same
        return ""
    if not isinstance(value, str):
        raise _unreadable(source, text("its field '{key}' is not a text", key=key))
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub("", _SURROGATE.sub("\ufffd", lines)).strip()


def _left_out(data: Mapping[str, Any], name: str, full_name: str) -> Iterator[Text]:
    if full_name and name != full_name:
        yield text("She goes by '{nickname}'; the card's full name is '{name}'.", nickname=name, name=full_name)
    if count := _length(data.get("character_book"), "entries"):
        yield text("The character book ({count} entries) was left out: personas have none yet.", count=count)
    if count := _length(data, "alternate_greetings") + _length(data, "group_only_greetings"):
        yield text("Other greetings of the card ({count}) were left out.", count=count)
    if count := _length(data, "assets"):
        yield text("Pictures and other assets ({count}) were left out.", count=count)


def _ended(words: str, language: Language) -> str:
    """`words` with a full stop, so that the next sentence does not run into them."""
    open_ended = words[-1:].isalnum() or words[-1:] in ("'", '"', ")", "”", "）")
    return words + ("。" if language == "zh" else ".") if open_ended else words


def _length(table: object, key: str) -> int:
    found = table.get(key) if isinstance(table, dict) else None
    return len(found) if isinstance(found, list) else 0


def _honest_example(name: str, language: Language) -> Example:
    asked, answer = _HONEST[language]
    return Example(language, asked, answer.format(name=name))


def _unreadable(source: str, reason: Text) -> PersonaError:
    return PersonaError("'{source}' cannot be read as a character card: {reason}.", source=source, reason=reason)


# -- the picture ------------------------------------------------------------------------------------------------


def _cards_in(content: bytes, source: str) -> Iterator[tuple[bytes, bytes]]:
    """Keyword and text of each card in the PNG's text chunks."""
    for kind, start, end in _chunks(content, source):
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        keyword, _, rest = content[start:end].partition(b"\0")
        if keyword.lower() not in _KEYWORDS:
            continue
        if zlib.crc32(content[start - 4 : end]) != struct.unpack(">I", content[end : end + 4])[0]:
            raise _unreadable(source, text("the card in the picture is damaged"))
        yield keyword.lower(), _chunk_text(kind, rest, source)


def _chunks(content: bytes, source: str) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk's data, up to the end of the picture (PNG specification, section 5.3)."""
    position = len(_PNG)
    while position + 12 <= len(content):
        size, kind = struct.unpack(">I4s", content[position : position + 8])
        start, end = position + 8, position + 8 + size
        if end + 4 > len(content):
            break
        yield kind, start, end
        if kind == b"IEND":
            return
        position = end + 4
    raise _unreadable(source, text("the picture breaks off before its end"))


def _chunk_text(kind: bytes, rest: bytes, source: str) -> bytes:
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflate(rest[1:], source)
    compressed, rest = rest[:1] == b"\1", rest[2:]
    _, _, rest = rest.partition(b"\0")  # language tag
    _, _, rest = rest.partition(b"\0")  # translated keyword
    return _inflate(rest, source) if compressed else rest


def _inflate(packed: bytes, source: str) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed, 2 * CARD_BYTES)  # base64 takes 4/3 of what it holds
    except zlib.error:
        raise _unreadable(source, text("the card in the picture is damaged")) from None
    if unpacker.unconsumed_tail:
        raise _unreadable(source, text("it is larger than {limit} MB", limit=CARD_BYTES // 10**6))
    return unpacked
