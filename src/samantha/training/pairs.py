"""Pairs of texts, of which one becomes the other: read from files, turned into ids, and put into batches.

A translation is a pair, and so is a message with its reply. Not here: what is learned from them
(`samantha.training.translation`).
"""

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from samantha.core.errors import SettingError, TrainingError
from samantha.core.text import text
from samantha.training import cleaning, corpora, tokens
from samantha.training.corpora import EXCERPT, Chat, Dropped, Pair, Tally
from samantha.training.tokens import PAD

V = TypeVar("V", bound=corpora.Value)
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])(?![。！？”’」）])")


# -- reading ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Origin:
    """Where pairs are read from: two files with a line each, or one."""

    source: Path | None = None
    target: Path | None = None
    data: Path | None = None

    @property
    def name(self) -> str:
        return ", ".join(path.name or str(path) for path in (self.data, self.source, self.target) if path)

    @property
    def talks(self) -> bool:
        """Whether they are conversations: a folder, or JSON Lines."""
        return self.data is not None and (self.data.is_dir() or ".jsonl" in self.data.suffixes)

    def given(self) -> bool:
        """Whether there is one. Raises `SettingError` where half of it is missing, or there is too much."""
        sides = [side is not None for side in (self.source, self.target)]
        if any(sides) != all(sides) or (any(sides) and self.data):
            raise SettingError(
                "Pairs are read from two files of as many lines (source=FILE target=FILE), or from one (data=FILE). "
                "Given are source={source}, target={target}, data={data}.",
                source=self.source,
                target=self.target,
                data=self.data,
            )
        return any(sides) or self.data is not None


def read(origin: Origin, *, tally: Tally, lower_case: bool = False, clean: bool = True) -> list[Pair]:
    """All pairs that are there; if `clean`, made normal and each once, and else every row as it is.

    A test is read as it is: figures of fewer rows are those of another test. Raises `TrainingError` where there are
    fewer than two.
    """
    if origin.data and origin.talks:
        chats = _chats(origin.data, tally)
        found = [pair for chat in (_cleaned(chats, tally) if clean else chats) for pair in replies(chat)]
    else:
        rows = _rows(origin, tally)
        found = list(_cleaned(rows, tally) if clean else rows)
    if len(found) < 2:
        raise TrainingError(
            "{count} pairs were found in '{file}', and it takes at least 2. Give more text.",
            count=len(found),
            file=origin.name,
        )
    return [pair.with_texts([side.lower() for side in pair.texts]) for pair in found] if lower_case else found


def _cleaned(values: Iterable[V], tally: Tally) -> Iterator[V]:
    return cleaning.distinct(cleaning.normalised(values, tally=tally), tally=tally)


def _rows(origin: Origin, tally: Tally) -> Iterator[Pair]:
    """The pairs of two files, or of a table."""
    if origin.source and origin.target:
        return corpora.parallel(origin.source, origin.target, tally=tally)
    return corpora.parallel_table(origin.data, tally=tally) if origin.data else iter(())


def _chats(path: Path, tally: Tally) -> Iterator[Chat]:
    """The conversations of a file, or of all files of a folder."""
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise TrainingError("There is no file called .jsonl in '{folder}'.", folder=path)
    return chain.from_iterable(corpora.conversations(file, tally=tally) for file in files)


def replies(chat: Chat) -> list[Pair]:
    """Each reply of the assistant, with the message of the user right before it."""
    said = [message for message in chat.messages if message.role != "system"]
    return [
        Pair(before.text, reply.text, chat.place)
        for before, reply in pairwise(said)
        if (before.role, reply.role) == ("user", "assistant")
    ]


def without(pairs: Sequence[Pair], others: Iterable[Pair], *, tally: Tally) -> list[Pair]:
    """`pairs` but for those with the source of one of `others`: what measures must not have been learned.

    Raises `TrainingError` where fewer than two are left.
    """
    known = {cleaning.normal(pair.source) for pair in others}
    left = [pair for pair in pairs if pair.source not in known]
    rows = {pair.place for pair in left}  # of a conversation, other replies may be left
    for place, pair in {pair.place: pair for pair in pairs if pair.place not in rows}.items():
        says = text("It is also in what measures.")
        tally.drop(Dropped(place, "in held or test", says, pair.source[:EXCERPT]))
    if len(left) < 2:
        raise TrainingError(
            "Of {count} pairs to learn from, {left} are left without those that are also in what measures, and it "
            "takes at least 2. Give others to learn from, or to measure with.",
            count=len(pairs),
            left=len(left),
        )
    return left


def held_out(pairs: Sequence[Pair], share: float) -> tuple[list[Pair], list[Pair]]:
    """Those to learn from, and about `share` to measure with; what a source is held out with depends on it alone.

    Raises `TrainingError` where nothing is left on one of the sides.
    """
    held = [pair for pair in pairs if _chance(pair.source) < share]
    learned = [pair for pair in pairs if _chance(pair.source) >= share]
    if not learned or (share and not held):
        raise TrainingError(
            "Of {count} pairs, {held} are held out with held_out={share}, which leaves {learned} to learn from. Give "
            "more text, or another share; 0 holds out nothing.",
            count=len(pairs),
            held=len(held),
            share=share,
            learned=len(learned),
        )
    return learned, held


