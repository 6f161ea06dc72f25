"""A conversation as the terminal holds it: the companion, the thread, and what is shown of each event.

It knows neither keys nor pipes (`run`), nor the names of commands (`commands`).
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from samantha.companion import Companion
from samantha.core.errors import SamanthaError
from samantha.core.events import Failed, Felt, Finished, Notice, Said
from samantha.core.ports import READ_BACK, Thread, Threads
from samantha.core.text import text
from samantha.core.types import Conversation, Message, Mood, Turn
from samantha.language import Language
from samantha.mind.feeling import mood
from samantha.surfaces.speaking import SpeakingQueue
from samantha.surfaces.terminal.feelings import word
from samantha.surfaces.terminal.screen import PlainScreen


@dataclass(frozen=True, slots=True)
class Doors:
    """What a command may open. Each raises `SamanthaError` and then changes nothing."""

    switch_model: Callable[[str], Awaitable[None]]  # puts another brain into the companion
    switch_persona: Callable[[str], None]  # makes the companion somebody else
    personas: Callable[[], Sequence[str]]  # the names that there are


@dataclass(kw_only=True)
class Session:
    """One person at one terminal. `newest` is the last turn that ended, while the context stands as it left it."""

    companion: Companion
    threads: Threads
    screen: PlainScreen
    doors: Doors
    speak: SpeakingQueue | None = None
    thread: str = field(default_factory=lambda: uuid.uuid4().hex)
    shows_feelings: bool = False  # a word after each message

    person: str = field(default="me", init=False)
    newest: Turn | None = field(default=None, init=False)
    listed: tuple[Thread, ...] = field(default=(), init=False)  # what /threads showed last
    failures: int = field(default=0, init=False)
    leaving: bool = field(default=False, init=False)

    @property
    def name(self) -> str:
        """Hers."""
        persona = self.companion.persona
        wording = persona.zh if self.language == "zh" else persona.en
        return wording.name or persona.name

    @property
    def language(self) -> Language:
        return self.screen.language

    async def say(self, words: str) -> None:
        """Send `words` and show the turn as it happens. Cancelling it interrupts her; what she said is kept."""
        await self.hush()
        conversation = Conversation(person=self.person, thread=self.thread)
        events = self.companion.respond(Message("user", words), conversation=conversation)
        failure: SamanthaError | None = None
        with self.screen.reply(self.name) as show:
            async with aclosing(events) as stream:
                async for event in stream:
                    match event:
                        case Felt(understanding) if self.shows_feelings and understanding.emotion:
                            self.screen.notice(word(understanding.emotion))
                        case Notice(_, notice):
                            self.screen.notice(notice)
                        case Said(piece):
                            show(piece)
                            if self.speak is not None:
                                self.speak.say(piece)
                        case Finished(turn):
                            self.newest = turn
                        case Failed(error, _):
                            failure = error
        if self.speak is not None:
            self.speak.end()
        if failure is not None:
            self.fail(failure)

    def fail(self, error: SamanthaError) -> None:
        """Say what went wrong; the conversation goes on."""
        self.failures += 1
        self.screen.error(error.text)

    async def hush(self) -> bool:
        """Stop speaking aloud; whether there was anything to stop."""
        if self.speak is None or not self.speak.is_speaking:
            return False
        await self.speak.silence()
        return True

    async def rewind(self) -> Message | None:
        """Go back before the newest exchange."""
        self.newest = None
        return await self.threads.rewind(self.person, self.thread)

    async def history(self) -> tuple[Message, ...]:
        """The conversation so far, oldest first."""
        return await self.threads.history(self.person, self.thread)

    async def mood(self) -> Mood | None:
        """How the person has been, here and in the days before."""
        now = self.companion.clock.now()
        readings = await self.threads.readings(self.person, now - READ_BACK)
        return mood(readings, None, now=now, thread=self.thread)

    async def begin_anew(self) -> None:
        """Go on in a thread of its own."""
        await self.hush()
        self.thread, self.newest = uuid.uuid4().hex, None

    async def resume(self, thread: Thread) -> None:
        """Go on in `thread`, and show where it stands."""
        await self.hush()
        self.thread, self.newest = thread.id, None
        self.screen.notice(text("Going on with: {title}", title=thread.title))
        self.screen.gap()
        await self.show_newest_exchange()

    async def show_newest_exchange(self) -> None:
        """The last message and its reply, where there are any."""
        self.screen.exchange((await self.history())[-2:], self.name)
