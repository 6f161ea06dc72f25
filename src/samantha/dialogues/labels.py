"""Proposals for the labels of a conversation: how the person feels, and what it is about.

A person decides; see `samantha dialogues label`. Not here: reading texts (`samantha.adapters.onnx_encoder`).
"""

from collections.abc import Iterable, Sequence
from operator import mul

from samantha.core.types import Understanding
from samantha.core.understanding import EMOTIONS
from samantha.dialogues.shape import Dialogue

NEIGHBOURS = 5  # labelled conversations that decide a proposed theme


def said_by_person(one: Dialogue) -> str:
    """What the labels are about: the person's side of the conversation."""
    return "\n".join(message.text for message in one.messages if message.role == "user")


def emotion_of(understood: Understanding) -> str:
    """The strongest emotion; empty where the encoder has no word for it."""
    return understood.emotion.strongest if understood.emotion else ""


def theme_of(understood: Understanding, labelled: Iterable[tuple[Understanding, str]]) -> str:
    """The theme of the conversations that mean nearly the same (nearest neighbours by cosine); empty without any.

    `labelled` are conversations with the theme that a person gave them, read by the same encoder.
    """
    near = sorted(
        ((_cosine(understood.vector, other.vector), theme) for other, theme in labelled if theme), reverse=True
    )[:NEIGHBOURS]
    votes: dict[str, float] = {}
    for likeness, theme in near:
        votes[theme] = votes.get(theme, 0.0) + max(likeness, 0.0)
    return max(votes, key=lambda theme: votes[theme], default="")


def _cosine(one: Sequence[float] | None, other: Sequence[float] | None) -> float:
    return sum(map(mul, one, other)) if one and other else 0.0


def emotion_named(typed: str) -> str | None:
    """The emotion that `typed` is, or begins, or None where that is none or more than one."""
    typed = typed.strip().lower()
    found = [label for label in EMOTIONS if label == typed] or [label for label in EMOTIONS if label.startswith(typed)]
    return found[0] if typed and len(found) == 1 else None
