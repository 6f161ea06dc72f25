"""A conversation as a file of the person's own: Markdown, or JSON where the name ends so. Nothing is overwritten."""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from samantha.core.errors import StorageError, UsageError
from samantha.core.text import text
from samantha.core.types import Message
from samantha.language import Language, translate


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is written: who talked, when it was saved, and what was said."""

    name: str
    thread: str
    saved: datetime
    messages: tuple[Message, ...]
    language: Language

    def as_json(self) -> str:
        said = [{"role": each.role, "text": each.text} for each in self.messages]
        found = {"name": self.name, "thread": self.thread, "saved": self.saved.isoformat(), "messages": said}
        return json.dumps(found, ensure_ascii=False, indent=2) + "\n"

    def as_markdown(self) -> str:
        title = translate(text("Conversation with {name}", name=self.name), self.language)
        you = translate(text("You"), self.language)
        lines = [f"# {title}", f"{self.saved:%Y-%m-%d %H:%M}"]
        lines += [f"**{you if each.role == 'user' else self.name}**\n\n{each.text}" for each in self.messages]
        return "\n\n".join(lines) + "\n"


def default_name(saved: datetime) -> str:
    """Where a conversation goes when nobody says where."""
    return f"samantha-{saved:%Y-%m-%d-%H%M%S}.md"


def save(transcript: Transcript, path: Path) -> None:
    """Write a new file, readable by its owner alone. Raises `UsageError`, `StorageError`."""
    content = transcript.as_json() if path.suffix.lower() == ".json" else transcript.as_markdown()
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            "'{path}' already exists and stays as it is. Give another name: /save FILE", path=path
        ) from None
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(file, "w", encoding="utf-8", errors="replace") as opened:
            opened.write(content)
    except OSError as error:
        path.unlink(missing_ok=True)  # half a conversation is worse than none
        raise _unwritable(path, error) from error


def chosen_path(argument: str, saved: datetime, *, folder: Path) -> Path:
    """The file that `/save ARGUMENT` means, in `folder` where it does not say."""
    name = argument.strip().strip("\"'")
    return folder / (Path(os.path.expanduser(name)) if name else default_name(saved))


def _unwritable(path: Path, error: Exception) -> StorageError:
    reason = error.strerror if isinstance(error, OSError) else error
    return StorageError("Cannot write '{path}' ({reason}). Give another place: /save FILE", path=path, reason=reason)
