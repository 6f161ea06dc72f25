"""Saying a reply aloud: what of a text is spoken, and the queue that speaks while the text goes on.

The terminal and `say` share it. Not here: which voice and which device (`samantha.wiring`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Protocol, Self

from samantha.core.errors import VoiceError
from samantha.core.ports import Sound, Voice
from samantha.mind.spoken import spoken, spoken_piece


class Loudspeaker(Protocol):
    """Plays sound. Cancelling is silence. Raises `VoiceError`."""

    async def check(self) -> None:
        """Find out whether anything can be played."""
        ...

    async def play(self, sounds: AsyncIterator[Sound]) -> float:
        """Play all of `sounds` and return their length in seconds."""
        ...


def speech(voice: Voice, text: str) -> AsyncIterator[Sound]:
    """`text` in `voice`, without what is only for the eye; nothing where there is nothing to say."""
    return voice.speak(spoken(text))


class SpeakingQueue:
    """Speaks replies in the order in which they are said, piece by piece, and never keeps the caller waiting.

    Entering the `async with` block starts to open the device and the voice; leaving it is silence. Trouble is told
    once and the text goes on: after a text that the voice cannot speak, the next one is tried; without a device the
    queue stays silent for good.
    """

    def __init__(self, voice: Voice, loudspeaker: Loudspeaker, *, tell: Callable[[VoiceError], None]) -> None:
        self._voice, self._loudspeaker, self._tell = voice, loudspeaker, tell
        self._told: set[str] = set()
        self._works = True
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()  # None: the reply ends here
        self._speaking: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None

    def say(self, piece: str) -> None:
        """Speak `piece` of the current reply after everything before it; returns at once."""
        if self._works:
            self._pieces.put_nowait(piece)
            if not self.is_speaking:
                self._speaking = asyncio.create_task(self._speak())

    def end(self) -> None:
        """The current reply is whole."""
        if self.is_speaking:
            self._pieces.put_nowait(None)

    @property
    def is_speaking(self) -> bool:
        """Whether something is being said or still to be said."""
        return self._speaking is not None and not self._speaking.done()

    async def finish(self) -> None:
        """End the reply and wait until all of it has been heard. Cancelling it is silence."""
        self.end()
        if (speaking := self._speaking) is None:
            return
        try:
            await asyncio.wait([speaking])
        except asyncio.CancelledError:
            await self.silence()
            raise
        if not speaking.cancelled():
            speaking.result()

    async def silence(self) -> None:
        """Stop at once and forget what has not been said; the next reply is spoken again."""
        speaking, self._speaking = self._speaking, None
        self._pieces = asyncio.Queue()
        if speaking is not None:
            speaking.cancel()
            await asyncio.wait([speaking])

    async def __aenter__(self) -> Self:
        self._opening = asyncio.create_task(self._open())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        await self.silence()

    async def _open(self) -> None:
        """Open what would otherwise keep the first reply waiting; what is wrong with it is told at once."""
        try:
            await self._loudspeaker.check()
        except VoiceError as error:
            self._works = False
            self._tell_once(error)
            return
        try:
            async for _ in self._voice.speak("Ready."):  # a voice loads with its first sentence
                pass
        except VoiceError as error:
            self._tell_once(error)

    async def _speak(self) -> None:
        if self._opening is not None:
            await asyncio.wait([self._opening])
        while not self._pieces.empty() and self._works:
            try:
                async with aclosing(self._reply()) as sounds:
                    await self._loudspeaker.play(sounds)
            except VoiceError as error:
                self._works = False
                self._tell_once(error)

    async def _reply(self) -> AsyncGenerator[Sound, None]:
        """The sound of one reply, its pieces as they come."""
        in_code = False
        while (piece := await self._pieces.get()) is not None:
            text, in_code = spoken_piece(piece, in_code)
            try:
                async for sound in self._voice.speak(text):
                    yield sound
            except VoiceError as error:
                self._tell_once(error)

    def _tell_once(self, error: VoiceError) -> None:
        if error.text.template not in self._told:
            self._told.add(error.text.template)
            self._tell(error)
