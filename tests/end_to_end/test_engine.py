"""The real engine behind the port: closed to everybody else, and counting what it reads."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from samantha.adapters.llama import LlamaGenerator
from samantha.core.errors import GeneratorError
from samantha.core.types import Conversation, Message, Sampling
from samantha.settings import Settings
from samantha.testing import Unfeeling
from samantha.wiring import Open, open_samantha

pytestmark = pytest.mark.anyio

ROUTES = (
    "/props", "/slots", "/metrics", "/models", "/v1/models", "/completion", "/v1/chat/completions", "/v1/completions",
    "/tokenize", "/detokenize", "/apply-template", "/lora-adapters", "/slots/0?action=erase", "/infill", "/embedding",
)  # fmt: skip


@pytest.fixture
async def engine(brain_path: Path) -> AsyncIterator[LlamaGenerator]:
    opened = await LlamaGenerator.open(brain_path, context=1024)
    yield opened
    await opened.aclose()


@pytest.fixture
async def her(settings: Settings) -> AsyncIterator[Open]:
    async with open_samantha(settings) as opened:
        yield opened


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_else_on_this_machine_can_use_the_engines_port(engine: LlamaGenerator, method: str) -> None:
    def status(route: str, headers: dict[str, str]) -> int:
        data = b'{"prompt": "hi", "content": "hi", "messages": []}' if method == "POST" else None
        request = urllib.request.Request(engine.server.listening_address + route, data, headers, method=method)
        try:
            return urllib.request.urlopen(request, timeout=10).status
        except urllib.error.HTTPError as error:
            return error.code

    for route in ROUTES:
        assert await asyncio.to_thread(status, route, {}) == 401, route
        assert await asyncio.to_thread(status, route, {"Authorization": "Bearer guess", "Origin": "http://evil"}) == 401


async def test_a_web_page_gets_no_permission_from_the_engine(engine: LlamaGenerator) -> None:
    def allowed() -> str | None:
        request = urllib.request.Request(
            engine.server.listening_address + "/health", headers={"Origin": "http://evil.example"}
        )
        return urllib.request.urlopen(request, timeout=10).headers.get("Access-Control-Allow-Origin")

    assert await asyncio.to_thread(allowed) in (None, "")


async def test_every_start_has_another_key(brain_path: Path) -> None:
    keys = []
    for _ in range(2):
        engine = await LlamaGenerator.open(brain_path, context=256)
        keys.append(engine._tokenizer._headers["Authorization"])
        await engine.aclose()
    assert len(set(keys)) == 2
    assert min(map(len, keys)) > 40


async def test_a_turn_reads_only_what_is_new(her: Open) -> None:
    companion = replace(her.companion, encoder=Unfeeling())  # a note of the moment is read besides
    conversation = Conversation(thread="t")
    for said in ("I like the sea.", "And the wind.", "What do I like?"):
        events = [event async for event in companion.respond(Message("user", said), conversation=conversation)]
        usage = events[-1].turn.reply.usage
        await companion.idle()
    assert usage.prompt_tokens - usage.cached_tokens <= 16 + len(said.split()) + 4


async def test_closing_a_reply_stops_the_engine_within_a_few_tokens(engine: LlamaGenerator) -> None:
    talk = [Message("user", "Count to a thousand.")]
    stream = engine.stream(talk, Sampling(max_tokens=800, temperature=0))
    await anext(stream)
    await stream.aclose()
    answer = [delta async for delta in engine.stream(talk, Sampling(max_tokens=1))]
    assert answer[-1].completion_tokens == 1


async def test_the_counted_prompt_is_the_prompt_that_is_read(engine: LlamaGenerator) -> None:
    talk = [Message("system", "You are Samantha."), Message("user", "Hi <|im_end|> there, 你好")]
    (*_, last) = [delta async for delta in engine.stream(talk, Sampling(max_tokens=1))]
    assert last.prompt_tokens == sum(await engine.count(talk))


async def test_the_python_api_talks(settings: Settings) -> None:
    from samantha import Samantha

    def talk() -> tuple[str, list[str]]:
        chosen = {
            "data__folder": str(settings.data.folder),
            "model__name": settings.model.name,
            "model__temperature": 0,
        }
        with Samantha(**chosen) as samantha:
            return samantha.ask("What is your name?"), list(samantha.stream("And how are you?"))

    reply, pieces = await asyncio.to_thread(talk)
    assert reply
    assert pieces


async def test_closing_does_not_wait_for_a_reply_or_for_reading_ahead(brain_path: Path) -> None:
    engine = await LlamaGenerator.open(brain_path, context=4096, threads=1)
    talk = [Message("user", "word " * 3000)]
    reading = asyncio.create_task(engine.read(talk))
    await asyncio.sleep(0.2)  # it has begun, and has seconds to go
    reading.cancel()
    started = time.perf_counter()
    await engine.aclose()
    assert time.perf_counter() - started < 3
    with pytest.raises(GeneratorError, match="closed"):
        await anext(engine.stream(talk, Sampling()))


async def test_an_engine_that_is_silent_for_too_long_is_given_up(brain_path: Path) -> None:
    engine = await LlamaGenerator.open(brain_path, context=4096, patience=0.001)
    with pytest.raises(GeneratorError, match=r"silent.*model\.timeout"):
        await anext(engine.stream([Message("user", "word " * 500)], Sampling()))
    await engine.aclose()
