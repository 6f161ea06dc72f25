"""Answering many conversations at once: who runs, who waits, who has left.

Each turn runs in a task of its own, so that a slow or vanished client holds up nobody and stopping the task
closes the iterator of `Companion.respond()`. Not here: the forms that requests and replies have.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.types import Receive

from samantha.companion import Companion
from samantha.core.errors import ServerError
from samantha.core.events import Event, Failed, Finished, Heard, Said
from samantha.core.ports import Threads
from samantha.core.text import text
from samantha.core.types import Conversation, Message, Sampling, Turn
from samantha.language import Language
from samantha.surfaces.api.metrics import Metrics
from samantha.surfaces.api.replies import Refusal, stopping

WAITING = 4  # times as many turns may wait as may run; whoever comes then is told to try later

Events = MemoryObjectReceiveStream[Event]


class Service:
    """A companion shared by many clients. `language` is for clients that name none."""

    def __init__(self, companion: Companion, threads: Threads, *, parallel: int = 1, language: Language = "en") -> None:
        self.companion = companion
        self.threads = threads
        self.language = language
        self.stopping = False
        self.metrics = Metrics(running=lambda: self._running, waiting=lambda: len(self._turns) - self._running)
        self._most = parallel * (1 + WAITING)
        self._seats = asyncio.Semaphore(parallel)  # first come, first served
        self._turns: set[asyncio.Task[None]] = set()  # running and waiting
        self._running = 0

    @asynccontextmanager
    async def answer(
        self, message: Message, conversation: Conversation, *, receive: Receive, sampling: Sampling | None = None
    ) -> AsyncIterator[Events]:
        """The events of one turn, which is interrupted when the client leaves or the context does.

        `receive` is the request's, its body already read. Raises `Refusal` where too many wait already.
        """
        if self.stopping:
            raise stopping()
        if len(self._turns) >= self._most:
            raise Refusal(
                text(
                    "{count} conversations are being answered or waiting. Try again in a few seconds.", count=self._most
                ),
                503,
                retry_after="5",
            )
        out, events = anyio.create_memory_object_stream[Event](math.inf)
        turn = asyncio.create_task(self._run(Turn(conversation, message), sampling, out))
        turn.add_done_callback(lambda _: out.close())  # even where it was cancelled before it began
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)
        watch = asyncio.create_task(_interrupt_when_gone(turn, receive))
        with events:
            try:
                yield events
            finally:
                watch.cancel()
                _interrupt(turn)
                await asyncio.wait({turn, watch})
        if not turn.cancelled():
            turn.result()  # a defect surfaces here

    def interrupt(self) -> None:
        """Stop every reply where it is; what was said is kept."""
        for turn in self._turns:
            _interrupt(turn)

    async def aclose(self) -> None:
        """Interrupt whatever still runs, and wait until it is committed."""
        self.stopping = True
        self.interrupt()
        if self._turns:
            await asyncio.wait(self._turns)

    async def _run(self, turn: Turn, sampling: Sampling | None, out: MemoryObjectSendStream[Event]) -> None:
        """Put the events of `turn` into `out`; always ends with Finished or Failed, unless the client left."""
        repeated = False
        try:
            async with self._seat():
                said = self.companion.respond(turn.message, conversation=turn.conversation, sampling=sampling)
                async with aclosing(said) as events:
                    async for event in events:
                        turn = _after(turn, event)
                        out.send_nowait(event)
            repeated = _is_repeated(turn)
        except asyncio.CancelledError:
            turn = turn.ending("interrupted", turn.reply.usage)
            if self.stopping:
                error = ServerError("The service was stopped. What was said until then is kept.")
                out.send_nowait(Failed(error, turn))
        except Exception:
            turn = turn.ending("failed", turn.reply.usage)
            error = ServerError("Something went wrong inside Samantha. Try again; the service's log says more.")
            out.send_nowait(Failed(error, turn))
            raise
        finally:
            if not repeated:
                self.metrics.count(turn)

    @asynccontextmanager
    async def _seat(self) -> AsyncIterator[None]:
        async with self._seats:
            self._running += 1
            try:
                yield
            finally:
                self._running -= 1


def _after(turn: Turn, event: Event) -> Turn:
    """The turn as `event` leaves it."""
    match event:
        case Heard(heard):
            return heard
        case Said(piece):
            return turn.saying(piece, turn.reply.usage)
        case Finished(over) | Failed(_, over):
            return over
    return turn


def _is_repeated(turn: Turn) -> bool:
    """A message that came twice gets the reply it had, and no time was spent on it."""
    return turn.reply.finish != "failed" and turn.reply.usage.total_ms is None


def _interrupt(turn: asyncio.Task[None]) -> None:
    """Cancel once: a second cancellation would break off the commit of what was said."""
    if not turn.done() and not turn.cancelling():
        turn.cancel()


async def _interrupt_when_gone(turn: asyncio.Task[None], receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    _interrupt(turn)
