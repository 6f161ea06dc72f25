"""Mood over a conversation and over days, and what support a moment asks for.

`mood` is two exponentially weighted means of readings, `support` a table from feeling, act and mood to Hill's
helping skills and to the short note that the brain reads. Not here: how a message sounds (the encoder).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from samantha.core.text import Language
from samantha.core.types import Change, Mood, Reading, Strategy, Support, Understanding

CONVERSATION = timedelta(minutes=20)  # half-life: a feeling that was talked about is half over after so long
DAYS = timedelta(days=3)  # half-life: a bad day colours the week, but not the next one
APART = timedelta(hours=6)  # what is older belongs to the days before: a night lies between, or a day's work
ENOUGH_NOW = 1.5  # weight of readings, one made now is 1: a second message within a half-life, for one proves nothing
ENOUGH_BEFORE = 2.0  # the same of the days before: four messages half a week ago
CHANGED = 0.25  # of -1..1: a third of the way from nothing to sadness or joy; everyday talk swings by less
WEARY_AFTER = 3  # messages; fewer are a bad moment
WEARY_VALENCE, WEARY_AROUSAL = -0.2, -0.05  # of their mean, and below: sad and slow, which anger and fear are not


# -- mood -------------------------------------------------------------------------------------------------------


def mood(
    readings: Sequence[Reading], newest: Reading | None, *, now: datetime, thread: str | None = None
) -> Mood | None:
    """How the person is in `thread` and was in the days before it; None where nothing is known of either.

    `readings` are oldest first, `newest` is that of the message just heard. Without `thread` it is that of the
    newest reading. Readings of other threads count once they are `APART` hours old.
    """
    said = [*readings, newest] if newest else list(readings)
    place = said[-1].thread if said and thread is None else thread
    here = [one for one in said if one.thread == place and now - one.at <= APART]
    before = [one for one in said if now - one.at > APART]
    if not here and not before:
        return None
    along = list(_averages(here, CONVERSATION))
    usual = _average(before, DAYS, now) if before else along[-1]
    current = _average(here, CONVERSATION, now) if here else usual
    change = _change(current, usual) if here and before else None
    return Mood(
        valence=current.valence,
        arousal=current.arousal,
        usual_valence=usual.valence,
        usual_arousal=usual.arousal,
        readings=len(here),
        usual_readings=len(before),
        change=change,
        noticed=any(
            _can_be_told(change, one.label) and _change(then, usual) == change
            for one, then in zip(here[:-1], along, strict=False)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Average:
    """A mean of readings in which each weighs half of what it weighed a half-life ago."""

    weight: float = 0.0  # of all of them; one made just now weighs 1
    valence: float = 0.0
    arousal: float = 0.0

    def fading(self, elapsed: timedelta, half_life: timedelta) -> "_Average":
        return replace(self, weight=self.weight * 0.5 ** max(0.0, elapsed / half_life))  # clocks may be set back

    def taking(self, reading: Reading) -> "_Average":
        weight = self.weight + 1
        return _Average(
            weight,
            self.valence + (reading.valence - self.valence) / weight,
            self.arousal + (reading.arousal - self.arousal) / weight,
        )


def _averages(readings: Sequence[Reading], half_life: timedelta) -> Iterator[_Average]:
    """The average as it stood after each reading."""
    average = _Average()
    for before, one in zip([*readings[:1], *readings], readings, strict=False):
        average = average.fading(one.at - before.at, half_life).taking(one)
        yield average


def _average(readings: Sequence[Reading], half_life: timedelta, now: datetime) -> _Average:
    *_, last = _averages(readings, half_life)
    return last.fading(now - readings[-1].at, half_life)


def _change(current: _Average, usual: _Average) -> Change | None:
    if current.weight < ENOUGH_NOW or usual.weight < ENOUGH_BEFORE:
        return None
    valence, arousal = current.valence - usual.valence, current.arousal - usual.arousal
    if valence >= CHANGED:
        return "lighter"
    if valence <= -CHANGED and current.valence < 0:  # a good day after a splendid one is not heavy
        return "heavier"
    if arousal >= CHANGED and current.valence < 0:  # high spirits are no tension
        return "tenser"
    if arousal <= -CHANGED and usual.valence < 0:
        return "calmer"
    return None


# -- support ----------------------------------------------------------------------------------------------------

_Moment = Literal["heavy", "weary", "angry", "afraid", "glad"]
_Asking = Literal["", "question", "advice_seeking", "request"]

_MOMENTS: dict[str, _Moment] = {
    **dict.fromkeys(("grief", "sadness", "remorse", "disappointment", "embarrassment"), "heavy"),
    **dict.fromkeys(("anger", "annoyance", "disgust"), "angry"),
    **dict.fromkeys(("fear", "nervousness"), "afraid"),
    **dict.fromkeys(("joy", "pride", "excitement", "relief", "love"), "glad"),
}
"""The emotions that ask for something; the others are small talk, and a note would only be in its way."""

_PERSONAL = frozenset(("self_harm", "eating_disorder", "abuse"))  # risks of who suffers; the others are no sorrow
_UNNAMED = "unnamed"  # trouble without a word of feeling

_STRATEGIES: dict[_Moment, tuple[Strategy, ...]] = {
    "heavy": ("reflection", "restatement", "affirmation"),
    "weary": ("affirmation", "reflection"),
    "angry": ("reflection", "restatement"),
    "afraid": ("reflection", "affirmation", "suggestion"),
    "glad": ("affirmation", "self_disclosure", "question"),
}
_ANSWERING: dict[_Asking, tuple[Strategy, ...]] = {
    "question": ("information",),
    "advice_seeking": ("suggestion", "information"),
    "request": ("suggestion",),
}
_AFTERWARDS: frozenset[Strategy] = frozenset(("suggestion", "information", "question"))  # never before the feeling

_NOTES: dict[Language, dict[_Moment, tuple[str, str, str]]] = {
    "en": {
        "heavy": ("You feel with this person, who is {feeling}.", "You comfort them", " before you give advice."),
        "weary": (
            "You feel with this person, who is {feeling} and worn out.",
            "You say one kind, short thing",
            " and ask nothing.",
        ),
        "angry": (
            "You feel with this person, who is {feeling}.",
            "You say why that makes sense",
            " before you give advice.",
        ),
        "afraid": ("You feel with this person, who is {feeling}.", "You comfort them", " and offer one small step."),
        "glad": (
            "You are glad with this person, who is {feeling}.",
            "You share the joy",
            " and ask one question about it.",
        ),
    },
    "zh": {
        "heavy": ("你体会着对方的{feeling}。", "你先安慰对方", "，先不给建议。"),
        "weary": ("你体会着对方的{feeling}和疲惫。", "你说一句简短、温暖的话", "，不提问。"),
        "angry": ("你理解对方的{feeling}。", "你先说这为什么可以理解", "，先不给建议。"),
        "afraid": ("你体会着对方的{feeling}。", "你先安慰对方", "，再给一个小小的建议。"),
        "glad": ("你为对方的{feeling}感到高兴。", "你先分享这份喜悦", "，再问一个相关的问题。"),
    },
}
"""How she takes the feeling, what she does about it first, and how that goes on where nothing is asked.

