"""docs/api.md: every request on the page is sent, and every answer has the shape that the page shows."""

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest
from serving import calling, companion, events_of

from samantha.adapters.sqlite import SqliteJournal
from samantha.core.types import Emotion, Risk, Understanding
from samantha.surfaces.api.openai import ChatBody
from samantha.surfaces.api.turns import TurnBody
from samantha.testing import ScriptedEncoder

pytestmark = pytest.mark.anyio

SAD = Understanding(
    emotion=Emotion({"sadness": 0.58, "neutral": 0.21}, -0.47, -0.22, ("sadness",)),
    risk=Risk("none", {"self_harm": 0.02}),
    sentiment="negative",
    act="disclosure",
)
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "docs" / "api.md").read_text(encoding="utf-8")


def examples(page: str) -> list[tuple[str, str]]:
    """Each curl command with the block that shows its answer."""
    blocks = BLOCK.findall(page)
    return [(said, answer) for (_, said), (_, answer) in pairwise(blocks) if said.startswith("curl ")]


async def curl(command: str, client: httpx2.AsyncClient) -> str:
    """What the command would print."""
    words = iter(shlex.split(command.replace("\\\n", " ")))
    method, url, headers, body = "GET", "", {}, None
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                method, body = "POST", next(words)
            case _ if word.startswith("http"):
                url = word
    return (await client.request(method, url, headers=headers, content=body)).text


def shape(value: Any) -> Any:
    """Names and types, without what they hold; of a list, its first element."""
    match value:
        case dict():
            return {name: shape(each) for name, each in value.items()}
        case list():
            return [shape(each) for each in value[:1]]
        case int() | float():
            return "number"
    return type(value).__name__


async def test_every_answer_on_the_page_has_the_shape_of_the_real_one(page: str) -> None:
    journal = SqliteJournal(":memory:")
    her = companion(
        "That sounds tiring. What made it so long?", journal=journal, encoder=ScriptedEncoder(otherwise=SAD)
    )
    async with calling(her) as client:
        for command, shown in examples(page):
            read = events_of if shown.startswith("event: ") else json.loads
            real, wanted = read(await curl(command, client)), read(shown)
            assert shape(real) == shape(wanted), command
            if read is events_of:
                assert [shape(each) for each in real] == [shape(each) for each in wanted]
    await journal.aclose()


def test_the_page_shows_several_requests(page: str) -> None:
    assert len(examples(page)) >= 8


@pytest.mark.parametrize("body", [TurnBody, ChatBody])
def test_every_field_is_on_the_page(body: type[TurnBody] | type[ChatBody], page: str) -> None:
    assert not {name for name in body.model_fields if f"`{name}`" not in page}
