"""What the path costs: speed, delay and prompt reading of `Companion.respond()` against the raw engine.

Both sides run in one process on the same loaded model, prompt and sampling, in turn; figures are medians. Run it
on a quiet machine with `make bench NAME=talking`. Not here: many conversations at once (`serving`).
"""

import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from results_file import row, write

from samantha.adapters.llama import LlamaGenerator
from samantha.companion import Companion
from samantha.core.events import Failed, Finished, Said
from samantha.core.types import Conversation, Message, Sampling, Usage
from samantha.settings import load
from samantha.wiring import open_samantha, ready_brain

ROUNDS = 10
STORY = "Please tell me a long and calm story about a lighthouse keeper, with many details."
GREEDY = Sampling(temperature=0, repeat_penalty=1.1, max_tokens=160)
OPENERS = (
    "What is your name?",
    "I had a long day at work.",
    "Tell me something about the sea.",
    "I cannot sleep.",
    "What should I cook tonight?",
    "My sister visits me tomorrow.",
    "I feel a bit lonely.",
    "Do you like music?",
    "Good morning!",
)


@dataclass(frozen=True)
class Raw:
    """One run of the raw engine: when each character count existed, in seconds since the request."""

    arrivals: list[tuple[float, int]]
    tokens: int

    @property
    def writing_speed(self) -> float:
        """Tokens a second from the first token to the last."""
        return (self.tokens - 1) / (self.arrivals[-1][0] - self.arrivals[0][0])

    def had(self, characters: int) -> float:
        """Milliseconds until `characters` characters existed."""
        return next(at for at, count in self.arrivals if count >= characters) * 1000


@dataclass(frozen=True)
class Through:
    """One run through the path."""

    first_piece: str
    first_piece_ms: float
    usage: Usage

    @property
    def writing_speed(self) -> float:
        assert self.usage.total_ms is not None
        assert self.usage.first_token_ms is not None
        return (self.usage.completion_tokens - 1) / (self.usage.total_ms - self.usage.first_token_ms) * 1000


async def raw(generator: LlamaGenerator, messages: tuple[Message, ...], sampling: Sampling) -> Raw:
    """The engine alone: its own call, from a worker thread, with the prompt's tokens at hand."""
    request = await generator.request(messages, sampling)
    arrivals: list[tuple[float, int]] = []
    tokens, characters = 0, 0

    def take(chunk: dict[str, object]) -> bool:
        nonlocal tokens, characters
        choice = chunk["choices"][0]  # type: ignore[index]
        characters += len(choice["text"])
        if choice["text"]:
            arrivals.append((time.perf_counter() - started, characters))
        if choice["finish_reason"]:
            tokens = chunk["timings"]["predicted_n"]  # type: ignore[index]
        return False

    started = time.perf_counter()
    await asyncio.to_thread(generator.server.handle_completions, request, take)
    return Raw(arrivals, tokens)


async def through(
    her: Companion, said: str, conversation: Conversation, sampling: Sampling
) -> tuple[Through, Finished]:
    """The same through `respond()`; times are the caller's own."""
    first, at, finished = "", 0.0, None
    started = time.perf_counter()
    async for event in her.respond(Message("user", said), conversation=conversation, sampling=sampling):
        match event:
            case Said(piece) if not first:
                first, at = piece, (time.perf_counter() - started) * 1000
            case Finished():
                finished = event
            case Failed(error, _):
                raise error
            case _:
                pass
    assert finished is not None
    return Through(first, at, finished.turn.reply.usage), finished


