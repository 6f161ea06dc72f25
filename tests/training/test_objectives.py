import math

import pytest
import torch

from samantha.training import objectives


def test_unknown_labels_cost_nothing() -> None:
    logits = torch.tensor([[5.0, -5.0], [1.0, 1.0]])
    known = torch.tensor([[1.0, 0.0], [-1.0, -1.0]])
    assert objectives.multi_label(logits, known).item() == pytest.approx(2 * math.log1p(math.exp(-5)), rel=1e-4)
    assert objectives.one_label(logits, torch.tensor([-1, -1])).item() == 0.0
    assert objectives.same_direction(logits, torch.zeros(2, 2)).item() == 0.0


def test_vectors_of_the_same_direction_cost_nothing_and_opposite_ones_two() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert objectives.same_direction(vectors, vectors * 3).item() == pytest.approx(0.0, abs=1e-6)
    assert objectives.same_direction(vectors, -vectors).item() == pytest.approx(2.0)


def test_rare_classes_weigh_more_up_to_a_limit() -> None:
    weights = objectives.class_weights(torch.tensor([100.0, 100.0, 1.0]))
    assert weights[2] == 5.0
    assert weights[0] == weights[1] == pytest.approx(math.sqrt(67 / 100), rel=1e-3)


def test_readings_that_agree_cost_nothing_and_only_what_is_known_counts() -> None:
    first, second = torch.tensor([[2.0, 0.0], [9.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 9.0]])
    assert objectives.agreement(first, second, torch.tensor([True, False])).item() == 0.0
    one, other = (torch.log_softmax(each[1], -1) for each in (first, second))
    by_hand = ((one.exp() * (one - other)).sum() + (other.exp() * (other - one)).sum()) / 2
    found = objectives.agreement(first, second, torch.tensor([False, True]))
    assert found.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_logits_are_computed_only_for_the_tokens_that_are_asked_for() -> None:
    seen: list[tuple[int, ...]] = []

    def logits_of(hidden: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(hidden.shape))
        return hidden

    hidden, targets = torch.eye(3)[None] * 5, torch.tensor([[0, -1, 2]])
    loss = objectives.tokens(logits_of, hidden, targets)
    assert seen == [(2, 3)]
    assert loss.item() == pytest.approx(math.log1p(2 * math.exp(-5)), rel=1e-4)
    assert objectives.tokens(logits_of, hidden, torch.full((1, 3), -1)).item() == 0.0


def test_of_masked_tokens_eight_in_ten_are_hidden_one_is_another_and_one_stays() -> None:
    ids = torch.full((100, 100), 7)
    candidates = torch.ones_like(ids)
    candidates[:, :50] = 0
    hidden, targets = objectives.masked(
        ids, candidates, mask=4, vocabulary=1000, generator=torch.Generator().manual_seed(0)
    )
    asked = targets >= 0
    assert not asked[:, :50].any()
    assert asked[:, 50:].float().mean().item() == pytest.approx(0.15, abs=0.02)
    assert (hidden[asked] == 4).float().mean().item() == pytest.approx(0.8, abs=0.04)
    assert (hidden[asked] == 7).float().mean().item() == pytest.approx(0.1, abs=0.04)
    assert torch.equal(hidden[~asked], ids[~asked])
