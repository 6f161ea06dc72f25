"""Cutting a reply into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from samantha.mind.pieces import LONG_CLAUSE, LONGEST, Pieces, words


def cut(*deltas: str) -> list[str]:
    pieces = Pieces()
    found = [piece for delta in deltas for piece in pieces.feed(delta)]
    return [*found, rest] if (rest := pieces.flush()) else found


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Hello. How are you?", ["Hello.", " How are you?"]),
        ("No, wait. Yes", ["No, wait.", " Yes"]),
        ("It is 3.14, or 1,000.50 or so!", ["It is 3.14, or 1,000.50 or so!"]),
        ("Dr. Smith and J. K. met at 5 p.m. there.", ["Dr. Smith and J. K. met at 5 p.m. there."]),
        ("你好。今天怎么样？", ["你好。", "今天怎么样？"]),
        ("One\nTwo", ["One\n", "Two"]),
        ("1. Breathe.\n2. Rest.", ["1. Breathe.", "\n2. Rest."]),
        (
            "I was thinking about what you said yesterday, and it stays.",
            ["I was thinking about what you said yesterday,", " and it stays."],
        ),
    ],
)
def test_a_piece_ends_with_its_sentence_or_long_clause(said: str, expected: list[str]) -> None:
    assert cut(said) == cut(*said) == expected


def test_a_piece_is_released_with_the_character_that_ends_it() -> None:
    pieces = Pieces()
    assert [pieces.feed(delta) for delta in ("Hel", "lo", ".", " And")] == [[], [], ["Hello."], []]


def test_text_without_punctuation_is_released_all_the_same() -> None:
    assert max(map(len, cut("word " * 200))) < LONGEST + len("word ") + 1


def test_chinese_counts_as_words() -> None:
    assert (words("我今天有一点累"), words("two words"), words("")) == (4, 2, 0)
    assert LONG_CLAUSE == 8


@given(some.lists(some.text(alphabet='aB 3.,!?…\n。，"“)'), max_size=30))
def test_pieces_concatenate_to_the_text_however_it_arrives(deltas: list[str]) -> None:
    assert "".join(cut(*deltas)) == "".join(deltas)
    assert cut(*deltas) == cut("".join(deltas))
