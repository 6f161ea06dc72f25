"""Feelings and moods in words for a person. Pure; not here: how they are told apart (`samantha.mind.feeling`)."""

from collections.abc import Iterator

from samantha.core.text import Text, text
from samantha.core.types import Change, Emotion, Mood

STRONG = 0.2  # of -1..1: closer to zero, neither valence nor arousal is worth a word

_CHANGES: dict[Change, Text] = {
    "lighter": text("You sound lighter than in the days before."),
    "heavier": text("You sound heavier than in the days before."),
    "calmer": text("You sound calmer than in the days before."),
    "tenser": text("You sound tenser than in the days before."),
}


def word(emotion: Emotion) -> Text:
    """The strongest emotion, by its own name."""
    return Text(emotion.strongest)


def sentences(mood: Mood) -> Iterator[Text]:
    """How somebody has been, in one sentence, and what changed, in another."""
    now, usual = _tone(mood.valence, mood.arousal), _tone(mood.usual_valence, mood.usual_arousal)
    if mood.readings and mood.usual_readings:
        yield text(
            "In this conversation you sound {now}; in the days before you sounded {usual}.", now=now, usual=usual
        )
    elif mood.readings:
        yield text("In this conversation you sound {now}.", now=now)
    else:
        yield text("In the last days you sounded {usual}.", usual=usual)
    if mood.change:
        yield _CHANGES[mood.change]


def _tone(valence: float, arousal: float) -> Text:
    """A place on the circumplex (Russell 1980), in a word or two."""
    if valence <= -STRONG:
        if arousal >= STRONG:
            return text("tense")
        return text("low and tired") if arousal <= -STRONG else text("low")
    if valence >= STRONG:
        if arousal >= STRONG:
            return text("glad and lively")
        return text("calm and content") if arousal <= -STRONG else text("glad")
    if arousal >= STRONG:
        return text("stirred")
    return text("calm") if arousal <= -STRONG else text("even")
