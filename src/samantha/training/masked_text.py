"""A BERT and the texts it learns from by itself: rows of ids with some of them masked, and how many it finds again.

Not here: drawing what is masked (`samantha.training.objectives`), or which texts (`samantha.recipes.bert`).
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer
from torch import Tensor

from samantha.training import data, objectives, tokens
from samantha.training.devices import moved
from samantha.training.models.bert import BERT, Shape

Batch = tuple[Tensor, Tensor, Tensor]  # ids with some masked, mask, and what was there or -1; each (batch, tokens)
POOL = 32  # batches within which rows are ordered by length, so that little is padding
DRAWS = 2**31


def begin(shape: Shape, tokenizer: Tokenizer, *, dropout: float, seed: int, device: torch.device) -> BERT:
    """A model with random weights, and as many tokens as the tokenizer."""
    torch.manual_seed(seed)
    return BERT(replace(shape, vocabulary=tokenizer.get_vocab_size()), dropout=dropout).to(device)


def rows_of(texts: Iterable[str], tokenizer: Tokenizer, *, longest: int) -> list[list[int]]:
    """Each text between BEGIN and END; one of more than `longest` tokens goes on in further rows."""
    rows: list[list[int]] = []
    room = longest - 2
    for said in texts:
        ids = tokens.encode(tokenizer, said)
        rows += [[tokens.BEGIN, *ids[at : at + room], tokens.END] for at in range(0, len(ids), room)]
    return rows


def masked(rows: Sequence[Sequence[int]], vocabulary: int, *, share: float, generator: torch.Generator) -> Batch:
    """One batch. BEGIN, END and what it is filled up with are never masked."""
    ids, mask = data.filled_up(rows)
    candidates = ids >= len(tokens.NAMES)
    hidden, targets = objectives.masked(
        ids, candidates, mask=tokens.MASK, vocabulary=vocabulary, generator=generator, share=share
    )
    return hidden, mask, targets


def batches(
    rows: Sequence[Sequence[int]], size: int, vocabulary: int, *, share: float, seed: int, device: torch.device
) -> Iterator[Batch]:
    """Batches of `size` rows for ever, shuffled and masked anew each round; rows of like length come together."""
    chance = random.Random(seed)
    while True:
        order = chance.sample(rows, len(rows))
        for start in range(0, len(order), size * POOL):
            near = sorted(order[start : start + size * POOL], key=len)
            for at in chance.sample(range(0, len(near), size), -(-len(near) // size)):
                generator = torch.Generator().manual_seed(chance.randrange(DRAWS))
                yield moved(masked(near[at : at + size], vocabulary, share=share, generator=generator), device)


def losses(model: BERT, batch: Batch) -> dict[str, Tensor]:
    """Of the tokens that were masked, or might have been."""
    ids, mask, targets = batch
    return {"loss": objectives.tokens(model.logits, model(ids, mask), targets)}


def count(batch: Batch) -> int:
    """Tokens that are read."""
    return int(batch[1].sum())


@dataclass(frozen=True, slots=True)
class Found:
    """Of masked tokens: the mean loss in nats, and the share that was found again."""

    loss: float
    accuracy: float


@torch.inference_mode()
def found(model: BERT, held: Iterable[Batch]) -> Found:
    """How well `model` does on batches that it was not trained on."""
    device = next(model.parameters()).device
    loss, right, asked = 0.0, 0, 0
    for batch in held:
        ids, mask, targets = moved(batch, device)
        hidden, known = model(ids, mask), targets >= 0
        here = int(known.sum())
        loss += objectives.tokens(model.logits, hidden, targets).item() * here
        right += int((model.logits(hidden[known]).argmax(-1) == targets[known]).sum())
        asked += here
    return Found(loss / max(1, asked), right / max(1, asked))


def held_batches(rows: Sequence[Sequence[int]], size: int, vocabulary: int, *, share: float) -> list[Batch]:
    """`rows` once, with the same tokens masked each time that it is asked."""
    near = sorted(rows, key=len)
    generator = torch.Generator().manual_seed(0)
    return [
        masked(near[at : at + size], vocabulary, share=share, generator=generator) for at in range(0, len(near), size)
    ]


@torch.inference_mode()
def filled_in(model: BERT, tokenizer: Tokenizer, row: Sequence[int]) -> tuple[str, str]:
    """`row` with every sixth token masked, and with what the model puts there."""
    ids = torch.tensor([row])
    asked = torch.zeros_like(ids, dtype=torch.bool)
    asked[0, 3:-1:6] = True
    device = next(model.parameters()).device
    hidden = model(*moved((ids.masked_fill(asked, tokens.MASK), torch.ones_like(ids)), device))
    best = model.logits(hidden).argmax(-1).cpu()
    gap = tokenizer.encode(" ___", add_special_tokens=False).ids
    with_gaps = [number for at, one in enumerate(row) for number in (gap if asked[0, at] else [one])]
    return tokens.decode(tokenizer, with_gaps), tokens.decode(tokenizer, torch.where(asked, best, ids)[0].tolist())
