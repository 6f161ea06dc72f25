"""A service to test against: in this process, or really listening on a free port of this machine."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
from anyio.streams.memory import MemoryObjectSendStream

from samantha.companion import Companion, Forgetful
from samantha.core.ports import Delta
from samantha.core.types import Message, Sampling
from samantha.mind.persona import Persona
from samantha.settings import ServerSettings
from samantha.surfaces.api import Service, build_app
from samantha.surfaces.api.server import open_listener, run
from samantha.testing import ListJournal, ScriptedGenerator, ScriptedPolicy, SteppingClock, Unfeeling

REPLY = "Hello there. How are you?"


class HeldGenerator(ScriptedGenerator):
    """Says one word after another, without end, once `release` is set; `begun` says that somebody listens."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.release, self.closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.at_once = self.most_at_once = self.said = 0

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Delta]:
        self.heard.append(tuple(messages))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.set()
        try:
            await self.release.wait()
            for _ in range(sampling.max_tokens):
                self.said += 1
                yield Delta("Word. ")
                await asyncio.sleep(0)
            yield Delta("", "length", prompt_tokens=7, completion_tokens=sampling.max_tokens)
        finally:
            self.at_once -= 1
            self.closed.set()


def companion(*replies: Any, **parts: Any) -> Companion:
    """Her, with a fake at every port; `parts` replaces some."""
    usual: dict[str, Any] = {
        "generator": ScriptedGenerator(replies or (REPLY,)),
        "journal": ListJournal(),
        "persona": Persona(name="Samantha", summary="You are Samantha."),
        "encoder": Unfeeling(),
        "memories": Forgetful(),
        "policy": ScriptedPolicy(),
        "clock": SteppingClock(),
        "sampling": Sampling(max_tokens=100),
        "reads_ahead": False,
    }
    return Companion(**(usual | parts))


@asynccontextmanager
async def calling(her: Companion, *, parallel: int = 4, **server: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application in this process; whole responses only."""
    app = build_app(_service(her, parallel), ServerSettings(**server))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
        yield client


@dataclass(frozen=True)
class Listening:
    """A service with an open port."""

    url: str
    service: Service
    stops: MemoryObjectSendStream[None]

    def stop(self) -> None:
        self.stops.send_nowait(None)


@asynccontextmanager
async def listening(
    her: Companion, *, parallel: int = 4, grace: float = 5.0, **server: Any
) -> AsyncIterator[Listening]:
    """The service on a free port; stopped at the end, if not before."""
    service, settings = _service(her, parallel), ServerSettings(port=0, **server)
    send, receive = anyio.create_memory_object_stream[None](math.inf)
    ready = asyncio.Event()
    with open_listener(settings) as listener, send, receive:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        running = asyncio.create_task(run(service, settings, listener, stops=receive, ready=ready.set, grace=grace))
        await ready.wait()
        try:
            yield Listening(url, service, send)
        finally:
            send.send_nowait(None)
            send.send_nowait(None)
            await running


def _service(her: Companion, parallel: int) -> Service:
    return Service(her, her.journal, parallel=parallel)  # only tests about threads give her a journal that has some


def events_of(body: str) -> list[dict[str, Any]]:
    """The data of each server-sent event; comments are left out."""
    blocks = [block for block in body.split("\n\n") if block and not block.startswith(":")]
    lines = [line for block in blocks for line in block.split("\n")]
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ") and line != "data: [DONE]"]
