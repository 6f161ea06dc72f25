"""Other programs' conversations in the shape of this project: ChatGPT exports, SillyTavern chats, screenplays, SRT.

Each reader takes the text of a file and gives conversations whose ids are still to be made. `reply_by` names who
becomes the assistant; where two people talk in turn, everybody else becomes the user. What cannot be told apart from
the file (who speaks in subtitles) is taken in turn. Not here: whether the text is good, or may be used at all.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from samantha.core.errors import DialogueError
from samantha.core.types import Message, Role
from samantha.dialogues.shape import Dialogue
from samantha.mind.language_of_text import language_of

PAUSE = 6.0  # seconds without a subtitle: another scene
Said = tuple[str, str]  # who, what


def srt(content: str, reply_by: str = "") -> list[Dialogue]:
    """SubRip subtitles. They do not say who speaks: lines alternate, a dash opens another's, a pause ends a scene."""
    scenes: list[list[str]] = [[]]
    ended: float | None = None
    for block in re.split(r"\n\s*\n", content.replace("\r\n", "\n").lstrip("\ufeff")):
        found = re.search(rf"{_TIME}\s*-->\s*{_TIME}[^\n]*\n(.*)", block, re.DOTALL)
        if not found:
            continue
        start, end = _seconds(found.groups()[:4]), _seconds(found.groups()[4:8])
        if ended is not None and start - ended > PAUSE:
            scenes.append([])
        ended = end
        lines = _without_markup(found.group(9))
        if lines:
            scenes[-1] += [part.strip() for part in re.split(r"(?:^|\n)\s*[-–—]\s*", lines) if part.strip()]
    if ended is None:
        raise DialogueError("There is no subtitle in it. A subtitle has a line such as 00:00:01,000 --> 00:00:02,500.")
    turns = (
        [("user" if number % 2 == 0 else "assistant", " ".join(said.split())) for number, said in enumerate(scene)]
        for scene in scenes
    )
    return _dialogues((_turns(scene, "assistant") for scene in turns), "subtitles")


_TIME = r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})"


def _seconds(parts: Sequence[str]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _without_markup(said: str) -> str:
    return re.sub(r"<[^>]*>|\{\\[^}]*\}|\[[^\]]*\]|\([^)]*\)|♪[^♪]*♪?", "", said).strip()


def screenplay(content: str, reply_by: str = "") -> list[Dialogue]:
    """A screenplay as text: a name in capitals on a line of its own, beneath it what is said, a heading for a scene."""
    scenes: list[list[Said]] = [[]]
    speaker = ""
    for line in content.replace("\r\n", "\n").split("\n"):
        bare = line.strip()
        cue = re.sub(r"\s*\([^)]*\)\s*$", "", bare)
        if re.match(r"(?:INT|EXT|INT\./EXT|I/E)[. ]", bare):
            scenes.append([])
            speaker = ""
        elif not bare or bare.endswith(" TO:"):
            speaker = ""
        elif speaker and not bare.startswith("("):
            scenes[-1].append((speaker, bare))
        elif not speaker and re.fullmatch(r"[^\W\d_][\w .'’-]{0,30}", cue) and cue == cue.upper() != cue.lower():
            speaker = cue
    return _dialogues((_turns(scene, _spoken_by(reply_by, scenes)) for scene in scenes), "screenplay")


def chatgpt(content: str, reply_by: str = "") -> list[Dialogue]:
    """`conversations.json` of a ChatGPT export: of each conversation the branch that was shown last."""
    return _dialogues(
        (_turns(list(_branch(one)), "assistant") for one in _list_of(_json(content), "conversations.json")), "chatgpt"
    )


def _branch(conversation: Any) -> Iterator[Said]:
    nodes = conversation.get("mapping") if isinstance(conversation, dict) else None
    if not isinstance(nodes, Mapping):
        raise DialogueError("This is no export of ChatGPT: a conversation in it has no '{name}'.", name="mapping")
    at, found, seen = conversation.get("current_node"), list[Said](), set[str]()
    while isinstance(at, str) and isinstance(node := nodes.get(at), Mapping) and at not in seen:
        seen.add(at)
        message = node.get("message") or {}
        role = (message.get("author") or {}).get("role")
        parts = (message.get("content") or {}).get("parts") or []
        said = "\n".join(part for part in parts if isinstance(part, str)).strip()
        if role in ("user", "assistant") and said:
            found.append((role, said))
        at = node.get("parent")
    yield from reversed(found)


def sillytavern(content: str, reply_by: str = "") -> list[Dialogue]:
    """A chat of SillyTavern: a line of JSON about the chat, then one for each message."""
    lines = [_json(line) for line in content.split("\n") if line.strip()]
    said = [
        ("user" if one["is_user"] else "assistant", one["mes"].strip())
        for one in lines
        if isinstance(one, dict)
        and isinstance(one.get("mes"), str)
        and isinstance(one.get("is_user"), bool)
        and not one.get("is_system")
    ]
    if not said:
        raise DialogueError("This is no chat of SillyTavern: no line in it has '{name}' and a message.", name="is_user")
    return _dialogues([_turns(said, "assistant")], "sillytavern")


READERS: Mapping[str, Callable[[str, str], list[Dialogue]]] = {
    "srt": srt,
    "screenplay": screenplay,
    "chatgpt": chatgpt,
    "sillytavern": sillytavern,
}


# -- what they share --------------------------------------------------------------------------------------------


def _turns(said: Iterable[Said], reply_by: str) -> tuple[Message, ...]:
    """User and assistant in turn, from a user to an assistant; lines of one speaker in a row are one message."""
    messages: list[Message] = []
    for who, line in said:
        role: Role = "assistant" if who == reply_by else "user"
        if not line or (role == "assistant" and not messages):
            continue
        before = messages.pop().text + "\n" if messages and messages[-1].role == role else ""
        messages.append(Message(role, before + line))
    return tuple(messages[:-1] if messages and messages[-1].role == "user" else messages)


def _spoken_by(name: str, scenes: Sequence[Sequence[Said]]) -> str:
    """The speaker meant by `name`. Raises `DialogueError` where nobody is called so."""
    speakers = sorted({who for scene in scenes for who, _ in scene})
    found = next((who for who in speakers if who.casefold() == name.strip().casefold()), None)
    if found is None:
        raise DialogueError(
            "Say with --as who is the companion. These speak: {speakers}.", speakers=", ".join(speakers) or "-"
        )
    return found


def _dialogues(conversations: Iterable[tuple[Message, ...]], theme: str) -> list[Dialogue]:
    return [Dialogue("-", theme, language_of(messages[0].text), messages) for messages in conversations if messages]


def _json(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DialogueError("This is not JSON ({why}).", why=error) from error


def _list_of(found: Any, name: str) -> list[Any]:
    if not isinstance(found, list):
        raise DialogueError("'{name}' holds a list of conversations; this holds none.", name=name)
    return found
