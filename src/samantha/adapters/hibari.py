"""Her voice: English text to speech with the hibari package, one sentence at a time on one worker thread.

Nothing is downloaded here: a voice is in the package or already on this machine. Not here: playing and storing
sound (`sound_device`, `wav`), and taking Markdown out of a reply (`samantha.mind.spoken`).
"""

import asyncio
import re
import textwrap
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, TypeVar

from samantha.core.errors import VoiceError
from samantha.core.ports import Sound

Result = TypeVar("Result")

LONGEST = 200  # characters synthesised at once: 300 words at a time took 1.6 GB, a page of "(" all memory there is
LONGEST_WORD = 40
_REPEATED = re.compile(r"([^\w\s])\1{3,}")
_LONG_NUMBER = re.compile(r"\d{13,}")  # a card or an account: digit by digit; hibari fails at 37 digits
_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD}}}(?=\S)")
_CLAUSE = re.compile(r"(?<=[,;:—])\s+")


class HibariVoice:
    """Implements `samantha.core.ports.Voice` with a voice of hibari-tts.

    `name` is one of hibari's voices; "heart" is in the package. `speed` is 0.5 (slow) to 2. With a `seed` the same
    text is the same sound, bit by bit. The model is loaded by `open()`, or with the first text. Raises `VoiceError`
    where the package is not installed.
    """

    def __init__(self, name: str = "heart", *, speed: float = 1.0, seed: int | None = None) -> None:
        if find_spec("hibari") is None:
            raise _not_installed()
        self.name = name
        self._speed, self._seed = speed, seed
        self._loaded: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voice")  # the model is quickest on one thread

    async def open(self) -> None:
        """Load the model and the pronunciations now, so that the first sentence need not wait for them."""
        await self._on_thread(self._engine)

    async def speak(self, text: str) -> AsyncGenerator[Sound, None]:
        """The sound of `text`: 24 kHz, a sentence at a time. Closing the iterator ends it after that sentence.

        Raises `VoiceError` before the first sound where a sentence is not in Latin letters.
        """
        for utterance in await self._on_thread(self._utterances, text):
            sound = await self._on_thread(self._synthesise, utterance)
            if sound.samples:
                yield sound

    async def _on_thread(self, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _engine(self) -> Any:
        if self._loaded is None:
            self._loaded = _load(self.name)
        return self._loaded

    def _utterances(self, text: str) -> list[str]:
        if not any(map(str.isalnum, text)):
            return []
        sentences = [one for one in self._engine().split_sentences(_readable(text)) if any(map(str.isalnum, one))]
        if foreign := next(filter(_is_foreign, sentences), None):
            raise VoiceError(
                "Her voice speaks only English so far, and leaves this unspoken: '{text}'",
                text=textwrap.shorten(foreign, 60, placeholder="…"),
            )
        return [utterance for sentence in sentences for utterance in _in_breaths(sentence)]

    def _synthesise(self, utterance: str) -> Sound:
        import numpy as np

        engine = self._engine()
        try:
            samples = engine(utterance, speed=self._speed, seed=self._seed)
        except Exception as error:
            raise VoiceError("Her voice cannot read '{text}' ({reason}).", text=utterance, reason=error) from error
        return Sound(np.clip(samples, -1, 1).astype("<f4").tobytes(), engine.sample_rate)


def _load(name: str) -> Any:
    """The engine of voice `name`, with its pronunciations and everything else it would load late."""
    try:
        import hibari
        from hibari.voices import VOICES, voice_path
    except ImportError as error:
        raise _not_installed() from error
    if name not in VOICES:
        raise VoiceError("There is no voice '{name}'. There are: {voices}.", name=name, voices=", ".join(VOICES))
    try:
        engine = hibari.Hibari(voice=name, model=voice_path(name, download_missing=False))
        engine("Warm up.")
    except FileNotFoundError as error:
        raise VoiceError(
            "The voice '{name}' is not on this machine. Fetch it with `hibari Hello --voice {name} -o hello.wav`, "
            "or choose heart, which needs no download.",
            name=name,
        ) from error
    except Exception as error:
        raise VoiceError(
            "The voice '{name}' cannot be opened ({reason}). Reinstall hibari-tts, or choose another voice.",
            name=name,
            reason=error,
        ) from error
    return engine


def _not_installed() -> VoiceError:
    return VoiceError("Her voice is not installed. Run `pip install 'samantha-companion[voice]'`, or `make chat`.")


def _readable(text: str) -> str:
    """`text` without what the model fails at or would never come to an end of."""
    text = _LONG_NUMBER.sub(lambda digits: " ".join(digits[0]), _REPEATED.sub(r"\1\1\1", text))
    return _LONG_WORD.sub(r"\g<0> ", text)


def _is_foreign(sentence: str) -> bool:
    """Whether more letters are of another script than Latin; single words of it are passed over in silence."""
    letters = [letter for letter in sentence if letter.isalpha()]
    return 2 * sum(map(_is_latin, letters)) < len(letters)


def _is_latin(letter: str) -> bool:
    return letter < "\u0250" or "\u1e00" <= letter <= "\u1eff"


def _in_breaths(sentence: str) -> Iterator[str]:
    """`sentence`, or where it is too long for the model, its clauses, or else as many words as will do."""
    if len(sentence) <= LONGEST:
        yield sentence
        return
    breath = ""
    for clause in _CLAUSE.split(sentence):
        if breath and len(breath) + len(clause) >= LONGEST:
            yield from textwrap.wrap(breath, LONGEST)
            breath = ""
        breath = f"{breath} {clause}" if breath else clause
    yield from textwrap.wrap(breath, LONGEST)
