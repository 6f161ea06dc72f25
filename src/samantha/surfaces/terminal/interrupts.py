"""Ctrl-C as a cancelled task instead of a traceback, and keys that stay off the screen while she talks.

Not here: Ctrl-C while a line is being written, which is a key like any other (`prompt_line`).
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any


class Interrupts:
    """What Ctrl-C ends: the task of `run`, and nothing where there is none. `idle` is called instead then."""

    def __init__(self) -> None:
        self.idle: Callable[[], None] = _nothing
        self._task: asyncio.Task[None] | None = None

    async def run(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do `work`; whether it came to its end. Inside of other work, Ctrl-C ends only this."""
        outer = self._task
        self._task = task = asyncio.create_task(work)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            self._task = outer
        if task.cancelled():
            return False
        task.result()
        return True

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        if self._task is None:
            self.idle()
        else:
            self._task.cancel()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C from the interpreter for a while."""
        loop = asyncio.get_running_loop()
        before = signal.getsignal(signal.SIGINT)
        loop.add_signal_handler(signal.SIGINT, self.interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, before)


def _nothing() -> None:
    return


@contextmanager
def quiet_keys(terminal: int) -> Iterator[None]:
    """Keys pressed meanwhile are not echoed into the reply; they wait for the next prompt. Ctrl-C still works."""
    import termios

    before = termios.tcgetattr(terminal)
    quiet = list(before)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(terminal, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
