"""From logits to text: greedy, beam search, and drawing with temperature, top-k, top-p, min-p and repetition control.

It knows models only as a `Writer`, and texts only as token ids. Not here: the models (`samantha.training.models`), or
what stands before the first token (the caller's `source`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from samantha.core.errors import SettingError
from samantha.training import ranges
from samantha.training.tokens import BEGIN, END, MASK, PAD, UNKNOWN

State = TypeVar("State")


class Writer(Protocol[State]):
    """A model, in evaluation mode, that writes token by token. A state is what it has read and written so far."""

    def begin(self, source: Tensor, mask: Tensor) -> tuple[State, Tensor]:
        """Read `source` (rows, tokens), `mask` the same, 1 for a token; logits (rows, vocabulary) of the first token
        to write."""

    def step(self, state: State, last: Tensor) -> tuple[State, Tensor]:
        """Read `last` (rows), the token just chosen; logits (rows, vocabulary) of the next."""

    def rearranged(self, state: State, rows: Tensor) -> State:
        """The state of `rows`, in that order; one may come several times (beams) or not at all (it has ended)."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How text is written. The names are those of the field; the defaults are greedy."""

    max_tokens: int = 128
    beams: int = 1  # hypotheses a row; more than one is beam search
    length_penalty: float = 0.6  # alpha of Wu et al. 2016, for beams; 0 prefers short texts
    temperature: float = 0.0  # 0 takes the most probable token
    top_k: int = 0  # 0 is off
    top_p: float = 1.0  # 1 is off
    min_p: float = 0.0  # 0 is off
    repeat_penalty: float = 1.0  # on tokens that were written (Keskar et al. 2019); 1 is off
    no_repeat: int = 0  # tokens of the shortest phrase that never comes twice (Paulus et al. 2018); 0 is off
    ends: tuple[int, ...] = (END,)  # tokens that end a text; they are not part of it
    never: tuple[int, ...] = (PAD, BEGIN, UNKNOWN, MASK)  # tokens that are never written

    def __post_init__(self) -> None:
        """Raises `SettingError` where a value is out of its range, or beams are to be drawn."""
        ranges.check(self, RANGES)
        if self.beams > 1 and self.temperature > 0:
            raise SettingError(
                "Beam search does not draw, but temperature is {temperature}. Set it to 0, or beams from {beams} to 1.",
                beams=self.beams,
                temperature=self.temperature,
            )


RANGES: dict[str, tuple[float, float]] = {
    "max_tokens": (1, math.inf),
    "beams": (1, math.inf),
    "temperature": (0, math.inf),
    "top_k": (0, math.inf),
    "top_p": (1e-6, 1),
    "min_p": (0, 1),
    "repeat_penalty": (1e-6, math.inf),
    "no_repeat": (0, math.inf),
}


def write(
    writer: Writer[State], source: Tensor, mask: Tensor, decoding: Decoding, *, generator: torch.Generator
) -> list[list[int]]:
    """The token ids that follow each row of `source` (rows, tokens), without the one that ended it.

    `generator` is asked only where the temperature is above 0. What a row draws does not depend on when others end.
    """
    if decoding.beams > 1:
        return beam_search(writer, source, mask, decoding)
    written: list[list[int]] = [[] for _ in source]
    for rows, tokens in _steps(writer, source, mask, decoding, generator):
        for row, token in zip(rows, tokens, strict=True):
            written[row].append(token)
    return written


def stream(
    writer: Writer[State], source: Tensor, mask: Tensor, decoding: Decoding, *, generator: torch.Generator
) -> Iterator[int]:
    """The same for one row, each token as soon as it is chosen. With beams nothing is sure before the end."""
    if decoding.beams > 1:
        yield from beam_search(writer, source, mask, decoding)[0]
        return
    for _, (token,) in _steps(writer, source, mask, decoding, generator):
        yield token


@torch.inference_mode()
def _steps(
    writer: Writer[State], source: Tensor, mask: Tensor, decoding: Decoding, generator: torch.Generator
) -> Iterator[tuple[list[int], list[int]]]:
    """At each step the rows that go on, and the token that each has chosen."""
    state, logits = writer.begin(source, mask)
    rows, written = list(range(len(source))), source.new_empty(len(source), 0)
    for left in reversed(range(decoding.max_tokens)):
        scores = _allowed(_penalized(logits, written, decoding), written, decoding)
        tokens = (
            drawn(scores, decoding, _chances(source, generator)[rows]) if decoding.temperature else scores.argmax(-1)
        )
        chosen = tokens.tolist()
        going = [at for at, token in enumerate(chosen) if token not in decoding.ends]
        if not going:
            return
        if len(going) < len(rows):
            kept = torch.tensor(going, device=source.device)
            tokens, written, state = tokens[kept], written[kept], writer.rearranged(state, kept)
            rows, chosen = [rows[at] for at in going], [chosen[at] for at in going]
        yield rows, chosen
        if left:
            written = torch.cat([written, tokens[:, None]], dim=1)
            state, logits = writer.step(state, tokens)


