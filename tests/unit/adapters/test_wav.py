"""WAV files: whole or not there, readable by others, and marked as synthetic."""

import os
import struct
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from samantha.adapters import wav
from samantha.adapters.wav import synthetic_mark, write_wav
from samantha.core.errors import VoiceError
from samantha.core.ports import Sound

pytestmark = pytest.mark.anyio


def sound(*samples: float) -> Sound:
    return Sound(np.array(samples, "<f4").tobytes(), 24_000)


async def sounds(*all_: Sound, then: BaseException | None = None) -> AsyncIterator[Sound]:
    for one in all_:
        yield one
    if then is not None:
        raise then


async def write(path: Path, *all_: Sound) -> float:
    return await write_wav(path, sounds(*all_), software="Samantha 9.9", voice="heart")


async def test_another_reader_finds_the_samples(tmp_path: Path) -> None:
    seconds = await write(tmp_path / "a.wav", sound(0, 0.5), sound(-1, 3, float("nan")))
    with wave.open(str(tmp_path / "a.wav")) as read:
        assert read.getparams()[:4] == (1, 2, 24_000, 5)
        assert struct.unpack("<5h", read.readframes(5)) == (0, 16384, -32767, 32767, 0)
    assert seconds == 5 / 24_000


async def test_the_file_says_that_a_machine_made_it(tmp_path: Path) -> None:
    await write(tmp_path / "a.wav", sound(0.1))
    mark = synthetic_mark(tmp_path / "a.wav")
    assert mark is not None
    assert (mark.software, mark.keys["synthetic"], mark.keys["voice"]) == ("Samantha 9.9", "true", "heart")
    assert mark.keys["digitalSourceType"].endswith("/trainedAlgorithmicMedia")


async def test_a_file_that_was_cut_short_keeps_its_mark(tmp_path: Path) -> None:
    await write(tmp_path / "a.wav", sound(*[0.1] * 999))
    (tmp_path / "b.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:600])
    assert synthetic_mark(tmp_path / "b.wav") == synthetic_mark(tmp_path / "a.wav")


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xffINFO", b"no"]
)
def test_a_file_without_a_mark_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    assert synthetic_mark(tmp_path / "a.wav") is None


def test_a_recording_of_a_person_has_no_mark(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as plain:
        plain.setparams((1, 2, 24_000, 0, "NONE", ""))
        plain.writeframes(b"\0\0" * 9)
    assert synthetic_mark(tmp_path / "a.wav") is None


async def test_riff_sizes_add_up(tmp_path: Path) -> None:
    await write(tmp_path / "a.wav", sound(0.1, 0.2, 0.3))
    content = (tmp_path / "a.wav").read_bytes()
    assert struct.unpack_from("<I", content, 4)[0] == len(content) - 8


async def test_the_target_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"old")
    await write(tmp_path / "a.wav", sound(0.1))
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RIFF"
    assert os.listdir(tmp_path) == ["a.wav"]


async def test_a_link_keeps_pointing_to_the_file_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to("a.wav")
    await write(tmp_path / "link.wav", sound(0.1))
    assert (tmp_path / "link.wav").is_symlink()
    assert synthetic_mark(tmp_path / "a.wav") is not None


async def test_an_interruption_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        await write_wav(tmp_path / "a.wav", sounds(sound(0.1), then=KeyboardInterrupt()), software="", voice="")
    assert os.listdir(tmp_path) == ["a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"old"


async def test_nothing_to_say_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="nothing to say"):
        await write(tmp_path / "a.wav")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("place", ["missing/a.wav", "file/a.wav"])
async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VoiceError, match=f"Cannot write '.*{place}': .* `-o FILE`"):
        await write(tmp_path / place, sound(0.1))


async def test_a_folder_or_a_device_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(VoiceError, match="is not a file"):
            await write(place, sound(0.1))
    assert os.listdir(tmp_path) == ["pipe"]


async def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VoiceError, match="No space left on device"):
        await write(tmp_path / "a.wav", sound(0.1))
    assert os.listdir(tmp_path) == []


async def test_more_than_a_wav_file_can_count_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav, "LARGEST", 5)
    with pytest.raises(VoiceError, match="more speech than a WAV file can hold"):
        await write(tmp_path / "a.wav", sound(0.1, 0.2), sound(0.3))
