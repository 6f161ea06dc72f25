"""What the note of a moment takes of the default brain's context, counted by its own tokenizer."""

from itertools import product
from pathlib import Path

import pytest

from samantha.adapters.llama import LlamaGenerator
from samantha.core.types import Emotion, Message, Mood, Understanding
from samantha.core.understanding import ACTS, CIRCUMPLEX, EMOTIONS
from samantha.mind.feeling import support
from samantha.mind.prompt import NOTE

pytestmark = pytest.mark.anyio

BUDGET = 60  # tokens, without the markers of the message


async def test_no_note_takes_more_than_sixty_tokens_nor_more_than_is_left_free_for_it(brain_path: Path) -> None:
    changes = ("lighter", "heavier", "calmer", "tenser")
    notes = {note(*each) for each in product(EMOTIONS, ["", *ACTS], changes, [1, 3])} - {""}
    assert len(notes) > 50
    engine = await LlamaGenerator.open(brain_path, context=1024)
    empty, *counts = [count for each in ("", *sorted(notes)) for count in await engine.count([Message("system", each)])]
    await engine.aclose()
    assert max(counts) - empty <= BUDGET
    assert max(counts) <= NOTE


def note(label: str, act: str, change: str, readings: int) -> str:
    emotion = Emotion({label: 0.8}, *CIRCUMPLEX[label], labels=(label,))
    mood = Mood(-0.8, -0.5, 0, 0, readings=readings, change=change)  # type: ignore[arg-type]
    return support(Understanding(emotion=emotion, act=act or None), mood, language="en").note
