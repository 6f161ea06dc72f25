import numpy as np
import pytest

from samantha.training import calibration

CHANCE = np.random.default_rng(0)


def test_platt_finds_the_scale_that_was_taken_away() -> None:
    true = CHANCE.normal(size=(20_000, 1)).astype(np.float32) * 2
    labels = (CHANCE.random(true.shape) < 1 / (1 + np.exp(-true))).astype(np.float32)
    fitted = calibration.platt(true / 3 + 1, labels)
    assert fitted.scale[0] == pytest.approx(3, rel=0.1)
    assert fitted.shift[0] == pytest.approx(-3, rel=0.1)


def test_few_positives_leave_a_label_nearly_as_it_was() -> None:
    logits = np.float32([[-3.0], [-2.5], [4.0]])
    fitted = calibration.platt(logits, np.float32([[0], [0], [1]]))
    assert fitted.scale[0] == pytest.approx(1, abs=0.2)


def test_temperature_cools_what_is_too_sure() -> None:
    logits = CHANCE.normal(size=(5000, 3)).astype(np.float32)
    cumulative = np.exp(logits).cumsum(1) / np.exp(logits).sum(1, keepdims=True)
    labels = (CHANCE.random((5000, 1)) > cumulative).sum(1)
    assert calibration.temperature(logits * 4, labels).scale[0] == pytest.approx(0.25, rel=0.1)


def test_the_threshold_is_where_the_two_part() -> None:
    probabilities = np.concatenate([CHANCE.uniform(0.05, 0.35, 500), CHANCE.uniform(0.45, 0.9, 500)])[:, None]
    labels = np.repeat([0.0, 1.0], 500)[:, None]
    (threshold,) = calibration.best_thresholds(labels, probabilities.astype(np.float32))
    assert 0.33 < threshold < 0.5


def test_the_crisis_threshold_is_as_low_as_ordinary_talk_allows() -> None:
    crisis = np.float32([0.2, 0.9, 0.1])
    probabilities = np.stack([1 - crisis, np.zeros_like(crisis), crisis], axis=1)
    talk = np.linspace(0, 0.5, 1000, dtype=np.float32)
    ordinary = np.stack([1 - talk, np.zeros_like(talk), talk], axis=1)
    _, threshold = calibration.level_thresholds(probabilities, np.array([2, 2, 0]), ordinary, alarms=0.1)
    assert (talk >= threshold).mean() <= 0.1 < (talk >= threshold - 0.011).mean()


def test_mean_average_precision_is_one_for_a_perfect_order() -> None:
    labels = np.float32([[1, 0], [0, 1], [0, 0]])
    assert calibration.mean_average_precision(labels, labels) == 1.0
    assert calibration.mean_average_precision(labels[:, :1], np.float32([[0.1], [0.9], [0.5]])) == pytest.approx(1 / 3)
