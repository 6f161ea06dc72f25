"""A reply on the screen while it is being written: finished blocks stay as they are, the last one is redrawn.

Only lines that changed are written again, in one write, so nothing flickers. A line that has left the screen at
its top can no longer be reached; it counts as said and is never written twice. Not here: what the lines are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.text import Text

from samantha.surfaces.terminal.markdown import blocks


@dataclass(frozen=True, slots=True)
class Size:
    """Of the terminal, in cells."""

    columns: int
    rows: int


@dataclass
class LiveReply:
    """Her name, a sign that she is thinking, and then what she says.

    `write` takes text with escape sequences, `ansi` gives one line that way, `width` is that of the lines and
    holds for the whole reply; `size` is asked at each drawing, because windows change.
    """

    name: Text
    waiting: Text
    width: int
    write: Callable[[str], None]
    ansi: Callable[[Text], str]
    size: Callable[[], Size]

    _source: str = field(default="", init=False)  # of the blocks that may still change
    _above: tuple[Text, ...] = field(default=(), init=False)  # goes with them: the name, or an empty line
    _shown: list[tuple[str, int]] = field(default_factory=list, init=False)  # lines and their cells, within reach
    _gone: int = field(default=0, init=False)  # lines of them that have left the screen

    def __post_init__(self) -> None:
        self._above = (self.name,)
        self._show([self.waiting])

    @property
    def is_waiting(self) -> bool:
        """Whether she has not said anything yet."""
        return self._above == (self.name,) and not self._source.strip()

    def add(self, piece: str) -> None:
        """Show one more piece of the reply."""
        self._source += piece
        if self.is_waiting:
            return
        found = blocks(self._source, self.width)
        lines, settled = list(self._above), 0
        for index, block in enumerate(found):
            if index:
                settled = len(lines)
                lines.append(Text())
            lines += block.lines
        self._show(lines)
        if len(found) > 1:
            self._settle(settled, found[-1].start)

    def pause(self) -> None:
        """Take the sign of thinking off the screen."""
        self._show([])

    def resume(self) -> None:
        """Put it back, below what was written meanwhile."""
        self._show([self.waiting])

    def close(self) -> None:
        """Leave what was said on the screen; nothing where nothing was."""
        if self.is_waiting:
            self.pause()

    def _settle(self, count: int, start: int) -> None:
        """The first `count` lines can change no more; the source of the others begins at `start`."""
        self._source, self._above = self._source[start:], (Text(),)
        del self._shown[: max(0, count - self._gone)]
        self._gone = max(0, self._gone - count)

    def _show(self, lines: Sequence[Text]) -> None:
        drawn = [(self.ansi(line), line.cell_len) for line in lines[self._gone :]]
        same = 0
        while same < min(len(drawn), len(self._shown)) and drawn[same] == self._shown[same]:
            same += 1
        if same == len(drawn) == len(self._shown):
            return
        size = self.size()
        up = _rows(self._shown[same:], size.columns)
        back = f"\r\x1b[{up}A\x1b[J" if up else ""
        self.write(back + "".join(f"{line}\n" for line, _ in drawn[same:]))
        self._shown = drawn
        while _rows(self._shown, size.columns) >= size.rows:  # the cursor's own row is one of them
            del self._shown[0]
            self._gone += 1


def _rows(lines: Sequence[tuple[str, int]], columns: int) -> int:
    """Screen rows that the lines take; a window made narrower since has folded them."""
    return sum(max(1, -(-cells // columns)) for _, cells in lines)
