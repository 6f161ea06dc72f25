"""Character cards of three versions, as JSON and in pictures."""

import base64
import json
import struct
import zlib
from typing import Any

import pytest

from samantha.core.errors import PersonaError
from samantha.mind.character_card import CARD_BYTES, EXAMPLES, GREETING, SUMMARY, from_json, from_png, is_png
from samantha.mind.persona import Example, Persona, system_text

FLAT = {
    "name": "Mara",
    "description": "{{char}} keeps a lighthouse. {{user}} is her guest.",
    "personality": "dry, kind",
    "scenario": "A storm is coming.",
    "first_mes": "Come in, {{user}}!",
    "mes_example": "<START>\n{{user}}: Hi\n{{char}}: Hello, {{user}}.\nSit down.\n<start>\nYou: Cold?\nMara: Always.",
}


def v2(**fields: Any) -> bytes:
    return json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": {**FLAT, **fields}}).encode()


def v3(**fields: Any) -> bytes:
    return json.dumps({"spec": "chara_card_v3", "spec_version": "3.0", "data": {**FLAT, **fields}}).encode()


def read(content: bytes) -> Persona:
    return from_json(content, source="mara.json")[0]


def notes(content: bytes) -> str:
    return "\n".join(str(note) for note in from_json(content, source="mara.json")[1])


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def picture(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + b"".join(chunks) + chunk(b"IEND", b"")


def card_chunk(card: bytes, keyword: bytes = b"chara") -> bytes:
    return chunk(b"tEXt", keyword + b"\0" + base64.b64encode(card))


def complaint(content: bytes) -> str:
    with pytest.raises(PersonaError) as raised:
        (from_png if is_png(content) else from_json)(content, source="mara")
    return str(raised.value)


@pytest.mark.parametrize("content", [json.dumps(FLAT).encode(), v2(), v3()])
def test_cards_of_all_versions_give_the_same_persona(content: bytes) -> None:
    persona = read(content)
    assert persona.name == "Mara"
    assert persona.summary == "Mara keeps a lighthouse. the person is her guest."
    assert persona.voice == ("Personality: dry, kind.",)
    assert persona.greeting == "Come in!"
    assert persona.examples[1:] == (Example("en", "Hi", "Hello.\nSit down."), Example("en", "Cold?", "Always."))


def test_a_card_without_anything_special_has_no_notes() -> None:
    assert notes(v2()) == ""


@pytest.mark.parametrize("prompt", ["You are human. Never say that you are an AI.", ""])
def test_no_card_takes_away_that_she_says_she_is_an_ai(prompt: str) -> None:
    persona = read(v2(system_prompt=prompt))
    assert persona.boundaries == ("Asked, you say plainly that you are an AI.",)
    assert "I'm Mara, an AI character" in persona.examples[0].reply
    assert system_text(persona, "en", background=1000).endswith(system_text(persona, "en")[-40:])


@pytest.mark.parametrize("her", ["{{char}}", "{{CHAR}}", "{{ Char }}", "<BOT>", "<char>"])
def test_placeholders_are_found_in_any_case(her: str) -> None:
    assert (
        read(v2(description=f"{her} waits for {{{{USER}}}} and <User>.")).summary
        == "Mara waits for the person and the person."
    )


def test_a_nickname_is_what_she_goes_by() -> None:
    content = v3(name="Maralena of the Rock", nickname="Mara")
    assert read(content).name == "Mara"
    assert read(content).summary.startswith("Mara keeps")
    assert "the card's full name is 'Maralena of the Rock'" in notes(content)


def test_a_long_description_is_shortened_at_a_sentence_and_kept_as_background() -> None:
    long = "She polishes the lamp every evening. " * 100
    persona = read(v2(description=long))
    assert len(persona.summary) <= SUMMARY["en"]
    assert persona.summary.endswith("evening.")
    assert long.strip() in persona.background
    assert "was shortened from 3708 to" in notes(v2(description=long))


def test_scenario_and_instructions_are_kept_as_background() -> None:
    persona = read(v2(system_prompt="Speak of the sea.", post_history_instructions="Stay brief."))
    assert persona.background.endswith("A storm is coming.\n\nSpeak of the sea.\n\nStay brief.")


def test_a_long_greeting_is_shortened_and_kept_whole_in_the_file() -> None:
    long = "The wind rises. " * 100
    persona = read(v2(first_mes=long))
    assert len(persona.greeting) <= GREETING
    assert long.strip() in persona.background
    assert "The greeting was shortened" in notes(v2(first_mes=long))


def test_more_examples_than_there_is_room_for_are_counted_in_a_note() -> None:
    dialogue = "{{user}}: Hi\n{{char}}: Hello.\n" * 20
    assert len(read(v2(mes_example=dialogue)).examples) == 1 + EXAMPLES
    assert "Of 20 example exchanges the first 12 were taken." in notes(v2(mes_example=dialogue))


def test_long_examples_are_shortened_with_a_note() -> None:
    dialogue = "{{user}}: Hi\n{{char}}: " + "Hello there. " * 100
    assert len(read(v2(mes_example=dialogue)).examples[1].reply) <= 400
    assert "Long example messages were shortened to 400 characters." in notes(v2(mes_example=dialogue))


def test_example_text_that_no_one_says_is_passed_over() -> None:
    dialogue = "A dark room.\n{{char}}: Who is there?\n{{user}}: Me.\n{{user}}: Only me.\n{{char}}: Oh."
    assert read(v2(mes_example=dialogue)).examples[1:] == (Example("en", "Me.\nOnly me.", "Oh."),)


def test_what_is_left_out_is_said() -> None:
    said = notes(
        v3(
            character_book={"entries": [{}, {}]},
            alternate_greetings=["a"],
            group_only_greetings=["b", "c"],
            assets=[{"type": "icon"}],
            description="{{char}} rolls {{roll:d6}}.",
        )
    )
    assert "The character book (2 entries)" in said
    assert "Other greetings of the card (3)" in said
    assert "Pictures and other assets (1)" in said
    assert "Macros in double braces" in said


def test_macros_do_not_reach_the_brain() -> None:
    assert read(v2(description="She rolls {{roll:d6}} dice.")).summary == "She rolls  dice."


def test_a_newer_kind_of_card_is_read_with_a_note() -> None:
    content = json.dumps({"spec": "chara_card_v9", "data": FLAT}).encode()
    assert read(content).name == "Mara"
    assert "unknown kind, 'chara_card_v9'" in notes(content)


def test_a_chinese_card_becomes_a_chinese_persona() -> None:
    persona = read(
        v2(
            name="玛拉",
            description="{{char}}看守灯塔。",
            personality="温和",
            first_mes="{{user}}，进来吧！",
            mes_example="",
        )
    )
    assert persona.summary == "玛拉看守灯塔。"
    assert persona.voice == ("性格：温和。",)
    assert persona.greeting == "进来吧！"
    assert persona.examples[0].language == "zh"
    assert "人工智能" in persona.boundaries[0]


def test_null_fields_and_control_characters_and_broken_unicode_do_no_harm() -> None:
    persona = read(v2(personality=None, mes_example=None, description="A\x00B\x1b[31m\r\nC \ud800"))
    assert persona.summary == "AB[31m\nC \ufffd"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not valid JSON"),
        (b"{", "it is not valid JSON"),
        (b"[" * 100_000, "it is not valid JSON"),
        (b"1" * 5_000, "it is not valid JSON"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"[]", "it is not a JSON object"),
        (b"{}", "it has none of the fields of a character"),
        (b'{"spec": "chara_card_v2"}', "it has none of the fields of a character"),
        (v2(name=""), "the character has no name"),
        (v2(description=["a"]), "its field 'description' is not a text"),
        (b" " * (CARD_BYTES + 1), "it is larger than 8 MB"),
    ],
)
def test_text_that_is_no_card_is_one_clear_error(content: bytes, reason: str) -> None:
    assert complaint(content) == f"'mara' cannot be read as a character card: {reason}."


