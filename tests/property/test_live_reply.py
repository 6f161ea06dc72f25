"""However a reply arrives, it stands on the screen once, as if it had been printed whole."""

import io

import pyte
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from samantha.surfaces.terminal.live import LiveReply, Size
from samantha.surfaces.terminal.markdown import blocks

BLOCKS = [
    "A paragraph that goes on for a while, until it wraps over several lines of the screen. Yes. It does.",
    "- a\n- an item that is long enough to wrap around\n- c",
    "1. one\n2. two\n\n   more\n3. three",
    "> quoted words\n> and more of them.",
    "```\ncode line one\n\ncode two\n```",
    "# A title",
    "你好，我今天很高兴见到你！“真的吗？”她说：“当然是真的。”",
    "**bold** and *it*. Then `code`.",
    "line one\nline two\nline three",
]
SIZES = [Size(80, 24), Size(40, 12), Size(20, 6)]


@given(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=12), st.sampled_from(SIZES))
@example(BLOCKS * 3, Size(20, 6))
def test_a_reply_in_sentences_stands_on_the_screen_once(chosen: list[str], size: Size) -> None:
    source = "\n\n".join(chosen)
    pieces = _sentences(source)
    assert _on_screen(pieces, size) == _printed(source, size)


def test_nothing_stays_where_nothing_was_said() -> None:
    assert _on_screen([], Size(40, 12)) == ["before"]
    assert _on_screen([" ", "\n"], Size(40, 12)) == ["before"]


def test_a_notice_goes_above_her_name() -> None:
    screen, live = _live(Size(40, 12))
    live.pause()
    pyte.Stream(screen).feed("notice\n")
    live.resume()
    live.add("Hello.")
    live.close()
    assert _lines(screen, Size(40, 12)) == ["before", "notice", "Sam", "Hello."]


def test_lines_that_do_not_change_are_not_written_again() -> None:
    written: list[str] = []
    live = LiveReply(Text("Sam"), Text("Sam …"), 40, written.append, lambda line: line.plain, lambda: Size(41, 24))
    live.add("First line.\nSecond")
    live.add(" line.")
    assert written[-1] == "\r\x1b[1A\x1b[JSecond line.\n"


def test_a_window_made_narrower_is_counted_in_its_new_rows() -> None:
    sizes = [Size(41, 24)]
    written: list[str] = []
    live = LiveReply(Text("Sam"), Text("Sam …"), 40, written.append, lambda line: line.plain, lambda: sizes[-1])
    live.add("A line of thirty-two characters.")
    sizes.append(Size(20, 24))
    live.add(" More.")
    assert written[-1].startswith("\r\x1b[2A\x1b[J")


def _sentences(source: str) -> list[str]:
    pieces = [""]
    for character in source:
        pieces[-1] += character
        if character in ".,!?\n。！？，":
            pieces.append("")
    return pieces


def _live(size: Size) -> tuple[pyte.HistoryScreen, LiveReply]:
    screen = pyte.HistoryScreen(size.columns, size.rows, history=5000, ratio=0.5)
    screen.set_mode(pyte.modes.LNM)
    stream = pyte.Stream(screen)
    console = Console(file=io.StringIO(), force_terminal=True, width=size.columns)

    def ansi(line: Text) -> str:
        with console.capture() as captured:
            console.print(line, end="", soft_wrap=True)
        return captured.get()

    stream.feed("before\n")
    return screen, LiveReply(Text("Sam"), Text("Sam …"), size.columns - 1, stream.feed, ansi, lambda: size)


def _on_screen(pieces: list[str], size: Size) -> list[str]:
    screen, live = _live(size)
    for piece in pieces:
        live.add(piece)
    live.close()
    return _lines(screen, size)


def _lines(screen: pyte.HistoryScreen, size: Size) -> list[str]:
    rows = [*screen.history.top, *(screen.buffer[row] for row in range(size.rows))]
    lines = ["".join(row[column].data for column in range(size.columns)).rstrip() for row in rows]
    while not lines[-1]:
        lines.pop()
    return lines


def _printed(source: str, size: Size) -> list[str]:
    lines = ["before", "Sam"]
    for number, block in enumerate(blocks(source, size.columns - 1)):
        lines += [""] * bool(number) + [line.plain.rstrip() for line in block.lines]
    return lines
