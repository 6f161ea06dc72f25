"""Playing without a device: outputs that note what they are given."""

import asyncio
import sys
import threading
import types
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from samantha.adapters import sound_device
from samantha.adapters.sound_device import Player, PortAudioOutput, SystemOutput, open_output_device
from samantha.core.errors import VoiceError
from samantha.core.ports import Sound

pytestmark = pytest.mark.anyio

RATE = 24_000


class Noted:
    """An output that notes what happens; with `stuck` a write ends only when it is aborted."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.log: list[str] = []
        self.stuck = stuck
        self.aborted = threading.Event()
        self.writing = threading.Event()

    def __call__(self, rate: int) -> "Noted":
        self.log.append(f"open {rate}")
        return self

    def write(self, samples: bytes) -> None:
        self.log.append(f"write {len(samples)}")
        self.writing.set()
        if self.stuck:
            assert self.aborted.wait(5)

    def rest(self, over: threading.Event) -> None:
        assert over.wait(5)

    def drain(self) -> None:
        self.log.append("drain")

    def abort(self) -> None:
        self.log.append("abort")
        self.aborted.set()

    def close(self) -> None:
        self.log.append("close")


async def sounds(*lengths: int, log: list[str] | None = None) -> AsyncIterator[Sound]:
    for length in lengths:
        if log is not None:
            log.append(f"make {length}")
        yield Sound(bytes(length), RATE)


async def test_all_sounds_are_played_and_heard_before_it_returns() -> None:
    output = Noted()
    assert await Player(open_output=output).play(sounds(96_000, 4)) == 1 + 1 / RATE
    assert output.log == ["open 24000", "write 96000", "write 4", "drain", "abort", "close"]


async def test_nothing_to_play_opens_no_device() -> None:
    output = Noted()
    assert await Player(open_output=output).play(sounds()) == 0
    assert output.log == []


async def test_the_next_sound_is_made_while_one_plays_and_not_the_one_after_it() -> None:
    output, made = Noted(stuck=True), list[str]()
    playing = asyncio.create_task(Player(open_output=output).play(sounds(4, 8, 12, log=made)))
    await asyncio.to_thread(output.writing.wait, 5)
    await until(lambda: len(made) > 1)
    assert made == ["make 4", "make 8"]
    output.abort()
    assert await playing == 24 / 4 / RATE


async def test_cancelling_silences_a_write_that_is_under_way() -> None:
    output = Noted(stuck=True)
    playing = asyncio.create_task(Player(open_output=output).play(sounds(4, 8)))
    await asyncio.to_thread(output.writing.wait, 5)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert output.log == ["open 24000", "write 4", "abort", "close"]


async def test_an_error_of_the_device_reaches_the_caller_and_the_device_is_closed() -> None:
    output = Noted()

    def broken(samples: bytes) -> None:
        raise VoiceError("unplugged")

    output.write = broken  # type: ignore[method-assign]
    with pytest.raises(VoiceError, match="unplugged"):
        await Player(open_output=output).play(sounds(4, 4, 4))
    assert output.log[-1] == "close"


async def test_checking_opens_the_device_and_lets_it_go() -> None:
    output = Noted()
    await Player(open_output=output).check()
    assert output.log == ["open 24000", "drain", "abort", "close"]


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition` holds; fails after many turns."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it never happened")


class Stream:
    """What sounddevice.RawOutputStream is to us."""

    latency = 0.0

    def __init__(self, *_: object, **__: object) -> None:
        self.log: list[str] = []
        self.on_write: Callable[[], None] = lambda: None

    def start(self) -> None:
        self.log.append("start")

    def write(self, samples: bytes) -> None:
        self.log.append(f"write {len(samples)}")
        self.on_write()

    def stop(self) -> None:
        self.log.append("stop")

    def abort(self) -> None:
        self.log.append("abort")

    def close(self) -> None:
        self.log.append("close")


class PortAudioError(Exception):
    pass


def portaudio(stream: type[Stream] = Stream, outputs: tuple[str, ...] = ()) -> types.ModuleType:
    module = types.ModuleType("sounddevice")
    devices = [{"name": name, "max_output_channels": 2} for name in outputs]
    devices.append({"name": "microphone", "max_output_channels": 0})
    module.__dict__.update(PortAudioError=PortAudioError, RawOutputStream=stream, query_devices=lambda: devices)
    return module


def test_a_stream_is_fed_a_fiftieth_of_a_second_at_a_time() -> None:
    stream = Stream()
    output = PortAudioOutput(stream, RATE, PortAudioError)
    output.write(bytes(4 * 1000))
    output.drain()
    assert stream.log == ["write 1920", "write 1920", "write 160", "stop"]


def test_after_an_abort_no_sample_follows() -> None:
    stream = Stream()
    output = PortAudioOutput(stream, RATE, PortAudioError)
    aborts = threading.Thread(target=output.abort)
    stream.on_write = aborts.start
    output.write(bytes(4 * RATE))
    aborts.join()
    output.drain()
    assert len(stream.log) < 50
    assert stream.log[-1] == "abort"


def test_a_device_that_waits_for_the_next_sentence_is_fed_silence() -> None:
    stream, over = Stream(), threading.Event()
    stream.on_write = lambda: over.set() if len(stream.log) == 3 else None
    PortAudioOutput(stream, RATE, PortAudioError).rest(over)
    assert stream.log == ["write 1920"] * 3


def test_a_device_that_is_unplugged_is_a_voice_error() -> None:
    def unplugged() -> None:
        raise PortAudioError("Device unavailable")

    stream = Stream()
    stream.on_write = unplugged
    with pytest.raises(VoiceError, match=r"does not work \(Device unavailable\)"):
        PortAudioOutput(stream, RATE, PortAudioError).write(bytes(4))


class NoStream(Stream):
    def start(self) -> None:
        raise PortAudioError("Error querying device -1")


@pytest.fixture
def no_player(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("no_player")
@pytest.mark.parametrize(
    ("device", "module", "said"),
    [
        ("", portaudio(NoStream), r"no sound device\. Write a file with `samantha say TEXT -o FILE`"),
        ("kitchen", portaudio(NoStream, ("hall", "attic")), r"'kitchen' cannot be used.*one of: hall, attic"),
        ("", portaudio(NoStream, ("hall",)), "does not work .Error querying"),
        ("", None, r"not installed\. Run `pip install"),
    ],
)
def test_where_nothing_can_be_opened_the_error_says_what_to_do(
    device: str, module: types.ModuleType | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    with pytest.raises(VoiceError, match=said):
        open_output_device(device, RATE)


@pytest.mark.usefixtures("no_player")
@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("OSError('PortAudio library not found')", "apt install libportaudio2"),
        ("RuntimeError('host error')", "host error"),
    ],
)
def test_a_missing_or_failing_sound_library_is_told_apart(
    raised: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text(f"raise {raised}")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(VoiceError, match=said):
        open_output_device("", RATE)


@pytest.fixture
def player_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An `aplay` that notes its options and input, and fails when its input starts with F."""
    script = tmp_path / "aplay"
    script.write_text(
        '#!/bin/sh\necho "$@" > "$0.options"\n/bin/cat > "$0.heard"\n'
        'case "$(/bin/cat "$0.heard")" in F*) echo "warning" >&2; echo "no such card" >&2; exit 1;; esac\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    return script


async def test_without_portaudio_a_player_of_the_system_plays(player_here: Path) -> None:
    samples = b"abcd" * 300
    played = Sound(samples, RATE)

    async def one() -> AsyncIterator[Sound]:
        yield played

    await Player("hw:1").play(one())
    assert Path(f"{player_here}.heard").read_bytes() == samples
    assert "--rate=24000 --channels=1 --device=hw:1" in Path(f"{player_here}.options").read_text()


def test_a_player_that_fails_says_why(player_here: Path) -> None:
    output = open_output_device("", RATE)
    output.write(b"FAIL")
    with pytest.raises(VoiceError, match=r"does not work \(no such card\)"):
        output.drain()
    output.close()


def test_a_player_is_ended_at_once(player_here: Path) -> None:
    output = open_output_device("", RATE)
    assert isinstance(output, SystemOutput)
    output.write(b"abcd")
    output.abort()
    output.write(bytes(1_000_000))  # more than a pipe holds: would never return, or raise
    output.drain()
    output.close()


def test_a_player_that_cannot_be_started_is_a_voice_error(player_here: Path) -> None:
    player_here.write_bytes(b"\x7fnot a program")
    with pytest.raises(VoiceError, match="does not work"):
        open_output_device("", RATE)


def test_the_module_needs_no_sound_library_to_be_imported() -> None:
    assert "sounddevice" not in vars(sound_device)
