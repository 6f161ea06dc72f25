"""A progress bar on stderr that appears only when something takes time; one plain line where stderr is no terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from samantha.core.text import Text
from samantha.language import Language, translate

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from samantha.weights import Progress


@contextmanager
def progress_on_stderr(language: Language) -> Iterator["Progress"]:
    """Give this to what fetches and bakes: `progress(done, total, what)`, bytes and a sentence."""
    shown = _Shown(language)
    try:
        yield shown
    finally:
        shown.close()


class _Shown:
    def __init__(self, language: Language) -> None:
        self._language = language
        self._bar: Bar | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last_line = ""
        self._last: tuple[int, int, Text] | None = None
        self._closed = False

    def __call__(self, done: int, total: int, what: Text) -> None:
        if self._closed or self._last == (done, total, what):  # news alone: a finished bar would open once more
            return
        self._last = done, total, what
        sentence = translate(what, self._language)
        if not sys.stderr.isatty():
            if sentence != self._last_line:
                print(sentence, file=sys.stderr, flush=True)
                self._last_line = sentence
            return
        bar = self._bar or self._open()
        if sentence not in self._tasks:
            self._tasks[sentence] = bar.add_task(sentence, total=total or None)
        bar.update(self._tasks[sentence], completed=done, total=total or None)
        if bar.finished:
            self._stop()

    def _open(self) -> "Bar":
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            redirect_stdout=sys.stdout.isatty(),  # results that go into a file must not come to the bar
        )
        self._bar.start()
        return self._bar

    def close(self) -> None:
        """Show nothing from now on."""
        self._closed = True
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._tasks.clear()