def _chances(source: Tensor, generator: torch.Generator) -> Tensor:
    """A number from 0 to 1 for each row of `source`, drawn where the generator lives."""
    return torch.rand(len(source), generator=generator, device=generator.device).to(source.device)


def scores_of(logits: Tensor, written: Tensor, decoding: Decoding) -> Tensor:
    """Log-probabilities (rows, vocabulary) after repetition control; -inf where a token may not be written.

    `logits` (rows, vocabulary), `written` (rows, length). What is forbidden takes no probability from the others, so
    that beams with and without it stay comparable.
    """
    scores = torch.log_softmax(_penalized(logits, written, decoding), dim=-1)
    return _allowed(scores, written, decoding)


def _penalized(logits: Tensor, written: Tensor, decoding: Decoding) -> Tensor:
    """`logits` (rows, vocabulary) in which the tokens that were written have lost by the repeat penalty."""
    logits = logits.float()
    if decoding.repeat_penalty == 1:
        return logits
    seen = logits.gather(1, written)
    seen = torch.where(seen > 0, seen / decoding.repeat_penalty, seen * decoding.repeat_penalty)
    return logits.scatter(1, written, seen)


def _allowed(scores: Tensor, written: Tensor, decoding: Decoding) -> Tensor:
    """`scores` (rows, vocabulary), -inf where a token may not be written."""
    if decoding.never:
        scores = scores.index_fill(1, torch.tensor(decoding.never, device=scores.device), -torch.inf)
    if 0 < decoding.no_repeat <= written.shape[1]:
        scores = scores.masked_fill(_repeating(written, decoding.no_repeat, scores.shape[1]), -torch.inf)
    return scores


def _repeating(written: Tensor, size: int, vocabulary: int) -> Tensor:
    """True (rows, vocabulary) for tokens that would complete a phrase of `size` tokens that was written before."""
    phrases = written.unfold(1, size, 1)  # (rows, phrases, size)
    newest = written[:, None, written.shape[1] - size + 1 :]
    again = (phrases[..., :-1] == newest).all(-1)
    counts = written.new_zeros(len(written), vocabulary)
    return counts.scatter_add(1, phrases[..., -1], again.long()) > 0


def drawn(scores: Tensor, decoding: Decoding, chances: Tensor) -> Tensor:
    """One token a row (rows), from what the filters leave of `scores` (rows, vocabulary).

    Filters come before the temperature, as in llama.cpp: the same settings mean the same for both. `chances` (rows)
    picks a place in the cumulated probabilities.
    """
    kept = min_p(top_p(top_k(scores, decoding.top_k), decoding.top_p), decoding.min_p)
    cumulated = torch.softmax(kept.double() / decoding.temperature, dim=-1).cumsum(-1)
    place = chances[:, None].double() * cumulated[:, -1:]
    return torch.searchsorted(cumulated, place, right=True).squeeze(1)


def top_k(scores: Tensor, k: int) -> Tensor:
    """`scores` with all but the `k` highest of a row at -inf (Fan et al. 2018); 0 keeps all."""
    if not 0 < k < scores.shape[1]:
        return scores
    return scores.masked_fill(scores < scores.topk(k).values[:, -1:], -torch.inf)


def top_p(scores: Tensor, p: float) -> Tensor:
    """`scores` with all at -inf but the fewest whose probabilities sum to `p` or more (Holtzman et al. 2020)."""
    if p >= 1:
        return scores
    ordered, at = torch.softmax(scores, dim=-1).sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return scores.masked_fill((before >= p).scatter(1, at, before >= p), -torch.inf)


def min_p(scores: Tensor, share: float) -> Tensor:
    """`scores` with those at -inf whose probability is below `share` of the highest (Nguyen et al. 2024)."""
    if share <= 0:
        return scores
    return scores.masked_fill(scores < scores.amax(-1, keepdim=True) + math.log(share), -torch.inf)


