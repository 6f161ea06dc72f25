"""Markdown as lines of styled text, block by block, so that a reply can be shown while it is being written.

Colours are the terminal's own sixteen and there are no backgrounds: light and dark terminals both read well.
Not here: putting the lines on the screen (`live`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from samantha.surfaces.terminal.wrapping import breaks, wrap

_INLINE = {"em": Style(italic=True), "strong": Style(bold=True), "s": Style(strike=True), "link": Style(underline=True)}
_CODE = Style(color="green")
_FRAME = Style(dim=True)
_RULE = 24  # cells of a horizontal rule
_GAP = 2  # cells between the columns of a table
_NARROWEST = 4  # cells that a table's column keeps


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level block: where its source begins, and its lines."""

    start: int
    lines: tuple[Text, ...]


def blocks(source: str, width: int) -> tuple[Block, ...]:
    """The blocks of `source`, each in lines of at most `width` cells. All but the last can change no more."""
    offsets = [0]
    for line in source.split("\n"):
        offsets.append(offsets[-1] + len(line) + 1)
    tree = SyntaxTreeNode(_parser().parse(source))
    return tuple(Block(offsets[_first(node)], tuple(_lines(node, width))) for node in tree.children)


@cache
def _parser() -> MarkdownIt:
    """CommonMark with tables, as people write in a chat: no HTML, pictures or code by indentation."""
    rules = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    return rules.disable(["code", "image", "html_block", "html_inline"])


def _lines(node: SyntaxTreeNode, width: int) -> list[Text]:
    """One block in lines. The kinds of node are those that the parser's rules can make."""
    match node.type:
        case "paragraph":
            return wrap(_inline(node), width)
        case "heading":
            return wrap(_inline(node, Style(bold=True)), width)
        case "bullet_list":
            return _list(node, ["• "] * len(node.children), width)
        case "ordered_list":
            first = int(node.attrs.get("start", 1))
            return _list(node, [f"{first + index}. " for index in range(len(node.children))], width)
        case "blockquote":
            return _hang(_stack(node.children, width - 2), "│ ", "│ ")
        case "fence":
            return _code(node.content, width)
        case "table":
            return _table(node, width)
        case _:  # a rule
            return [Text("─" * min(_RULE, width), _FRAME)]


def _stack(children: Sequence[SyntaxTreeNode], width: int) -> list[Text]:
    """Blocks one below the other, with an empty line between them where the source has one.

    So what is shown of a list does not change when a later item turns it into what CommonMark calls a loose one.
    """
    lines: list[Text] = []
    for before, child in zip([None, *children], children, strict=False):
        if before is not None and _end(before) < _first(child):
            lines.append(Text())
        lines += _lines(child, max(width, 1))
    return lines


def _list(node: SyntaxTreeNode, markers: Sequence[str], width: int) -> list[Text]:
    lines: list[Text] = []
    for before, item, marker in zip([None, *node.children], node.children, markers, strict=False):
        if before is not None and _end(before) < _first(item):
            lines.append(Text())
        inside = _stack(item.children, width - cell_len(marker)) or [Text()]
        lines += _hang(inside, marker, " " * cell_len(marker))
    return lines


def _first(node: SyntaxTreeNode) -> int:
    """The line of the source where `node` begins."""
    return node.map[0] if node.map else 0


def _end(node: SyntaxTreeNode) -> int:
    """The line after its last one; empty lines that follow do not count, though the parser gives them to lists."""
    inside = [child for child in node.children if child.map]
    return _end(inside[-1]) if inside else node.map[1] if node.map else 0


def _hang(lines: Sequence[Text], first: str, others: str) -> list[Text]:
    return [Text.assemble((others if index else first, _FRAME), line) for index, line in enumerate(lines)]


def _code(content: str, width: int) -> list[Text]:
    """Code as it is, so that it can be copied; what is too long goes on in the next line."""
    lines: list[Text] = []
    for line in content.rstrip("\n").expandtabs(4).split("\n"):
        lines += Text.assemble((line, _CODE)).divide(breaks(line.replace(" ", "\u00a0"), width))
    return lines


def _inline(node: SyntaxTreeNode, style: Style = Style()) -> Text:  # noqa: B008  # a style is frozen
    """The text in a block, styled. A line break stays one: in a conversation people mean it."""
    found = Text()
    for child in node.children:
        match child.type:
            case "text":
                found.append(child.content, style)
            case "code_inline":
                found.append(child.content, style + _CODE)
            case "softbreak" | "hardbreak":
                found.append("\n")
            case kind:
                inner = _inline(child, style + _INLINE.get(kind, Style.null()))
                found.append_text(inner)
                if kind == "link" and child.attrs["href"] != inner.plain:
                    found.append(f" ({child.attrs['href']})", _FRAME)
    return found


def _table(node: SyntaxTreeNode, width: int) -> list[Text]:
    rows = [[_inline(cell) for cell in row.children] for part in node.children for row in part.children]
    right = ["right" in str(cell.attrs.get("style", "")) for cell in node.children[0].children[0].children]
    widths = _column_widths([[cell.cell_len for cell in column] for column in zip(*rows, strict=True)], width)
    for cell in rows[0]:
        cell.stylize(Style(bold=True))
    lines = [line for row in rows[:1] for line in _row(row, widths, right)]
    lines.append(Text((" " * _GAP).join("─" * each for each in widths), _FRAME))
    return lines + [line for row in rows[1:] for line in _row(row, widths, right)]


def _column_widths(cells: Sequence[Sequence[int]], width: int) -> list[int]:
    """A width a column: its widest cell's, and where they do not all fit, the widest column gives way first."""
    widths = [max(column) for column in cells]
    while sum(widths) + _GAP * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(cells: Sequence[Text], widths: Sequence[int], right: Sequence[bool]) -> Iterator[Text]:
    columns = [wrap(cell, each) for cell, each in zip(cells, widths, strict=True)]
    for index in range(max(map(len, columns))):
        line = Text()
        for number, (column, each) in enumerate(zip(columns, widths, strict=True)):
            cell = column[index] if index < len(column) else Text()
            padding = " " * (each - cell.cell_len)
            gap = " " * _GAP if number else ""
            line += Text.assemble(gap, padding, cell) if right[number] else Text.assemble(gap, cell, padding)
        line.rstrip()
        yield line
