"""Decoding, on a model small enough that every text it can write is counted."""

import itertools
import math
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from samantha.core.errors import SettingError
from samantha.training import decoding
from samantha.training.decoding import Decoding, Writer
from samantha.training.tokens import BEGIN, END, PAD

TOY = Decoding(max_tokens=6, ends=(0,), never=())
A, B, C = 1, 2, 3


@dataclass(frozen=True)
class Chain:
    """Writes what `tables` (steps, vocabulary, vocabulary) say: logits of a token by its place and the one before."""

    tables: Tensor
    rows: list[int] = field(default_factory=list)  # that each call was made with

    def begin(self, source: Tensor, mask: Tensor) -> tuple[tuple[int, Tensor], Tensor]:
        assert source.shape == mask.shape
        return self.step((0, source[:, 0]), source[:, 0])

    def step(self, state: tuple[int, Tensor], last: Tensor) -> tuple[tuple[int, Tensor], Tensor]:
        self.rows.append(len(last))
        assert state[0] == 0 or len(state[1]) == len(last)
        return (state[0] + 1, last), self.tables[state[0]][last]

    def rearranged(self, state: tuple[int, Tensor], rows: Tensor) -> tuple[int, Tensor]:
        return state[0], state[1][rows]

    def total(self, first: int, text: tuple[int, ...]) -> float:
        """Log-probability of `text` after `first`."""
        pairs = enumerate(itertools.pairwise((first, *text)))
        return sum(self.tables[at].log_softmax(-1)[last, token].item() for at, (last, token) in pairs)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def toy(seed: int, *, vocabulary: int = 4, steps: int = 6) -> Chain:
    return Chain(torch.randn(steps, vocabulary, vocabulary, generator=chance(seed)) * 2)


def path(*texts: tuple[int, ...], steps: int = 6) -> Chain:
    """Text number n is sure to be written after token n."""
    tables = torch.full((steps, 8, 8), -9.0)
    for first, text in enumerate(texts):
        for at, (last, token) in enumerate(itertools.pairwise((first, *text))):
            tables[at, last, token] = 9.0
    return Chain(tables)


def write(writer: Writer[tuple[int, Tensor]], how: Decoding, firsts: tuple[int, ...] = (0,)) -> list[list[int]]:
    source = torch.tensor(firsts)[:, None]
    return decoding.write(writer, source, torch.ones_like(source), how, generator=chance())


def test_greedy_takes_the_most_probable_token_until_the_end() -> None:
    assert write(path((A, B, B, C, 0)), TOY) == [[A, B, B, C]]
    assert write(path((A, B, B, C, 0)), replace(TOY, max_tokens=3)) == [[A, B, B]]
    assert write(path((0,)), TOY) == [[]]


@pytest.mark.parametrize("beams", [1, 2])
def test_rows_that_have_ended_leave_the_batch(beams: int) -> None:
    writer = path((7, 0), (6, 6, 6, 0), (0,))
    assert write(writer, replace(TOY, beams=beams), (0, 1, 2)) == [[7], [6, 6, 6], []]
    if beams == 1:
        assert writer.rows == [3, 2, 1, 1]


def test_no_token_is_asked_for_after_the_last() -> None:
    for beams in (1, 3):
        writer = path((A, A, A, A, A, A))
        assert write(writer, replace(TOY, max_tokens=4, beams=beams, ends=())) == [[A] * 4]
        assert len(writer.rows) == 4


def test_what_one_row_draws_does_not_depend_on_when_others_end() -> None:
    drawn = replace(TOY, temperature=1.5)
    for seed in range(6):
        tables = toy(seed, vocabulary=8).tables
        tables[:, 6, 0], tables[:, 7, 7] = 50.0, 50.0
        with_short, with_long = write(Chain(tables), drawn, (6, 4)), write(Chain(tables), drawn, (7, 4))
        assert (with_short[0], with_long[0]) == ([], [7] * 6)
        assert with_short[1] == with_long[1]


@pytest.mark.parametrize("how", [TOY, replace(TOY, temperature=1.0), replace(TOY, beams=3)])
def test_a_stream_is_what_would_have_been_written(how: Decoding) -> None:
    for seed in range(5):
        source = torch.tensor([[2]])
        streamed = decoding.stream(toy(seed), source, source > 0, how, generator=chance())
        assert list(streamed) == write(toy(seed), how, (2,))[0]


def test_a_stream_gives_a_token_before_the_next_is_computed() -> None:
    writer, source = path((A, B, 0)), torch.tensor([[0]])
    assert next(decoding.stream(writer, source, source > 0, TOY, generator=chance())) == A
    assert writer.rows == [1]


