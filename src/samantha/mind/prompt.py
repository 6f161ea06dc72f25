"""Turn -> prompt, ordered so that the KV cache is reused, and cut so that it fits.

Order: persona, few-shot examples, the conversation (append-only), the note of this moment, the newest message.
Only the last two are new at each turn; everything before them is already read. Not here: counting tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from samantha.core.errors import MessageError, PersonaError
from samantha.core.types import Message, Prompt, Turn

NOTE = 72  # tokens that history leaves free: 60 of a note and its role markers, whether there is one or not
BLOCK = 0.25  # of the room for history leaves at once, so that the prefix then holds for many turns


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of a prompt before it is known what fits."""

    persona: Message
    examples: tuple[Message, ...]
    history: tuple[Message, ...]
    newest: tuple[Message, ...]  # the note, if there is one, and the message to answer

    @property
    def messages(self) -> tuple[Message, ...]:
        return (self.persona, *self.examples, *self.history, *self.newest)


def draft(turn: Turn, *, persona: str, examples: Sequence[Message], note: str = "") -> Draft:
    """Everything that could be said to the engine for `turn`."""
    newest = (Message("system", note),) if note else ()
    return Draft(Message("system", persona), tuple(examples), turn.history, (*newest, turn.message))


def fit(parts: Draft, counts: Sequence[int], *, limit: int) -> Prompt:
    """The draft cut to `limit` tokens. `counts` holds the tokens of each of `parts.messages`, in order.

    The persona and the newest message always stay. The oldest turns leave first, in blocks that depend only on
    the conversation, so that the same turns are missing at the next turn too. Then go the note and the examples.
    Raises `MessageError` where the newest message alone is too long, `PersonaError` where the persona is.
    """
    examples_end = 1 + len(parts.examples)
    history_end = examples_end + len(parts.history)
    message_at = history_end + len(parts.newest[:-1])
    persona, examples, history = counts[0], sum(counts[1:examples_end]), counts[examples_end:history_end]
    note, message = sum(counts[history_end:message_at]), sum(counts[message_at:])
    _require_room(persona, message, limit=limit)
    room = limit - persona - message
    newest = parts.newest if note <= room else parts.newest[-1:]
    room -= note if newest == parts.newest else 0
    kept_examples = parts.examples if examples <= room else ()
    room -= examples if kept_examples else 0
    reserved = max(0, min(room, NOTE - note))
    first = _first_kept(parts.history, history, room=room - reserved, block=max(1, int(limit * BLOCK)))
    messages = (parts.persona, *kept_examples, *parts.history[first:], *newest)
    return Prompt(messages, tokens=limit - room + sum(history[first:]), limit=limit, dropped=first)


def _require_room(persona: int, message: int, *, limit: int) -> None:
    if persona * 2 > limit:
        raise PersonaError(
            "The persona takes {tokens} of the {limit} tokens that this brain can read. "
            "Shorten it, or set a larger model.context.",
            tokens=persona,
            limit=limit,
        )
    if persona + message > limit:
        raise MessageError(
            "This message has about {tokens} tokens, and this brain can read {room} at once. "
            "Send it in parts, or set a larger model.context.",
            tokens=message,
            room=limit - persona,
        )


def dropped_a_turn_ago(parts: Draft, counts: Sequence[int], *, limit: int) -> int:
    """How many messages had left the prompt of the turn before this one; 0 where nothing of it fits any more."""
    if len(parts.history) < 2:
        return 0
    history_end = 1 + len(parts.examples) + len(parts.history)
    before = replace(parts, history=parts.history[:-2], newest=parts.history[-2:-1])
    try:
        return fit(before, counts[: history_end - 1], limit=limit).dropped
    except MessageError:  # that message was read by a brain with more room
        return 0


def _first_kept(history: Sequence[Message], counts: Sequence[int], *, room: int, block: int) -> int:
    """Index of the first message that stays: whole blocks of tokens have left before it; it is a person's."""
    excess = sum(counts) - room
    if excess <= 0:
        return 0
    leaving = -(-excess // block) * block  # the next whole block
    gone = index = 0
    while index < len(history) and (gone < leaving or history[index].role != "user"):
        gone += counts[index]
        index += 1
    return index
