"""What may be said, and when to step in: the first rule, that nobody in danger is met with small talk.

A crisis is answered with a reviewed text in place of the model's answer, a concern with a line of help after it, and
soon after a crisis a harmless message is not met with small talk alone. What is detected, what is answered and where
it ends is published in docs/safety.md. Not here: reading danger out of words (the encoder, and
`samantha.mind.crisis_words`), the texts themselves (`samantha.mind.care`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from samantha.core.text import Language, text
from samantha.core.types import Decision, Level, Message, Reading, Turn
from samantha.core.understanding import LEVELS
from samantha.mind.care import Care, Situation, Topic, opening
from samantha.mind.crisis_words import hints_of_words, level_of_words, situation_of_words
from samantha.mind.language_of_text import language_of

ASKS_AFTER = 3  # messages after a crisis that do not pass without a question
QUIET = 6  # turns after a referral in which a concern does not bring another

LIKELY = 0.3  # probability from which on a kind of risk counts

_SITUATIONS: dict[str, tuple[Situation, tuple[Situation, ...]]] = {
    "self_harm": ("self_harm", ("attempt", "other")),
    "eating_disorder": ("eating_disorder", ("attempt",)),
    "abuse": ("abuse", ("minors",)),
    "violence": ("violence", ("minors", "abuse")),
    "minors": ("minors", ()),
}
"""A kind of risk -> what it is about, and what the words may make of it. The other kinds ask for no care."""

_CRISES: tuple[Topic, ...] = (
    "self_harm",
    "self_harm_again",
    "attempt",
    "abuse",
    "violence",
    "eating_disorder",
    "minors",
    "other",
)
_FEW_WORDS = 3  # a message of fewer, such as "ok", does not change the language of a conversation


@dataclass(frozen=True, slots=True)
class CarePolicy:
    """Decides from the message's level of risk and from the conversation so far.

    `country` (ISO 3166) chooses the lines of help; with "" the directory of all countries is named.
    """

    care: Care
    country: str = ""

    def decide(self, turn: Turn) -> Decision:
        match level_of(turn):
            case "crisis":
                return self._crisis(turn)
            case "concern" if not self._after_crisis(turn):
                return self._concern(turn)
            case _ if self._after_crisis(turn):
                return self._after(turn)
            case _:
                return Decision()

    def check(self, piece: str, turn: Turn) -> str:
        return piece

    def _crisis(self, turn: Turn) -> Decision:
        situation = situation_of(turn)
        topic: Topic = situation
        if situation == "self_harm" and self._goes_on(turn):
            topic = "self_harm_again"
        return Decision(
            "crisis",
            replacement=self._words(topic, situation, turn),
            reason=text("Somebody may be in danger here, so a reviewed text answers and not the brain."),
        )

    def _concern(self, turn: Turn) -> Decision:
        recent = _replies(turn.history)[-QUIET:]
        named = any(self.care.was_said((*_CRISES, "concern"), reply) for reply in recent)
        if named or not _asks_for_care(turn):
            return Decision("concern")
        return Decision(
            "concern",
            addition=self._words("concern", situation_of(turn), turn),
            reason=text("This sounds heavy, so a line of help follows the answer."),
        )

    def _after(self, turn: Turn) -> Decision:
        return Decision(
            "concern",
            addition=self._words("after", "self_harm", turn),
            reason=text("What was said a moment ago sounded dangerous, so she asks whether you are safe."),
        )

    def _goes_on(self, turn: Turn) -> bool:
        """Whether a crisis of this kind was spoken of before in this thread."""
        replies = _replies(turn.history)
        if any(self.care.was_said(("self_harm", "self_harm_again", "attempt"), reply) for reply in replies):
            return True
        others = any(self.care.was_said(_CRISES, reply) for reply in replies)
        return not others and any(reading.level == "crisis" for reading in _readings(turn))

    def _after_crisis(self, turn: Turn) -> bool:
        if any(reading.level == "crisis" for reading in _readings(turn)[-ASKS_AFTER:]):
            return True
        return any(self.care.was_said(_CRISES, reply) for reply in _replies(turn.history)[-ASKS_AFTER:])

    def _words(self, topic: Topic, situation: Situation, turn: Turn) -> str:
        """A text that was not said yet; once all were, the one whose turn it is."""
        language = language_of_turn(turn)
        texts = self.care.texts[topic][language]
        replies = _replies(turn.history)
        last_said = {one: _last_index(opening(one), replies) for one in texts}
        unsaid = [one for one in texts if last_said[one] < 0]
        chosen = _by_hash(turn.id, unsaid) if unsaid else min(texts, key=lambda one: last_said[one])
        return self.care.filled(chosen, situation, country=self.country, language=language)


def level_of(turn: Turn) -> Level:
    """The worse of what the encoder says and what the words say."""
    risk = turn.understanding.risk
    heard: Level = risk.level if risk else "none"
    return max(heard, level_of_words(turn.message.text) or "none", key=LEVELS.index)


def situation_of(turn: Turn) -> Situation:
    """What danger is about: by words that leave no doubt, else by the strongest kind of risk."""
    if certain := situation_of_words(turn.message.text):
        return certain
    kinds = _kinds_of_care(turn)
    situation, narrower = _SITUATIONS[max(kinds, key=lambda kind: kinds[kind], default="self_harm")]
    hinted = hints_of_words(turn.message.text)
    return next((one for one in narrower if one in hinted), situation)


def _kinds_of_care(turn: Turn) -> dict[str, float]:
    kinds = turn.understanding.risk.kinds if turn.understanding.risk else {}
    return {kind: sure for kind, sure in kinds.items() if kind in _SITUATIONS and sure >= LIKELY}


def _asks_for_care(turn: Turn) -> bool:
    """Whether a concern is one that a line of help answers: hate, for instance, is not."""
    kinds = turn.understanding.risk.kinds if turn.understanding.risk else {}
    return bool(_kinds_of_care(turn)) or all(sure < LIKELY for sure in kinds.values())


def language_of_turn(turn: Turn) -> Language:
    """The language of the message; of the person's last longer one where it is too short to tell, such as "ok"."""
    said = [message.text for message in turn.history if message.role == "user"]
    for one in reversed([*said, turn.message.text]):
        if language_of(one) == "zh" or len(one.split()) >= _FEW_WORDS:
            return language_of(one)
    return language_of(turn.message.text)


def _replies(history: Sequence[Message]) -> list[Message]:
    return [message for message in history if message.role == "assistant"]


def _readings(turn: Turn) -> list[Reading]:
    return [reading for reading in turn.readings if reading.thread == turn.conversation.thread]


def _last_index(words: str, replies: Sequence[Message]) -> int:
    """Where `words` were said last; -1 where they were not."""
    return max((index for index, reply in enumerate(replies) if words in reply.text), default=-1)


def _by_hash(name: str, texts: Sequence[str]) -> str:
    """One of `texts`, always the same for the same name."""
    return texts[int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % len(texts)]
