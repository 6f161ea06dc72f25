"""Persona files on disk: the built-in ones, the person's own, new ones, and imported character cards.

A persona is found by its name or its path; nothing is ever overwritten. Not here: what is in a file
(`samantha.mind.persona`), or how a card is read (`samantha.mind.character_card`).
"""

import difflib
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import tomli_w

from samantha.core.errors import PersonaError
from samantha.core.text import Language, Text
from samantha.mind.character_card import from_json, from_png, is_png
from samantha.mind.persona import Persona, parse, to_toml

PERSONA_BYTES = 1_000_000  # a persona file is a page or two; more is another file named by mistake
CARD_BYTES = 64_000_000  # cards are pictures

_NAME = re.compile(r"[^\W_][\w -]{0,59}")
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")  # device names, which Windows has in every folder


@dataclass(frozen=True, slots=True)
class Found:
    """A persona that can be loaded by `name`. `path` is None for a built-in one."""

    name: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class Imported:
    """A character card, as it was kept. `notes` say what was left out or shortened."""

    path: Path
    persona: Persona
    notes: tuple[Text, ...]


def available(folder: Path) -> tuple[Found, ...]:
    """The built-in personas, then those in `folder` (a person's own wins over a built-in one of its name)."""
    built_in = {name: Found(name, None) for name in sorted(_built_in())}
    own = {_plain(path.stem): Found(path.stem, path) for path in sorted(folder.glob("*.toml")) if path.is_file()}
    return (*(found for name, found in built_in.items() if name not in own), *own.values())


def load(name_or_path: str, *, folder: Path) -> Persona:
    """The persona of that name, or in the file at that path. Raises `PersonaError`."""
    if _is_path(name_or_path):
        return _load_file(_path(name_or_path))
    name, known = file_name(name_or_path), available(folder)
    found = next((one for one in known if _plain(one.name) == name), None)
    if found is None:
        raise _unknown(name_or_path, name, [one.name for one in known])
    if found.path is not None:
        return _load_file(found.path)
    return parse(_built_in()[found.name].read_text(encoding="utf-8"), source=f"{found.name}.toml")


def new(name: str, *, folder: Path, language: Language = "en") -> Path:
    """Write a commented persona file to begin with, and return its path. Raises `PersonaError`."""
    template = files("samantha").joinpath("personas", "templates", f"{language}.toml").read_text(encoding="utf-8")
    content = template.replace('name = ""\n', tomli_w.dumps({"name": name.strip()}), 1)
    return _write(folder, file_name(name), content)


def import_card(path: str | Path, *, folder: Path) -> Imported:
    """Turn the character card at `path` (JSON or PNG) into a persona file. Raises `PersonaError`."""
    source = _path(str(path))
    content = _read(source, CARD_BYTES)
    read = from_png if is_png(content) else from_json
    persona, notes = read(content, source=source.name)
    return Imported(_write(folder, _free_name(persona.name, folder), to_toml(persona)), persona, notes)


def file_name(name: str) -> str:
    """The file name, without its ending, of a persona called `name`. Raises `PersonaError` where it has none."""
    plain = name.strip()
    if not _NAME.fullmatch(plain) or _RESERVED.fullmatch(plain.casefold()):
        raise PersonaError(
            "'{name}' cannot be the name of a persona. Use up to 60 letters, digits, spaces and hyphens.",
            name=_printable(name),
        )
    return _plain(plain)


def _plain(name: str) -> str:
    return name.casefold().replace(" ", "-")


def _free_name(name: str, folder: Path) -> str:
    """A file name for a card's character, whose name may hold anything: "Zoë ✨/2" -> "zoë-2", or "zoë-2-3"."""
    plain = re.sub(r"[\W_]+", "-", name).strip("-")[:50] or "character"
    if _RESERVED.fullmatch(plain.casefold()):
        plain = f"{plain}-character"
    taken = {_plain(found.name) for found in available(folder)}
    base = candidate = file_name(plain)
    number = 1
    while candidate in taken:
        number += 1
        candidate = f"{base}-{number}"
    return candidate


def _built_in() -> dict[str, Traversable]:
    inside = files("samantha").joinpath("personas").iterdir()
    return {one.name.removesuffix(".toml"): one for one in inside if one.name.endswith(".toml")}


def _is_path(given: str) -> bool:
    return "/" in given or "\\" in given or given.lower().endswith((".toml", ".json", ".png"))


def _path(given: str) -> Path:
    if "\0" in given:
        raise PersonaError("No file can be called '{path}'.", path=_printable(given))
    return Path(given).expanduser()


def _load_file(path: Path) -> Persona:
    if path.suffix.lower() in (".json", ".png"):
        raise PersonaError("'{path}' is a character card. Run `samantha persona import {path}` first.", path=path)
    try:
        content = _read(path, PERSONA_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PersonaError("The persona '{path}' is not UTF-8 text. Save it as UTF-8.", path=path) from None
    return parse(content, source=str(path))


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise PersonaError("No file at '{path}'. Check the path.", path=path) from None
    except OSError as error:
        raise PersonaError("Cannot read '{path}': {reason}.", path=path, reason=error.strerror or error) from None
    if len(content) > limit:
        raise PersonaError("'{path}' is larger than {limit} MB. Is it the right file?", path=path, limit=limit // 10**6)
    return content


def _write(folder: Path, name: str, content: str) -> Path:
    """Write a file that must not be there yet, wholly or not at all, readable by this person alone."""
    path = folder / f"{name}.toml"
    temporary = None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")  # mode 0600
        with open(handle, "wb") as file:
            file.write(content.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        _name_it(temporary, path)
    except FileExistsError:
        raise PersonaError("There is a persona at '{path}' already. Choose another name.", path=path) from None
    except OSError as error:
        raise PersonaError("Cannot write '{path}': {reason}.", path=path, reason=error.strerror or error) from None
    finally:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)
    return path


def _name_it(temporary: str, path: Path) -> None:
    try:
        os.link(temporary, path)  # fails where the name is taken; renaming would overwrite
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, such as FAT
        if path.exists():
            raise FileExistsError(path) from None
        os.replace(temporary, path)


def _unknown(given: str, name: str, known: list[str]) -> PersonaError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return PersonaError("No persona is called '{name}'. The nearest is '{nearest}'.", name=given, nearest=near[0])
    return PersonaError("No persona is called '{name}'. There are: {known}.", name=given, known=", ".join(known))


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in name)[:80]
