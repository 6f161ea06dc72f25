"""Telling Chinese from English."""

import pytest

from samantha.mind.language_of_text import language_of


@pytest.mark.parametrize("said", ["你好", "我用 Python 写代码", "帮我 debug 这个 deployment", "嗯…… ok"])
def test_a_text_of_chinese_characters_is_chinese(said: str) -> None:
    assert language_of(said) == "zh"


@pytest.mark.parametrize("said", ["hello", "What does 你好 mean?", "Ça va?", "こんにちは、元気ですか", "Привет"])
def test_a_text_of_other_letters_is_taken_for_english(said: str) -> None:
    assert language_of(said) == "en"


def test_a_text_without_letters_is_in_the_language_that_was_spoken_before() -> None:
    assert language_of("👍 12:30", default="zh") == "zh"
    assert language_of("") == "en"
