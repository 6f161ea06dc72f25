"""What the conversation shows, without any control codes: replies on stdout, everything else on stderr.

This is the screen of pipes, files and dumb terminals, and the interface of `colour_screen`, which is the one
for eyes. Not here: what is shown when (`session`).
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from samantha.core.text import Text
from samantha.core.types import Message
from samantha.language import Language, translate

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline: nobody's words move the cursor
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class OutputClosed(Exception):
    """Nobody can be shown anything any more. `problem` is None where the reader just left."""

    def __init__(self, problem: str | None) -> None:
        self.problem = problem
        super().__init__(problem)


def clean(words: str) -> str:
    """`words` without anything that a terminal would obey."""
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", words.replace("\r\n", "\n")))


class PlainScreen:
    """Words and line ends, nothing else."""

    for_eyes = False  # whether a person sees this screen and writes on it

    def __init__(self, out: TextIO, err: TextIO, language: Language) -> None:
        self._out, self._err = out, err
        self.language = language
        self._later: list[Text] = []

    @property
    def columns(self) -> int:
        """Cells that a line may have. Pipes have no width; tables look well in this one."""
        return 80

    def ask(self) -> None:
        """A sign that a line is waited for."""
        self._err.write("› ")
        self._err.flush()

    def gap(self) -> None:
        """The end of what belongs together."""
        while self._later:
            self.notice(self._later.pop(0))

    def later(self, said: Text) -> None:
        """A notice that may come at any moment: it waits until nobody is writing and she is not talking."""
        self._later.append(said)

    def abandon(self) -> None:
        """Nobody reads any more: keep the interpreter from complaining when it flushes at its end."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())

    def say(self, said: Text) -> None:
        """The answer to a command."""
        self._tell(translate(said, self.language))

    def notice(self, said: Text) -> None:
        """What the person must know beside the conversation."""
        self._tell(translate(said, self.language))

    def error(self, said: Text) -> None:
        """What went wrong, and what to do next."""
        self._tell(translate(said, self.language))

    def table(self, rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Rows in columns; the last column takes several lines where it must. `right` are flushed right."""
        from samantha.surfaces.terminal.tables import columns  # rich is needed only where there is a table

        for line in columns(rows, self.columns, right=right):
            self._tell(line)

    def exchange(self, messages: Sequence[Message], name: str) -> None:
        """Messages of the past, as a reminder."""
        for message in messages:
            self._tell(f"{'›' if message.role == 'user' else f'{name}:'} {clean(message.text)}")

    @contextmanager
    def reply(self, name: str) -> Iterator[Callable[[str], None]]:
        """Her reply, piece by piece: call the value with each piece."""
        last = ""

        def add(piece: str) -> None:
            nonlocal last
            last = clean(piece) or last
            self._write(clean(piece))

        try:
            yield add
        finally:
            if last and not last.endswith("\n"):
                self._write("\n")

    def _write(self, words: str) -> None:
        try:
            self._out.write(words)
            self._out.flush()
        except (BrokenPipeError, ValueError):  # ValueError: it was closed
            raise OutputClosed(None) from None
        except OSError as error:
            raise OutputClosed(error.strerror) from error

    def _tell(self, line: str) -> None:
        try:
            print(clean(line), file=self._err, flush=True)
        except (OSError, ValueError):
            return  # nobody listens there; the replies may still have a reader
