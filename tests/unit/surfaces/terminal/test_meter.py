"""The line below the prompt, and tables."""

from dataclasses import replace

from samantha.core.types import Conversation, Message, Prompt, Reply, Turn, Usage
from samantha.surfaces.terminal.meter import meter
from samantha.surfaces.terminal.tables import columns, shorten

TURN = Turn(
    Conversation(),
    Message("user", "Hi"),
    prompt=Prompt((), tokens=80, limit=400),
    reply=Reply("Hello.", "stop", Usage(completion_tokens=20)),
)


def test_before_the_first_turn_the_line_helps() -> None:
    assert meter(None, 80, "en") == "/help: commands   Ctrl-D: leave   Alt-Enter: new line"
    assert meter(None, 40, "en") == "/help: commands   Ctrl-D: leave"


def test_the_meter_counts_the_prompt_and_the_reply() -> None:
    assert meter(TURN, 80, "en") == "context ███░░░░░░░ 25%   100/400   /help"


def test_what_no_longer_fits_and_what_was_cut_is_said_before_the_rest() -> None:
    cut = replace(TURN.reply, finish="length")
    full = replace(TURN, prompt=Prompt((), tokens=390, limit=400, dropped=6), reply=cut)
    assert meter(full, 200, "en").split("   ") == [
        "context ██████████ 100%",
        "6 old messages no longer fit",
        "the reply was cut at 20 tokens",
        "410/400",
        "/help",
    ]


def test_a_narrow_line_leaves_out_what_matters_least() -> None:
    assert meter(TURN, 33, "en") == "context ███░░░░░░░ 25%   100/400"
    assert meter(TURN, 22, "en") == "context ███░░░░░░░ 25%"
    assert meter(TURN, 3, "en") == ""


def test_columns_are_aligned_by_cells() -> None:
    assert list(columns([["你好", "a"], ["b", "c"]], 80)) == ["你好  a", "b     c"]


def test_the_last_column_wraps_below_itself() -> None:
    rows = [["/a", "some words that are rather many"], ["/bc", "x"]]
    assert list(columns(rows, 25)) == ["/a   some words that are", "     rather many", "/bc  x"]


def test_where_there_is_no_room_beside_it_the_last_column_goes_below() -> None:
    assert list(columns([["/a-long-name", "some words that are many"]], 20)) == [
        "/a-long-name",
        "  some words that",
        "  are many",
    ]


def test_numbers_are_flushed_right() -> None:
    assert list(columns([["a", "5"], ["bb", "100"]], 80, right=[1])) == ["a     5", "bb  100"]


def test_shortening_counts_cells() -> None:
    assert shorten("你好世界", 5) == "你好…"
