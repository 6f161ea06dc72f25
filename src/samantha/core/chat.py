"""Messages <-> model text, for training and serving alike, so that the two cannot drift.

A conversation becomes pieces, each marked as control (the template's own markers) or content (anybody's
words). Every piece is tokenized by itself, content with the special tokens switched off: whatever a person
writes, it cannot become a control token, and the tokens of a message do not depend on its neighbours.
Not here: a tokenizer, or Jinja templates other than ChatML (`samantha.adapters.chat_template`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from samantha.core.types import Message, Role


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of model text. `message` is the index of the message it belongs to; -1: opens the reply."""

    text: str
    control: bool
    message: int


ChatFormat = Callable[[Sequence[Message], bool], tuple[Piece, ...]]
"""`format(messages, reply)`: the pieces of `messages`; with `reply`, also those that open the assistant's turn."""

IM_START, IM_END = "<|im_start|>", "<|im_end|>"


def chatml(messages: Sequence[Message], reply: bool = True) -> tuple[Piece, ...]:
    """ChatML (OpenAI 2023): ``<|im_start|>role\\ntext<|im_end|>\\n`` a message."""
    pieces: list[Piece] = []
    for index, message in enumerate(messages):
        pieces += [
            Piece(f"{IM_START}{message.role}\n", True, index),
            Piece(message.text, False, index),
            Piece(f"{IM_END}\n", True, index),
        ]
    if reply:
        pieces.append(Piece(f"{IM_START}assistant\n", True, -1))
    return tuple(piece for piece in pieces if piece.text)


def parse_chatml(pieces: Sequence[Piece]) -> tuple[Message, ...]:
    """The inverse of `chatml`: `parse_chatml(chatml(messages)) == messages` for messages of role and text."""
    messages: list[Message] = []
    for piece in pieces:
        if piece.control and piece.text.startswith(IM_START) and piece.message >= 0:
            role = piece.text.removeprefix(IM_START).rstrip("\n")
            messages.append(Message(role, ""))  # type: ignore[arg-type]  # roles were checked when rendered
        elif not piece.control:
            messages[-1] = Message(messages[-1].role, piece.text)
    return tuple(messages)


def alternating(messages: Sequence[Message], *, system: bool = False) -> tuple[Message, ...]:
    """`messages` for a model that knows only user and assistant in turn (Gemma, Mistral), losing no word.

    System text opens the next user message, neighbours of one role become one, and before an assistant who
    speaks first stands an empty user message. With `system`, an opening system message stays what it is.
    """
    if system and messages and messages[0].role == "system":
        return (messages[0], *alternating(messages[1:]))
    turns: list[Message] = []
    for message in messages:
        role: Role = "assistant" if message.role == "assistant" else "user"
        if not turns and role == "assistant":
            turns.append(Message("user", ""))
        before = turns.pop().text if turns and turns[-1].role == role else ""
        turns.append(Message(role, "\n\n".join(filter(None, (before, message.text)))))
    return tuple(turns)


def plain_text(pieces: Sequence[Piece]) -> str:
    """What the model reads, as one string: for eyes, logs and reference templates, never for a tokenizer."""
    return "".join(piece.text for piece in pieces)
