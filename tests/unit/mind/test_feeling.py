"""Mood over a conversation and over days, and what support a moment asks for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from samantha.core.types import Emotion, Level, Mood, Reading, Risk, Understanding
from samantha.core.understanding import ACTS, CIRCUMPLEX, EMOTIONS
from samantha.mind.feeling import mood, support
from samantha.mind.pieces import words

NOW = datetime(2026, 5, 1, 20, tzinfo=UTC)
QUIET = sorted(
    set(EMOTIONS)
    - {"grief", "sadness", "remorse", "disappointment", "embarrassment", "anger", "annoyance", "disgust", "fear"}
    - {"nervousness", "joy", "pride", "excitement", "relief", "love"}
)
FRESH = Mood(-0.8, -0.5, -0.8, -0.5, readings=1)
WEARY = replace(FRESH, readings=3)


def reading(label: str = "neutral", *, minutes: float = 0, days: float = 0, thread: str = "t") -> Reading:
    return Reading(NOW - timedelta(days=days, minutes=minutes), thread, *CIRCUMPLEX[label], label)


def felt(label: str, act: str | None = None, level: Level = "none", **kinds: float) -> Understanding:
    emotion = Emotion({label: 0.8}, *CIRCUMPLEX[label], labels=(label,))
    return Understanding(emotion=emotion, risk=Risk(level, kinds), act=act)


def mood_after(*readings: Reading) -> Mood:
    found = mood(readings[:-1], readings[-1], now=NOW, thread="t")
    assert found is not None
    return found


def days_of(label: str) -> tuple[Reading, ...]:
    return tuple(reading(label, days=days, thread="old") for days in (3, 2.5, 2, 1.5, 1))


# Mood


def test_of_somebody_who_has_said_nothing_there_is_no_mood() -> None:
    assert mood([], None, now=NOW) is None


def test_the_first_message_is_the_mood_and_changes_nothing() -> None:
    found = mood_after(reading("sadness"))
    assert (found.valence, found.usual_valence, found.readings, found.change) == (-0.8, -0.8, 1, None)


def test_after_a_half_life_a_message_weighs_half() -> None:
    found = mood_after(reading("joy", minutes=20), reading("neutral"))
    assert found.valence == pytest.approx(0.9 * 0.5 / 1.5)
    assert found.arousal == pytest.approx(0.5 * 0.5 / 1.5)


def test_after_three_days_a_day_weighs_half() -> None:
    found = mood_after(reading("joy", days=4), reading("neutral", days=1), reading("neutral"))
    assert found.usual_valence == pytest.approx(0.9 * 0.5 / 1.5)


def test_a_clock_that_was_set_back_breaks_nothing() -> None:
    found = mood([reading("joy", days=-900)], reading("sadness"), now=NOW, thread="t")
    assert found is not None
    assert found.readings == 2


def test_what_was_said_elsewhere_an_hour_ago_is_neither_this_conversation_nor_the_days_before() -> None:
    found = mood_after(reading("joy", minutes=60, thread="work"), reading("sadness"))
    assert (found.readings, found.usual_readings) == (1, 0)


def test_the_same_thread_a_day_later_is_another_conversation() -> None:
    found = mood_after(reading("joy", days=1), reading("sadness"))
    assert (found.readings, found.usual_readings) == (1, 1)


def test_who_asks_later_is_told_of_the_days_before() -> None:
    found = mood([reading("sadness", days=1)], None, now=NOW, thread="new")
    assert found is not None
    assert (found.valence, found.readings, found.usual_readings) == (-0.8, 0, 1)


def test_without_a_thread_it_is_that_of_the_newest_message() -> None:
    found = mood([reading("joy", minutes=9, thread="a"), reading("sadness", thread="b")], None, now=NOW)
    assert found is not None
    assert (found.valence, found.readings) == (-0.8, 1)


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        ("sadness", "joy", "lighter"),
        ("joy", "sadness", "heavier"),
        ("neutral", "sadness", "heavier"),
        ("annoyance", "nervousness", None),
        ("disappointment", "nervousness", "tenser"),
        ("nervousness", "remorse", "calmer"),
        ("relief", "excitement", None),  # high spirits are no tension
        ("excitement", "approval", None),  # and a quiet joy is no relief from them
        ("sadness", "sadness", None),
    ],
)
def test_a_change_against_the_days_before_is_noticed(before: str, now: str, change: str | None) -> None:
    found = mood_after(*days_of(before), reading(now, minutes=2), reading(now))
    assert found.change == change


def test_one_message_proves_no_change() -> None:
    assert mood_after(*days_of("joy"), reading("grief")).change is None


def test_one_day_proves_no_change() -> None:
    assert mood_after(reading("joy", days=1), reading("grief", minutes=1), reading("grief")).change is None


def test_two_messages_hours_apart_prove_no_change() -> None:
    assert mood_after(*days_of("joy"), reading("grief", minutes=120), reading("grief")).change is None


def test_days_that_are_long_past_prove_no_change() -> None:
    old = tuple(replace(each, at=each.at - timedelta(days=12)) for each in days_of("joy"))
    assert mood_after(*old, reading("grief", minutes=1), reading("grief")).change is None


def test_a_good_day_after_a_splendid_one_is_not_heavy() -> None:
    assert mood_after(*days_of("joy"), reading("curiosity", minutes=1), reading("curiosity")).change is None


def test_a_change_is_new_until_it_could_be_told() -> None:
    talk = [*days_of("sadness"), reading("neutral", minutes=4), reading("joy", minutes=3)]
    first = mood_after(*talk)
    again = mood_after(*talk, reading("joy"))
    assert (first.change, first.noticed) == ("lighter", False)
    assert (again.change, again.noticed) == ("lighter", True)


def test_a_change_behind_small_talk_stays_new() -> None:
    talk = [*days_of("sadness"), *(reading("admiration", minutes=minutes) for minutes in (4, 3, 2))]
    found = mood_after(*talk, reading("joy"))
    assert (found.change, found.noticed) == ("lighter", False)


# Support


def strategies(*given: str | None, mood: Mood | None = None) -> Sequence[str]:
    return support(felt(*given), mood, language="en").strategies  # type: ignore[arg-type]


def note(understanding: Understanding, mood: Mood | None = None) -> str:
    return support(understanding, mood, language="en").note


@pytest.mark.parametrize("label", ["grief", "sadness", "remorse", "disappointment", "embarrassment"])
def test_in_grief_the_feeling_comes_first_and_no_advice(label: str) -> None:
    assert strategies(label) == ("reflection", "restatement", "affirmation")
    assert "comfort them before you give advice" in note(felt(label))


def test_who_grieves_and_asks_is_comforted_before_the_advice() -> None:
    assert strategies("grief", "advice_seeking")[:3] == ("reflection", "restatement", "affirmation")
    assert strategies("grief", "advice_seeking")[3:] == ("suggestion", "information")
    assert "comfort them, then you offer one small step" in note(felt("grief", "advice_seeking"))


def test_a_question_in_sorrow_is_answered_after_the_comfort() -> None:
    assert strategies("sadness", "question")[-1] == "information"
    assert note(felt("sadness", "question")).endswith("You comfort them, then you answer.")


def test_a_request_in_sorrow_is_done_after_the_comfort() -> None:
    assert note(felt("sadness", "request")).endswith("You comfort them, then you do what they ask.")


@pytest.mark.parametrize("label", ["joy", "pride", "excitement", "relief", "love"])
def test_joy_is_shared_and_asked_about(label: str) -> None:
    assert strategies(label) == ("affirmation", "self_disclosure", "question")
    assert "You share the joy and ask one question" in note(felt(label))


@pytest.mark.parametrize("label", ["anger", "annoyance", "disgust"])
def test_anger_is_understood_and_gets_no_advice(label: str) -> None:
    assert strategies(label) == ("reflection", "restatement")
    assert "say why that makes sense before you give advice" in note(felt(label))


@pytest.mark.parametrize("label", ["fear", "nervousness"])
def test_fear_gets_comfort_and_then_one_small_step(label: str) -> None:
    assert strategies(label) == ("reflection", "affirmation", "suggestion")
    assert "comfort them and offer one small step" in note(felt(label))


def test_the_weary_are_asked_nothing() -> None:
    given = support(felt("sadness"), WEARY, language="en")
    assert given.strategies == ("affirmation", "reflection")
    assert given.note.endswith("You say one kind, short thing and ask nothing.")


@pytest.mark.parametrize("rested", [FRESH, replace(WEARY, valence=-0.1), replace(WEARY, arousal=0.1), None])
def test_a_bad_moment_is_no_exhaustion(rested: Mood | None) -> None:
    assert "worn out" not in note(felt("sadness"), rested)


@pytest.mark.parametrize("label", ["anger", "fear", "joy"])
def test_whoever_is_stirred_is_not_taken_for_weary(label: str) -> None:
    assert "worn out" not in note(felt(label), WEARY)


def test_the_same_words_in_two_moods_get_two_notes() -> None:
    assert note(felt("sadness"), FRESH) != note(felt("sadness"), WEARY)


@pytest.mark.parametrize(("label", "act"), list(product(QUIET, [None, *ACTS])))
def test_small_talk_gets_no_note(label: str, act: str | None) -> None:
    assert support(felt(label, act), WEARY, language="en").note == ""


def test_what_was_not_understood_gets_no_note() -> None:
    assert support(Understanding(), None, language="en").strategies == ()
    assert note(Understanding(), WEARY) == ""


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("question", ("information",)),
        ("advice_seeking", ("suggestion", "information")),
        ("request", ("suggestion",)),
        ("greeting", ()),
    ],
)
def test_a_plain_question_asks_for_information_or_a_suggestion(act: str, expected: tuple[str, ...]) -> None:
    assert strategies("neutral", act) == expected


def test_trouble_without_a_word_of_feeling_is_comforted() -> None:
    given = support(felt("neutral", None, "concern", self_harm=0.7, violence=0.1), None, language="en")
    assert "who is troubled. You comfort them" in given.note


def test_nobody_shares_the_joy_of_somebody_in_danger() -> None:
    assert "comfort" in note(felt("joy", None, "concern", self_harm=0.7))


@pytest.mark.parametrize("kind", ["hate", "prompt_injection", "dangerous_instructions"])
def test_who_asks_for_harm_is_not_comforted(kind: str) -> None:
    assert note(felt("neutral", "request", "concern", **{kind: 0.9})) == ""


def test_a_change_is_told_once_beside_a_feeling_that_it_fits() -> None:
    lighter = replace(FRESH, change="lighter")
    assert "lighter than in the last days" in note(felt("joy"), lighter)
    assert "lighter" not in note(felt("joy"), replace(lighter, noticed=True))
    assert "lighter" not in note(felt("sadness"), lighter)


def test_a_change_for_the_worse_is_not_told_to_somebody_glad() -> None:
    heavier = replace(FRESH, change="heavier")
    assert "heavier" in note(felt("sadness"), heavier)
    assert "heavier" not in note(felt("joy"), heavier)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_note_is_short_and_filled_in(language: str) -> None:
    for label, act, change, readings in product(
        EMOTIONS, [None, *ACTS], ["lighter", "heavier", "calmer", "tenser"], [1, 3]
    ):
        changed = replace(FRESH, change=change, readings=readings)  # type: ignore[arg-type]
        said = support(felt(label, act), changed, language=language).note  # type: ignore[arg-type]
        assert words(said) <= 40
        assert "{" not in said


def test_a_chinese_note_is_chinese_throughout() -> None:
    said = support(felt("grief"), replace(WEARY, change="heavier"), language="zh").note
    assert (
        said
        == "你体会着对方的悲痛和疲惫。你说一句简短、温暖的话，不提问。对方听起来比前几天沉重，你轻轻地说你注意到了。"
    )
