"""What every generator promises: the fake, an endpoint, and the engine in this process with a tiny model.

Another adapter joins by a function in OPENERS. What only one of them can show stands at the end.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import pytest
import torch
import xllamacpp
from stand_in import StandIn
from tiny_gguf import SPECIAL, tiny_tensors, vocabulary, write_tiny_gguf

from samantha.adapters.llama import LlamaGenerator
from samantha.adapters.openai import OpenAIGenerator
from samantha.adapters.school import SchoolGenerator
from samantha.core.errors import GeneratorError, TrainingError
from samantha.core.ports import Delta, Generator
from samantha.core.types import Message, Sampling
from samantha.testing import ScriptedGenerator
from samantha.training import model_files, tokens
from samantha.training.model_files import Trained
from samantha.training.models.gpt import GPT, Shape

pytestmark = pytest.mark.anyio

GREEDY = Sampling(temperature=0, repeat_penalty=1, max_tokens=40)
TALK = (
    Message("system", "You are calm and kind."),
    Message("user", "How is the sea today?"),
    Message("assistant", "It is warm."),
    Message("user", "Then let us walk along it."),
)
MARKERS = Message("user", " <|im_end|> <|im_start|>" * 10)
SCHEMA = {
    "type": "object",
    "properties": {"calm": {"type": "boolean"}},
    "required": ["calm"],
    "additionalProperties": False,
}


@asynccontextmanager
async def scripted(folder: Path) -> AsyncIterator[Generator]:
    yield ScriptedGenerator([" ".join(str(number) for number in range(500))])


@asynccontextmanager
async def endpoint(folder: Path) -> AsyncIterator[Generator]:
    async with StandIn(words=500) as server:
        generator = OpenAIGenerator(server.url, "tiny")
        yield generator
        await generator.aclose()


@asynccontextmanager
async def llama(folder: Path) -> AsyncIterator[Generator]:
    generator = await LlamaGenerator.open(tiny_model(folder), context=1024, parallel=2, threads=1)
    yield generator
    await generator.aclose()


@asynccontextmanager
async def llama_server(folder: Path) -> AsyncIterator[Generator]:
    """A real endpoint: llama.cpp's own server, which the engine brings along."""
    params = xllamacpp.CommonParams()
    params.model.path = str(tiny_model(folder))
    params.n_ctx, params.n_parallel = 2048, 2
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup, params.verbosity = False, -1
    params.api_keys = ["sk-contract"]
    server = await asyncio.to_thread(xllamacpp.Server, params)
    generator = OpenAIGenerator(server.listening_address, "tiny", key="sk-contract", context=1024)
    yield generator
    await generator.aclose()


def tiny_model(folder: Path) -> Path:
    """It writes ASCII: the embeddings, and so the logits, of all other tokens are zero."""
    weights = tiny_tensors()["token_embd.weight"]
    weights[[token in SPECIAL or not token.isascii() for token in vocabulary()]] = 0
    return write_tiny_gguf(folder / "tiny.gguf", context=1024, tensors={"token_embd.weight": weights})


@asynccontextmanager
async def school(folder: Path) -> AsyncIterator[Generator]:
    """A GPT as it is before its first step: it writes letters at random, but the same ones for the same prompt."""
    torch.manual_seed(1)
    tokenizer = tokens.byte_level([one.text for one in TALK] * 3, 270)
    model = GPT(Shape(tokenizer.get_vocab_size(), width=32, layers=2, attention_heads=2, inner=64, context=1024))
    model.tokens.weight.data[[number for number in range(270) if not tokens.decode(tokenizer, [number]).isascii()]] = 0
    model_files.write(folder, Trained("gpt", model, tokenizer, "chat", longest=1024))
    generator = await SchoolGenerator.open(folder)
    yield generator
    await generator.aclose()


OPENERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Generator]]] = {
    "scripted": scripted,
    "endpoint": endpoint,
    "llama": llama,
    "llama-server": llama_server,
    "school": school,
}


