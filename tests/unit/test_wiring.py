"""What is opened is closed: another brain for a companion that talks already, and her encoder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from samantha import wiring
from samantha.core.errors import EncoderError, ModelMissing
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


class Encoder:
    """What of an encoder is opened and closed."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """The one that is opened."""
    one = Encoder()
    monkeypatch.setattr(wiring, "open_encoder", lambda settings: one)
    return one


async def test_her_encoder_is_opened_with_her_and_closed_with_her(encoder: Encoder, closed: list[str]) -> None:
    async with wiring.open_samantha(Settings(data={"keep": False})) as samantha:
        assert (samantha.companion.encoder, encoder.closed) == (encoder, 0)
    assert encoder.closed == 1


async def test_the_encoder_is_closed_when_there_is_no_brain(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def none(settings: Settings, **how: Any) -> AsyncIterator[str]:
        raise ModelMissing("There is no brain.")
        yield

    monkeypatch.setattr(wiring, "open_generator", none)
    with pytest.raises(ModelMissing):
        async with wiring.open_samantha(Settings(data={"keep": False})):
            pytest.fail("there is no brain")
    assert encoder.closed == 1


async def test_an_encoder_that_cannot_be_opened_closes_the_brain(
    closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(settings: Settings) -> None:
        raise EncoderError("It is damaged.")

    monkeypatch.setattr(wiring, "open_encoder", damaged)
    with pytest.raises(EncoderError):
        async with wiring.open_samantha(Settings(model={"name": "a"}, data={"keep": False})):
            pytest.fail("there is no encoder")
    assert closed == ["a"]
