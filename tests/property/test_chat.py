"""Whatever is said, it is content: it comes back whole, and it never becomes a marker."""

import pytest
from chat_templates import ALL
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from samantha.adapters.chat_template import jinja_format
from samantha.core.chat import ChatFormat, alternating, chatml, parse_chatml, plain_text
from samantha.core.types import Message

MARKERS = (
    "<|im_start|>",
    "<|im_end|>\n",
    "system\n",
    "<|eot_id|>",
    "<start_of_turn>",
    "[/INST]",
    "</s>",
    "{{ 1 }}",
    "{%",
)
TEXT = st.one_of(st.text(max_size=40), st.lists(st.sampled_from([*MARKERS, " ", "\n", "hi"]), max_size=8).map("".join))
MESSAGE = st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXT)
MESSAGES = st.lists(MESSAGE, max_size=6)
TURNS = st.lists(TEXT.filter(str.strip), min_size=1, max_size=6).map(
    lambda texts: [Message("assistant" if index % 2 else "user", text) for index, text in enumerate(texts)]
)
FORMATS: dict[str, ChatFormat] = {"chatml": chatml} | {name: jinja_format(template) for name, template in ALL.items()}
STRIPS = {"llama3", "gemma"}
NO_TOKENS = {"bos_token": "", "eos_token": ""}

every_format = pytest.mark.parametrize("name", FORMATS)
few = settings(max_examples=40)  # of each of many templates


def contents(chat_format: ChatFormat, messages: list[Message]) -> dict[int, str]:
    return {piece.message: piece.text for piece in chat_format(messages, True) if not piece.control}


@given(MESSAGES, st.booleans())
def test_what_is_rendered_can_be_parsed_again(messages: list[Message], reply: bool) -> None:
    assert parse_chatml(chatml(messages, reply)) == tuple(messages)


@every_format
@few
@given(MESSAGES.filter(bool))
def test_every_message_comes_back_whole(name: str, messages: list[Message]) -> None:
    whole = {index: each.text.strip() for index, each in enumerate(messages) if each.text.strip()}
    found = {index: text.strip() for index, text in contents(FORMATS[name], messages).items() if text.strip()}
    assert found == whole


@pytest.mark.parametrize("name", sorted({*FORMATS} - STRIPS))
@few
@given(TURNS)
def test_white_space_is_kept_where_the_template_keeps_it(name: str, messages: list[Message]) -> None:
    assert contents(FORMATS[name], messages) == {index: each.text for index, each in enumerate(messages)}


@every_format
@few
@given(TURNS)
def test_nothing_that_is_said_changes_a_marker(name: str, messages: list[Message]) -> None:
    harmless = [Message(each.role, "x") for each in messages]
    control = [[piece for piece in FORMATS[name](each, True) if piece.control] for each in (messages, harmless)]
    assert control[0] == control[1]


@every_format
@few
@given(MESSAGES.filter(bool))
def test_no_control_piece_holds_what_was_said(name: str, messages: list[Message]) -> None:
    secret = "q9z7"
    marked = [Message(each.role, f"{each.text}{secret}") for each in messages]
    assert not [piece for piece in FORMATS[name](marked, True) if piece.control and secret in piece.text]


@given(MESSAGES, MESSAGES)
def test_a_conversation_that_grows_keeps_its_beginning(before: list[Message], after: list[Message]) -> None:
    assert chatml([*before, *after], True)[: len(chatml(before, False))] == chatml(before, False)


@given(MESSAGES, st.booleans())
def test_turns_alternate_and_lose_no_word(messages: list[Message], system: bool) -> None:
    folded = alternating(messages, system=system)
    turns = folded[1:] if folded and folded[0].role == "system" else folded
    assert [each.role for each in turns] == [("user", "assistant")[index % 2] for index in range(len(turns))]
    assert "\n\n".join(each.text for each in folded if each.text) == "\n\n".join(
        each.text for each in messages if each.text
    )


@pytest.mark.parametrize("name", sorted({*ALL} - {"typed"}))
@few
@given(TURNS, st.booleans())
def test_the_pieces_concatenate_to_what_jinja_writes(name: str, messages: list[Message], reply: bool) -> None:
    template = Environment(trim_blocks=True, lstrip_blocks=True).from_string(ALL[name])
    said = [{"role": each.role, "content": each.text} for each in messages]
    assert plain_text(FORMATS[name](messages, reply)) == template.render(
        messages=said, add_generation_prompt=reply, **NO_TOKENS
    )
