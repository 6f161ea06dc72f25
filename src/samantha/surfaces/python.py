"""The Python API for people who do not want to write async code: the same path, driven from a thread of its own."""

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from samantha.core.events import Event, Failed, Said
from samantha.core.types import Conversation, Message
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
        self._portal_context: AbstractContextManager[BlockingPortal] = start_blocking_portal()
        self._portal = self._portal_context.__enter__()
        try:
            self._open_context = self._portal.wrap_async_context_manager(
                open_samantha(load(overrides=overrides).settings)
            )
            self._open: Open = self._open_context.__enter__()
        except BaseException:
            self._portal_context.__exit__(None, None, None)
            raise

    def ask(self, text: str) -> str:
        """Her whole reply to `text`."""
        return "".join(self.stream(text))

    def stream(self, text: str) -> Iterator[str]:
        """Her reply to `text`, piece by piece. Stop iterating to interrupt her."""
        for event in self.events(text):
            if isinstance(event, Said):
                yield event.text

    def events(self, text: str) -> Iterator[Event]:
        """Everything that happens on the path of `text`; raises what made the turn fail."""
        stream = self._open.companion.respond(Message("user", text), conversation=self._conversation)
        try:
            while True:
                try:
                    event = self._portal.call(stream.__anext__)
                except StopAsyncIteration:
                    return
                if isinstance(event, Failed):
                    raise event.error
                yield event
        finally:
            self._portal.call(stream.aclose)

    def close(self) -> None:
        """Free the model and close the journal."""
        self._open_context.__exit__(None, None, None)
        self._portal_context.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
