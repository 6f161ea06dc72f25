"""The conversations of this project hold what is counted about them."""

from pathlib import Path

import pytest

from samantha.dialogues.checks import check
from samantha.dialogues.overlap import shared
from samantha.dialogues.shape import Dialogue, read


@pytest.fixture(scope="module")
def written() -> list[Dialogue]:
    files = sorted((Path(__file__).parents[3] / "dialogues").glob("*.jsonl"))
    return [one for file in files for one in read(file)]


def test_the_conversations_have_no_finding(written: list[Dialogue]) -> None:
    assert [f"{finding.id}: {finding.says}" for finding in check(written)] == []


def test_the_conversations_share_no_text_with_a_data_set(written: list[Dialogue], sets: Path) -> None:
    assert [f"{finding.id}: {finding.says}" for finding in shared(written, sets)] == []


def test_there_are_as_many_as_the_card_says(written: list[Dialogue]) -> None:
    replies = sum(len(one.replies) for one in written)
    chinese = sum(one.lang == "zh" for one in written)
    card = (Path(__file__).parents[3] / "dialogues" / "README.md").read_text(encoding="utf-8")
    assert f"{len(written):,} conversations, {chinese} of them in Chinese, with {replies:,} replies" in card


def test_each_conversation_stands_in_the_file_of_its_theme() -> None:
    for file in (Path(__file__).parents[3] / "dialogues").glob("*.jsonl"):
        assert {one.theme for one in read(file)} == {file.stem}


def test_a_twentieth_is_held_out(written: list[Dialogue]) -> None:
    assert 0.02 < sum(one.held_out for one in written) / len(written) < 0.08
