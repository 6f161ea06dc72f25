"""A conversation is read as it was written, and a line that is none is named."""

import json
from pathlib import Path

import pytest

from samantha.core.errors import DialogueError
from samantha.core.types import Message
from samantha.dialogues.shape import HELD_OUT, Dialogue, parsed, read, write, written

ONE = Dialogue("grief-001", "grief", "en", (Message("user", "My dog died."), Message("assistant", "Oh no.")), "grief")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    write(file, [ONE, Dialogue("zh-1", "joy", "zh", (Message("user", "好"), Message("assistant", "真好")))])
    assert read(file)[0] == ONE
    assert [one.lang for one in read(file)] == ["en", "zh"]
    assert [path.name for path in tmp_path.iterdir()] == ["some.jsonl"]


def test_messages_have_the_shape_of_openai() -> None:
    assert json.loads(written(ONE))["messages"][1] == {"role": "assistant", "content": "Oh no."}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("3", "not 3"),
        ('{"theme": "a", "lang": "en", "messages": []}', "'id' is missing"),
        ('{"id": 7, "theme": "a", "lang": "en", "messages": []}', "'id' is missing"),
        ('{"id": "a", "theme": "a", "lang": "en", "messages": []}', "'messages' is missing"),
        ('{"id": "a", "theme": "a", "lang": "en", "messages": ["hi"]}', 'not "hi"'),
        ('{"id": "a", "theme": "a", "lang": "en", "messages": [{"role": "tool", "content": "x"}]}', "has a role"),
        ('{"id": "a", "theme": "a", "lang": "en", "messages": [{"role": "user", "content": null}]}', "has a role"),
    ],
)
def test_a_line_that_is_no_conversation_is_named(line: str, what: str) -> None:
    with pytest.raises(DialogueError, match=r"some\.jsonl, line 4: ") as error:
        parsed(line, 4, "some.jsonl")
    assert what in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DialogueError, match=r"none\.jsonl' cannot be read"):
        read(tmp_path / "none.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}')
    with pytest.raises(DialogueError, match="not UTF-8"):
        read(tmp_path / "latin.jsonl")


def test_a_twentieth_is_held_out_by_its_id_alone() -> None:
    held = [Dialogue(f"joy-{n}", "joy", "en", ()).held_out for n in range(4000)]
    assert HELD_OUT * 0.8 < sum(held) / len(held) < HELD_OUT * 1.2
    assert Dialogue("joy-7", "grief", "zh", ONE.messages).held_out == held[7]
