"""How a long text is cut for spaCy; what spaCy finds is tested with its model, in `end_to_end`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samantha.adapters.spacy_entities import parts


@given(st.text(alphabet="ab .\n", max_size=200), st.integers(2, 30))
def test_the_parts_are_the_text_and_none_is_too_long(text: str, size: int) -> None:
    found = list(parts(text, size=size))
    assert "".join(part for _, part in found) == text
    assert all(len(part) <= size and text[start : start + len(part)] == part for start, part in found)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One line.\nTwo.", "One line.\n"),
        ("One bit. Two words", "One bit. "),
        ("several words here", "several "),
        ("a" * 20, "a" * 12),
    ],
)
def test_a_cut_is_at_the_end_of_a_line_a_sentence_or_a_word_where_there_is_one(text: str, first: str) -> None:
    assert next(iter(parts(text, size=12)))[1] == first
