"""Talking with a model that was trained here, whatever its architecture: messages in, pieces of text out.

What a model is given is what it was trained on: a GPT the last messages in ChatML, or a text to go on with; a
sequence-to-sequence model the newest message. Not here: threads and ports (`samantha.adapters.school`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor

from samantha.core.chat import Piece, chatml
from samantha.core.errors import TrainingError
from samantha.core.ports import CONTEXT
from samantha.core.types import Finish, Message, Sampling
from samantha.training import model_files, pairs, tokens
from samantha.training.decoding import Decoding, Writer, stream
from samantha.training.language_modelling import spoken
from samantha.training.model_files import Trained

NO_REPEAT = 4  # words or pieces of words: a small model is caught in its own phrases more easily


@dataclass(frozen=True, slots=True)
class Talker:
    """A trained model that answers."""

    trained: Trained
    name: str

    @classmethod
    def open(cls, folder: Path) -> "Talker":
        """The model in `folder`. Raises `TrainingError` where there is none, or it writes no text."""
        trained = model_files.read(folder)
        if trained.speaks == "nothing":
            raise TrainingError(
                "The model in '{folder}' ({architecture}) reads and writes no text, so nobody can talk with it. "
                "Take a run of gpt, seq2seq_lstm, seq2seq_transformer or raise_samantha.",
                folder=folder,
                architecture=trained.architecture,
            )
        return cls(trained, folder.resolve().name)

    @property
    def context(self) -> int:
        """Tokens that a conversation and the reply may have together. A model that reads one message has no such limit:
        it reads as much of it as it can."""
        return self.trained.longest if self.trained.speaks == "chat" else max(CONTEXT, self.trained.longest)

    def most(self, sampling: Sampling) -> int:
        """Tokens that a reply may have: a GPT keeps half of its context for what it reads."""
        if self.trained.architecture == "gpt" and self.trained.speaks == "chat":
            return min(sampling.max_tokens, max(1, self.trained.longest // 2))
        return sampling.max_tokens

    def count(self, messages: Sequence[Message]) -> list[int]:
        """Tokens that each of `messages` takes in the context, the opening of the reply with the last; a model of ours
        is given no instructions."""
        counts = [len(self._turn(one)) if one.role != "system" else 0 for one in messages]
        if counts:
            counts[-1] += 1 + len(self._opening)
        return counts

    def answer(self, messages: Sequence[Message], sampling: Sampling) -> "Answer":
        """The reply to `messages`, which is written while it is drawn from the iterator."""
        device = next(self.trained.model.parameters()).device
        source, mask = (each.to(device) for each in self._source(messages, sampling))
        chance = torch.Generator()
        if sampling.seed is None:
            chance.seed()  # its own: the one of a training that goes on stays as it is
        else:
            chance.manual_seed(sampling.seed)
        chosen = self._chosen(source, mask, self._decoding(sampling), chance)
        return Answer(
            chosen,
            self.trained.tokenizer,
            prompt_tokens=source.shape[1],
            most=self.most(sampling),
            stops=sampling.stop,
        )

    def say(self, said: str, sampling: Sampling) -> str:
        """The whole reply to a single message."""
        return "".join(self.answer([Message("user", said)], sampling))

    def _chosen(self, source: Tensor, mask: Tensor, how: Decoding, chance: torch.Generator) -> Iterator[int]:
        """The ids of a reply. A text that outgrows the context is read anew from its last half, as often as need be."""
        writer, longest = cast(Writer[Any], self.trained.model), self.trained.longest  # each that speaks is a writer
        left = how.max_tokens
        while left:
            room = min(left, longest - source.shape[1]) if self.trained.speaks == "text" else left
            written = []
            for number in stream(writer, source, mask, replace(how, max_tokens=room), generator=chance):
                written.append(number)
                yield number
            if len(written) < room:
                return
            left -= room
            source = torch.cat([source, source.new_tensor([written])], dim=1)[:, -longest // 2 :]
            mask = torch.ones_like(source)

    def _source(self, messages: Sequence[Message], sampling: Sampling) -> tuple[Tensor, Tensor]:
        """What the model reads (1, tokens), and its mask."""
        newest = messages[-1].text
        if self.trained.speaks == "pairs":
            asked = newest.lower() if self.trained.lower_case else newest
            return pairs.source_batch(self.trained.reads, [asked], self.trained.longest)
        if self.trained.speaks == "text":
            ids = tokens.encode(self.trained.tokenizer, newest)[-self.trained.longest // 2 :]
        else:
            ids = self._conversation(spoken(messages), self.trained.longest - self.most(sampling) - 1)
        source = torch.tensor([[tokens.BEGIN, *ids]])
        return source, torch.ones_like(source)

    def _conversation(self, messages: Sequence[Message], room: int) -> list[int]:
        """The newest of `messages` and the opening of the reply, as far as there is `room`."""
        room = max(0, room - len(self._opening))
        kept: list[int] = []
        for message in reversed(messages):
            turn = self._turn(message)
            if kept and len(turn) + len(kept) > room:
                break
            kept = turn + kept
        return [*kept[max(0, len(kept) - room) :], *self._opening]

    @property
    def _opening(self) -> list[int]:
        """What stands before a reply; for a model without turns, what ends a source."""
        return self._ids(chatml([], reply=True)) if self.trained.speaks == "chat" else [tokens.END]

    def _turn(self, message: Message) -> list[int]:
        if self.trained.speaks != "chat":
            return tokens.encode(self.trained.tokenizer, message.text)
        return self._ids(chatml([message], reply=False))

    def _ids(self, pieces: Sequence[Piece]) -> list[int]:
        return [number for piece in tokens.encode_pieces(self.trained.tokenizer, pieces) for number in piece]

    def _decoding(self, sampling: Sampling) -> Decoding:
        return Decoding(
            max_tokens=self.most(sampling),
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=max(sampling.top_p, 1e-6),
            min_p=sampling.min_p,
            repeat_penalty=sampling.repeat_penalty,
            no_repeat=NO_REPEAT if self.trained.speaks != "text" and sampling.dry_multiplier else 0,
            ends=(tokens.END, tokens.TURN_BEGIN, tokens.TURN_END),
        )


class Answer:
    """A reply that is written while one goes through it: a piece for each token, empty while a character or a stop
    string may still be going on."""

    def __init__(
        self, ids: Iterator[int], tokenizer: Tokenizer, *, prompt_tokens: int, most: int, stops: Sequence[str]
    ) -> None:
        self.prompt_tokens, self.tokens = prompt_tokens, 0
        self.finish: Finish = "open"
        self._ids, self._tokenizer, self._most, self._stops = ids, tokenizer, most, stops

    def __iter__(self) -> Iterator[str]:
        written: list[int] = []
        told, text = 0, ""
        for number in self._ids:
            written.append(number)
            self.tokens += 1
            text = tokens.decode(self._tokenizer, written)
            if ends := [at for stop in self._stops if (at := text.find(stop)) >= 0]:
                self.finish = "stop"
                yield text[told : min(ends)]
                return
            sure = len(text) - _unsure(text, self._stops)
            yield text[told:sure]
            told = max(told, sure)
        self.finish = "length" if self.tokens == self._most else "stop"
        if text[told:]:
            yield text[told:]


def _unsure(text: str, stops: Sequence[str]) -> int:
    """Characters at the end of `text` that may not stay: half a character, or the beginning of one of `stops`."""
    broken = len(text) - len(text.rstrip("\ufffd"))
    begun = (size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size]))
    return max(broken, max(begun, default=0))
