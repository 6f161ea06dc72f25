"""A GPT and the texts it learns from: documents and conversations to ids, the loss of the next token, what it writes.

Pretraining reads full rows cut from shards; tuning reads whole conversations, of which only her answers are learned.
Not here: files of texts (`samantha.training.corpora`), or which stages there are (the recipes).
"""

import math
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor

from samantha.core.chat import chatml
from samantha.core.errors import SettingError, TrainingError
from samantha.core.text import text
from samantha.core.types import Message
from samantha.training import corpora, objectives, ranges, shards, tokens
from samantha.training.corpora import EXCERPT, Chat, Document, Dropped, Tally
from samantha.training.devices import moved
from samantha.training.models.blocks import check_sizes
from samantha.training.models.gpt import GPT, Shape
from samantha.training.shards import Packed, Shard

V = TypeVar("V", bound=Document | Chat)
STEP = 16  # rows of conversations are as long as a multiple of it: kernels are prepared anew for each length
SHORTEST = 8  # tokens of a context
MOST_DROPPED = 0.9  # beyond it a model learns next to nothing


def check(shape: Shape, *, rows: int, dropout: float, held_out: float) -> None:
    """What can be said of a recipe before anything is read. Raises `SettingError`."""
    check_sizes(rows=rows)
    check_sizes(SHORTEST, context=shape.context)
    ranges.within("dropout", dropout, 0, MOST_DROPPED)
    _check_share(held_out)


def _check_share(held_out: float) -> None:
    if not 0 < held_out < 1:
        raise SettingError("held_out is {share}. It has to lie between 0 and 1.", share=held_out)


# -- texts ------------------------------------------------------------------------------------------------------


def read(paths: Sequence[Path], *, tally: Tally) -> list[Document | Chat]:
    """All texts of files, or of the files in folders: .txt and .md as they are, .tsv the first cell of a row, .jsonl
    conversations; each may be packed (.gz).

    Raises `TrainingError` where a file is of another kind, or a folder has none of these.
    """
    return [
        value for path in paths for file in _files(path, READERS) for value in READERS[_kind(file)](file, tally=tally)
    ]


def read_chats(path: Path, *, tally: Tally) -> list[Chat]:
    """The conversations of a .jsonl file, or of those in a folder, whatever else lies there.

    Raises `TrainingError` where the file is of another kind, or the folder has none of them.
    """
    return [chat for file in _files(path, [".jsonl"]) for chat in corpora.conversations(file, tally=tally)]


def _files(path: Path, kinds: Collection[str]) -> list[Path]:
    """`path` itself, or those of `kinds` in the folder that it is."""
    files = sorted(file for file in path.iterdir() if _kind(file) in kinds) if path.is_dir() else [path]
    known = ", ".join(kinds)
    if not files:
        raise TrainingError("There is no text in '{path}': no file ends in {known}.", path=path, known=known)
    if _kind(files[0]) not in kinds:
        raise TrainingError("'{file}' is of no known kind: it has to end in {known}.", file=path, known=known)
    return files


def _first_cells(path: Path, *, tally: Tally) -> Iterator[Document]:
    return (Document(row.source, row.place) for row in corpora.parallel_table(path, tally=tally))


READERS: Mapping[str, Callable[..., Iterator[Document] | Iterator[Chat]]] = {
    ".txt": corpora.whole,
    ".md": corpora.whole,
    ".tsv": _first_cells,
    ".jsonl": corpora.conversations,
}


def _kind(file: Path) -> str:
    return file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix


def held_out(values: Sequence[V], share: float) -> tuple[list[V], list[V]]:
    """What is learned from, and the `share` that measures: values spread evenly; of a single text its end.

    Raises `TrainingError` where one of both would be empty.
    """
    _check_share(share)
    if len(values) == 1 and isinstance(only := values[0], Document):
        cut = round(len(only.text) * (1 - share))
        if 0 < cut < len(only.text):
            return [replace(only, text=only.text[:cut])], [replace(only, text=only.text[cut:])]
    learned, held = list[V](), list[V]()
    for number, value in enumerate(values):
        measures = math.floor((number + 1) * share) > math.floor(number * share)
        (held if measures else learned).append(value)
    if not held:
        raise TrainingError(
            "There are {count} texts, too few to hold out {share} of them. Give more text.",
            count=len(values),
            share=f"{share:.0%}",
        )
    return learned, held