In the second person, like the persona: of six ways of saying it, the default brain followed this one most.
"""
_THEN: dict[Language, dict[_Asking, str]] = {
    "en": {
        "question": ", then you answer.",
        "advice_seeking": ", then you offer one small step.",
        "request": ", then you do what they ask.",
    },
    "zh": {
        "question": "，然后回答。",
        "advice_seeking": "，然后给一个小小的建议。",
        "request": "，然后照对方的请求做。",
    },
}
_CHANGES: dict[Language, dict[Change, str]] = {
    "en": {
        "lighter": "They sound lighter than in the last days: you say that you noticed.",
        "heavier": "They sound heavier than in the last days: you gently say that you noticed.",
        "calmer": "They sound calmer than in the last days: you say that you noticed.",
        "tenser": "They sound tenser than in the last days: you gently say that you noticed.",
    },
    "zh": {
        "lighter": "对方听起来比前几天轻松，你说你注意到了。",
        "heavier": "对方听起来比前几天沉重，你轻轻地说你注意到了。",
        "calmer": "对方听起来比前几天平静，你说你注意到了。",
        "tenser": "对方听起来比前几天紧绷，你轻轻地说你注意到了。",
    },
}
_FEELINGS: dict[Language, dict[str, str]] = {
    "en": {
        "grief": "grieving", "sadness": "sad", "remorse": "full of regret", "disappointment": "disappointed",
        "embarrassment": "embarrassed", "anger": "angry", "annoyance": "annoyed", "disgust": "disgusted",
        "fear": "afraid", "nervousness": "nervous", "joy": "happy", "pride": "proud", "excitement": "excited",
        "relief": "relieved", "love": "full of love", _UNNAMED: "troubled",
    },
    "zh": {
        "grief": "悲痛", "sadness": "难过", "remorse": "后悔", "disappointment": "失望", "embarrassment": "尴尬",
        "anger": "愤怒", "annoyance": "烦躁", "disgust": "厌恶", "fear": "害怕", "nervousness": "紧张", "joy": "开心",
        "pride": "自豪", "excitement": "兴奋", "relief": "轻松", "love": "喜爱", _UNNAMED: "难处",
    },
}  # fmt: skip


def support(understanding: Understanding, mood: Mood | None, *, language: Language) -> Support:
    """What this moment asks for. The note is empty where no feeling does: the prompt then stays as it was.

    Acknowledgement comes before advice, gladness is shared, the weary are asked little (Hill 2009). A change of
    mood is in the note once, and only beside a feeling that it fits.
    """
    asking = _asking(understanding)
    feeling = _feeling(understanding)
    if feeling is None:
        return Support(_ANSWERING.get(asking, ()))
    moment = _moment(feeling, mood)
    opening, deed, alone = _NOTES[language][moment]
    sentences = [
        opening.format(feeling=_FEELINGS[language][feeling]),
        deed + (_THEN[language][asking] if asking else alone),
    ]
    if mood and mood.change and not mood.noticed and _can_be_told(mood.change, feeling):
        sentences.append(_CHANGES[language][mood.change])
    return Support(_strategies(moment, asking), ("" if language == "zh" else " ").join(sentences))


def _asking(understanding: Understanding) -> _Asking:
    match understanding.act:
        case "question" | "advice_seeking" | "request" as asking:
            return asking
    return ""


def _feeling(understanding: Understanding) -> str | None:
    """The emotion that asks for support, if one does; trouble that is told without any feeling is one too."""
    label = understanding.emotion.strongest if understanding.emotion else ""
    risk = understanding.risk
    if label in _MOMENTS and not (risk and risk.level != "none" and _MOMENTS[label] == "glad"):
        return label
    if risk is None or risk.level == "none":
        return None
    likeliest = max(risk.kinds, key=lambda kind: risk.kinds[kind], default="")
    return _UNNAMED if not likeliest or likeliest in _PERSONAL else None


def _moment(feeling: str, mood: Mood | None) -> _Moment:
    moment = _MOMENTS.get(feeling, "heavy")
    weary = (
        mood is not None
        and mood.readings >= WEARY_AFTER
        and mood.valence <= WEARY_VALENCE
        and mood.arousal <= WEARY_AROUSAL
    )
    return "weary" if moment == "heavy" and weary else moment


def _strategies(moment: _Moment, asking: _Asking) -> tuple[Strategy, ...]:
    if not asking:
        return _STRATEGIES[moment]
    return (*(one for one in _STRATEGIES[moment] if one not in _AFTERWARDS), *_ANSWERING[asking])


def _can_be_told(change: Change | None, label: str) -> bool:
    """A change for the better belongs to a glad message, one for the worse to any other that asks for support."""
    moment = _MOMENTS.get(label)
    return moment is not None and (moment == "glad") == (change in ("lighter", "calmer"))
