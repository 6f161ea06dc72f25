"""A fake of every port, for this project's tests and for whoever writes another adapter.

Nothing here pretends to be a model: a scripted generator says what it was told to say.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from samantha.core.errors import SamanthaError
from samantha.core.ports import Brain, Delta, Past, Sound
from samantha.core.types import Conversation, Decision, Finish, Message, Reply, Sampling, Turn
from samantha.mind.pieces import words


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
class ListJournal:
    """A journal in a list; `log` holds each call in order, for tests about what is written before what is shown."""

    log: list[tuple[str, str]] = field(default_factory=list)
    turns: dict[str, tuple[Message, list[str]]] = field(default_factory=dict)

    async def hear(self, message: Message, conversation: Conversation, at: datetime) -> Past:
        self.log.append(("hear", message.text))
        if message.id in self.turns:
            known, pieces = self.turns[message.id]
            return Past(known, (), Reply("".join(pieces), "stop"))
        history = tuple(
            one
            for said, pieces in self.turns.values()
            if pieces
            for one in (said, Message("assistant", "".join(pieces), parent=said.id))
        )
        parent = next(reversed(self.turns), "") if message.parent is None else message.parent
        message = Message(message.role, message.text, message.id, parent)
        self.turns[message.id] = (message, [])
        return Past(message, history)

    async def say(self, turn_id: str, piece: str) -> None:
        self.log.append(("say", piece))
        self.turns[turn_id][1].append(piece)

    async def commit(self, turn: Turn) -> None:
        self.log.append(("commit", turn.reply.finish))


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
