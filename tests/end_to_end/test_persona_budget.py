"""What a persona takes of the default brain's context, counted by its own tokenizer."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from samantha.adapters import persona_files
from samantha.adapters.llama import LlamaGenerator
from samantha.core.types import Message
from samantha.mind.character_card import from_json
from samantha.mind.persona import as_messages, choose_examples, system_text

pytestmark = pytest.mark.anyio

BUDGET = 80  # tokens, the markers of the message included
REPLY = 3  # tokens that open the reply, which `count` adds to the last message
LIFE = (
    "{{char}} keeps the last lighthouse on the northern coast and repairs clocks for the fishermen who come by. "
    "She grew up on the ice, speaks four languages badly, and trusts weather more than people. " * 20
)


@pytest.fixture
async def engine(brain_path: Path) -> AsyncIterator[LlamaGenerator]:
    opened = await LlamaGenerator.open(brain_path, context=1024)
    yield opened
    await opened.aclose()


async def test_samantha_takes_at_most_eighty_tokens(engine: LlamaGenerator, tmp_path: Path) -> None:
    samantha = persona_files.load("samantha", folder=tmp_path)
    assert await engine.count([Message("system", system_text(samantha, "en"))]) <= [BUDGET + REPLY]


async def test_an_imported_character_takes_no_more_than_samantha_may(engine: LlamaGenerator) -> None:
    card = {"name": "Maralena", "description": LIFE, "personality": "dry, patient, fond of storms and old radios"}
    persona, _ = from_json(json.dumps(card).encode(), source="card")
    assert await engine.count([Message("system", system_text(persona, "en"))]) <= [BUDGET + REPLY]


async def test_the_examples_of_a_conversation_take_at_most_two_hundred_tokens(
    engine: LlamaGenerator, tmp_path: Path
) -> None:
    samantha = persona_files.load("samantha", folder=tmp_path)
    for example in samantha.examples:
        if example.language == "en":
            chosen = choose_examples(samantha, example.user, "en", count=3)
            assert sum(await engine.count(as_messages(chosen))) <= 200, example.user