def spoken(messages: Iterable[Message]) -> list[Message]:
    """What two people said to each other: a small model is given no instructions."""
    return [message for message in messages if message.role != "system"]


def said(value: Document | Chat) -> str:
    """All of a text; of a conversation what is spoken, a line each."""
    return value.text if isinstance(value, Document) else "\n".join(one.text for one in spoken(value.messages))


def ids_of(tokenizer: Tokenizer, value: Document | Chat) -> list[int]:
    """The tokens of a text, opened by BEGIN."""
    if isinstance(value, Document):
        return [tokens.BEGIN, *tokens.encode(tokenizer, value.text)]
    pieces = chatml(spoken(value.messages), reply=False)
    return [tokens.BEGIN, *(number for piece in tokens.encode_pieces(tokenizer, pieces) for number in piece)]


def shard_of(folder: Path, tokenizer: Tokenizer, values: Iterable[Document | Chat]) -> Shard:
    """`values` as ids on disk."""
    size = tokenizer.get_vocab_size()
    return shards.write(folder, (ids_of(tokenizer, value) for value in values), vocabulary=size)


# -- the model --------------------------------------------------------------------------------------------------


def begin(shape: Shape, tokenizer: Tokenizer, *, dropout: float, seed: int, device: torch.device) -> GPT:
    """A model with random weights, and as many tokens as the tokenizer."""
    torch.manual_seed(seed)
    return GPT(replace(shape, vocabulary=tokenizer.get_vocab_size()), dropout=dropout).to(device)


def losses(model: GPT, batch: Packed) -> dict[str, Tensor]:
    """Of every next token of the same document."""
    alone = bool((batch.documents == batch.documents[:, :1]).all())  # then a faster kernel will do
    hidden = model(batch.ids, documents=None if alone else batch.documents)
    return {"loss": objectives.tokens(model.logits, hidden, batch.targets)}


def batches(shard: Shard, rows: int, context: int, *, seed: int, device: torch.device) -> Iterator[Packed]:
    """Rows of `context` tokens for ever."""
    return (moved(batch, device) for batch in shards.batches(shard, rows, context, seed=seed))


def count(batch: Packed) -> int:
    """Tokens that are learned from."""
    return int((batch.targets >= 0).sum())


@torch.inference_mode()
def held_out_loss(model: GPT, held: Iterable[Packed]) -> float:
    """The mean over all tokens that are asked for, in nats. Raises `TrainingError` where there is none."""
    return _mean_loss(model, held, losses)


def _mean_loss(model: GPT, held: Iterable[Packed], losses_of: Callable[[GPT, Packed], Mapping[str, Tensor]]) -> float:
    total, tokens_asked = 0.0, 0
    device = next(model.parameters()).device
    for batch in held:
        asked = count(batch)
        total += losses_of(model, moved(batch, device))["loss"].item() * asked
        tokens_asked += asked
    if not tokens_asked:
        raise TrainingError("What is held out has no token to measure with. Give more text, or a larger held_out.")
    return total / tokens_asked


# -- conversations ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EncodedChat:
    """A conversation of (tokens). `learned` is true for a token of an answer, and for the one that ends it."""

    ids: list[int]
    learned: list[bool]


def encoded(
    tokenizer: Tokenizer, messages: Sequence[Message], *, longest: int, examples: Sequence[Message] = ()
) -> EncodedChat | None:
    """`messages` for tuning, with `examples` of which nothing is learned before them.

    The oldest messages are left out where all are more than `longest` tokens; None where not even the last exchange
    fits, or nobody answers.
    """
    said = spoken(messages)
    before = _encoded(tokenizer, examples).ids[1:]
    longest -= len(before)
    for first, message in enumerate(said):
        if message.role == "user":
            made = _encoded(tokenizer, said[first:])
            if len(made.ids) <= longest + 1:
                ids = [tokens.BEGIN, *before, *made.ids[1:]]
                return EncodedChat(ids, [False] * (len(before) + 1) + made.learned[1:]) if any(made.learned) else None
    return None


