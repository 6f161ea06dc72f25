"""The Python API: ordinary code on one thread, the path on another, and nothing left behind when it is interrupted."""

import asyncio
import gc
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from serving import companion

from samantha import Samantha
from samantha.companion import Companion
from samantha.core.errors import GeneratorError
from samantha.core.events import Finished, Heard, Said
from samantha.core.ports import Delta
from samantha.core.types import Emotion, Message, Sampling, Understanding
from samantha.settings import Settings
from samantha.surfaces import python
from samantha.testing import ListJournal, ScriptedEncoder, ScriptedGenerator
from samantha.wiring import Open

LONG = "One is here. Two is here. Three is here."


class PressingGenerator(ScriptedGenerator):
    """While it says its first reply, somebody presses Ctrl-C; it would never end by itself."""

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Delta, None]:
        if self.heard:
            async for delta in super().stream(messages, sampling):
                yield delta
            return
        self.heard.append(tuple(messages))
        yield Delta("I was just saying. ")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        await asyncio.Event().wait()


Opener = Callable[[Companion], Samantha]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    """Opens the Python API on a companion made of fakes; closed at the end."""
    everyone: list[Samantha] = []

    def open_on(her: Companion) -> Samantha:
        @asynccontextmanager
        async def fakes(settings: Settings) -> Any:
            yield Open(her, her.journal, settings, AsyncExitStack())  # type: ignore[arg-type]

        monkeypatch.setattr(python, "open_samantha", fakes)
        everyone.append(Samantha(thread="t"))
        return everyone[-1]

    yield open_on
    for each in everyone:
        each.close()


def test_asking_gives_the_whole_reply(opened: Opener) -> None:
    assert opened(companion(LONG)).ask("Hi") == LONG


def test_a_reply_can_be_read_piece_by_piece(opened: Opener) -> None:
    assert list(opened(companion(LONG)).stream("Hi")) == ["One is here.", " Two is here.", " Three is here."]


def test_the_events_are_those_of_the_path(opened: Opener) -> None:
    events = list(opened(companion(LONG)).events("Hi"))
    assert isinstance(events[0], Heard)
    assert isinstance(events[-1], Finished)


def test_the_mood_is_that_of_what_was_said(opened: Opener) -> None:
    sad = Understanding(emotion=Emotion({"sadness": 0.9}, -0.8, -0.5, ("sadness",)))
    asking = opened(companion(LONG, encoder=ScriptedEncoder(otherwise=sad)))
    assert asking.mood() is None
    asking.ask("Alone")
    found = asking.mood()
    assert found is not None
    assert (found.valence, found.readings) == (-0.8, 1)


def test_what_makes_a_turn_fail_is_raised_and_the_next_ask_works(opened: Opener) -> None:
    her = opened(companion((LONG, GeneratorError("Broken.")), "Again."))
    with pytest.raises(GeneratorError, match="Broken"):
        her.ask("Hi")
    assert her.ask("Hi") == "Again."


def test_ctrl_c_while_she_speaks_is_ctrl_c_and_the_next_ask_works(opened: Opener) -> None:
    her = companion(generator=PressingGenerator(["Yes?"]))
    asking = opened(her)
    with pytest.raises(KeyboardInterrupt):
        asking.ask("Hi")
    assert her.journal.log[-1] == ("commit", "interrupted")
    assert asking.ask("Still there?") == "Yes?"


def test_leaving_a_stream_early_interrupts_her_where_she_was(opened: Opener) -> None:
    her = companion(LONG)
    asking = opened(her)
    for _ in asking.stream("Hi"):
        break
    assert her.journal.log[-1] == ("commit", "interrupted")
    assert asked(her.journal) == ["Hi", "One is here."]
    assert her.generator.stopped == 1
    assert asking.ask("Go on") == LONG


def test_an_iterator_that_is_forgotten_half_used_interrupts_her(opened: Opener) -> None:
    her = companion(LONG)
    asking = opened(her)
    circle: list[Any] = [stream := asking.stream("Hi")]
    circle.append(circle)  # only the garbage collector finds it
    next(stream)
    del stream, circle
    gc.collect()
    assert her.journal.log[-1] == ("commit", "interrupted")
    assert asking.ask("And?") == LONG


def test_asking_something_else_ends_what_was_half_told(opened: Opener) -> None:
    her = companion("First thing. First more.", "Second.")
    asking = opened(her)
    stream = asking.stream("Hi")
    assert next(stream) == "First thing."
    assert asking.ask("And?") == "Second."
    assert list(stream) == []
    assert asked(her.journal) == ["Hi", "First thing.", "And?", "Second."]


def test_closing_her_interrupts_what_is_half_told(opened: Opener) -> None:
    her = companion(LONG)
    asking = opened(her)
    events = asking.events("Hi")
    assert any(isinstance(event, Said) for event in events)
    asking.close()
    assert her.journal.log[-1] == ("commit", "interrupted")
    assert list(events) == []


def asked(journal: ListJournal) -> list[str]:
    """What the journal holds of the conversation."""
    return [message.text for message in asyncio.run(journal.history("me", "t"))]