@pytest.fixture(scope="module", params=OPENERS)
async def generator(
    request: pytest.FixtureRequest, anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Generator]:
    async with OPENERS[request.param](tmp_path_factory.mktemp("generator")) as opened:
        yield opened


async def deltas(generator: Generator, sampling: Sampling = GREEDY, *messages: Message) -> list[Delta]:
    async with asyncio.timeout(20), aclosing(generator.stream(messages or TALK, sampling)) as stream:
        return [delta async for delta in stream]


async def said(generator: Generator, sampling: Sampling = GREEDY, *messages: Message) -> str:
    return "".join(delta.text for delta in await deltas(generator, sampling, *messages))


async def test_the_brain_has_a_name_and_a_context(generator: Generator) -> None:
    assert generator.brain.name
    assert generator.brain.context >= 256


async def test_only_the_last_delta_has_a_finish(generator: Generator) -> None:
    *before, last = await deltas(generator)
    assert len(before) > 5
    assert {delta.finish for delta in before} == {None}
    assert last.finish in ("stop", "length")


async def test_the_last_delta_says_what_the_reply_cost(generator: Generator) -> None:
    last = (await deltas(generator))[-1]
    assert last.prompt_tokens > len(TALK)
    assert 0 <= last.cached_tokens <= last.prompt_tokens
    assert 0 < last.completion_tokens <= GREEDY.max_tokens


async def test_the_most_tokens_end_a_reply_as_too_long(generator: Generator) -> None:
    last = (await deltas(generator, Sampling(temperature=0, max_tokens=3)))[-1]
    assert (last.finish, last.completion_tokens) == ("length", 3)


async def test_the_same_seed_gives_the_same_text(generator: Generator) -> None:
    drawn = Sampling(temperature=1, max_tokens=20, seed=7)
    assert await said(generator, drawn) == await said(generator, drawn) != ""


async def test_another_seed_gives_another_text(generator: Generator) -> None:
    if isinstance(generator, ScriptedGenerator):
        pytest.skip("a script has no chance in it")
    drawn = [Sampling(temperature=1, max_tokens=20, seed=seed) for seed in (1, 2)]
    assert await said(generator, drawn[0]) != await said(generator, drawn[1])


async def test_a_stop_string_ends_the_reply_and_is_not_shown(generator: Generator) -> None:
    whole = await deltas(generator)
    text = "".join(delta.text for delta in whole)
    stop = next(delta.text for delta in whole[3:] if delta.text.isascii() and text.find(delta.text) > 0)
    ended = await deltas(generator, Sampling(temperature=0, repeat_penalty=1, max_tokens=40, stop=(stop,)))
    assert "".join(delta.text for delta in ended) == text[: text.find(stop)]
    assert ended[-1].finish == "stop"


async def test_a_reply_may_be_empty(generator: Generator) -> None:
    first = (await deltas(generator))[0].text
    (only,) = await deltas(generator, Sampling(temperature=0, repeat_penalty=1, max_tokens=40, stop=(first,)))
    assert (only.text, only.finish) == ("", "stop")


async def test_closing_early_leaves_an_engine_that_answers_again(generator: Generator) -> None:
    async with aclosing(generator.stream(TALK, Sampling(max_tokens=400))) as stream:
        await anext(stream)
    async with asyncio.timeout(5):
        assert await said(generator)


async def test_a_cancelled_reader_leaves_an_engine_that_answers_again(generator: Generator) -> None:
    reading = asyncio.create_task(deltas(generator, Sampling(max_tokens=400)))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await said(generator)


async def test_two_replies_at_once_both_arrive(generator: Generator) -> None:
    both = await asyncio.gather(deltas(generator), deltas(generator, GREEDY, Message("user", "Good night.")))
    assert [len([delta for delta in one if delta.finish]) for one in both] == [1, 1]
    assert both[0][-1].prompt_tokens > both[1][-1].prompt_tokens


async def test_markers_in_a_message_are_answered_as_text(generator: Generator) -> None:
    assert (await deltas(generator, GREEDY, MARKERS))[-1].finish in ("stop", "length")


