"""A written conversation, one JSON object a line: the OpenAI message shape, and what it is about.

``{"id": "grief-012", "theme": "grief", "lang": "en", "messages": [{"role": "user", "content": "..."}, ...]}``. A
`system` message right before a user's message is the note of that moment (`samantha.mind.prompt`). Not here: whether
the conversation is any good (`samantha.dialogues.checks`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samantha.core.errors import DialogueError
from samantha.core.types import Message

ROLES = ("system", "user", "assistant")
HELD_OUT = 0.05  # share of the conversations that nothing is trained on


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation. `emotion` is how the person feels, one of GoEmotions' labels; empty where nobody said."""

    id: str
    theme: str
    lang: str
    messages: tuple[Message, ...]
    emotion: str = ""

    @property
    def replies(self) -> tuple[str, ...]:
        return tuple(message.text for message in self.messages if message.role == "assistant")

    @property
    def held_out(self) -> bool:
        """Whether it belongs to the fixed share that measures: decided by its id alone, so it never changes."""
        return int.from_bytes(hashlib.sha256(self.id.encode()).digest()[:4], "big") < HELD_OUT * 2**32


def read(file: Path) -> list[Dialogue]:
    """The conversations of `file`, in order. Raises `DialogueError` that names the first line which is not one."""
    return [parsed(line, number, file.name) for number, line in _lines(file)]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DialogueError("'{file}' is not UTF-8 text. Save it as UTF-8.", file=file) from error
    except OSError as error:
        raise DialogueError("'{file}' cannot be read: {why}.", file=file, why=error.strerror or error) from error
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def parsed(line: str, number: int, name: str) -> Dialogue:
    """The conversation on a line. Raises `DialogueError` that says what is missing."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DialogueError("{file}, line {line}: not JSON ({why}).", file=name, line=number, why=error) from error
    try:
        return dialogue(found)
    except DialogueError as error:
        raise DialogueError("{file}, line {line}: {what}", file=name, line=number, what=error) from error


def dialogue(found: Any) -> Dialogue:
    """The conversation in a JSON object. Raises `DialogueError`."""
    if not isinstance(found, dict):
        raise DialogueError("A line is one object in braces, not {what}.", what=json.dumps(found)[:40])
    for name in ("id", "theme", "lang"):
        if not isinstance(found.get(name), str) or not found[name].strip():
            raise DialogueError("'{name}' is missing; it is a text that is not empty.", name=name)
    said = found.get("messages")
    if not isinstance(said, list) or not said:
        raise DialogueError("'messages' is missing; it is a list with at least a question and a reply.")
    emotion = found.get("emotion", "")
    if not isinstance(emotion, str):
        raise DialogueError("'{name}' is missing; it is a text that is not empty.", name="emotion")
    return Dialogue(found["id"], found["theme"], found["lang"], tuple(map(_message, said)), emotion)


def _message(found: Any) -> Message:
    role, content = (found.get("role"), found.get("content")) if isinstance(found, dict) else (None, None)
    if role not in ROLES or not isinstance(content, str):
        raise DialogueError(
            "A message has a role ({roles}) and a content of text, not {what}.",
            roles=", ".join(ROLES),
            what=json.dumps(found, ensure_ascii=False)[:60],
        )
    return Message(role, content)


def written(one: Dialogue) -> str:
    """The line for a conversation, without its end."""
    found: dict[str, Any] = {"id": one.id, "theme": one.theme, "lang": one.lang}
    if one.emotion:
        found["emotion"] = one.emotion
    found["messages"] = [{"role": message.role, "content": message.text} for message in one.messages]
    return json.dumps(found, ensure_ascii=False)


def write(file: Path, dialogues: Iterable[Dialogue]) -> None:
    """Replace `file` as a whole: who is interrupted has the old one or the new one."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text("".join(f"{written(one)}\n" for one in dialogues), encoding="utf-8")
    beside.replace(file)


def numbered(dialogues: Iterable[Dialogue], name: str) -> list[Dialogue]:
    """The same with ids made of `name` and their place."""
    return [replace(one, id=f"{name}-{number:03d}") for number, one in enumerate(dialogues, start=1)]
