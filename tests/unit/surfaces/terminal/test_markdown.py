"""Markdown as lines: what stands in them, and where they end."""

import pytest
from rich.text import Text

from samantha.surfaces.terminal.markdown import blocks
from samantha.surfaces.terminal.wrapping import breaks, wrap


def shown(source: str, width: int = 40) -> list[str]:
    """The lines of all blocks, an empty one between two."""
    lines: list[str] = []
    for block in blocks(source, width):
        lines += [""] * bool(lines) + [line.plain for line in block.lines]
    return lines


def styles(source: str) -> dict[str, str]:
    (line,) = blocks(source, 80)[0].lines
    return {line.plain[span.start : span.end]: str(span.style) for span in line.spans}


def test_marks_become_styles() -> None:
    assert styles("*a* **b** `c` ~~d~~") == {"a": "italic", "b": "bold", "c": "green", "d": "strike"}


def test_a_line_break_stays_one() -> None:
    assert shown("Roses are red,\nviolets are blue") == ["Roses are red,", "violets are blue"]


def test_a_heading_is_its_words() -> None:
    assert shown("## What *now*?") == ["What now?"]


def test_lists_hang_and_nest() -> None:
    assert shown("1. one two three\n2. b\n   - c", 10) == ["1. one two", "   three", "2. b", "   • c"]


def test_items_stand_apart_where_the_source_has_them_apart() -> None:
    assert shown("- a\n- b\n\n- c") == ["• a", "• b", "", "• c"]


def test_a_quote_has_a_bar() -> None:
    assert shown("> a\n> b") == ["│ a", "│ b"]


def test_code_stays_as_it_is_and_goes_on_in_the_next_line_where_it_is_too_long() -> None:
    assert shown("```python\nif a:\n    b = 1\n```", 6) == ["if a:", "    b ", "= 1"]


def test_code_whose_end_is_not_there_yet_is_code() -> None:
    assert shown("```\n*a*") == ["*a*"]


def test_a_link_shows_where_it_leads() -> None:
    assert shown("See [this](http://a.b) and <http://c.d>.") == ["See this (http://a.b) and http://c.d."]


def test_html_and_pictures_are_words() -> None:
    assert shown("I <3 you <b>so</b>") == ["I <3 you <b>so</b>"]
    assert shown("<div>\nwords\n</div>") == ["<div>", "words", "</div>"]


def test_a_table_has_columns() -> None:
    assert shown("| a | b |\n|---|--:|\n| one | 1 |\n| 二 | 22 |") == ["a     b", "───  ──", "one   1", "二   22"]


def test_a_table_that_is_too_wide_wraps_its_widest_column() -> None:
    lines = shown("| a | b |\n|---|---|\n| one | some words that are long |", 15)
    assert lines[2:] == ["one  some words", "     that are", "     long"]


def test_only_the_last_block_is_open_and_it_says_where_it_begins() -> None:
    source = "One.\n\n- two\n- three\n\nFour"
    assert [source[block.start :][:4] for block in blocks(source, 40)] == ["One.", "- tw", "Four"]


@pytest.mark.parametrize("width", [1, 5, 10, 20, 79])
def test_no_line_is_wider_than_it_may_be(width: int) -> None:
    source = "Some 中文字符，和 words.\n\n> - x y z\n>   1. 很好的一天\n\n```\nlong line of code\n```\n\n---\n"
    deepest = 9  # cells of the marks and the one character that stand in a line at least
    widest = max(line.cell_len for block in blocks(source, width) for line in block.lines)
    assert widest <= max(width, deepest)


@pytest.mark.parametrize(
    ("words", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("one two  three", 8, ["one two", "three"]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("你好世界", 4, ["你好", "世界"]),
        ("你好世界", 5, ["你好", "世界"]),
        ("今天很好，真的", 8, ["今天很", "好，真的"]),
        ("他说：“好的”", 8, ["他说：", "“好的”"]),
        ("我用 Python 写", 9, ["我用", "Python 写"]),
        ("很好……真的", 5, ["很", "好……", "真的"]),
        ("", 10, [""]),
        ("a\n\nb", 10, ["a", "", "b"]),
    ],
)
def test_lines_end_where_they_may(words: str, width: int, lines: list[str]) -> None:
    assert [line.plain for line in wrap(Text(words), width)] == lines


def test_an_emoji_of_several_parts_is_not_torn() -> None:
    family = "\U0001f469\u200d\U0001f680"
    assert 2 not in breaks(family * 2, 4)
