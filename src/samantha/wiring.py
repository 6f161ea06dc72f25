"""Settings -> Companion: the only place that chooses adapters.

Whatever is opened here is closed here. Not here: reading settings, or showing anything.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from samantha import __version__, weights
from samantha.adapters import care_files, persona_files
from samantha.adapters.clock import SystemClock
from samantha.adapters.sqlite import SqliteJournal
from samantha.companion import Companion, Forgetful
from samantha.core.ports import Generator, Sound, Threads, Voice
from samantha.core.text import Text
from samantha.core.types import Sampling
from samantha.language import Language
from samantha.mind.care import Care
from samantha.mind.persona import Persona
from samantha.mind.safety import CarePolicy
from samantha.settings import Settings, private_folder
from samantha.weights import Progress, ReadyBrain, Weight, quiet

if TYPE_CHECKING:
    from samantha.adapters.onnx_encoder import OnnxEncoder, OwnHead
    from samantha.adapters.sound_device import Player
    from samantha.adapters.spacy_entities import SpacyEntities

IN_MEMORY = ":memory:"
RUN_CARD = "model.json"  # what a folder with a trained model has
PATIENCE = 3.0  # seconds that an endpoint has to list its models


@dataclass(frozen=True, slots=True)
class Open:
    """A companion with everything behind it, as a surface needs it. `threads` looks into the companion's journal.

    `brain` closes the generator that the companion has now.
    """

    companion: Companion
    threads: Threads
    settings: Settings
    brain: AsyncExitStack


@asynccontextmanager
async def open_samantha(settings: Settings, *, parallel: int = 1, progress: Progress = quiet) -> AsyncIterator[Open]:
    """Samantha, ready to talk; closes all of her at the end.

    `parallel` is how many conversations are answered at once. With `data.keep` off the journal lives in memory.
    The weights are fetched where they are missing, with `progress` told of it.
    """
    async with AsyncExitStack() as stack:
        journal = open_journal(settings)
        stack.push_async_callback(journal.aclose)
        encoder = await stack.enter_async_context(_encoder_meanwhile(settings))
        brain = await stack.enter_async_context(AsyncExitStack())
        generator = await brain.enter_async_context(open_generator(settings, parallel=parallel, progress=progress))
        companion = Companion(
            generator=generator,
            journal=journal,
            persona=open_persona(settings),
            encoder=await encoder,
            memories=Forgetful(),
            policy=CarePolicy(open_care(), settings.safety.country),
            clock=SystemClock(),
            sampling=sampling(settings),
            follows_feelings=settings.feeling.follow,
            examples=settings.persona.examples,
            chinese_brain=next(one.name for one in weights.catalogue() if "zh" in one.languages),
            reads_ahead=parallel == 1,  # with several at once the engine is seldom idle
        )
        stack.push_async_callback(companion.aclose)
        yield Open(companion, journal, settings, brain)


@asynccontextmanager
async def _encoder_meanwhile(settings: Settings) -> AsyncIterator["asyncio.Task[OnnxEncoder]"]:
    """The encoder, opened by a thread while the brain is; closed at the end."""
    opening = asyncio.create_task(asyncio.to_thread(open_encoder, settings))
    try:
        yield opening
    finally:
        await asyncio.wait([opening])
        if opening.exception() is None:
            await opening.result().aclose()


async def switch_brain(opened: Open, name: str, *, progress: Progress = quiet) -> None:
    """Give the companion the brain `name`. The old one is closed when the new one is ready, and stays if it fails."""
    settings = opened.settings.model_copy(update={"model": opened.settings.model.model_copy(update={"name": name})})
    async with AsyncExitStack() as opening:
        generator = await opening.enter_async_context(open_generator(settings, progress=progress))
        await opened.companion.aclose()  # it may be reading ahead
        opened.companion.generator = generator
        old = opened.brain.pop_all()
        opened.brain.push_async_exit(opening.pop_all())
    await old.aclose()


@asynccontextmanager
async def open_generator(
    settings: Settings, *, parallel: int = 1, progress: Progress = quiet
) -> AsyncIterator[Generator]:
    """The brain that `model.name` asks for: one trained here, an endpoint's, a file, or one of the catalogue."""
    if (folder := trained_here(settings.model.name)) is not None:
        from samantha.adapters.school import SchoolGenerator

        own = await SchoolGenerator.open(folder)
        try:
            yield own
        finally:
            await own.aclose()
        return
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

    brain = await _ready_brain(settings, progress)
    local = await LlamaGenerator.open(
        brain.path,
        name=brain.name,
        languages=brain.languages,
        context=settings.model.context,
        parallel=parallel,
        threads=settings.model.threads,
        neighbours=1 if settings.voice.speak else 0,
        patience=settings.model.timeout,
        adapter=brain.adapter,
    )
    try:
        yield local
    finally:
        await local.aclose()


def trained_here(name: str) -> Path | None:
    """The folder that `name` is, if a model was trained into it: it holds model.json."""
    folder = Path(name).expanduser()
    return folder if name and (folder / RUN_CARD).is_file() else None


class _Unwanted(Exception):
    """Nobody waits for the brain any more."""


async def _ready_brain(settings: Settings, progress: Progress) -> ReadyBrain:
    """`ready_brain` in a thread; cancelled, it ends what the thread does and waits for that."""
    unwanted = threading.Event()

    def told(done: int, total: int, what: Text) -> None:
        if unwanted.is_set():
            raise _Unwanted
        progress(done, total, what)

    work = asyncio.create_task(asyncio.to_thread(ready_brain, settings, progress=told))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        unwanted.set()
        await asyncio.wait([work])  # not for long: progress is told several times a second
        work.cancelled() or work.exception()  # taken, so that nobody complains of it
        raise


