"""Settings -> Companion: the only place that chooses adapters.

Whatever is opened here is closed here. Not here: reading settings, or showing anything.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from samantha import weights
from samantha.adapters.clock import SystemClock
from samantha.adapters.persona_files import load as load_persona
from samantha.adapters.sqlite import SqliteJournal
from samantha.companion import Companion, Forgetful, Unfeeling
from samantha.core.ports import Generator, Threads, Voice
from samantha.core.types import Sampling
from samantha.mind.persona import Persona
from samantha.mind.safety import OpenPolicy
from samantha.settings import Settings, private_folder
from samantha.weights import Progress, quiet

IN_MEMORY = ":memory:"


@dataclass(frozen=True, slots=True)
class Open:
    """A companion with everything behind it, as a surface needs it. `threads` looks into the companion's journal."""

    companion: Companion
    threads: Threads
    settings: Settings


@asynccontextmanager
async def open_samantha(settings: Settings, *, parallel: int = 1, progress: Progress = quiet) -> AsyncIterator[Open]:
    """Samantha, ready to talk; closes all of her at the end.

    `parallel` is how many conversations are answered at once. With `data.keep` off the journal lives in memory.
    The weights are fetched where they are missing, with `progress` told of it.
    """
    async with AsyncExitStack() as stack:
        journal = open_journal(settings)
        stack.push_async_callback(journal.aclose)
        generator = await stack.enter_async_context(open_generator(settings, parallel=parallel, progress=progress))
        companion = Companion(
            generator=generator,
            journal=journal,
            persona=open_persona(settings),
            encoder=Unfeeling(),
            memories=Forgetful(),
            policy=OpenPolicy(),
            clock=SystemClock(),
            sampling=sampling(settings),
            examples=settings.persona.examples,
        )
        stack.push_async_callback(companion.aclose)
        yield Open(companion, journal, settings)


@asynccontextmanager
async def open_generator(settings: Settings, *, parallel: int = 1, progress: Progress = quiet) -> AsyncIterator[Generator]:
    """The brain that `model.name` asks for: an endpoint's, a file, or one of the catalogue."""
    endpoint, _, model = settings.model.name.partition("/")
    if model and endpoint in settings.endpoints:
        from samantha.adapters.openai import OpenAIGenerator

        at = settings.endpoints[endpoint]
        remote = OpenAIGenerator(
            at.url, model, key=at.key.get_secret_value(), timeout=at.timeout, context=settings.model.context
        )
        try:
            yield remote
        finally:
            await remote.aclose()
        return
    from samantha.adapters.llama import LlamaGenerator

    brain = await anyio.to_thread.run_sync(lambda: weights.ready(settings.model, folder=models_folder(settings), progress=progress))
    local = await LlamaGenerator.open(
        brain.path,
        name=brain.name,
        languages=brain.languages,
        context=settings.model.context,
        parallel=parallel,
        threads=settings.model.threads,
        neighbours=1 if settings.voice.speak else 0,
    )
    try:
        yield local
    finally:
        await local.aclose()


def open_journal(settings: Settings) -> SqliteJournal:
    """The person's journal, or one in memory that leaves no trace."""
    if not settings.data.keep:
        return SqliteJournal(IN_MEMORY)
    return SqliteJournal(private_folder(settings.data.folder) / "journal.sqlite")


def open_persona(settings: Settings) -> Persona:
    return load_persona(settings.persona.name, folder=personas_folder(settings))


def open_voice(settings: Settings) -> Voice:
    """Her voice. Raises `VoiceError` where it is not installed."""
    from samantha.adapters.hibari import HibariVoice

    return HibariVoice(settings.voice.name, speed=settings.voice.speed)


def sampling(settings: Settings) -> Sampling:
    model = settings.model
    return Sampling(
        temperature=model.temperature,
        top_p=model.top_p,
        top_k=model.top_k,
        min_p=model.min_p,
        repeat_penalty=model.repeat_penalty,
        max_tokens=model.reply_tokens,
        seed=model.seed,
    )


def models_folder(settings: Settings) -> Path:
    return settings.data.folder / "models"


def personas_folder(settings: Settings) -> Path:
    return settings.data.folder / "personas"
