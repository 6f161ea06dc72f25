"""A fake of every port, for this project's tests and for whoever writes another adapter.

Nothing here pretends to be a model: a scripted generator says what it was told to say.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from samantha.core.errors import MessageError, SamanthaError
from samantha.core.ports import MOST_READINGS, READ_BACK, Brain, Delta, Past, Sound, Thread
from samantha.core.types import (
    Conversation,
    Decision,
    Finish,
    Memory,
    Message,
    Reading,
    Reply,
    Sampling,
    Turn,
    Understanding,
)
from samantha.mind.pieces import words

Texts = list[str]
Calls = list[tuple[str, str]]  # the verb and what it was given


class Unfeeling:
    """An encoder that understands nothing and says so."""

    async def understand(self, texts: Sequence[str]) -> list[Understanding]:
        return [Understanding() for _ in texts]


class ScriptedGenerator:
    """Says the given replies in turn, word by word, and the last one again and again.

    A reply that is an error is raised; a tuple says its texts and then raises the error at its end. `heard`
    holds the messages of each request.
    """

    def __init__(
        self,
        replies: Iterable[str | SamanthaError | tuple[str | SamanthaError, ...]] = ("Hello.",),
        *,
        brain: Brain = Brain("scripted", context=1024, languages=("en",)),
        delay: float = 0.0,
    ) -> None:
        self.brain = brain
        self.heard: list[tuple[Message, ...]] = []
        self.read_ahead: list[tuple[Message, ...]] = []
        self.stopped = 0  # streams that were closed before their end
        self._replies = list(replies)
        self._delay = delay  # seconds before each word

    async def count(self, messages: Sequence[Message]) -> list[int]:
        return [words(message.text) + 4 for message in messages]

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        self.heard.append(tuple(messages))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        parts = reply if isinstance(reply, tuple) else (reply,)
        prompt_tokens, said, ended = sum(await self.count(messages)), 0, False
        try:
            for part in parts:
                if isinstance(part, SamanthaError):
                    ended = True
                    raise part
                for word in _words_with_space(part):
                    await asyncio.sleep(self._delay)
                    if said == sampling.max_tokens or any(stop in word for stop in sampling.stop):
                        break
                    said += 1
                    yield Delta(word)
            ended = True
            finish: Finish = "length" if said == sampling.max_tokens else "stop"
            yield Delta("", finish, prompt_tokens=prompt_tokens, completion_tokens=said)
        finally:
            self.stopped += not ended

    async def read(self, messages: Sequence[Message]) -> None:
        self.read_ahead.append(tuple(messages))

    async def aclose(self) -> None:
        """Nothing to close."""


def _words_with_space(text: str) -> list[str]:
    found, start = [], 0
    for index, character in enumerate(text):
        if character == " " and index > start:
            found.append(text[start:index])
            start = index
    return [*found, text[start:]] if text[start:] else found


@dataclass
class Kept:
    """What a `ListJournal` holds of a turn."""

    message: Message  # with its parent settled
    conversation: Conversation
    pieces: Texts = field(default_factory=list)
    finish: Finish = "open"
    reading: Reading | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said on both sides; nothing where no word of a reply came."""
        reply = "".join(self.pieces)
        return (self.message, Message("assistant", reply, parent=self.message.id)) if reply else ()


