"""The screen for eyes: her name in a quiet colour, replies as Markdown while they are written, notices dimmed.

Only the terminal's own colours are used, and none where NO_COLOR is set. Not here: reading keys (`prompt_line`).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.style import Style
from rich.text import Text as Styled

from samantha.core.text import Text
from samantha.core.types import Message
from samantha.language import Language, translate
from samantha.surfaces.terminal.live import LiveReply, Size
from samantha.surfaces.terminal.screen import PlainScreen, clean
from samantha.surfaces.terminal.tables import columns
from samantha.surfaces.terminal.wrapping import wrap

HER_NAME = Style(color="magenta")
DIM = Style(dim=True)
ERROR = Style(color="red")
WIDEST = 96  # cells; longer lines are hard to read


class ColourScreen(PlainScreen):
    """Everything on `out`, which is a terminal."""

    for_eyes = True

    def __init__(self, out: TextIO, language: Language) -> None:
        super().__init__(out, out, language)
        self._console = Console(file=out, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._live: LiveReply | None = None

    @property
    def columns(self) -> int:
        """Cells that a line may have. The last one of a row stays free: terminals differ in how they wrap there."""
        return max(1, min(self.size().columns - 1, WIDEST))

    def size(self) -> Size:
        """Of the terminal as it is now."""
        try:
            columns, rows = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            columns = rows = 0
        return Size(columns or 80, rows or 24)  # a terminal without a size says 0

    def say(self, said: Text) -> None:
        self._lines(translate(said, self.language), Style.null())

    def notice(self, said: Text) -> None:
        if self._live is not None and self._live.is_waiting:
            self._live.pause()
            self._lines(translate(said, self.language), DIM)
            self._live.resume()
        else:
            self._lines(translate(said, self.language), DIM)

    def error(self, said: Text) -> None:
        self._lines(translate(said, self.language), ERROR)

    def table(self, rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        cells = [[clean(cell) for cell in row] for row in rows]
        for line in columns(cells, self.columns, right=right):
            self._line(Styled(line))

    def exchange(self, messages: Sequence[Message], name: str) -> None:
        from samantha.surfaces.terminal.markdown import blocks

        for message in messages:
            if message.role == "user":
                for number, line in enumerate(wrap(Styled(clean(message.text)), self.columns - 2)):
                    self._line(Styled.assemble(("  " if number else "› ", DIM), line))
            else:
                self._line(Styled(name, HER_NAME))
                for number, block in enumerate(blocks(clean(message.text), self.columns)):
                    for line in (Styled(),) * bool(number) + block.lines:
                        self._line(line)

    def gap(self) -> None:
        super().gap()
        self._write("\n")

    @contextmanager
    def reply(self, name: str) -> Iterator[Callable[[str], None]]:
        self._live = live = LiveReply(
            name=Styled(name, HER_NAME),
            waiting=Styled.assemble((name, HER_NAME), (" …", DIM)),
            width=self.columns,
            write=self._write,
            ansi=self._ansi,
            size=self.size,
        )
        try:
            yield lambda piece: live.add(clean(piece).expandtabs(4))
        finally:
            self._live = None
            live.close()

    def _lines(self, words: str, style: Style) -> None:
        for line in wrap(Styled(clean(words), style), self.columns):
            self._line(line)

    def _line(self, line: Styled) -> None:
        self._write(self._ansi(line) + "\n")

    def _ansi(self, line: Styled) -> str:
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True)
        return captured.get()
