"""A line of help in words, and which one fits."""

from typing import Any

import pytest

from samantha.core.text import Language
from samantha.core.types import Message
from samantha.mind.care import Care, Country, Elsewhere, Line, Situation, Words, opening

ANYBODY = Line(Words("the Line", "热线"), call="988", text="988", always=True, languages=frozenset({"en"}))
ABUSE = Line(Words("Shelter", "庇护所"), call="1", hours=Words("on weekdays", "工作日"), kinds=frozenset({"abuse"}))
SPANISH = Line(Words("Línea", "西语线"), call="024", always=True, languages=frozenset({"es"}))
ELSEWHERE = Elsewhere(Words("a directory", "目录"), Words("112 or so", "当地电话"))


def care(*lines: Line, police: str = "911", ambulance: str = "911", **texts: Any) -> Care:
    return Care(texts, {"US": Country(police, ambulance, lines)}, ELSEWHERE)


@pytest.mark.parametrize(
    ("line", "language", "words"),
    [
        (ANYBODY, "en", "the Line (call or text 988, day and night)"),
        (ANYBODY, "zh", "热线（电话或短信 988，昼夜都有人）"),
        (ABUSE, "en", "Shelter (call 1, on weekdays)"),
        (Line(Words("A", "甲"), text="88788", word="START"), "en", "A (text START to 88788)"),
        (Line(Words("A", "甲"), text="88788", word="START"), "zh", "甲（发短信 START 到 88788）"),
        (
            Line(Words("A", "甲"), call="1", text="2", site="https://www.a.org"),
            "en",
            "A (call 1, text 2, chat at a.org)",
        ),
        (
            Line(Words("A", "甲"), call="1", text="2", site="https://a.org/x"),
            "zh",
            "甲（电话 1，短信 2，网上 a.org/x）",
        ),
    ],
)
def test_a_line_says_how_it_is_reached(line: Line, language: Language, words: str) -> None:
    assert line.words(language) == words


def test_a_situation_with_a_line_of_its_own_gets_that_one() -> None:
    line = care(ANYBODY, ABUSE).line("abuse", country="US", language="en")
    assert line.startswith("Shelter")


def test_beside_a_line_of_limited_hours_stands_one_for_any_distress() -> None:
    line = care(ANYBODY, ABUSE).line("abuse", country="US", language="en")
    assert line == "Shelter (call 1, on weekdays), or the Line (call or text 988, day and night)"


def test_a_line_in_the_language_of_the_message_goes_before_others() -> None:
    assert care(SPANISH, ANYBODY).line("self_harm", country="US", language="en").startswith("the Line")
    assert care(SPANISH, ANYBODY).line("self_harm", country="US", language="zh").startswith("西语线")


@pytest.mark.parametrize("country", ["", "AQ"])
def test_an_unknown_country_gets_the_directory(country: str) -> None:
    known = care(ANYBODY)
    assert known.line("abuse", country=country, language="en") == "a directory"
    assert known.emergency("abuse", country=country, language="zh") == "当地电话"


def test_a_country_without_lines_has_its_own_emergency_number() -> None:
    assert care().line("attempt", country="US", language="en") == "a directory"
    assert care().emergency("attempt", country="US", language="en") == "911"


@pytest.mark.parametrize(
    ("situation", "number"),
    [
        ("attempt", "120"),
        ("eating_disorder", "120"),
        ("abuse", "110"),
        ("minors", "110"),
        ("violence", "110"),
        ("self_harm", "120 (ambulance) or 110 (police)"),
        ("other", "120 (ambulance) or 110 (police)"),
    ],
)
def test_the_number_is_that_of_the_help_which_is_needed(situation: Situation, number: str) -> None:
    assert care(police="110", ambulance="120").emergency(situation, country="US", language="en") == number


def test_chinese_words_are_filled_in_without_a_gap() -> None:
    said = care(ANYBODY).filled("可以找 {line}，打 {emergency}。", "abuse", country="US", language="zh")
    assert said == "可以找热线（电话或短信 988，昼夜都有人），打 911。"


@pytest.mark.parametrize(
    ("template", "words"),
    [("I hear you. Call {line}.", "I hear you."), ("我在。打 {line}。", "我在。"), ("There is {line}.", "There is")],
)
def test_a_text_is_known_by_what_it_begins_with(template: str, words: str) -> None:
    assert opening(template) == words


def test_a_text_is_found_at_the_end_of_a_reply() -> None:
    known = care(ANYBODY, concern={"en": ("There is also {line}.",), "zh": ()})
    assert known.was_said(["concern"], Message("assistant", "That is hard.\n\nThere is also the Line (call 1)."))
    assert not known.was_said(["concern"], Message("assistant", "That is hard."))