@asynccontextmanager
async def samantha(**settings: object) -> AsyncIterator[tuple[Companion, LlamaGenerator]]:
    """A companion on the real default brain with a journal on disk of its own."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = {"data.folder": folder, "model.name": str(brain_path()), **settings}
        async with open_samantha(load(overrides=overrides).settings) as opened:
            assert isinstance(opened.companion.generator, LlamaGenerator)
            yield opened.companion, opened.companion.generator


async def writing() -> list[dict[str, object]]:
    """Writing speed and the delay of the first piece, raw and through the path in turn."""
    async with samantha() as (her, generator):
        her.reads_ahead = False
        ratios, delays, speeds = [], [], []
        _, warm = await through(her, STORY, Conversation(), GREEDY)
        messages = warm.turn.prompt.messages  # type: ignore[union-attr]
        for turn in range(ROUNDS):  # who goes first alternates, or a drift of the machine would look like a difference
            if turn % 2:
                path, _ = await through(her, STORY, Conversation(), GREEDY)
            engine = await raw(generator, messages, GREEDY)
            if not turn % 2:
                path, _ = await through(her, STORY, Conversation(), GREEDY)
            ratios.append(path.writing_speed / engine.writing_speed)
            speeds.append(path.writing_speed)
        for opener in OPENERS:
            _, warm = await through(her, opener, Conversation(), GREEDY)
            messages = warm.turn.prompt.messages  # type: ignore[union-attr]
            for _ in range(3):
                engine = await raw(generator, messages, GREEDY)
                path, _ = await through(her, opener, Conversation(), GREEDY)
                delays.append(path.first_piece_ms - engine.had(len(path.first_piece)))
    return [
        row("writing speed through respond() / raw engine", statistics.median(ratios), "ratio", at_least=0.97),
        row("writing speed through respond()", statistics.median(speeds), "tokens/s"),
        row("first released text minus the raw engine's same characters", statistics.median(delays), "ms", at_most=15),
        row("the same, 90th percentile", statistics.quantiles(delays, n=10)[-1], "ms"),
    ]


async def reading() -> list[dict[str, object]]:
    """Prompt tokens that each of 30 turns reads beyond its own message, with a person's pause between turns."""
    conversation, beyond, read_tokens = Conversation(thread="thirty"), [], []
    async with samantha() as (her, generator):
        for turn in range(30):
            said = f"{OPENERS[turn % len(OPENERS)]} That was thought number {turn + 1}."
            _, finished = await through(her, said, conversation, Sampling(seed=turn, max_tokens=60))
            usage = finished.turn.reply.usage
            new = usage.prompt_tokens - usage.cached_tokens
            read_tokens.append(new)
            if turn:  # the first turn reads the persona and the examples
                beyond.append(new - await tokens_of(said, generator))
            await her.idle()
    return [
        row("prompt tokens read at a turn beyond the new message, most of 30 turns", max(beyond), "tokens", at_most=16),
        row("prompt tokens read at a turn, median of 30", statistics.median(read_tokens), "tokens"),
    ]


async def tokens_of(said: str, generator: LlamaGenerator) -> int:
    """Tokens of the words alone, without the markers around them."""
    system = Message("system", "She.")
    (_, full), (_, empty) = [await generator.count([system, Message("user", words)]) for words in (said, "")]
    return full - empty


def starting() -> list[dict[str, object]]:
    """Whole processes: importing, and `samantha ask` from its start to the model's first token."""
    imports = [
        _seconds([sys.executable, "-c", "import samantha"]) - _seconds([sys.executable, "-c", "pass"])
        for _ in range(ROUNDS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--set", f"data.folder={folder}", "-m", str(brain_path())]
        firsts = [_seconds_to_first_byte([sys.executable, "-m", "samantha", "ask", *options, said]) for said in OPENERS]
    return [
        row("import samantha", statistics.median(imports) * 1000, "ms", at_most=100),
        row("samantha ask, process start to the first released text", statistics.median(firsts), "s", at_most=2.5),
    ]


def memory() -> list[dict[str, object]]:
    """Resident memory of `samantha chat` after ten turns over a pipe, at its highest."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--set", f"data.folder={folder}", "-m", str(brain_path())]
        said = "\n".join(OPENERS).encode()
        subprocess.run(
            [sys.executable, "-m", "samantha", "chat", *options], input=said, check=True, capture_output=True
        )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of the largest child; KiB on Linux
    return [row("resident memory of samantha chat, peak over nine turns", peak * 1024 / 1e6, "MB", at_most=500)]


def brain_path() -> Path:
    return ready_brain(load().settings).path


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def _seconds_to_first_byte(command: list[str]) -> float:
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        elapsed = time.perf_counter() - started
        process.stdout.read()
    return elapsed


def main() -> None:
    rows = [*memory(), *starting(), *asyncio.run(writing()), *asyncio.run(reading())]
    write("talking", rows)


if __name__ == "__main__":
    main()