def _encoded(tokenizer: Tokenizer, messages: Sequence[Message]) -> EncodedChat:
    pieces = chatml(messages, reply=False)
    ids, learned = [tokens.BEGIN], [False]
    for piece, numbers in zip(pieces, tokens.encode_pieces(tokenizer, pieces), strict=True):
        hers = messages[piece.message].role == "assistant"
        ids += numbers
        learned += [hers and (not piece.control or number == tokens.TURN_END) for number in numbers]
    return EncodedChat(ids, learned)


def answers_of(tokenizer: Tokenizer, chats: Sequence[Chat], *, longest: int, tally: Tally) -> list[EncodedChat]:
    """`chats` for tuning; those of which no answer can be learned are counted.

    Raises `TrainingError` where that is all of them.
    """
    found: list[EncodedChat] = []
    for chat in chats:
        if one := encoded(tokenizer, chat.messages, longest=longest):
            found.append(one)
        else:
            says = text("Its last exchange is longer than {longest} tokens: it is read as text alone.", longest=longest)
            tally.drop(Dropped(chat.place, "too long to answer", says, said(chat)[:EXCERPT]))
    if not found:
        raise TrainingError(
            "None of {count} conversations has an exchange that fits into {longest} tokens. Set a longer "
            "shape.context, or give shorter ones.",
            count=len(chats),
            longest=longest,
        )
    return found


def conversation_batches(
    conversations: Sequence[EncodedChat], rows: int, *, seed: int, device: torch.device
) -> Iterator[Packed]:
    """Batches of whole conversations for ever, shuffled anew each round."""
    chance = random.Random(seed)
    while True:
        order = chance.sample(conversations, len(conversations))
        for start in range(0, len(order), rows):
            yield moved(padded(order[start : start + rows]), device)


def padded(conversations: Sequence[EncodedChat]) -> Packed:
    """One batch. What a row is filled up with is another document, of which nothing is learned."""
    longest = -(-max(len(one.ids) - 1 for one in conversations) // STEP) * STEP
    ids = torch.full((len(conversations), longest), tokens.PAD)
    documents, targets = torch.ones_like(ids), torch.full_like(ids, -1)
    for row, one in enumerate(conversations):
        length = len(one.ids) - 1
        ids[row, :length], documents[row, :length] = torch.tensor(one.ids[:-1]), 0
        following = torch.tensor(one.ids[1:])
        targets[row, :length] = following.masked_fill(~torch.tensor(one.learned[1:]), -1)
    return Packed(ids, documents, targets)


def answer_losses(model: GPT, batch: Packed) -> dict[str, Tensor]:
    """Of her answers alone. Nothing that is padded is in front of a token, so that the fast kernel will do."""
    return {"loss": objectives.tokens(model.logits, model(batch.ids), batch.targets)}


@torch.inference_mode()
def answer_perplexity(model: GPT, conversations: Sequence[EncodedChat], *, rows: int = 16) -> float:
    """How many tokens she hesitates between, in the mean, in answers that she has not seen."""
    held = (padded(conversations[start : start + rows]) for start in range(0, len(conversations), rows))
    return math.exp(_mean_loss(model, held, answer_losses))


def few_shot(
    tokenizer: Tokenizer,
    learned: Sequence[Chat],
    held: Sequence[Chat],
    numbers: Sequence[int],
    *,
    longest: int,
    seed: int,
) -> dict[int, list[EncodedChat]]:
    """The first exchange of held-out conversations with `numbers` of other exchanges before it, by number.

    All of the same conversations, those that have room for the most. A number is left out where there are not so many
    exchanges, or no conversation has room for them.
    """
    chance = random.Random(seed)
    first = [spoken(chat.messages)[:2] for chat in learned]
    short = [one for one in first if [each.role for each in one] == ["user", "assistant"]]
    numbers = [number for number in numbers if number <= len(short)]
    chosen_ones = [chance.sample(short, max(numbers, default=0)) for _ in held]
    made = [
        [
            encoded(
                tokenizer,
                spoken(chat.messages)[:2],
                longest=longest,
                examples=[message for exchange in exchanges[:number] for message in exchange],
            )
            for number in numbers
        ]
        for chat, exchanges in zip(held, chosen_ones, strict=True)
    ]
    for most in range(len(numbers), 0, -1):
        rows = [[one for one in row[:most] if one] for row in made]
        if fitting := [row for row in rows if len(row) == most]:
            return {number: [row[at] for row in fitting] for at, number in enumerate(numbers[:most])}
    return {}
