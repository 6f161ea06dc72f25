"""What `Companion.respond()` yields: a closed union, in the order in which it happens.

    Heard  Felt  Notice*  Decided  (Recalled)  Notice*  Said*  Finished | Failed

`event_json` is the one form that leaves the process (server-sent events); the other `_json` functions are its
parts, for who shows one of them alone. Not here: how a surface shows them.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from samantha.core.errors import SamanthaError
from samantha.core.text import Text
from samantha.core.types import Decision, Emotion, Memory, Mood, Risk, Support, Turn, Understanding


@dataclass(frozen=True, slots=True)
class Heard:
    """The message is in the journal; nothing that happens now can lose it."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Felt:
    """How the message sounds, how the person has been, and what she means to do about it."""

    understanding: Understanding
    mood: Mood | None = None
    support: Support = field(default_factory=Support)


@dataclass(frozen=True, slots=True)
class Recalled:
    memories: tuple[Memory, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    decision: Decision


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the person must be told beside the reply: she is an AI, old turns no longer fit, ..."""

    kind: Literal["disclosure", "language", "context", "break"]
    text: Text


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the reply that has been checked and journalled. The pieces concatenate to the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    turn: Turn


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn ended without a whole reply; what was said until then is kept."""

    error: SamanthaError
    turn: Turn


Event = Heard | Felt | Notice | Decided | Recalled | Said | Finished | Failed


def event_json(event: Event) -> dict[str, Any]:
    """`event` as JSON-ready data: `{"type": "said", "text": ...}`. Texts are English; see `samantha.language`."""
    match event:
        case Heard(turn):
            return {
                "type": "heard",
                "id": turn.id,
                "parent": turn.message.parent,
                "thread": turn.conversation.thread,
                "text": turn.message.text,
            }
        case Felt(understanding, mood, support):
            return {
                "type": "felt",
                "understanding": _understanding_json(understanding),
                "mood": mood_json(mood),
                "support": {"strategies": list(support.strategies), "note": support.note},
            }
        case Notice(kind, text):
            return {"type": "notice", "kind": kind, "text": str(text)}
        case Decided(decision):
            return {
                "type": "decided",
                "kind": decision.kind,
                "reason": None if decision.reason is None else str(decision.reason),
            }
        case Recalled(memories):
            return {"type": "recalled", "memories": [asdict(memory) for memory in memories]}
        case Said(text):
            return {"type": "said", "text": text}
        case Finished(turn):
            return {"type": "finished", **_reply_json(turn)}
        case Failed(error, turn):
            return {"type": "failed", "error": type(error).__name__, "text": str(error), **_reply_json(turn)}


def _reply_json(turn: Turn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "reply": turn.reply.text,
        "finish": turn.reply.finish,
        "context": None
        if turn.prompt is None
        else {"tokens": turn.prompt.tokens, "limit": turn.prompt.limit, "dropped": turn.prompt.dropped},
        "timings": asdict(turn.reply.usage),
    }


def emotion_json(emotion: Emotion | None) -> dict[str, Any] | None:
    """`label` is the strongest of `labels`, or "neutral"."""
    if emotion is None:
        return None
    return {
        "label": emotion.strongest,
        "labels": list(emotion.labels),
        "valence": emotion.valence,
        "arousal": emotion.arousal,
        "probabilities": dict(emotion.probabilities),
    }


def risk_json(risk: Risk | None) -> dict[str, Any] | None:
    return None if risk is None else {"level": risk.level, "kinds": dict(risk.kinds)}


def mood_json(mood: Mood | None) -> dict[str, Any] | None:
    return None if mood is None else asdict(mood)


def _understanding_json(understanding: Understanding) -> dict[str, Any]:
    """Without the vector, which says nothing to a person and much to a machine."""
    return {
        "emotion": emotion_json(understanding.emotion),
        "risk": risk_json(understanding.risk),
        "sentiment": understanding.sentiment,
        "act": understanding.act,
        "heads": {head: dict(labels) for head, labels in understanding.heads.items()},
    }