def _chance(said: str) -> float:
    """A number from 0 to 1 that is always the same for a text."""
    return int.from_bytes(hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=4).digest()) / 2**32


# -- ids --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Codec:
    """The tokenizer of what is read, and that of what is written; often they are one."""

    reads: Tokenizer
    writes: Tokenizer


def codec(pairs: Iterable[Pair], vocabulary: int, *, reads: Tokenizer | None = None) -> Codec:
    """Learn one tokenizer for both sides, or for the target alone where there is one that `reads`."""
    if reads:
        return Codec(reads, tokens.byte_level((pair.target for pair in pairs), vocabulary))
    joint = tokens.byte_level((side for pair in pairs for side in pair.texts), vocabulary)
    return Codec(joint, joint)


def source_batch(tokenizer: Tokenizer, texts: Sequence[str], longest: int) -> tuple[Tensor, Tensor]:
    """Ids and mask (texts, tokens) of what is read, in training and ever after.

    Each text stands in the frame of its tokenizer (BEGIN and END, or BERT's [CLS] and [SEP]) and is cut to `longest`.
    """
    return filled([cut(row.ids, longest) for row in tokenizer.encode_batch(list(texts))])


def cut(ids: list[int], longest: int) -> list[int]:
    """`ids` with what is too long left out before the last one, which ends the text."""
    return ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]]


def filled(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids (rows, tokens) of equal length, and a mask that is 1 for a token. 0 fills up, as in all tokenizers here."""
    ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()


@dataclass(frozen=True, slots=True)
class Example:
    """The ids of a pair, each side with its beginning and end."""

    source: list[int]
    target: list[int]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Examples, and what became of texts that were too long."""

    examples: list[Example]
    sources_cut: int = 0
    targets_shortened: int = 0
    left_out: int = 0  # pairs with a target that could not be shortened


def encoded(pairs: Sequence[Pair], codec: Codec, *, longest_source: int, longest_target: int, shorten: bool) -> Encoded:
    """The ids of `pairs`. A source that is too long is cut.

    A target that is too long is shortened to the sentences that fit if `shorten`, as a reply may be; a translation
    may not, and its pair is left out. Raises `TrainingError` where nothing is left.
    """
    examples, cuts, shortened = list[Example](), 0, 0
    for pair in pairs:
        source, target = codec.reads.encode(pair.source).ids, codec.writes.encode(pair.target).ids
        if len(target) > longest_target:
            target = _beginning(pair.target, codec.writes, longest_target) if shorten else []
            shortened += bool(target)
        if target:
            cuts += len(source) > longest_source
            examples.append(Example(cut(source, longest_source), target))
    if not examples:
        raise TrainingError(
            "Every target has more than {longest} tokens. Set longest_target higher.", longest=longest_target
        )
    return Encoded(examples, cuts, shortened, len(pairs) - len(examples))


def _beginning(said: str, tokenizer: Tokenizer, longest: int) -> list[int]:
    """The ids of as many sentences of `said` as fit; none where the first does not."""
    for end in reversed([found.start() for found in _SENTENCE_END.finditer(said)]):
        ids: list[int] = tokenizer.encode(said[:end]).ids
        if len(ids) <= longest:
            return ids
    return []


# -- batches ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Batch:
    """Ids of both sides; a target is shifted against itself by one."""

    source: Tensor  # (batch, source tokens)
    mask: Tensor  # (batch, source tokens): 1 for a token
    target: Tensor  # (batch, target tokens), from BEGIN on
    following: Tensor  # (batch, target tokens): the token after each, up to END; -1 is none


def batch_of(examples: Sequence[Example]) -> Batch:
    """Put `examples` together."""
    source, mask = filled([example.source for example in examples])
    target, _ = filled([example.target[:-1] for example in examples])
    following, known = filled([example.target[1:] for example in examples])
    return Batch(source, mask, target, following.masked_fill(known == 0, -1))


def batches(
    examples: Sequence[Example], size: int, *, seed: int, moved: Callable[[Batch], Batch] = lambda batch: batch
) -> Iterator[Batch]:
    """Batches of at most `size` tokens a side, filling included, for ever; all examples, then all in another order.

    Like lengths come together, so that little is filled up; batches come in any order.
    """
    chance = random.Random(seed)
    while True:
        near = groups(chance.sample(examples, len(examples)), size)
        yield from (moved(batch_of(group)) for group in chance.sample(near, len(near)))


def groups(examples: Sequence[Example], size: int) -> list[list[Example]]:
    """`examples` by length, in groups of at most `size` tokens a side; an example that is longer is alone."""
    found: list[list[Example]] = []
    longest = 0
    for example in sorted(examples, key=lambda one: (len(one.target), len(one.source))):
        longest = max(longest, len(example.source), len(example.target))
        if not found or (len(found[-1]) + 1) * longest > size:
            found.append([])
            longest = max(len(example.source), len(example.target))
        found[-1].append(example)
    return found
