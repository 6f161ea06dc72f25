"""Feelings and moods in words for a person."""

import pytest

from samantha.core.types import Emotion, Mood
from samantha.core.understanding import EMOTIONS
from samantha.language import translate
from samantha.surfaces.terminal.feelings import sentences, word


def told(mood: Mood, language: str = "en") -> list[str]:
    return [translate(each, language) for each in sentences(mood)]  # type: ignore[arg-type]


@pytest.mark.parametrize("label", EMOTIONS)
def test_every_emotion_has_a_word_of_its_own_in_both_languages(label: str) -> None:
    found = word(Emotion({}, 0, 0, labels=(label,)))
    assert translate(found, "en") == label
    assert not translate(found, "zh").isascii()


def test_a_message_without_a_strong_emotion_is_neutral() -> None:
    assert str(word(Emotion({"joy": 0.1}, 0.1, 0))) == "neutral"


@pytest.mark.parametrize(
    ("valence", "arousal", "tone"),
    [
        (-0.7, 0.8, "tense"),
        (-0.8, -0.5, "low and tired"),
        (-0.6, 0.0, "low"),
        (0.8, 0.6, "glad and lively"),
        (0.6, -0.5, "calm and content"),
        (0.6, 0.0, "glad"),
        (0.0, 0.5, "stirred"),
        (0.0, -0.5, "calm"),
        (0.1, 0.1, "even"),
    ],
)
def test_a_mood_is_a_word_or_two(valence: float, arousal: float, tone: str) -> None:
    assert told(Mood(valence, arousal, 0, 0, readings=2)) == [f"In this conversation you sound {tone}."]


def test_the_days_before_and_what_changed_are_told_too() -> None:
    mood = Mood(0.8, 0.5, -0.8, -0.5, readings=2, usual_readings=5, change="lighter")
    assert told(mood) == [
        "In this conversation you sound glad and lively; in the days before you sounded low and tired.",
        "You sound lighter than in the days before.",
    ]
    assert told(mood, "zh") == ["这次对话里你听起来高兴又有活力，前几天听起来低落而疲惫。", "你听起来比前几天轻松。"]


def test_before_the_first_message_the_last_days_are_told() -> None:
    assert told(Mood(-0.8, 0, -0.8, 0, readings=0, usual_readings=5)) == ["In the last days you sounded low."]
