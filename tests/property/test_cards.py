"""Whatever is in a persona or a card, files hold it, and nothing but a `PersonaError` comes out."""

import base64
import json
import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st

from samantha.core.errors import PersonaError
from samantha.core.text import Language
from samantha.mind.character_card import from_json, from_png
from samantha.mind.persona import Example, Persona, Wording, choose_examples, parse, shorten, system_text, to_toml

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(lambda words: words.replace("\r\n", "\n"))
FILLED = WORDS.filter(lambda words: bool(words.strip()))
LANGUAGES = st.sampled_from(["en", "zh"])
LISTS = st.lists(WORDS, max_size=3).map(tuple)
WORDINGS = st.builds(Wording, WORDS, WORDS, LISTS, LISTS, LISTS, WORDS)
EXAMPLES = st.lists(st.builds(Example, LANGUAGES, FILLED, FILLED), max_size=6).map(tuple)
PERSONAS = st.builds(
    Persona, FILLED, WORDS, WORDS, LISTS, LISTS, LISTS, WORDS, WORDS, en=WORDINGS, zh=WORDINGS, examples=EXAMPLES
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [
    *("name", "nickname", "description", "personality", "scenario", "first_mes", "mes_example", "system_prompt"),
    *("creator", "character_book", "alternate_greetings", "group_only_greetings", "assets", "spec", "data"),
]
MARKED = st.lists(
    st.sampled_from(
        ["{{char}}", "{{user}}", "<START>", ":", "\n", " ", ".", "{{x}}", "Mara", "你好。", "\0", "hi", ","]
    )
).map("".join)
CARDS = st.dictionaries(st.sampled_from(FIELDS), MARKED | JSON) | st.dictionaries(st.sampled_from(FIELDS), MARKED)


@given(PERSONAS)
def test_a_persona_written_and_read_is_the_same(persona: Persona) -> None:
    assert parse(to_toml(persona), source="x") == persona


@given(PERSONAS, WORDS, LANGUAGES, st.integers(0, 8))
def test_chosen_examples_are_the_files_in_its_order(
    persona: Persona, message: str, language: Language, count: int
) -> None:
    chosen = choose_examples(persona, message, language, count=count)
    rest = iter(persona.examples)
    assert all(any(one is other for other in rest) for one in chosen)
    assert len(chosen) <= count


@given(PERSONAS, LANGUAGES, st.integers(0, 100))
def test_every_system_text_says_that_she_is_an_ai(persona: Persona, language: Language, background: int) -> None:
    said = system_text(persona, language, background=background)
    assert "You are an AI" in said or "你是人工智能" in said


@given(WORDS, st.integers(0, 50))
def test_shortened_text_is_a_beginning_that_fits(words: str, limit: int) -> None:
    assert words.strip().startswith(shorten(words, limit))
    assert len(shorten(words, limit)) <= limit


@given(CARDS)
def test_a_card_becomes_a_persona_that_can_be_written_or_one_clear_error(card: dict[str, object]) -> None:
    try:
        persona, _ = from_json(json.dumps({**card}).encode(), source="x")
    except PersonaError:
        return
    assert parse(to_toml(persona), source="x") == persona
    assert "AI" in persona.boundaries[0] or "人工智能" in persona.boundaries[0]


@given(st.binary(max_size=300))
def test_bytes_that_are_no_card_are_one_clear_error(content: bytes) -> None:
    for reader in (from_json, from_png):
        try:
            reader(content, source="x")
        except PersonaError:
            continue


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_picture_is_read_right_or_not_at_all(place: int, byte: int) -> None:
    card = json.dumps({"name": "Mara", "description": "She keeps a lighthouse."}).encode()
    content = b"chara\0" + base64.b64encode(card)
    chunks = [(b"IHDR", bytes(13)), (b"tEXt", content), (b"IEND", b"")]
    whole = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(inside)) + kind + inside + struct.pack(">I", zlib.crc32(kind + inside))
        for kind, inside in chunks
    )
    damaged = bytearray(whole)
    damaged[place % len(damaged)] = byte
    try:
        persona, _ = from_png(bytes(damaged), source="x")
    except PersonaError:
        return
    assert persona.name == "Mara"
