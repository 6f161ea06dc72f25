"""The queue that speaks while the text goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from samantha.core.errors import VoiceError
from samantha.core.ports import Sound
from samantha.surfaces.speaking import SpeakingQueue, speech

pytestmark = pytest.mark.anyio


class Parrot:
    """A voice whose samples are the bytes of the text; refuses what it has no English for."""

    def __init__(self) -> None:
        self.spoken: list[str] = []

    async def speak(self, text: str) -> AsyncIterator[Sound]:
        self.spoken.append(text)
        if "你" in text:
            raise VoiceError("only English: {text}", text=text)
        if text:
            yield Sound(text.encode(), 24_000)


class Room:
    """A loudspeaker that notes what is heard in it; `door` lets sounds through."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.plays = 0
        self.door = asyncio.Event()
        self.door.set()
        self.broken = self.unplugged = False

    async def check(self) -> None:
        if self.broken:
            raise VoiceError("no device")

    async def play(self, sounds: AsyncIterator[Sound]) -> float:
        if self.unplugged:
            raise VoiceError("unplugged")
        self.plays += 1
        async for sound in sounds:
            await self.door.wait()
            self.heard.append(sound.samples.decode())
        return 0.0


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until `condition` holds; fails after many turns."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it never happened")


@pytest.fixture
async def room() -> Room:
    return Room()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def queue(room: Room, told: list[str]) -> AsyncIterator[SpeakingQueue]:
    async with SpeakingQueue(Parrot(), room, tell=lambda error: told.append(str(error))) as opened:
        yield opened


async def test_a_reply_is_heard_piece_by_piece_in_one_playing(queue: SpeakingQueue, room: Room) -> None:
    queue.say("One. ")
    queue.say("**Two**.")
    await queue.finish()
    assert (room.heard, room.plays) == (["One.", "Two."], 1)


async def test_replies_are_heard_one_after_the_other(queue: SpeakingQueue, room: Room) -> None:
    queue.say("First.")
    queue.end()
    queue.say("Second.")
    await queue.finish()
    assert (room.heard, room.plays) == (["First.", "Second."], 2)


async def test_saying_never_waits_for_the_sound(queue: SpeakingQueue, room: Room) -> None:
    room.door.clear()
    queue.say("One.")
    await until(lambda: room.plays == 1)
    queue.say("Two.")
    assert queue.is_speaking
    assert room.heard == []
    room.door.set()
    await queue.finish()
    assert not queue.is_speaking


async def test_silence_forgets_what_was_waiting_and_the_next_reply_is_spoken(queue: SpeakingQueue, room: Room) -> None:
    room.door.clear()
    queue.say("One.")
    queue.say("Two.")
    await until(lambda: room.plays == 1)
    await queue.silence()
    room.door.set()
    queue.say("Three.")
    await queue.finish()
    assert room.heard == ["Three."]


async def test_cancelling_the_wait_for_the_end_is_silence(queue: SpeakingQueue, room: Room) -> None:
    room.door.clear()
    queue.say("One.")
    waiting = asyncio.create_task(queue.finish())
    await until(lambda: room.plays == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not queue.is_speaking


async def test_who_waits_for_the_end_is_not_cancelled_by_silence(queue: SpeakingQueue, room: Room) -> None:
    room.door.clear()
    queue.say("One.")
    waiting = asyncio.create_task(queue.finish())
    await until(lambda: room.plays == 1)
    await queue.silence()
    await waiting


async def test_code_that_spans_pieces_is_not_spoken_but_the_next_reply_is(queue: SpeakingQueue, room: Room) -> None:
    for piece in ("Look: ```", "print(1)."):
        queue.say(piece)
    queue.end()
    queue.say("Again.")
    await queue.finish()
    assert room.heard == ["Look:", "Again."]


async def test_what_the_voice_cannot_speak_is_told_once_and_the_rest_is_spoken(
    queue: SpeakingQueue, room: Room, told: list[str]
) -> None:
    for piece in ("Hello.", "你好。", "你们好。", "Bye."):
        queue.say(piece)
    await queue.finish()
    assert (room.heard, told) == (["Hello.", "Bye."], ["only English: 你好。"])


async def test_when_the_device_is_unplugged_it_says_so_once_and_stays_silent(
    queue: SpeakingQueue, room: Room, told: list[str]
) -> None:
    room.unplugged = True
    for piece in ("One.", "Two."):
        queue.say(piece)
        await queue.finish()
    assert (room.heard, told) == ([], ["unplugged"])


async def test_that_there_is_no_device_is_told_before_the_first_reply(room: Room, told: list[str]) -> None:
    room.broken = True
    async with SpeakingQueue(Parrot(), room, tell=lambda error: told.append(str(error))) as queue:
        await until(lambda: told == ["no device"])
        queue.say("One.")
        await queue.finish()
    assert (room.plays, told) == (0, ["no device"])


async def test_the_voice_is_opened_before_the_first_reply_and_unheard(room: Room, told: list[str]) -> None:
    parrot = Parrot()
    async with SpeakingQueue(parrot, room, tell=lambda error: told.append(str(error))):
        await until(lambda: bool(parrot.spoken))
    assert (room.plays, told) == (0, [])


async def test_finishing_without_having_said_anything_returns(queue: SpeakingQueue) -> None:
    queue.end()
    await queue.finish()
    await queue.silence()


async def test_a_text_is_spoken_without_its_markup() -> None:
    assert [sound.samples async for sound in speech(Parrot(), "**Hi** 🙂")] == [b"Hi"]