@dataclass
class ListJournal:
    """Implements `Journal` and `Threads` of `samantha.core.ports` in memory.

    `log` holds each call in order, for tests about what is written before what is shown.
    """

    log: Calls = field(default_factory=list)
    turns: dict[str, Kept] = field(default_factory=dict)
    heads: dict[tuple[str, str], str] = field(default_factory=dict)  # (person, thread) -> its newest turn
    updated: dict[tuple[str, str], datetime] = field(default_factory=dict)

    async def hear(self, message: Message, conversation: Conversation, at: datetime) -> Past:
        self.log.append(("hear", message.text))
        turn = self._known(message, conversation) or self._new(message, conversation, at)
        readings = self._readings(conversation.person, at - READ_BACK, but=message.id)[-MOST_READINGS:]
        past = Past(turn.message, self._branch(turn.message.parent or ""), readings=readings)
        if turn.finish in ("stop", "length"):
            return replace(past, reply=Reply("".join(turn.pieces), turn.finish))
        turn.pieces, turn.finish = [], "open"
        self.heads[_place(conversation)] = message.id
        return past

    async def say(self, turn_id: str, piece: str) -> None:
        self.log.append(("say", piece))
        self.turns[turn_id].pieces.append(piece)

    async def commit(self, turn: Turn) -> None:
        self.log.append(("commit", turn.reply.finish))
        kept = self.turns[turn.id]
        kept.pieces, kept.finish = [turn.reply.text], turn.reply.finish
        kept.reading = turn.reading or kept.reading
        self.updated[_place(turn.conversation)] = turn.at or datetime.now(UTC)

    async def list(self, person: str) -> tuple[Thread, ...]:
        newest_first = sorted(self.updated, key=lambda place: self.updated[place], reverse=True)
        return tuple(self._thread(place) for place in newest_first if place[0] == person)

    async def history(self, person: str, thread: str) -> tuple[Message, ...]:
        return self._branch(self.heads.get((person, thread), ""))

    async def rewind(self, person: str, thread: str) -> Message | None:
        head = self.heads.get((person, thread), "")
        if not head:
            return None
        undone = self.turns[head].message
        self.heads[person, thread] = undone.parent or ""
        return undone

    async def readings(self, person: str, since: datetime) -> tuple[Reading, ...]:
        return self._readings(person, since)

    def _readings(self, person: str, since: datetime, *, but: str = "") -> tuple[Reading, ...]:
        theirs = [turn for turn in self.turns.values() if turn.conversation.person == person]
        found = [turn.reading for turn in theirs if turn.reading and turn.message.id != but]
        return tuple(sorted((one for one in found if one.at >= since), key=lambda one: one.at))

    def _known(self, message: Message, conversation: Conversation) -> Kept | None:
        known = self.turns.get(message.id)
        if known and (known.message.text, _place(known.conversation)) != (message.text, _place(conversation)):
            raise MessageError(
                "The message id '{id}' was already used for another message. Give each message its own.", id=message.id
            )
        return known

    def _new(self, message: Message, conversation: Conversation, at: datetime) -> Kept:
        place = _place(conversation)
        parent = self.heads.get(place, "") if message.parent is None else message.parent
        if parent and (parent not in self.turns or _place(self.turns[parent].conversation) != place):
            raise MessageError(
                "The parent '{parent}' is not a message of this conversation. Leave it out to continue.", parent=parent
            )
        turn = self.turns[message.id] = Kept(replace(message, parent=parent), conversation)
        self.heads[place], self.updated[place] = message.id, at
        return turn

    def _branch(self, head: str) -> tuple[Message, ...]:
        """What was said up to and including turn `head`, oldest first."""
        messages: tuple[Message, ...] = ()
        while head:
            turn = self.turns[head]
            messages, head = turn.messages + messages, turn.message.parent or ""
        return messages

    def _thread(self, place: tuple[str, str]) -> Thread:
        said = [turn.message.text for turn in self.turns.values() if _place(turn.conversation) == place]
        return Thread(place[1], " ".join(said[0].split())[:60], len(said), self.updated[place])


def _place(conversation: Conversation) -> tuple[str, str]:
    return conversation.person, conversation.thread


@dataclass
class ScriptedEncoder:
    """Understands each text as it is told to, and nothing of the others. `heard` holds what it was given."""

    understandings: Mapping[str, Understanding] = field(default_factory=dict)  # by the whole text
    otherwise: Understanding = Understanding()
    heard: Texts = field(default_factory=list)

    async def understand(self, texts: Sequence[str]) -> list[Understanding]:
        self.heard += texts
        return [self.understandings.get(text, self.otherwise) for text in texts]


@dataclass
class ScriptedMemories:
    """Recalls the given memories at every turn, the most important first. `asked` holds the messages."""

    memories: tuple[Memory, ...] = ()
    asked: Texts = field(default_factory=list)

    async def recall(self, turn: Turn) -> tuple[Memory, ...]:
        self.asked.append(turn.message.text)
        return tuple(sorted(self.memories, key=lambda memory: -memory.score))


@dataclass
class ScriptedPolicy:
    """Decides what it is told, and replaces words in pieces."""

    decision: Decision = Decision()
    replace: tuple[str, str] = ("", "")

    def decide(self, turn: Turn) -> Decision:
        return self.decision

    def check(self, piece: str, turn: Turn) -> str:
        old, new = self.replace
        return piece.replace(old, new) if old else piece


@dataclass
class SteppingClock:
    """Each look at it is `step` later than the last."""

    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    step: timedelta = timedelta(milliseconds=1)
    looks: int = 0

    def now(self) -> datetime:
        return self.start + self._elapsed()

    def monotonic(self) -> float:
        return self._elapsed().total_seconds()

    def _elapsed(self) -> timedelta:
        self.looks += 1
        return self.looks * self.step


class SilentVoice:
    """Speaks 50 ms of silence a word; a new sentence is a new sound."""

    rate = 24_000

    async def speak(self, text: str) -> AsyncGenerator[Sound, None]:
        for sentence in (one for one in text.replace("!", ".").replace("?", ".").split(".") if words(one)):
            yield Sound(bytes(4 * math.ceil(0.05 * self.rate) * words(sentence)), self.rate)
