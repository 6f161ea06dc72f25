"""Another brain for a companion that talks already: one is open at the end, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from samantha import wiring
from samantha.settings import Settings

pytestmark = pytest.mark.anyio


class Companion:
    """What of a companion is exchanged; it comes to rest when `free` is set."""

    def __init__(self) -> None:
        self.generator: Any = "old"
        self.asked, self.free = asyncio.Event(), asyncio.Event()

    async def aclose(self) -> None:
        self.asked.set()
        await self.free.wait()


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The brains that were closed."""
    names: list[str] = []

    @asynccontextmanager
    async def open_generator(settings: Settings, **how: Any) -> AsyncIterator[str]:
        try:
            yield settings.model.name
        finally:
            names.append(settings.model.name)

    monkeypatch.setattr(wiring, "open_generator", open_generator)
    return names


@asynccontextmanager
async def opened(companion: Companion, closed: list[str]) -> AsyncIterator[Any]:
    async with AsyncExitStack() as brain:
        brain.callback(closed.append, "old")
        yield SimpleNamespace(companion=companion, settings=Settings(), brain=brain)


async def test_the_old_brain_is_closed_when_the_new_one_is_there(closed: list[str]) -> None:
    companion = Companion()
    companion.free.set()
    async with opened(companion, closed) as samantha:
        await wiring.switch_brain(samantha, "new")
        assert (companion.generator, closed) == ("new", ["old"])
    assert closed == ["old", "new"]


async def test_a_switch_interrupted_at_the_last_moment_closes_the_new_brain(closed: list[str]) -> None:
    companion = Companion()
    async with opened(companion, closed) as samantha:
        switch = asyncio.create_task(wiring.switch_brain(samantha, "new"))
        await companion.asked.wait()
        switch.cancel()
        await asyncio.wait([switch])
        assert (companion.generator, closed) == ("old", ["new"])
    assert closed == ["new", "old"]
