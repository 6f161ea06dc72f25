"""Jinja chat templates, rendered to pieces of control and content."""

from datetime import date

import pytest
from chat_templates import ALL, GEMMA, LLAMA3, MISTRAL, PHI3, QWEN25, SMOLLM2, TYPED

from samantha.adapters.chat_template import jinja_format
from samantha.core.chat import Piece, chatml, plain_text
from samantha.core.errors import ModelUnsupported
from samantha.core.types import Message

SYSTEM, HELLO = Message("system", "Be kind."), Message("user", "Hello.")
TALK = (SYSTEM, HELLO, Message("assistant", "Hi."), Message("user", "Bye."))
NOTED = (*TALK[:3], Message("system", "She is sad."), Message("user", "Bye."))


def rendered(template: str, *messages: Message, reply: bool = True) -> str:
    return plain_text(jinja_format(template, bos="<s>", eos="</s>")(messages, reply))


@pytest.mark.parametrize("template", [SMOLLM2, QWEN25, TYPED])
@pytest.mark.parametrize("reply", [True, False])
def test_a_chatml_template_gives_the_pieces_of_chatml(template: str, reply: bool) -> None:
    spaced = (SYSTEM, Message("user", " \nHello. "), Message("assistant", "Hi.\n"), Message("user", "\n"))
    for messages in (TALK, NOTED, spaced):
        assert jinja_format(template)(messages, reply) == chatml(messages, reply)


def test_what_a_template_says_by_itself_belongs_to_the_first_message() -> None:
    first, content, *_ = jinja_format(SMOLLM2)([HELLO], True)
    assert first.text.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    assert (first.control, first.message, content) == (True, 0, Piece("Hello.", False, 0))


def test_a_llama_template_strips_what_is_said() -> None:
    hello = Message("user", " \n Hello. \n")
    head = "<|start_header_id|>{}<|end_header_id|>\n\n"
    shown = f"<s>{head.format('user')}Hello.<|eot_id|>{head.format('assistant')}"
    assert rendered(LLAMA3, hello) == shown
    assert Piece("Hello.", False, 0) in jinja_format(LLAMA3)([hello], True)


def test_a_gemma_template_hears_system_text_from_the_user() -> None:
    turn = "<start_of_turn>{}\n{}<end_of_turn>\n"
    shown = turn.format("user", "Be kind.\n\nHello.") + turn.format("model", "Hi.")
    shown += turn.format("user", "She is sad.\n\nBye.") + "<start_of_turn>model\n"
    assert rendered(GEMMA, *NOTED) == f"<s>{shown}"
    contents = [(piece.text, piece.message) for piece in jinja_format(GEMMA)(NOTED, True) if not piece.control]
    assert contents == [(each.text, index) for index, each in enumerate(NOTED)]


def test_a_gemma_template_takes_an_assistant_who_speaks_first() -> None:
    assert rendered(GEMMA, Message("assistant", "Hi."), HELLO).startswith(
        "<s><start_of_turn>user\n<end_of_turn>\n<start"
    )


def test_a_mistral_template_keeps_its_own_place_for_the_system_message() -> None:
    assert rendered(MISTRAL, *TALK) == "<s>[INST] Hello.[/INST] Hi.</s>[INST] Be kind.\n\nBye.[/INST]"
    order = [piece.message for piece in jinja_format(MISTRAL)(TALK, True) if not piece.control]
    assert order == [1, 2, 0, 3]


def test_a_note_in_the_middle_leaves_the_system_message_where_it_is() -> None:
    note = "[INST] Be kind.\n\nShe is sad.\n\nBye.[/INST]"
    assert rendered(MISTRAL, *NOTED) == f"<s>[INST] Hello.[/INST] Hi.</s>{note}"


@pytest.mark.parametrize(("reply", "end"), [(True, "<|assistant|>\n"), (False, "</s>")])
def test_a_phi_template_ends_in_two_ways(reply: bool, end: str) -> None:
    assert rendered(PHI3, HELLO, reply=reply) == f"<|user|>\nHello.<|end|>\n{end}"


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("mistral", "phi3")])
def test_what_opens_the_reply_belongs_to_no_message(name: str) -> None:
    chat_format = jinja_format(ALL[name])
    *before, opening = chat_format(TALK, True)
    assert tuple(before) == chat_format(TALK, False)
    assert (opening.message, opening.control) == (-1, True)


@pytest.mark.parametrize("name", ALL)
def test_no_messages_and_empty_ones_are_rendered_too(name: str) -> None:
    pieces = jinja_format(ALL[name])([Message("user", ""), Message("assistant", ""), Message("user", "")], True)
    assert all(piece.control for piece in pieces)


def test_what_a_template_expects_is_there() -> None:
    template = (
        "{% for message in messages %}{% generation %}{{ message.content }}{% endgeneration %}{% break %}{% endfor %}"
        "{{ {'a': '<é>'} | tojson }}{{ strftime_now('%d %b %Y') }}{{ bos_token }}{{ eos_token }}"
        "{% if tools is none and documents is none and not enable_thinking %}!{% endif %}"
    )
    pieces = jinja_format(template, bos="<s>", eos="</s>", today=date(2026, 2, 1))([HELLO], True)
    assert plain_text(pieces) == 'Hello.{"a": "<é>"}01 Feb 2026<s></s>!'


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for message in messages %}", "Unexpected end of template"),
        ("Hello.", "it leaves out what was said"),
        ("{{ messages[0].content | upper }}", "it leaves out what was said"),
        ("{{ raise_exception('Not\nfor chat.') }}", r"Not for chat\. Choose"),
        ("{{ messages[0].content + 1 }}", "can only concatenate str"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "is unsafe"),
        ("{{ raise_exception.__globals__['json'] }}", "is unsafe"),
        ("{% include '/etc/passwd' %}", "no loader for this environment"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "does not come to an end"),
        ("{% macro twice(n) %}{{ twice(n) }}{{ twice(n) }}{% endmacro %}{{ twice(1) }}", "recursion"),
        ("{{ range(10**9) | list }}", "too big"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_in_one_sentence(template: str, reason: str) -> None:
    with pytest.raises(ModelUnsupported, match=rf"^The chat template of this model cannot be used: .*{reason}"):
        jinja_format(template)


def test_a_conversation_that_a_template_refuses_is_refused_when_it_comes() -> None:
    short = jinja_format("{% if messages[2] %}{{ raise_exception('too long') }}{% endif %}{{ messages[0].content }}")
    with pytest.raises(ModelUnsupported, match="too long"):
        short((HELLO, Message("assistant", "Hi."), HELLO), True)
