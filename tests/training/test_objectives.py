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