def ready_brain(settings: Settings, *, progress: Progress = quiet) -> ReadyBrain:
    """The model file of a local brain, fetched and baked where that is still to be done. Raises `WeightsError`."""
    private_folder(settings.data.folder)
    return weights.ready(settings.model, folder=models_folder(settings), progress=progress)


def pull(settings: Settings, *, progress: Progress = quiet) -> tuple[str, Path]:
    """Name and place of the model that `model.name` asks for, made ready whatever it is for. Raises `WeightsError`."""
    named = next((one for one in weights.catalogue() if one.name == settings.model.name), None)
    if named is not None and named.unpack:
        return named.name, _unpacked(named, settings, progress)
    brain = ready_brain(settings, progress=progress)
    return brain.name, brain.path


def open_encoder(settings: Settings, *, heads: bool = True, threads: int = 1) -> "OnnxEncoder":
    """The encoder that ships with her, and the person's own heads with `heads`. Raises `EncoderError`."""
    from samantha.adapters.onnx_encoder import OnnxEncoder

    return OnnxEncoder.open(encoder_folder(), heads=heads_folder(settings) if heads else None, threads=threads)


def open_care() -> Care:
    """The reviewed texts and the lines of help."""
    return care_files.load()


def language_of_text(said: str) -> str:
    """ISO 639-1 code of any language; "und" where it cannot be told."""
    from samantha.adapters.language_identification import language_of

    return language_of(said)


def open_entities(settings: Settings, *, progress: Progress = quiet) -> "SpacyEntities":
    """What finds names and dates in English, fetched where it is missing. Raises `WeightsError`."""
    from samantha.adapters.spacy_entities import SpacyEntities

    return SpacyEntities(_unpacked(weights.entities_model(), settings, progress))


def _unpacked(weight: Weight, settings: Settings, progress: Progress) -> Path:
    private_folder(settings.data.folder)
    return weights.unpacked(weight, folder=models_folder(settings), offline=settings.model.offline, progress=progress)


def open_journal(settings: Settings) -> SqliteJournal:
    """The person's journal, or one in memory that leaves no trace."""
    if not settings.data.keep:
        return SqliteJournal(IN_MEMORY)
    return SqliteJournal(private_folder(settings.data.folder) / "journal.sqlite")


def open_persona(settings: Settings) -> Persona:
    return persona_files.load(settings.persona.name, folder=personas_folder(settings))


def personas(settings: Settings) -> tuple[persona_files.Found, ...]:
    """The personas that `persona.name` takes."""
    return persona_files.available(personas_folder(settings))


def write_persona(settings: Settings, name: str, *, language: Language) -> Path:
    """A new persona file to fill in, among the person's own."""
    private_folder(settings.data.folder)
    return persona_files.new(name, folder=personas_folder(settings), language=language)


def import_character_card(settings: Settings, path: Path) -> persona_files.Imported:
    """A character card, made a persona of the person's own."""
    private_folder(settings.data.folder)
    return persona_files.import_card(path, folder=personas_folder(settings))


async def endpoint_models(settings: Settings, endpoint: str) -> tuple[str, ...]:
    """The models that an endpoint offers. Raises `EndpointError`."""
    from samantha.adapters.openai import list_models

    at = settings.endpoints[endpoint]
    return await list_models(at.url, key=at.key.get_secret_value(), timeout=PATIENCE)


async def write_speech(path: Path, sounds: AsyncIterator[Sound], settings: Settings) -> None:
    """Her voice as a WAV file that says it is synthetic."""
    from samantha.adapters.wav import write_wav

    await write_wav(path, sounds, software=f"Samantha {__version__}", voice=settings.voice.name)


def open_voice(settings: Settings) -> Voice:
    """Her voice. Raises `VoiceError` where it is not installed."""
    from samantha.adapters.hibari import HibariVoice

    return HibariVoice(settings.voice.name, speed=settings.voice.speed)


def open_player(settings: Settings) -> "Player":
    """The sound device that `voice.device` asks for; it is touched when something is played."""
    from samantha.adapters.sound_device import Player

    return Player(settings.voice.device)


def sampling(settings: Settings) -> Sampling:
    model = settings.model
    return Sampling(
        temperature=model.temperature,
        top_p=model.top_p,
        top_k=model.top_k,
        min_p=model.min_p,
        repeat_penalty=model.repeat_penalty,
        dry_multiplier=model.dry_multiplier,
        max_tokens=model.reply_tokens,
        seed=model.seed,
    )


def models_folder(settings: Settings) -> Path:
    return settings.data.folder / "models"


def encoder_folder() -> Path:
    """Where model, tokenizer and manifest of the encoder lie, in the package."""
    return Path(str(files("samantha"))) / "encoder"


def keep_head(settings: Settings, name: str, head: "OwnHead", encoder: "OnnxEncoder") -> Path:
    """Keep a head of the person's own; one of the same name is replaced."""
    from samantha.adapters.onnx_encoder import write_head

    private_folder(settings.data.folder)
    folder = private_folder(heads_folder(settings))
    write_head(folder / f"{name}.npz", head, encoder=encoder.manifest.sha256)
    return folder / f"{name}.npz"


def heads_folder(settings: Settings) -> Path:
    """Where the person's own heads lie (`samantha train encoder head=NAME`)."""
    return settings.data.folder / "heads"


def personas_folder(settings: Settings) -> Path:
    return settings.data.folder / "personas"
