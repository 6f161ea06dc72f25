"""The protocols through which the companion reaches the outside: one to four methods each.

A third party writes one class and runs the contract tests in `tests/contract/` over it; `samantha.testing` has
a fake of each. Ears, Eyes and People arrive with the work that needs them.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

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

READ_BACK = timedelta(days=14)  # how far the journal looks for readings; older ones weigh under a 25th of a new one
MOST_READINGS = 200  # of them, the newest: two weeks of fourteen messages a day
CONTEXT = 4096  # tokens, where nobody asks for more: a long evening's talk, in 94 MB with the default brain


@dataclass(frozen=True, slots=True)
class Brain:
    """What a generator says about the model behind it."""

    name: str
    context: int  # tokens that prompt and reply may have together
    languages: tuple[str, ...] = ()  # ISO 639-1 codes it is known to speak; empty where nobody knows
    local: bool = True  # nothing that is said leaves this machine


@dataclass(frozen=True, slots=True)
class Delta:
    """A few more characters of a reply; the last one carries how it ended and what it cost."""

    text: str
    finish: Finish | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Generator(Protocol):
    """A language model: reads messages, writes text.

    Closing the iterator of `stream` stops the engine within a token or two. Raises `GeneratorError`.
    """

    @property
    def brain(self) -> Brain: ...

    async def count(self, messages: Sequence[Message]) -> list[int]:
        """Tokens that each message takes in the prompt, its role markers included."""
        ...

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        """Write the assistant's next message. The last `Delta` has a `finish`."""
        ...

    async def read(self, messages: Sequence[Message]) -> None:
        """Read messages into the KV cache ahead of need; does nothing where there is none to fill."""
        ...


@dataclass(frozen=True, slots=True)
class Past:
    """What the journal knows when a message arrives: the branch before it, and its reply if it had one."""

    message: Message  # with its id and parent settled
    history: tuple[Message, ...]
    reply: Reply | None = None
    readings: tuple[Reading, ...] = ()  # of the person's other messages, in all threads, oldest first


class Journal(Protocol):
    """What was truly said, written before it is shown. Raises `StorageError`."""

    async def hear(self, message: Message, conversation: Conversation, at: datetime) -> Past:
        """Record `message`, make it the newest of its thread, and return what precedes it.

        A known id returns its reply if that ended by itself ("stop", "length"); a reply that broke off is
        forgotten, and begun anew. The readings are those of the last `READ_BACK`, at most `MOST_READINGS`.
        """
        ...

    async def say(self, turn_id: str, piece: str) -> None:
        """Record one more piece of the reply to `turn_id`."""
        ...

    async def commit(self, turn: Turn) -> None:
        """Record how the turn ended, and how its message sounded. The reply is then exactly what was shown."""
        ...


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation in the journal, for choosing one."""

    id: str
    title: str  # the first words of the first message
    turns: int
    updated: datetime


class Threads(Protocol):
    """Looking into the journal, and going back in it. The SQLite journal is both `Journal` and `Threads`."""

    async def list(self, person: str) -> tuple[Thread, ...]:
        """The person's threads, newest first."""
        ...

    async def history(self, person: str, thread: str) -> tuple[Message, ...]:
        """The branch that the thread stands on, oldest first; an interrupted reply is in it as far as it got."""
        ...

    async def rewind(self, person: str, thread: str) -> Message | None:
        """Go back before the newest turn and return its message; the turn stays as a branch. None at the start."""
        ...

    async def readings(self, person: str, since: datetime) -> tuple[Reading, ...]:
        """How the person's messages sounded from `since` on, in all threads and branches, oldest first."""
        ...


class Encoder(Protocol):
    """Understands texts, each in one pass. Takes any text, of any length; raises `EncoderError` where it is broken."""

    async def understand(self, texts: Sequence[str]) -> list[Understanding]: ...


class Memories(Protocol):
    """Finds what matters now."""

    async def recall(self, turn: Turn) -> tuple[Memory, ...]: ...


class Policy(Protocol):
    """What may be said: before the model speaks, and at each piece it speaks. Pure; takes under 20 ms."""

    def decide(self, turn: Turn) -> Decision: ...

    def check(self, piece: str, turn: Turn) -> str:
        """The piece as it may be released."""
        ...


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of mono audio: 32-bit float little-endian samples in -1..1."""

    samples: bytes
    rate: int  # samples per second


class Voice(Protocol):
    """Speaks. Raises `VoiceError`."""

    def speak(self, text: str) -> AsyncGenerator[Sound, None]:
        """The sound of `text`, sentence by sentence."""
        ...


class Clock(Protocol):
    """Time as an argument, so that every conversation can be replayed."""

    def now(self) -> datetime:
        """The wall clock, with its zone."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        ...
