"""What is said aloud of a text that was written for the screen."""

import time

import pytest

from samantha.mind.spoken import spoken, spoken_piece


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Hello**, *really* __nice__ to _meet_ you!", "Hello, really nice to meet you!"),
        ("# Plan\n- one\n* [x] two, done!\n1. first", "Plan.\none.\ntwo, done!\n1. first."),
        ("> She said\n> yes.", "She said\nyes."),
        ("above\n\n---\n\nbelow", "above\nbelow"),
        ("| day | hours |\n|:---|---:|\n| Monday | 5 |", "day, hours.\nMonday, 5."),
        ("Run `samantha pull` now.", "Run samantha pull now."),
        ("Look:\n```python\nprint(1)\n```\nDone.", "Look:\nDone."),
        ("~~~\ncode\n~~~\nafter", "after"),
        ("2 * 3 and 2*3", "2 times 3 and 2 times 3"),
        ("a snake_case name", "a snake_case name"),
        ("salt &amp; pepper<br>and \\*more\\*", "salt & pepper and more"),
        ("![a red fox](fox.png) and a note[^1]", "a red fox and a note"),
    ],
)
def test_markdown_is_read_as_prose(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("See [the docs](https://a.org/b_(c)?d=e).", "See the docs."),
        ("See https://www.example.com/a_b?c=d. Bye.", "See example dot com. Bye."),
        ("<https://a.org/x> or (http://b.org:80)", "a dot org or (b dot org)"),
    ],
)
def test_of_an_address_only_its_text_or_its_site_is_said(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("I love it ❤️!", "I love it!"),
        ("That's great 😊 What did you do?", "That's great. What did you do?"),
        ("ok :) sure <3", "ok sure"),
        ("1️⃣ thing", "1 thing"),
        ("© 2026, 20 °C", "© 2026, 20 °C"),
    ],
)
def test_pictures_are_not_said(written: str, said: str) -> None:
    assert spoken(written) == said


@pytest.mark.parametrize("written", ["", " \n", "👍🏽", "...", "?!", "***", "```\ncode", "\x00\ud800"])
def test_where_there_are_no_words_nothing_is_said(written: str) -> None:
    assert spoken(written) == ""


def test_stage_directions_are_not_said_but_emphasis_is() -> None:
    assert spoken("*smiles softly* Hello. *laughs* I *really* mean it.") == "Hello. I really mean it."


def test_the_pronunciation_markup_of_the_voice_cannot_be_forged() -> None:
    assert spoken("Say [hello](/fˈʌk/) and [[a](b)](/c/).") == "Say hello and a."


def test_control_and_surrogate_characters_are_dropped() -> None:
    assert spoken("a\x00b\u202ec\ud800d") == "abcd"


def test_chinese_is_left_as_it_is() -> None:
    assert spoken("你好，**世界**。") == "你好，世界。"


def test_a_block_of_code_stays_unsaid_across_pieces() -> None:
    said, in_code = [], False
    for piece in ("Like this:\n```", "print('one, two.')\n", "more.", "```\nThat is all."):
        text, in_code = spoken_piece(piece, in_code)
        said.append(text)
    assert said == ["Like this:", "", "", "That is all."]


def test_a_link_and_an_emphasis_cut_in_two_leave_no_marks() -> None:
    pieces = ["See [the page,", "which is long](http://a.b/c), and **be", "brave**."]
    assert [spoken(piece) for piece in pieces] == ["See the page,", "which is long, and be", "brave."]


@pytest.mark.parametrize(
    "unit", ["[", "](", "[a](", "![a", "*a", "_", "<a", "http://", " ", "> ", "`", "a😊", ".*a", "(/"]
)
def test_hostile_repetition_takes_no_longer_than_it_is_long(unit: str) -> None:
    started = time.perf_counter()
    spoken(unit * 50_000)
    assert time.perf_counter() - started < 2  # a quadratic pattern took over a minute
