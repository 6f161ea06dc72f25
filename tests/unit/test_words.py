"""Words, as they are counted and compared."""

import pytest

from samantha.core.words import words


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("Don't, Aunt_May!", ["don't", "aunt", "may"]),
        ("你是ChatGPT吗？", ["你", "是", "chatgpt", "吗"]),
        ("ねこ is a cat", ["ね", "こ", "is", "a", "cat"]),
        ("…", []),
    ],
)
def test_a_word_is_letters_together_or_one_character_of_a_language_without_spaces(said: str, found: list[str]) -> None:
    assert words(said) == found
