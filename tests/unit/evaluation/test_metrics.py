"""Measures of quality, against values worked out by hand or taken from scikit-learn 1.9 and SciPy 1.17."""

import numpy as np
import pytest

from samantha.evaluation import metrics


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    assert metrics.f1([1, 1, 1, 0, 0], [1, 0, 0, 1, 0]) == pytest.approx(2 * 1 / 3 * 1 / 2 / (1 / 3 + 1 / 2))


def test_f1_is_nothing_where_nothing_is_found() -> None:
    assert metrics.f1([0, 0], [0, 0]) == 0


def test_in_macro_f1_a_rare_label_counts_as_much_as_a_frequent_one() -> None:
    truth = [[1, 0], [1, 0], [1, 0], [0, 1]]
    assert metrics.macro_f1([[1, 0], [1, 0], [1, 0], [0, 0]], truth) == 0.5


def test_the_best_threshold_lies_between_what_belongs_and_what_does_not() -> None:
    found = metrics.best_thresholds([[0.9], [0.6], [0.4], [0.1]], [[1], [1], [0], [0]])
    assert found == pytest.approx([0.5])


def test_no_threshold_parts_equal_probabilities() -> None:
    (found,) = metrics.best_thresholds([[0.7], [0.7], [0.2]], [[1], [0], [0]])
    assert found == pytest.approx(0.45)


def test_a_label_without_examples_is_never_found() -> None:
    assert metrics.best_thresholds([[0.9], [0.2]], [[0], [0]]) == [np.inf]


def test_no_other_threshold_has_a_higher_f1() -> None:
    chance = np.random.default_rng(1)
    truth, scores = chance.random(40) < 0.3, chance.random(40)
    (best,) = metrics.best_thresholds(scores[:, None], truth[:, None])
    assert all(metrics.f1(scores >= best, truth) >= metrics.f1(scores >= at, truth) for at in scores)


def test_spearman_gives_equal_values_their_mean_rank() -> None:
    assert metrics.spearman([1, 2, 2, 3, 5], [1, 3, 2, 2, 9]) == pytest.approx(7.25 / 9.5)


def test_a_constant_correlates_with_nothing() -> None:
    assert metrics.spearman([1, 1, 1], [1, 2, 3]) == 0


def test_the_calibration_error_is_the_gap_of_each_bin_by_its_size() -> None:
    error = metrics.expected_calibration_error([0.9, 0.8, 0.2, 0.3], [1, 1, 0, 1], bins=2)
    assert error == pytest.approx((abs(0.25 - 0.5) + abs(0.85 - 1)) / 2)


def test_more_bins_than_examples_do_no_harm() -> None:
    assert metrics.expected_calibration_error([0.75], [1]) == pytest.approx(0.25)


def test_saying_the_prevalence_has_no_brier_skill() -> None:
    truth = [[1, 0], [0, 0], [0, 0], [0, 1]]
    assert metrics.brier_skill([[0.25, 0.25]] * 4, truth) == pytest.approx(0)
    assert metrics.brier_skill(truth, truth) == 1


def test_average_precision_sums_precision_at_each_gain_of_recall() -> None:
    assert metrics.average_precision([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]) == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_does_not_depend_on_the_order_of_equals() -> None:
    assert metrics.average_precision([0.5, 0.5, 0.1], [0, 1, 0]) == metrics.average_precision(
        [0.5, 0.5, 0.1], [1, 0, 0]
    )
    assert metrics.average_precision([0.5, 0.5, 0.1], [0, 1, 0]) == 0.5
