"""The Python API for people who do not want to write async code: the same path, driven from a thread of its own.

A turn is one task on that thread, a step ahead of nobody: the next event is made when it is asked for.
Not here: anything that the asynchronous `samantha.companion` does not do.
"""

import asyncio
import sys
import uuid
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import ExitStack, aclosing, closing
from queue import SimpleQueue
from threading import Event as Flag
from threading import get_ident
from types import TracebackType
from typing import Self

from anyio.from_thread import start_blocking_portal

from samantha.core.events import Event, Failed, Said
from samantha.core.ports import READ_BACK
from samantha.core.types import Conversation, Message, Mood
from samantha.mind.feeling import mood
from samantha.settings import load
from samantha.wiring import Open, open_samantha


class Samantha:
    """A companion to call from ordinary code. One instance is one conversation.

    Keyword arguments are settings with `__` for the dot, e.g. `Samantha(model__temperature=0, data__keep=False)`.
    Use it in a `with` statement, or call `close()`. Errors are those of `samantha.core.errors`.
    """

    def __init__(self, *, thread: str = "", **settings: object) -> None:
        overrides = {key.replace("__", "."): value for key, value in settings.items()}
        self._conversation = Conversation(thread=thread or uuid.uuid4().hex)
        self._telling: dict[int, _Telling] = {}  # the turn that each calling thread is being told
        with ExitStack() as opening:
            portal = opening.enter_context(start_blocking_portal())
            self._home = portal.call(_Home)
            samantha = open_samantha(load(overrides=overrides).settings)
            self._open: Open = opening.enter_context(portal.wrap_async_context_manager(samantha))
            opening.callback(self._interrupt)
            self._opened = opening.pop_all()

    def ask(self, text: str) -> str:
        """Her whole reply to `text`."""
        return "".join(self.stream(text))

    def stream(self, text: str) -> Iterator[str]:
        """Her reply to `text`, piece by piece. Stop iterating, or ask something else, to interrupt her."""
        with closing(self.events(text)) as events:
            for event in events:
                if isinstance(event, Said):
                    yield event.text

    def events(self, text: str) -> Generator[Event, None, None]:
        """Everything that happens on the path of `text`; raises what made the turn fail. Close it to interrupt her."""
        caller = get_ident()
        if caller in self._telling:  # half told to this very thread, and in the way of the next turn
            self._telling[caller].end()
        respond = self._open.companion.respond(Message("user", text), conversation=self._conversation)
        telling = self._telling[caller] = _Telling(respond, self._home)
        try:
            while (event := telling.next()) is not None:
                if isinstance(event, Failed):
                    raise event.error
                yield event
        finally:
            telling.end()
            if self._telling.get(caller) is telling:
                del self._telling[caller]

    def mood(self) -> Mood | None:
        """How you have sounded, in this conversation and in the days before; None where nothing was said yet."""
        return asyncio.run_coroutine_threadsafe(self._mood(), self._home.loop).result()

    async def _mood(self) -> Mood | None:
        now, here = self._open.companion.clock.now(), self._conversation
        readings = await self._open.threads.readings(here.person, now - READ_BACK)
        return mood(readings, None, now=now, thread=here.thread)

    def close(self) -> None:
        """Interrupt what is still being said, free the model and close the journal."""
        self._opened.close()

    def _interrupt(self) -> None:
        for telling in list(self._telling.values()):
            telling.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Home:
    """Where turns run: made on the portal's thread."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.thread = get_ident()


class _Telling:
    """A turn that runs in one task at home, and is told to another thread event by event.

    Whatever interrupts the listener (Ctrl-C too) leaves the task as it is; only `end()` stops it.
    """

    def __init__(self, events: AsyncGenerator[Event, None], home: _Home) -> None:
        self._events = events
        self._home = home
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Semaphore(0)  # events that were asked for
        self._told: SimpleQueue[Event | BaseException | None] = SimpleQueue()
        self._over = Flag()

    def next(self) -> Event | None:
        """Wait for the next event; None when there is none. Raises what the turn raised."""
        if not self._over.is_set():
            self._home.loop.call_soon_threadsafe(self._want)
        told = self._told.get()
        if isinstance(told, BaseException):
            raise told
        return told

    def end(self) -> None:
        """Interrupt the turn if it still runs, and wait until what was said is kept."""
        if self._over.is_set() or self._home.loop.is_closed():
            return
        self._home.loop.call_soon_threadsafe(self._stop)
        # The garbage collector calls from any thread, even the one that would have to do the work, and at the very end.
        if get_ident() != self._home.thread and not sys.is_finalizing():
            self._over.wait()

    # At home

    def _want(self) -> None:
        if self._task is None:
            self._task = self._home.loop.create_task(self._tell())
            self._task.add_done_callback(self._end)
        self._wanted.release()

    def _stop(self) -> None:
        if self._task is None:
            self._over.set()
        elif not self._task.cancelling():  # a second time would interrupt the keeping of what was said
            self._task.cancel()

    async def _tell(self) -> None:
        async with aclosing(self._events) as events:
            await self._wanted.acquire()
            async for event in events:
                self._told.put(event)
                await self._wanted.acquire()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._told.put(None if task.cancelled() else task.exception())
        self._over.set()