def test_greedy_is_a_beam_of_one() -> None:
    for seed in range(30):
        greedy = write(toy(seed), TOY, (1, 2, 3))
        for penalty in (0.0, 0.6, 2.0):
            how = replace(TOY, length_penalty=penalty)
            assert decoding.beam_search(toy(seed), torch.tensor([[1], [2], [3]]), torch.ones(3, 1), how) == greedy


def best_of_all(writer: Chain, first: int, penalty: float, *, longest: int) -> list[int]:
    """The ended text of at most `longest` tokens, 0 among them, with the best normalized log-probability."""
    words = range(1, writer.tables.shape[1])
    texts = [(*text, 0) for size in range(longest) for text in itertools.product(words, repeat=size)]
    best = max(texts, key=lambda text: writer.total(first, text) / ((5 + len(text)) / 6) ** penalty)
    return list(best[:-1])


def ending(seed: int, *, after: int) -> Chain:
    """A toy that ends for sure once it has written `after` tokens."""
    writer = toy(seed)
    writer.tables[after, :, 0] = 50.0
    return writer


def test_a_beam_of_the_size_of_the_vocabulary_finds_the_most_probable_text() -> None:
    for seed in range(30):
        found = write(ending(seed, after=2), replace(TOY, beams=4, length_penalty=0.0), (1, 2))
        assert found == [best_of_all(ending(seed, after=2), first, 0.0, longest=3) for first in (1, 2)]


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
def test_a_beam_as_wide_as_all_texts_finds_the_best_of_them(penalty: float) -> None:
    for seed in range(10):
        found = write(ending(seed, after=3), replace(TOY, beams=64, length_penalty=penalty), (1, 3))
        assert found == [best_of_all(ending(seed, after=3), first, penalty, longest=4) for first in (1, 3)]


def test_a_beam_finds_what_greed_misses() -> None:
    tables = torch.full((6, 4, 4), -20.0)
    tables[0, 0, [A, B]] = torch.tensor([0.6, 0.4]).log()
    tables[1, A, [A, B, C]] = torch.tensor([0.4, 0.3, 0.3]).log()
    tables[1, B, C] = 0.0
    tables[2, :, 0] = 0.0
    assert write(Chain(tables), TOY) == [[A, A]]  # 0.24
    assert write(Chain(tables), replace(TOY, beams=2)) == [[B, C]]  # 0.4


def test_a_higher_length_penalty_prefers_longer_texts() -> None:
    tables = torch.full((6, 4, 4), -20.0)
    tables[0, 0, [0, A]] = torch.tensor([0.6, 0.4]).log()
    tables[1, A, A] = tables[2, A, A] = tables[3, A, 0] = 0.0
    assert write(Chain(tables), replace(TOY, beams=2, length_penalty=0.0)) == [[]]
    assert write(Chain(tables), replace(TOY, beams=2, length_penalty=2.0)) == [[A, A, A]]


def test_a_row_goes_on_while_what_goes_on_is_better_than_what_has_ended() -> None:
    tables = torch.full((6, 4, 4), -20.0)
    tables[0, 0, [A, 0, B]] = torch.tensor([0.5, 0.3, 0.2]).log()
    tables[1, A, [C, 0]], tables[1, B, [0, C]] = torch.tensor([0.9, 0.1]).log(), torch.tensor([0.9, 0.1]).log()
    tables[2, C, 0] = 0.0
    assert write(Chain(tables), replace(TOY, beams=2, length_penalty=0.0)) == [[A, C]]  # 0.45, after 0.3 and 0.18


def test_what_ends_takes_no_place_from_what_goes_on() -> None:
    tables = torch.full((6, 4, 4), -20.0)
    tables[0, 0, [0, A, B]] = torch.tensor([0.5, 0.3, 0.2]).log()
    tables[1, A, [A, B, C]] = torch.tensor([0.34, 0.33, 0.33]).log()
    tables[1, B, C] = tables[2, C, 0] = 0.0
    assert write(Chain(tables), replace(TOY, beams=2, length_penalty=5.0)) == [[B, C]]


def kept(scores: Tensor) -> list[list[int]]:
    return [row.isfinite().nonzero().flatten().tolist() for row in scores]


PROBABILITIES = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]])
SCORES = PROBABILITIES.log()


def test_top_k_keeps_the_k_most_probable() -> None:
    assert kept(decoding.top_k(SCORES, 2)) == [[0, 1], [2, 3]]
    assert kept(decoding.top_k(SCORES, 0)) == kept(decoding.top_k(SCORES, 9)) == [[0, 1, 2, 3]] * 2


def test_top_p_keeps_the_fewest_that_sum_to_p() -> None:
    assert kept(decoding.top_p(SCORES, 0.75)) == [[0, 1], [1, 2, 3]]
    assert kept(decoding.top_p(SCORES, 0.45)) == [[0], [2, 3]]
    assert kept(decoding.top_p(SCORES, 0.01)) == [[0], [3]]
    assert kept(decoding.top_p(SCORES, 1.0)) == [[0, 1, 2, 3]] * 2