async def test_markers_in_a_message_count_as_the_many_characters_they_are(generator: Generator) -> None:
    if isinstance(generator, ScriptedGenerator):
        pytest.skip("its tokens are words")
    (count,) = await generator.count([MARKERS])
    assert count > 5 * 20


async def test_each_message_is_counted(generator: Generator) -> None:
    counts = await generator.count(TALK)
    assert len(counts) == len(TALK)
    assert min(counts[1:]) > 0
    assert counts[0] > 0 or isinstance(generator, SchoolGenerator)  # which is given no instructions
    assert await generator.count([Message("user", "calm " * 50)]) > await generator.count([Message("user", "calm")])


@pytest.mark.parametrize(
    "text", ["How is the sea today? " * 9, "1234, 5678; " * 9, "你好，今天过得怎么样？" * 9, "\n\n" * 9]
)
async def test_a_prompt_has_no_more_tokens_than_were_counted(generator: Generator, text: str) -> None:
    messages = (Message("system", "You are calm."), Message("user", text))
    counted = sum(await generator.count(messages))
    last = (await deltas(generator, Sampling(max_tokens=1), *messages))[-1]
    # An endpoint is only estimated. The tiny model is the worst case: it has hardly a token of more than a byte.
    assert last.prompt_tokens <= counted * (4 if isinstance(generator, OpenAIGenerator) else 1)


async def test_an_estimate_that_was_short_is_not_short_again(generator: Generator) -> None:
    messages = (Message("user", "calm " * 100),)
    last = (await deltas(generator, Sampling(max_tokens=1), *messages))[-1]
    assert last.prompt_tokens <= sum(await generator.count(messages))


async def test_reading_ahead_changes_nothing_of_the_reply(generator: Generator) -> None:
    await generator.read(TALK[:3])
    assert (await deltas(generator))[-1].finish in ("stop", "length")


async def test_a_reply_fits_its_schema(generator: Generator) -> None:
    if isinstance(generator, ScriptedGenerator | SchoolGenerator):
        pytest.skip("a script fits nothing, and a small model of our own is not held to anything")
    drawn = Sampling(temperature=1, seed=1, max_tokens=300, json_schema=json.dumps(SCHEMA))
    found = json.loads(await said(generator, drawn))
    assert isinstance(found["calm"], bool)


async def test_an_endpoint_sees_at_once_that_nobody_listens_any_more() -> None:
    async with StandIn(words=100_000) as server, aclosing(OpenAIGenerator(server.url, "tiny")) as generator:
        async with aclosing(generator.stream(TALK, Sampling(max_tokens=100_000))) as stream:
            await anext(stream)
        await server.hung_up()


async def test_an_endpoint_hears_every_word_as_it_was_written() -> None:
    async with StandIn(["yes"]) as server, aclosing(OpenAIGenerator(server.url, "tiny")) as generator:
        await said(generator, GREEDY, *TALK, MARKERS)
        assert server.asked[0]["messages"] == [{"role": one.role, "content": one.text} for one in (*TALK, MARKERS)]


async def test_an_endpoint_is_asked_over_the_same_connection_again() -> None:
    async with StandIn() as server, aclosing(OpenAIGenerator(server.url, "tiny")) as generator:
        await said(generator)
        await said(generator)
        assert len({request.port for request in server.requests}) == 1


async def test_the_fake_counts_who_left_early() -> None:
    generator = ScriptedGenerator(["one two three"])
    async with aclosing(generator.stream(TALK, GREEDY)) as stream:
        await anext(stream)
    assert generator.stopped == 1


async def test_a_model_of_our_own_says_that_it_is_held_to_no_schema(tmp_path: Path) -> None:
    async with school(tmp_path) as generator:
        with pytest.raises(GeneratorError, match="cannot be held to a schema"):
            await said(generator, Sampling(json_schema="{}"))


async def test_a_folder_without_a_model_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no trained model"):
        await SchoolGenerator.open(tmp_path)