@dataclass(frozen=True, slots=True)
class _Beams:
    """Hypotheses of each row, the best first; all of (rows, hypotheses)."""

    totals: Tensor  # log-probability of all tokens
    parents: Tensor  # which hypothesis it continues, counted through all rows
    tokens: Tensor  # what it adds to it


@dataclass(slots=True)
class _Ended:
    """Of one row: how many hypotheses have ended, and the best of them."""

    count: int = 0
    score: float = -math.inf
    tokens: list[int] = field(default_factory=list)


@torch.inference_mode()
def beam_search(writer: Writer[State], source: Tensor, mask: Tensor, decoding: Decoding) -> list[list[int]]:
    """The best text that `decoding.beams` hypotheses a row have found: token ids without the one that ended it.

    A hypothesis ends if its ending is among the best `beams` continuations. A row ends once as many have ended and
    the best that goes on would be no better if it ended now. One cut at `max_tokens` counts only if none has ended.
    """
    state, logits = writer.begin(source, mask)
    rows, ended = list(range(len(source))), [_Ended() for _ in source]
    written, totals = source.new_empty(len(source), 0), torch.zeros(len(source), 1, device=source.device)
    ends = torch.tensor(decoding.ends, dtype=source.dtype, device=source.device)
    for length in range(1, decoding.max_tokens + 1):
        beams = _continued(totals, scores_of(logits, written, decoding), decoding)
        over = torch.isin(beams.tokens, ends)
        _collect(beams, over, written, [ended[row] for row in rows], decoding)
        beams = _going_on(beams, over, decoding.beams)
        bests = beams.totals[:, 0].tolist()
        going = [at for at, row in enumerate(rows) if not _done(ended[row], bests[at], length, decoding)]
        rows, totals = [rows[at] for at in going], beams.totals[going]
        parents, tokens = beams.parents[going].flatten(), beams.tokens[going].flatten()
        written = torch.cat([written[parents], tokens[:, None]], dim=1)
        if not rows or length == decoding.max_tokens:
            break
        state, logits = writer.step(writer.rearranged(state, parents), tokens)
    for row, cut in zip(rows, written[:: totals.shape[1]].tolist(), strict=True):
        if not ended[row].count:
            ended[row].tokens = cut
    return [one.tokens for one in ended]


def _continued(totals: Tensor, scores: Tensor, decoding: Decoding) -> _Beams:
    """The best continuations: enough of them that `beams` are left when those that end are taken away.

    `totals` (rows, hypotheses) so far, `scores` (rows * hypotheses, vocabulary) of the next token.
    """
    rows, wide = totals.shape
    vocabulary = scores.shape[1]
    every = (totals[..., None] + scores.view(rows, wide, vocabulary)).flatten(1)
    best, at = every.topk(min(every.shape[1], decoding.beams * (1 + len(decoding.ends))))
    first = torch.arange(rows, device=totals.device)[:, None] * wide
    return _Beams(best, first + at // vocabulary, at % vocabulary)


def _going_on(beams: _Beams, over: Tensor, wide: int) -> _Beams:
    """The best `wide` that have not ended. Where a vocabulary is too small for as many, an ended one stays at -inf."""
    at = over.byte().argsort(dim=1, stable=True)[:, :wide]
    totals = beams.totals.masked_fill(over, -torch.inf).gather(1, at)
    return _Beams(totals, beams.parents.gather(1, at), beams.tokens.gather(1, at))


def _collect(beams: _Beams, over: Tensor, written: Tensor, ended: list[_Ended], decoding: Decoding) -> None:
    """Note in `ended`, one a row, which of `beams` have ended among the best."""
    counts = over[:, : decoding.beams] & beams.totals[:, : decoding.beams].isfinite()
    for row, rank in counts.nonzero().tolist():
        score = _normalized(beams.totals[row, rank].item(), written.shape[1] + 1, decoding)
        ended[row].count += 1
        if score > ended[row].score:
            ended[row].score, ended[row].tokens = score, written[beams.parents[row, rank]].tolist()


def _done(ended: _Ended, best: float, length: int, decoding: Decoding) -> bool:
    """Whether a row has ended, of which the best hypothesis that goes on has the log-probability `best`."""
    enough = ended.count >= decoding.beams and _normalized(best, length, decoding) <= ended.score
    return enough or best == -math.inf


def _normalized(total: float, length: int, decoding: Decoding) -> float:
    """A log-probability made fair to long texts (Wu et al. 2016, equation 14). `length` counts the ending."""
    return total / math.pow((5 + length) / 6, decoding.length_penalty)
