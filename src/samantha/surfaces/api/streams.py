"""A turn as server-sent events (WHATWG HTML, 9.2): the response begins with the first frame.

Until then a failure is a plain error with its status; while nothing happens, comments keep the connection.
Not here: what the frames say.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from samantha.core.events import Event, Failed
from samantha.language import Language
from samantha.surfaces.api.replies import Refusal, error_response, stopping
from samantha.surfaces.api.service import Events

KEEP_ALIVE = b": still here\n\n"
PATIENCE = 15.0  # seconds; proxies commonly give up on a silent connection after 30 or 60

Opening = Callable[[Receive], AbstractAsyncContextManager[Events]]


class EventStream(Response):
    """Streams what `frame` makes of each event of the turn that `opening` begins.

    A `Failed` before the first frame is answered with `refuse`.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        opening: Opening,
        *,
        frame: Callable[[Event], bytes],
        refuse: Callable[[Failed], Refusal],
        language: Language,
        patience: float = PATIENCE,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"X-Accel-Buffering": "no"})  # a proxy that collected the stream would defeat it
        self._opening, self._frame, self._refuse = opening, frame, refuse
        self._language, self._patience = language, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._opening(receive) as events:
                await self._relay(events, send)
        except Refusal as refusal:  # comes before the first frame only
            await error_response(refusal, self._language)(scope, receive, send)

    async def _relay(self, events: Events, send: Send) -> None:
        begun = False
        async for event in _with_pauses(events, self._patience):
            if isinstance(event, Failed) and not begun:
                raise self._refuse(event)
            if frame := KEEP_ALIVE if event is None else self._frame(event):
                if not begun:
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    begun = True
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        if not begun:
            raise stopping()
        await send({"type": "http.response.body", "body": b""})


async def _with_pauses(events: Events, patience: float) -> AsyncIterator[Event | None]:
    """Each event, and None whenever `patience` seconds pass without one."""
    while True:
        event = None
        try:
            with anyio.move_on_after(patience):
                event = await events.receive()
        except anyio.EndOfStream:
            return
        yield event
