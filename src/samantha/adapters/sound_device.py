"""Playing sound as it is made: through PortAudio (the sounddevice package), or else a player of the system.

Feeding a device blocks, so each playback has a thread of its own. Not here: making sound, and files of it.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import IO, Any, Protocol

from samantha.core.errors import VoiceError
from samantha.core.ports import Sound

BLOCKS_A_SECOND = 50  # how often a write looks whether it should stop
LATENCY = 0.1  # seconds of sound that the device holds: a busy machine leaves no gaps, a stop cannot be heard late
PROBE_RATE = 24_000


class Output(Protocol):
    """One opened device, mono 32-bit float. Raises `VoiceError`. `abort` may come from another thread."""

    def write(self, samples: bytes) -> None:
        """Give `samples` to the device; blocks until it has taken them, or returns early when aborted."""
        ...

    def rest(self, over: threading.Event) -> None:
        """Bridge the time to the next write, until `over` is set."""
        ...

    def drain(self) -> None:
        """Wait until everything written has been heard."""
        ...

    def abort(self) -> None:
        """Be silent at once."""
        ...

    def close(self) -> None: ...


class Player:
    """Plays sounds one after the other on `device` (a name or number; "" is the system's own).

    `open_output(rate)` opens the device; tests pass their own.
    """

    def __init__(self, device: str = "", *, open_output: Callable[[int], Output] | None = None) -> None:
        self._open_output = open_output or (lambda rate: open_output_device(device, rate))

    async def check(self) -> None:
        """Open the device and close it again. Raises `VoiceError` where nothing could be played."""
        playback = _Playback(self._open_output)
        try:
            await playback.open(PROBE_RATE)
            await playback.drain()
        finally:
            await asyncio.shield(playback.stop())

    async def play(self, sounds: AsyncIterator[Sound]) -> float:
        """Play all of `sounds` (of one rate) and return their length in seconds once they have been heard.

        The next sound is asked for while one plays. Cancelling is silence at once. Raises `VoiceError`.
        """
        playback = _Playback(self._open_output)
        playing: asyncio.Future[None] | None = None
        seconds = 0.0
        try:
            async for sound in sounds:
                if playing is None:
                    await playback.open(sound.rate)
                else:
                    await playing
                playing = playback.write(sound.samples)
                seconds += len(sound.samples) / 4 / sound.rate
            if playing is not None:
                await playing
                await playback.drain()
        finally:
            await asyncio.shield(playback.stop())
        return seconds


class _Playback:
    """An output and the thread that opens, feeds and closes it."""

    def __init__(self, open_output: Callable[[int], Output]) -> None:
        self._open_output = open_output
        self._output: Output | None = None
        self._stopped = False
        self._rest_is_over = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="player")

    def open(self, rate: int) -> "asyncio.Future[None]":
        return self._on_thread(self._open, rate)

    def write(self, samples: bytes) -> "asyncio.Future[None]":
        """Await it before the next call; between the two the output rests."""
        self._rest_is_over.set()
        writing = self._on_thread(self._write, samples)
        self._on_thread(self._rest)
        return writing

    def drain(self) -> "asyncio.Future[None]":
        self._rest_is_over.set()
        return self._on_thread(self._drain)

    async def stop(self) -> None:
        """Silence, whatever the thread is doing; then the device is free again. Goes on when it is cancelled."""
        self._stopped = True
        self._rest_is_over.set()
        if self._output is not None:
            await asyncio.to_thread(self._output.abort)
        await self._on_thread(self._close)
        self._thread.shutdown(wait=False)

    def _on_thread(self, work: Callable[..., None], *arguments: object) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _open(self, rate: int) -> None:
        self._output = self._open_output(rate)

    def _write(self, samples: bytes) -> None:
        self._rest_is_over.clear()
        if self._output is not None and not self._stopped:
            self._output.write(samples)

    def _rest(self) -> None:
        with suppress(VoiceError):  # the next write will say it
            if self._output is not None and not self._stopped:
                self._output.rest(self._rest_is_over)

    def _drain(self) -> None:
        if self._output is not None and not self._stopped:
            self._output.drain()

    def _close(self) -> None:
        if self._output is not None:
            self._output.close()


def open_output_device(device: str, rate: int) -> Output:
    """The sound device, through PortAudio or else through a player of the system. Raises `VoiceError`."""
    try:
        return PortAudioOutput.open(device, rate)
    except VoiceError:
        player = SystemOutput.command(device, rate)
        if player is None:
            raise
        return SystemOutput(player)


class PortAudioOutput:
    """A blocking PortAudio stream: the C library keeps the device fed from its own buffer of `LATENCY`."""

    def __init__(self, stream: Any, rate: int, failure: type[Exception]) -> None:
        self._stream, self._failure = stream, failure
        self._block = 4 * (rate // BLOCKS_A_SECOND)
        self._aborted = threading.Event()
        self._lock = threading.Lock()  # PortAudio does not let two threads into one stream

    @classmethod
    def open(cls, device: str, rate: int) -> "PortAudioOutput":
        """Open `device` ("" is the default). Raises `VoiceError`."""
        audio = _portaudio()
        chosen = int(device) if device.isdigit() else device or None
        try:
            with _quiet_stderr():
                stream = audio.RawOutputStream(rate, channels=1, dtype="float32", device=chosen, latency=LATENCY)
                stream.start()
        except (audio.PortAudioError, ValueError) as error:
            outputs = [found["name"] for found in audio.query_devices() if found["max_output_channels"]]
            raise _no_device(device, outputs, error) from error
        return cls(stream, rate, audio.PortAudioError)

    def write(self, samples: bytes) -> None:
        for start in range(0, len(samples), self._block):
            self._write_block(samples[start : start + self._block])

    def rest(self, over: threading.Event) -> None:
        """Write silence: ALSA complains on the terminal when a device runs dry."""
        while not (over.is_set() or self._aborted.is_set()):
            self._write_block(bytes(self._block))

    def _write_block(self, block: bytes) -> None:
        with self._lock:
            if self._aborted.is_set():
                return
            try:
                self._stream.write(block)
            except self._failure as error:
                raise _failed(error) from error

    def drain(self) -> None:
        if not self._aborted.wait(self._stream.latency):
            with self._lock:
                self._stream.stop()

    def abort(self) -> None:
        self._aborted.set()
        with self._lock:
            self._stream.abort()

    def close(self) -> None:
        with self._lock:
            self._stream.close()


class SystemOutput:
    """A player that comes with the system and reads samples from its standard input."""

    def __init__(self, command: list[str]) -> None:
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the output
        self._aborted = False
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
                start_new_session=True,  # Ctrl-C is for Samantha, who then ends it herself
            )
        except OSError as error:
            self._complaints.close()
            raise _failed(error) from error

    @staticmethod
    def command(device: str, rate: int) -> list[str] | None:
        """The command line of a player that is installed here; None where there is none."""
        common = [f"--rate={rate}", "--channels=1", *([f"--device={device}"] if device else [])]
        players = {
            "paplay": ["--raw", "--format=float32le", f"--latency-msec={LATENCY * 1000:.0f}"],
            "aplay": ["--quiet", "--file-type=raw", "--format=FLOAT_LE"],
        }
        found = ((shutil.which(name), options) for name, options in players.items())
        return next(([path, *options, *common] for path, options in found if path), None)

    def write(self, samples: bytes) -> None:
        try:
            self._pipe.write(samples)
            self._pipe.flush()
        except OSError as error:
            if not self._aborted:
                raise self._complaint() from error

    def rest(self, over: threading.Event) -> None:
        """The player waits by itself."""

    def drain(self) -> None:
        with suppress(OSError):
            self._pipe.close()
        if self._process.wait() and not self._aborted:
            raise self._complaint()

    def abort(self) -> None:
        self._aborted = True
        self._process.kill()

    def close(self) -> None:
        with suppress(OSError):
            self._pipe.close()
        self._process.wait()
        self._complaints.close()

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._process.stdin is not None  # opened with a pipe
        return self._process.stdin

    def _complaint(self) -> VoiceError:
        self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").split("\n")
        return _failed(next((line.strip() for line in reversed(lines) if line.strip()), self._process.args))


def _portaudio() -> Any:
    """The sounddevice module. Raises `VoiceError` where it, its library or any sound system is missing."""
    try:
        import sounddevice
    except ImportError as error:
        raise VoiceError(
            "Her voice is not installed. Run `pip install 'samantha-companion[voice]'`, or `make chat`."
        ) from error
    except OSError as error:
        raise VoiceError(
            "The sound library PortAudio is not installed. Run `apt install libportaudio2`, or write a file with "
            "`samantha say TEXT -o FILE`."
        ) from error
    except Exception as error:  # PortAudio starts at import; its own exception has no name before that
        raise _failed(error) from error
    return sounddevice


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep ALSA's and PortAudio's own complaints off the terminal; the error that we raise says what matters."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _no_device(device: str, outputs: list[str], error: Exception) -> VoiceError:
    if not outputs:
        return VoiceError("This machine has no sound device. Write a file with `samantha say TEXT -o FILE`.")
    if device:
        return VoiceError(
            "The sound device '{device}' cannot be used. Set voice.device to one of: {devices}.",
            device=device,
            devices=", ".join(outputs),
        )
    return _failed(error)


def _failed(reason: object) -> VoiceError:
    return VoiceError(
        "The sound device does not work ({reason}). Choose one with voice.device, or write a file with "
        "`samantha say TEXT -o FILE`.",
        reason=reason,
    )
