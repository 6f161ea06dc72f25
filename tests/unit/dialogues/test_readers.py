"""Each kind of file becomes conversations from a user to an assistant; a file of another kind is refused."""

import json

import pytest

from samantha.core.errors import DialogueError
from samantha.dialogues.readers import READERS, chatgpt, screenplay, sillytavern, srt
from samantha.dialogues.shape import Dialogue


def said(one: Dialogue) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in one.messages]


def test_subtitles_alternate_and_a_pause_ends_a_scene() -> None:
    content = """1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Where were you?</i>\r\n
2\r\n00:00:03,000 --> 00:00:04,000\r\n- On the roof.\r\n- In this\r\nrain?\r\n
3\r\n00:00:05,000 --> 00:00:06,000\r\n[thunder]\r\n
4\r\n00:00:06,500 --> 00:00:07,000\r\nYes.\r\n
5\r\n00:01:00,000 --> 00:01:02,000\r\nMorning.\r\n
6\r\n00:01:03,000 --> 00:01:04,000\r\nCoffee?"""
    first, second = srt(content)
    assert said(first) == [
        ("user", "Where were you?"), ("assistant", "On the roof."), ("user", "In this rain?"), ("assistant", "Yes."),
    ]  # fmt: skip
    assert said(second) == [("user", "Morning."), ("assistant", "Coffee?")]


def test_a_screenplay_says_who_speaks() -> None:
    content = """INT. KITCHEN - NIGHT

Rain on the window. ANNA looks up.

          ANNA
     (quietly)
     Are you there?

          VOICE (V.O.)
     I am.
     Go on.

          CUT TO:

EXT. STREET - DAY

          VOICE
     Left here.

          BEN
     Are you sure?

          VOICE
     No.
"""
    first, second = screenplay(content, "voice")
    assert said(first) == [("user", "Are you there?"), ("assistant", "I am.\nGo on.")]
    assert said(second) == [("user", "Are you sure?"), ("assistant", "No.")]
    with pytest.raises(DialogueError, match="ANNA, BEN, VOICE"):
        screenplay(content, "carl")


def test_of_a_chatgpt_export_the_branch_that_was_shown_last_is_read() -> None:
    def node(parent: str | None, role: str, *parts: object) -> dict[str, object]:
        return {"parent": parent, "message": {"author": {"role": role}, "content": {"parts": list(parts)}}}

    mapping = {
        "root": {"parent": None, "message": None},
        "a": node("root", "user", "Hi"),
        "b": node("a", "assistant", "An answer that was not kept"),
        "c": node("a", "assistant", "Hello", {"an": "image"}),
        "d": node("c", "tool", "noise"),
        "e": node("d", "user", "Not answered"),
    }
    (found,) = chatgpt(json.dumps([{"mapping": mapping, "current_node": "e"}]))
    assert said(found) == [("user", "Hi"), ("assistant", "Hello")]
    circle = {"a": node("b", "user", "Hi"), "b": node("a", "assistant", "Ho")}
    assert chatgpt(json.dumps([{"mapping": circle, "current_node": "b"}]))


def test_a_chat_of_sillytavern_is_read() -> None:
    lines = [
        {"user_name": "Ann", "character_name": "Sam"},
        {"name": "Sam", "is_user": False, "mes": "A greeting before anybody spoke"},
        {"name": "Ann", "is_user": True, "mes": "你好"},
        {"name": "Sam", "is_user": False, "mes": "嗨！"},
        {"name": "System", "is_user": False, "is_system": True, "mes": "hidden"},
    ]
    (found,) = sillytavern("\n".join(json.dumps(line) for line in lines))
    assert said(found) == [("user", "你好"), ("assistant", "嗨！")]
    assert found.lang == "zh"


@pytest.mark.parametrize("form", list(READERS))
@pytest.mark.parametrize("content", ["Once upon a time.", "[3]", '{"a": 1}', "\0\0"])
def test_a_file_of_another_kind_is_refused(form: str, content: str) -> None:
    with pytest.raises(DialogueError):
        READERS[form](content, "somebody")
