"""The fakes stand on the path like what they stand for."""

import pytest
from serving import companion

from samantha.core.events import Event, Felt, Recalled
from samantha.core.types import Conversation, Memory, Message, Understanding
from samantha.testing import ScriptedEncoder, ScriptedMemories

pytestmark = pytest.mark.anyio


async def say(text: str, **parts: object) -> list[Event]:
    her = companion(**parts)
    return [event async for event in her.respond(Message("user", text), conversation=Conversation())]


async def test_a_scripted_encoder_understands_what_it_was_given() -> None:
    encoder = ScriptedEncoder({"I am sad": Understanding(sentiment="negative")})
    felt = [e for said in ("I am sad", "Hi") for e in await say(said, encoder=encoder) if isinstance(e, Felt)]
    assert [each.understanding.sentiment for each in felt] == ["negative", None]
    assert encoder.heard == ["I am sad", "Hi"]


async def test_scripted_memories_come_with_what_matters_most_first() -> None:
    tea, cat = Memory("She likes tea.", "m1", 0.2), Memory("Her cat is ill.", "m2", 0.9)
    memories = ScriptedMemories((tea, cat))
    (recalled,) = [e for e in await say("Hi", memories=memories) if isinstance(e, Recalled)]
    assert recalled.memories == (cat, tea)
    assert memories.asked == ["Hi"]