def test_min_p_keeps_those_within_a_share_of_the_most_probable() -> None:
    assert kept(decoding.min_p(SCORES, 0.28)) == [[0, 1, 2], [1, 2, 3]]  # from 0.14 and from 0.112 upwards
    assert kept(decoding.min_p(SCORES, 0.9)) == [[0], [3]]
    assert kept(decoding.min_p(SCORES, 0.0)) == [[0, 1, 2, 3]] * 2


def test_filters_work_on_what_the_one_before_has_left() -> None:
    how = replace(TOY, temperature=1.0, top_k=2, top_p=0.6)  # 0.5 is 0.625 of what top-k leaves
    chances = torch.linspace(0, 0.999, 50)
    assert set(decoding.drawn(SCORES[:1].expand(50, -1), how, chances).tolist()) == {0}


@pytest.mark.parametrize(
    ("temperature", "shares"),
    [(1.0, (0.5, 0.3, 0.2)), (0.5, (25 / 38, 9 / 38, 4 / 38)), (1e-4, (1.0, 0.0, 0.0))],
)
def test_tokens_are_drawn_in_proportion_to_their_sharpened_probabilities(
    temperature: float, shares: tuple[float, ...]
) -> None:
    scores, chances = torch.tensor([[0.5, 0.3, 0.2]]).log(), torch.arange(1000) / 1000
    tokens = decoding.drawn(scores.expand(1000, -1), replace(TOY, temperature=temperature), chances)
    assert (torch.bincount(tokens, minlength=3) / 1000).tolist() == pytest.approx(shares, abs=0.002)


def test_a_token_without_probability_is_never_drawn() -> None:
    scores = torch.tensor([[-torch.inf, 0.5, -torch.inf, 0.5, -torch.inf]]).expand(3, -1)
    chances = torch.tensor([0.0, 0.4, 1 - 2**-24])
    assert decoding.drawn(scores, replace(TOY, temperature=1.0), chances).tolist() == [1, 1, 3]


def test_the_same_seed_writes_the_same() -> None:
    how = replace(TOY, temperature=2.0)
    assert write(toy(1), how, (1, 2, 3)) == write(toy(1), how, (1, 2, 3))


def test_a_written_token_loses_by_the_repeat_penalty() -> None:
    logits = torch.tensor([[4.0, -2.0, 1.0]])
    found = decoding.scores_of(logits, torch.tensor([[0, 1, 0]]), replace(TOY, repeat_penalty=2.0))
    assert found.tolist() == [pytest.approx(torch.tensor([2.0, -4.0, 1.0]).log_softmax(-1).tolist())]


def test_no_phrase_comes_twice() -> None:
    assert write(path((A, B, A, B, A, B)), TOY) == [[A, B, A, B, A, B]]
    for beams in (1, 4):
        (text,) = write(path((A, B, A, B, A, B)), replace(TOY, no_repeat=2, beams=beams, ends=()))
        assert len(set(itertools.pairwise(text))) == len(text) - 1 == 5


def test_phrases_are_found_in_all_that_was_written() -> None:
    logits, written = torch.zeros(2, 4), torch.tensor([[A, B, C, A], [A, A, A, B]])
    assert kept(decoding.scores_of(logits, written, replace(TOY, no_repeat=2))) == [[0, 1, 3], [0, 1, 2, 3]]
    assert kept(decoding.scores_of(logits, written, replace(TOY, no_repeat=1))) == [[0], [0, 3]]
    assert kept(decoding.scores_of(logits, written, replace(TOY, no_repeat=5))) == [[0, 1, 2, 3]] * 2


def test_padding_and_beginnings_are_never_written() -> None:
    scores = decoding.scores_of(torch.zeros(1, 7), torch.zeros(1, 0, dtype=torch.long), Decoding())
    assert kept(scores) == [[END, 5, 6]]
    assert scores[0, PAD] == scores[0, BEGIN] == -math.inf


def test_what_is_forbidden_leaves_the_probability_of_the_others_alone() -> None:
    scores = decoding.scores_of(torch.zeros(1, 4), torch.zeros(1, 0, dtype=torch.long), replace(TOY, never=(A,)))
    assert scores[0, B].item() == pytest.approx(math.log(0.25))


def test_a_beam_wider_than_the_vocabulary_ends() -> None:
    assert write(path((A, 0)), replace(TOY, beams=50, never=(2, 3, 4, 5, 6, 7))) == [[A]]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"beams": 0}, "beams is 0"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"min_p": 1.5}, "min_p is 1.5. It has to lie between 0 and 1"),
        ({"beams": 4, "temperature": 0.7}, "Beam search does not draw, but temperature is 0.7"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float], complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        Decoding(**settings)  # type: ignore[arg-type]
