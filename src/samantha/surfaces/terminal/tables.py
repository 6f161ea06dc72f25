"""Columns of words, aligned by the cells that a terminal gives them. Not here: colours."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.text import Text

from samantha.surfaces.terminal.wrapping import wrap

_GAP = "  "
_NARROWEST = 16  # cells below which the last column goes under the others


def columns(rows: Sequence[Sequence[str]], width: int, *, right: Sequence[int] = ()) -> Iterator[str]:
    """`rows` as lines of `width` cells at most; the last column is wrapped. Columns in `right` are flushed right."""
    if not rows:
        return
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    indent = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    under = width - indent < min(_NARROWEST, widths[-1])
    for row in rows:
        cells = [_pad(cell, each, index in right) for index, (cell, each) in enumerate(zip(row, widths, strict=True))]
        head = _GAP.join(cells[:-1])
        if under:
            yield head.rstrip()
            yield from (f"{_GAP}{line}" for line in _wrapped(row[-1], width - len(_GAP)))
            continue
        last = [cells[-1]] if len(row) - 1 in right else _wrapped(row[-1], width - indent)
        for first, line in zip_longest([head], last, fillvalue=" " * cell_len(head)):
            yield f"{first}{_GAP if head else ''}{line}".rstrip()


def shorten(words: str, width: int) -> str:
    """`words` in at most `width` cells, with an ellipsis where something was left out."""
    line = Text(words)
    line.truncate(max(width, 1), overflow="ellipsis")
    return line.plain


def _wrapped(words: str, width: int) -> list[str]:
    return [line.plain for line in wrap(Text(words), max(width, 1))]


def _pad(cell: str, width: int, right: bool) -> str:
    padding = " " * (width - cell_len(cell))
    return padding + cell if right else cell + padding
