"""Token ids on disk, read without loading them, and cut into batches in which no document sees another.

A shard is one file of ids, one after the other, and beside it where each document ends. Not here: where the ids come
from (`samantha.training.tokens`), or what is learned from them (the recipes).
"""

import json
import os
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samantha.core.errors import TrainingError

IDS, ENDS, CARD = "ids.bin", "ends.npy", "shard.json"


@dataclass(frozen=True, slots=True)
class Shard:
    """All ids (tokens), mapped into memory, and for each document the place behind its last one (documents)."""

    ids: NDArray[np.unsignedinteger]
    ends: NDArray[np.int64]
    vocabulary: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch of full rows. `documents` numbers what stands together."""

    ids: Tensor  # (batch, tokens)
    documents: Tensor  # (batch, tokens)
    targets: Tensor  # (batch, tokens): the token that comes next, -1 where it is another document's


def write(folder: Path, documents: Iterable[Sequence[int]], *, vocabulary: int) -> Shard:
    """Write `documents`, each a sequence of ids below `vocabulary`, and open what was written.

    A shard that is there already is replaced once the new one is complete. Raises `TrainingError` where there is
    nothing to write, or an id is none of the vocabulary.
    """
    dtype = np.uint16 if vocabulary <= 1 << 16 else np.uint32
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)  # what a run left that was killed
    beside.mkdir(parents=True)
    ends: list[int] = []
    total = 0
    with (beside / IDS).open("wb") as file:
        for document in documents:
            ids = np.asarray(document, np.int64)
            if len(outside := ids[(ids < 0) | (ids >= vocabulary)]):
                raise TrainingError(
                    "Document {number} has the id {id}, outside a vocabulary of {size}. Use the tokenizer it was made "
                    "for.",
                    number=len(ends) + 1,
                    id=int(outside[0]),
                    size=vocabulary,
                )
            ids.astype(dtype).tofile(file)
            total += len(ids)
            ends.append(total)
    if not total:
        raise TrainingError("There is no text to train on: no document has a single token.")
    np.save(beside / ENDS, np.array(ends, np.int64))
    (beside / CARD).write_text(json.dumps({"vocabulary": vocabulary, "dtype": dtype.__name__, "tokens": total}))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(beside, folder)
    return opened(folder)


def opened(folder: Path) -> Shard:
    """What `write` wrote. Raises `TrainingError` where it is not there, or not whole."""
    try:
        card = json.loads((folder / CARD).read_text())
        ids = np.memmap(folder / IDS, np.dtype(card["dtype"]), mode="r")
        ends = np.load(folder / ENDS)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError("The shard '{folder}' cannot be read: {reason}.", folder=folder, reason=error) from error
    if len(ids) != card["tokens"] or ends[-1] != len(ids):
        raise TrainingError(
            "The shard '{folder}' has {found} tokens instead of {wanted}. Make it again.",
            folder=folder,
            found=len(ids),
            wanted=card["tokens"],
        )
    return Shard(ids, ends, int(card["vocabulary"]))


def batches(shard: Shard, rows: int, tokens: int, *, seed: int) -> Iterator[Packed]:
    """Batches of (rows, tokens) for ever, each row cut from a place drawn anew; the same seed gives the same ones.

    Raises `TrainingError` where the shard is shorter than a row.
    """
    last = len(shard.ids) - tokens - 1
    if last < 0:
        raise TrainingError(
            "There are {count} tokens, fewer than the {needed} of one row. Give more text, or a shorter context.",
            count=len(shard.ids),
            needed=tokens + 1,
        )
    chance = random.Random(seed)
    while True:
        yield cut(shard, [chance.randint(0, last) for _ in range(rows)], tokens)


def in_order(shard: Shard, rows: int, tokens: int) -> Iterator[Packed]:
    """Every token once, in rows that follow each other: what a validation loss is measured on.

    A rest is left out; a shard that is shorter than a row is a shorter row.
    """
    tokens = min(tokens, len(shard.ids) - 1)
    if not tokens:
        return
    starts = range(0, len(shard.ids) - tokens, tokens)
    for first in range(0, len(starts), rows):
        yield cut(shard, starts[first : first + rows], tokens)


def cut(shard: Shard, starts: Sequence[int], tokens: int) -> Packed:
    """Rows of `tokens` ids from each place in `starts`."""
    places = np.asarray(starts)[:, None] + np.arange(tokens + 1)
    ids = torch.from_numpy(shard.ids[places].astype(np.int64))
    documents = torch.from_numpy(np.searchsorted(shard.ends, places, side="right"))
    targets = ids[:, 1:].masked_fill(documents[:, 1:] != documents[:, :-1], -1)
    return Packed(ids[:, :-1], documents[:, :-1], targets)
