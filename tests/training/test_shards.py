"""Ids on disk: what is written comes back, and no document is asked for another's tokens."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from samantha.core.errors import TrainingError
from samantha.training import shards

DOCUMENTS = [[5, 6, 7], [8, 9], [10, 11, 12, 13]]


def test_documents_come_back_as_they_were(tmp_path: Path) -> None:
    shards.write(tmp_path / "shard", DOCUMENTS, vocabulary=300)
    found = shards.opened(tmp_path / "shard")
    assert found.ids.tolist() == [id for document in DOCUMENTS for id in document]
    assert (found.ends.tolist(), found.vocabulary, found.ids.dtype.name) == ([3, 5, 9], 300, "uint16")


def test_a_shard_is_replaced_and_one_that_fails_leaves_it(tmp_path: Path) -> None:
    shards.write(tmp_path / "shard", DOCUMENTS, vocabulary=300)
    with pytest.raises(TrainingError, match="Document 2 has the id -1"):
        shards.write(tmp_path / "shard", [[4], [-1, 5]], vocabulary=300)
    assert shards.opened(tmp_path / "shard").ids.tolist() == [id for document in DOCUMENTS for id in document]
    assert shards.write(tmp_path / "shard", [[4, 5]], vocabulary=300).ids.tolist() == [4, 5]


def test_a_large_vocabulary_needs_wider_ids(tmp_path: Path) -> None:
    found = shards.write(tmp_path / "shard", [[70_000, 1]], vocabulary=80_000)
    assert (found.ids.tolist(), found.ids.dtype.name) == ([70_000, 1], "uint32")


def test_the_next_token_of_a_documents_last_one_is_not_asked_for(tmp_path: Path) -> None:
    shard = shards.write(tmp_path / "shard", DOCUMENTS, vocabulary=300)
    packed = shards.cut(shard, [1], 6)
    assert packed.ids.tolist() == [[6, 7, 8, 9, 10, 11]]
    assert packed.documents.tolist() == [[0, 0, 1, 1, 2, 2]]
    assert packed.targets.tolist() == [[7, -1, 9, -1, 11, 12]]


def test_the_same_seed_draws_the_same_rows(tmp_path: Path) -> None:
    shard = shards.write(tmp_path / "shard", [list(range(200))], vocabulary=300)
    first, again, other = (
        torch.stack([one.ids for one in islice(shards.batches(shard, 3, 8, seed=seed), 4)]) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_in_order_every_token_is_asked_for_once(tmp_path: Path) -> None:
    shard = shards.write(tmp_path / "shard", [list(range(41))], vocabulary=300)
    asked = [id for batch in shards.in_order(shard, 2, 8) for id in batch.targets.flatten().tolist()]
    assert asked == list(range(1, 41))


def test_a_text_shorter_than_a_row_is_still_measured(tmp_path: Path) -> None:
    shard = shards.write(tmp_path / "shard", [[5, 6, 7]], vocabulary=300)
    assert [batch.targets.tolist() for batch in shards.in_order(shard, 2, 8)] == [[[6, 7]]]


def test_a_single_token_asks_for_nothing(tmp_path: Path) -> None:
    assert not list(shards.in_order(shards.write(tmp_path / "shard", [[5]], vocabulary=300), 2, 8))


def test_nothing_and_too_little_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no text"):
        shards.write(tmp_path / "empty", [[], []], vocabulary=300)
    shard = shards.write(tmp_path / "short", [[1, 2, 3]], vocabulary=300)
    with pytest.raises(TrainingError, match="3 tokens, fewer than the 9"):
        next(shards.batches(shard, 1, 8, seed=0))


def test_an_id_outside_the_vocabulary_and_half_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="Document 2 has the id 300"):
        shards.write(tmp_path / "outside", [[1], [300]], vocabulary=300)
    shards.write(tmp_path / "half", DOCUMENTS, vocabulary=300)
    ids = tmp_path / "half" / shards.IDS
    ids.write_bytes(ids.read_bytes()[:6])
    with pytest.raises(TrainingError, match="3 tokens instead of 9"):
        shards.opened(tmp_path / "half")
