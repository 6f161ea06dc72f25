"""Sound to a WAV file that says of itself, for machines to read, that a machine made the voice in it.

The mark is in the RIFF `LIST INFO` chunk: `ISFT` names the software, `ICMT` is a sentence and `key=value` pairs,
one of them IPTC's term for what is wholly generated. Not here: making or playing sound.
"""

import asyncio
import os
import secrets
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from samantha.core.errors import VoiceError
from samantha.core.ports import Sound

SENTENCE = "Synthetic speech: a computer made this voice, no person was recorded."
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
LARGEST = 2**32 - 2**16  # bytes of sound; RIFF counts in 32 bits


@dataclass(frozen=True, slots=True)
class SyntheticMark:
    """What a marked file says of its origin."""

    software: str
    comment: str
    keys: dict[str, str]  # synthetic, voice, digitalSourceType


async def write_wav(path: Path, sounds: AsyncIterator[Sound], *, software: str, voice: str) -> float:
    """Write `sounds` to `path` as 16-bit mono PCM with a synthetic mark, and return its length in seconds.

    The file appears whole or not at all; one that is there already is replaced. Raises `VoiceError`.
    """
    target = _replaceable(path)
    part = target.with_name(f".samantha-{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            seconds = await _write(file, sounds, _comment(voice), software)
        if not seconds:
            raise VoiceError("There is nothing to say in this text, so '{path}' was not written.", path=path)
        await asyncio.to_thread(part.replace, target)
    except OSError as error:
        raise VoiceError(
            "Cannot write '{path}': {reason}. Choose another place with `-o FILE`.",
            path=path,
            reason=error.strerror or error,
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return seconds


def synthetic_mark(path: Path) -> SyntheticMark | None:
    """The mark of the WAV file at `path`; None where it has none or is no WAV file."""
    with path.open("rb") as file:
        for name, chunk in _chunks(file):
            if name == b"LIST" and chunk[:4] == b"INFO":
                return _mark({key: text.rstrip(b"\0").decode("utf-8", "replace") for key, text in _parts(chunk[4:])})
    return None


def _replaceable(path: Path) -> Path:
    """Where a file at `path` really lies. Never a device or a folder: replacing those would remove them."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise VoiceError("'{path}' is not a file. Name a file that her voice may be written to.", path=path)
    return target


async def _write(file: BinaryIO, sounds: AsyncIterator[Sound], comment: str, software: str) -> float:
    size, rate = 0, 1
    async for sound in sounds:
        if not size:
            rate = sound.rate
            file.write(_header(0, rate, _info(comment, software)))
        samples = _pcm(sound.samples)
        size += len(samples)
        if size > LARGEST:
            raise VoiceError("This is more speech than a WAV file can hold (24 hours). Say it in several files.")
        await asyncio.to_thread(file.write, samples)
    file.seek(0)
    file.write(_header(size, rate, _info(comment, software)))
    file.flush()
    await asyncio.to_thread(os.fsync, file.fileno())
    return size / 2 / rate


def _pcm(samples: bytes) -> bytes:
    """32-bit float samples as 16-bit ones, clipped."""
    import numpy as np

    loud = np.nan_to_num(np.frombuffer(samples, "<f4"), posinf=1, neginf=-1)
    pcm: bytes = np.rint(np.clip(loud, -1, 1) * 32767).astype("<i2").tobytes()
    return pcm


def _header(size: int, rate: int, info: bytes) -> bytes:
    """Everything before the samples. The mark precedes them, so that a cut file keeps it."""
    form = _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16))
    inner = b"WAVE" + form + _chunk(b"LIST", b"INFO" + info) + struct.pack("<4sI", b"data", size)
    return struct.pack("<4sI", b"RIFF", len(inner) + size) + inner


def _info(comment: str, software: str) -> bytes:
    return _chunk(b"ISFT", f"{software}\0".encode()) + _chunk(b"ICMT", f"{comment}\0".encode())


def _comment(voice: str) -> str:
    return f"{SENTENCE} synthetic=true; voice={voice}; digitalSourceType={GENERATED}"


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks before the samples."""
    opening = file.read(12)
    if opening[:4] != b"RIFF" or opening[8:] != b"WAVE":
        return
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            file.seek(size + size % 2, os.SEEK_CUR)
        else:
            yield name, file.read(size + size % 2)[:size]


def _parts(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    while len(content) >= 8:
        name, size = struct.unpack_from("<4sI", content)
        yield name, content[8 : 8 + size]
        content = content[8 + size + size % 2 :]


def _mark(info: dict[bytes, str]) -> SyntheticMark | None:
    sentence, _, pairs = info.get(b"ICMT", "").partition(" synthetic=")
    if sentence != SENTENCE:
        return None
    keys = dict(pair.split("=", 1) for pair in f"synthetic={pairs}".split("; ") if "=" in pair)
    return SyntheticMark(info.get(b"ISFT", ""), info[b"ICMT"], keys)
