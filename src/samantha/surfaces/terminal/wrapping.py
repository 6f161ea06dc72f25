"""Where a line may end: between words, and between Chinese characters but not before their punctuation.

Widths are terminal cells; a Chinese character takes two. Not here: what the lines mean (`markdown`).
"""

import re
import unicodedata

from rich.cells import cell_len, get_character_cell_size
from rich.text import Text

_IDEOGRAPH = re.compile(r"[\u2e80-\u2fdf\u3000-\u4dbf\u4e00-\ua4cf\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]")
_NEVER_FIRST = frozenset("，。、；：？！）》」』】〕〉’”…—·～％ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ,.;:?!)]}%")
_NEVER_LAST = frozenset("（《「『【〔〈‘“([{$￥¥#@")
_JOINER = "\u200d"  # keeps the parts of one emoji together


def wrap(text: Text, width: int) -> list[Text]:
    """`text` in lines of at most `width` cells, without the spaces at their ends. Styles are kept."""
    lines: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        line.expand_tabs(4)
        lines += line.divide(breaks(line.plain, width))
    for line in lines:
        line.rstrip()
    return lines


def breaks(line: str, width: int) -> list[int]:
    """The indices at which `line` (no newline in it) is cut to fit `width` cells; spaces may hang over the end."""
    found: list[int] = []
    start = last = cells = 0  # of the current line: its first index, the last place it may end at, its width
    for index, character in enumerate(line):
        if index > start and may_break(line, index):
            last = index
        cells += get_character_cell_size(character)
        if cells > width and character != " " and index > start:
            start = last = last if last > start else index  # a word longer than the line is folded
            found.append(start)
            cells = cell_len(line[start : index + 1])
    return found


def may_break(line: str, index: int) -> bool:
    """Whether a line may end before `line[index]`, for `index` above 0."""
    before, after = line[index - 1], line[index]
    if before == " ":
        return after != " "
    if after in _NEVER_FIRST or before in _NEVER_LAST or _JOINER in (before, after) or unicodedata.combining(after):
        return False
    return bool(_IDEOGRAPH.match(before) or _IDEOGRAPH.match(after)) and after != " "
