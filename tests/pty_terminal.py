"""A terminal to test with: a process on a pty, and the screen that a person would see of it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte

_WITH_ITS_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
PATIENCE = 30  # seconds; only a failing test waits that long


class _Screen(pyte.HistoryScreen):
    answer_to = -1

    def write_process_input(self, data: str) -> None:
        os.write(self.answer_to, data.encode())


class Terminal:
    """Runs `command` until the `with` block ends."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], columns: int = 80, rows: int = 24) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen = _Screen(columns, rows, history=2000, ratio=0.5)
        self._screen.answer_to = self._master
        self._stream = pyte.ByteStream(self._screen)
        self.bytes = b""  # everything that was written to the terminal
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WITH_ITS_TERMINAL, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"TERM": "xterm-256color", **env},
            start_new_session=True,
        )
        os.close(slave)

    @property
    def lines(self) -> list[str]:
        """What has scrolled away and what is on the screen, without the spaces at the ends of lines."""
        rows = [*self._screen.history.top, *(self._screen.buffer[row] for row in range(self._screen.lines))]
        return ["".join(row[column].data for column in range(self._screen.columns)).rstrip() for row in rows]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()

    @property
    def words(self) -> str:
        """The text, wherever its lines end."""
        return " ".join(self.text.split())

    def see(self, words: str) -> None:
        """Wait until `words` are there."""
        until = time.monotonic() + PATIENCE
        while words not in self.text and words not in self.words:
            assert time.monotonic() < until, f"{words!r} is not there:\n{self.text}"
            if not self._read(0.2) and self.process.poll() is not None and not self._read(0):
                raise AssertionError(f"it ended without {words!r}:\n{self.text}")

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Wait for the process to end; its exit code."""
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it goes on:\n{self.text}"
            self._read(0.2)
        while self._read(0):
            pass
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._master)

    def _read(self, patience: float) -> bool:
        if not select.select([self._master], [], [], patience)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.bytes += data
        self._stream.feed(data)
        return bool(data)
