"""What is proposed for a conversation."""

import pytest

from samantha.core.types import Emotion, Message, Understanding
from samantha.dialogues.labels import emotion_named, emotion_of, said_by_person, theme_of
from samantha.dialogues.shape import Dialogue


def pointing(*vector: float) -> Understanding:
    return Understanding(vector=vector)


def test_the_theme_is_that_of_the_nearest() -> None:
    labelled = [(pointing(1.0, 0.0), "grief"), (pointing(0.0, 1.0), "joy"), (pointing(0.1, 0.99), "joy")]
    assert theme_of(pointing(0.99, 0.1), labelled) == "grief"
    assert theme_of(pointing(0.2, 0.98), labelled) == "joy"


def test_many_far_ones_do_not_outvote_the_near() -> None:
    labelled = [(pointing(1.0, 0.0), "grief"), *[(pointing(-0.2, 0.98), "joy")] * 4]
    assert theme_of(pointing(1.0, 0.0), labelled) == "grief"


def test_without_labels_or_vectors_there_is_no_theme() -> None:
    assert theme_of(pointing(1.0), []) == ""
    assert emotion_of(Understanding()) == ""


def test_the_emotion_is_the_strongest() -> None:
    assert emotion_of(Understanding(Emotion({"joy": 0.9, "pride": 0.5}, 0.8, 0.3, ("joy", "pride")))) == "joy"


def test_labels_are_about_the_person_s_side() -> None:
    said = (Message("system", "Note."), Message("user", "One"), Message("assistant", "Reply"), Message("user", "Two"))
    assert said_by_person(Dialogue("a", "b", "en", said)) == "One\nTwo"


@pytest.mark.parametrize(
    ("typed", "named"), [("Joy", "joy"), ("sad", "sadness"), ("dis", None), ("", None), ("gloomy", None)]
)
def test_an_emotion_may_be_shortened_as_long_as_it_is_one(typed: str, named: str | None) -> None:
    assert emotion_named(typed) == named
