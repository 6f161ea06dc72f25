"""`samantha doctor`: what she needs, whether it is here, and what to do where it is not."""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from samantha.core.errors import SamanthaError
from samantha.core.text import Text, text
from samantha.settings import Settings, without_login
from samantha.wiring import (
    encoder_folder,
    endpoint_models,
    open_encoder,
    open_journal,
    open_persona,
    open_voice,
    ready_brain,
    trained_here,
)

ROOM_FOR_A_BRAIN = 500_000_000  # bytes: the file as fetched and as baked, with some to spare


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. "note": she works without it."""

    what: Text
    verdict: Literal["good", "note", "bad"]
    detail: Text


async def examine(settings: Settings) -> list[Finding]:
    """Everything worth knowing about this installation, the machine first."""
    return [
        _machine(),
        _engine(),
        _folder(settings.data.folder),
        await _journal(settings),
        _persona(settings),
        await _brain(settings),
        _encoder(settings),
        *_voice(settings),
    ]


def _machine() -> Finding:
    return Finding(
        text("Machine"),
        "good",
        text(
            "Python {python}, {system}, {cores} cores",
            python=platform.python_version(),
            system=f"{platform.system()} {platform.machine()}",
            cores=os.cpu_count(),
        ),
    )


def _engine() -> Finding:
    try:
        return Finding(text("Engine"), "good", Text(f"xllamacpp {version('xllamacpp')}"))
    except PackageNotFoundError:
        return Finding(
            text("Engine"),
            "bad",
            text("xllamacpp is not installed. Run `make install`, or choose an endpoint with --model."),
        )


def _folder(folder: Path) -> Finding:
    what = text("Files")
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(existing).free
    if not os.access(existing, os.W_OK):
        return Finding(what, "bad", text("'{path}' cannot be written. Set data.folder to another place.", path=folder))
    if os.name == "posix" and existing == folder and folder.stat().st_mode & 0o077:
        return Finding(what, "bad", text("'{path}' can be read by others. Run: chmod 700 '{path}'", path=folder))
    enough = free > ROOM_FOR_A_BRAIN
    return Finding(
        what, "good" if enough else "note", text("'{path}', {free} GB free", path=folder, free=f"{free / 1e9:.1f}")
    )


async def _journal(settings: Settings) -> Finding:
    what = text("Journal")
    if not settings.data.folder.exists():
        return Finding(what, "note", text("nothing said yet"))
    try:
        journal = open_journal(settings)
        threads = await journal.list("me")
        await journal.aclose()
    except SamanthaError as error:
        return Finding(what, "bad", error.text)
    return Finding(what, "good", text("{count} conversations", count=len(threads)))


def _persona(settings: Settings) -> Finding:
    try:
        return Finding(text("Persona"), "good", Text(open_persona(settings).name))
    except SamanthaError as error:
        return Finding(text("Persona"), "bad", error.text)


async def _brain(settings: Settings) -> Finding:
    what = text("Brain")
    endpoint, _, model = settings.model.name.partition("/")
    try:
        if (folder := trained_here(settings.model.name)) is not None:
            return Finding(what, "good", text("'{folder}', trained here", folder=folder))
        if model and endpoint in settings.endpoints:
            if model not in await endpoint_models(settings, endpoint):
                return Finding(
                    what, "bad", text("'{endpoint}' answers, but has no '{model}'.", endpoint=endpoint, model=model)
                )
            url = without_login(settings.endpoints[endpoint].url)
            return Finding(what, "good", text("'{model}' at {url}", model=model, url=url))
        offline = settings.model.model_copy(update={"offline": True})
        ready = ready_brain(settings.model_copy(update={"model": offline}))
        return Finding(
            what,
            "good",
            text("'{name}', checked, {size} MB", name=ready.name, size=round(ready.path.stat().st_size / 1e6)),
        )
    except SamanthaError as error:
        return Finding(what, "bad", error.text)


def _encoder(settings: Settings) -> Finding:
    what = text("Encoder")
    try:
        encoder = open_encoder(settings)
    except SamanthaError as error:
        return Finding(what, "bad", error.text)
    if encoder.refused:
        return Finding(what, "bad", encoder.refused[0].text)
    size = round(sum(path.stat().st_size for path in encoder_folder().iterdir()) / 1e6)
    if not encoder.heads:
        return Finding(what, "good", text("understands feelings, {size} MB", size=size))
    return Finding(
        what,
        "good",
        text(
            "understands feelings, {size} MB; heads of your own: {heads}",
            size=size,
            heads=", ".join(encoder.heads),
        ),
    )


def _voice(settings: Settings) -> list[Finding]:
    try:
        open_voice(settings)
        return [Finding(text("Voice"), "good", Text(settings.voice.name))]
    except SamanthaError as error:
        return [Finding(text("Voice"), "note", error.text)]