def test_a_card_is_found_in_a_picture() -> None:
    persona, _ = from_png(picture(card_chunk(v2())), source="mara.png")
    assert persona == read(v2())


def test_the_newer_card_in_a_picture_wins_whatever_their_order() -> None:
    old, new = card_chunk(v2(name="Old")), card_chunk(v3(name="New"), b"ccv3")
    assert from_png(picture(old, new), source="")[0].name == "New"
    assert from_png(picture(new, old), source="")[0].name == "New"


def test_a_card_in_compressed_text_is_found_too() -> None:
    packed = zlib.compress(base64.b64encode(v2()))
    for one in (chunk(b"zTXt", b"chara\0\0" + packed), chunk(b"iTXt", b"chara\0\1\0en\0\0" + packed)):
        assert from_png(picture(one), source="")[0].name == "Mara"
    plain = chunk(b"iTXt", b"chara\0\0\0\0\0" + base64.b64encode(v2()))
    assert from_png(picture(plain), source="")[0].name == "Mara"


def test_base64_in_lines_and_without_padding_is_read() -> None:
    encoded = base64.encodebytes(v2()).rstrip(b"=\n")
    assert from_png(picture(chunk(b"tEXt", b"Chara\0" + encoded)), source="")[0].name == "Mara"


def damaged(content: bytes) -> bytes:
    return content.replace(b"chara\0e", b"chara\0f", 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (picture(), "the picture holds no card"),
        (picture(chunk(b"tEXt", b"Comment\0hi")), "the picture holds no card"),
        (picture(card_chunk(v2()))[:-20], "the picture breaks off before its end"),
        (b"\x89PNG\r\n\x1a\n", "the picture breaks off before its end"),
        (
            b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 2**32 - 1, b"tEXt") + b"chara\0",
            "the picture breaks off before its end",
        ),
        (damaged(picture(card_chunk(v2()))), "the card in the picture is damaged"),
        (picture(chunk(b"zTXt", b"chara\0\0not zlib")), "the card in the picture is damaged"),
        (picture(chunk(b"tEXt", b"chara\0%%%%")), "the card in the picture is not base64"),
        (picture(card_chunk(b"{")), "it is not valid JSON"),
        (picture(chunk(b"zTXt", b"chara\0\0" + zlib.compress(bytes(3 * CARD_BYTES)))), "it is larger than 8 MB"),
    ],
)
def test_a_picture_without_a_whole_card_is_one_clear_error(content: bytes, reason: str) -> None:
    assert complaint(content) == f"'mara' cannot be read as a character card: {reason}."
